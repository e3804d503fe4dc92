// SPDX-License-Identifier: Apache-2.0
// What is proven of host_port.v: all its streams keep what they offer until it is taken; an image's packet passes only if its
// channel has room for all of it, so room is never owed; every result packet that the host has taken gives one credit, with
// its words, its slot and its source. One slot, any, is watched; credits never bring more room than 16 bits count.

    reg f_past = 1'b0;
    always @(posedge clk) f_past <= 1'b1;
    always @* if (!f_past) assume (rst);
    (* anyconst *) wire [7:0] f_node;

    // Packets of both sides have as many words as their heads say; what is offered stays.
    reg       f_in_head, f_out_head;
    reg [7:0] f_in_left, f_out_left;
    wire      f_in = s_host_valid && s_host_ready;
    wire      f_out = m_host_valid && m_host_ready;
    always @(posedge clk) begin
        if (f_in) f_in_head <= s_host_last;
        if (f_in) f_in_left <= f_in_head ? s_host_data[`IMC_HEAD_LENGTH] : f_in_left - 8'd1;
        if (rst) f_in_head <= 1'b1;
    end
    always @* begin
        assume (node == f_node);
        if (s_host_valid && f_in_head)
            assume (s_host_data[`IMC_HEAD_LENGTH] != 0
                    && s_host_last == (s_host_data[`IMC_HEAD_KIND] != `IMC_KIND_DATA
                                       && s_host_data[`IMC_HEAD_KIND] != `IMC_KIND_WRITE));
        if (s_host_valid && !f_in_head) assume (s_host_last == (f_in_left == 1));
    end
    reg          f_in_waits;                      // assumed at once: a clocked assumption counts a cycle later
    reg [WORD:0] f_in_flit;
    always @(posedge clk) f_in_waits <= s_host_valid && !s_host_ready && !rst;
    always @(posedge clk) f_in_flit <= {s_host_last, s_host_data};
    always @* if (f_past && f_in_waits) assume (s_host_valid && {s_host_last, s_host_data} == f_in_flit);
    always @(posedge clk) if (f_past && !$past(rst)) begin
        if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data) && $stable(m_last));
        if ($past(m_host_valid && !m_host_ready)) assert (m_host_valid && $stable(m_host_data) && $stable(m_host_last));
        if ($past(m_credit_valid && !m_credit_ready)) assert (m_credit_valid && $stable(m_credit_data));
    end

    // Nothing passes twice or not at all: a flit is taken when it passes, or is for this node.
    always @* if (f_past) begin
        assert (f_in_head == (in_q == ST_HEAD) && in_q != 2'd3);
        if (m_valid) assert (s_host_valid && m_data == s_host_data && m_last == s_host_last);
        if (m_valid) assert (s_host_ready == m_ready);
    end

    // Room of the watched slot, in more bits than the registers have.
    (* anyconst *) wire [SLOT_BITS-1:0] f_slot;
    reg                                 f_known;  // since its entry was written
    reg [16:0]                          f_room;
    wire                                f_sends = f_in && in_q == ST_HEAD && is_data && slot == f_slot;
    wire                                f_gets = s_credit_valid && credit_slot == f_slot;
    wire                                f_entry = own_write && own_q[SLOT_BITS-1:0] == f_slot;
    wire [16:0]                         f_more = f_gets ? {1'b0, s_credit_data[`IMC_CREDIT_WORDS]} : 17'd0;
    wire [16:0]                         f_less = f_sends ? {1'b0, length} : 17'd0;
    always @* begin
        assume (f_slot < SLOTS);
        if (f_known) assume ({1'b0, f_room} + {1'b0, f_more} <= 18'd65535);
        if (f_entry) assume (!f_gets && !f_known);
        if (f_known && run) assume (!f_entry);
    end
    always @(posedge clk) begin
        if (f_known) f_room <= f_room + f_more - f_less;
        if (f_entry) {f_known, f_room} <= {2'b10, s_host_data[`IMC_DESTINATION_ROOM]};
        if (rst) f_known <= 1'b0;
    end
    wire [15:0] f_says = granted[f_slot] - sent[f_slot];
    always @* if (f_past && f_known) begin
        assert (f_room <= 17'd65535 && f_says == f_room[15:0]);
        if (offered_q && in_q == ST_HEAD && s_host_valid && is_data && slot == f_slot) assert (f_room >= {1'b0, length});
        if (f_sends) assert (f_room >= f_less);
        if (m_valid && in_q == ST_HEAD && is_data && slot == f_slot) assert (f_room >= {1'b0, length});
    end
    always @(posedge clk) if (f_past && offered_q) assert (!$past(rst) && $past(m_valid && !m_ready && in_q == ST_HEAD));
    always @* if (f_past && offered_q) assert (in_q == ST_HEAD);

    // Credits: one for every result packet, at its end.
    reg [`IMC_ENTRY_BITS-1:0] f_head;
    always @(posedge clk) if (f_out && !body_q) f_head <= m_host_data[`IMC_ENTRY_BITS-1:0];
    always @* if (f_past && (body_q || m_credit_valid)) assert (f_head == head_q);
    always @(posedge clk) if (f_past) begin
        if ($past(rst)) assert (!m_credit_valid);
        else begin
            if ($past(f_out && m_host_last && body_q && data_q)) assert (m_credit_valid);
            else assert (m_credit_valid == $past(m_credit_valid && !m_credit_ready));
            if ($past(m_credit_valid && !m_credit_ready)) assert (!$past(f_out));
        end
    end
    always @* if (f_past && m_credit_valid)
        assert (m_credit_data[`IMC_CREDIT_NODE] == f_head[`IMC_HEAD_SOURCE]
                && m_credit_data[`IMC_CREDIT_SLOT] == f_head[`IMC_DATA_SLOT]
                && m_credit_data[`IMC_CREDIT_WORDS] == {8'd0, f_head[`IMC_HEAD_LENGTH]});

    always @(posedge clk) if (f_past && !rst) begin
        cover (f_known && f_sends && f_room == {1'b0, length});
        cover (f_known && s_host_valid && is_data && slot == f_slot && in_q == ST_HEAD && run && f_room < length);
        cover (offered_q && !run);
        cover (m_credit_valid && !m_credit_ready && out_valid);
        cover (f_known && f_gets && f_sends);
    end

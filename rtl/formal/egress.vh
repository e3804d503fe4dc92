// SPDX-License-Identifier: Apache-2.0
// What is proven of egress.v: the stream law, and that every word taken from the engine goes to every destination of its
// actor, once and in its place behind the right head, before its buffer is filled again. One word, of all that are ever
// taken, is watched. Tables stand: whatever they hold, and at least one destination each.

    reg f_past = 1'b0;
    always @(posedge clk) f_past <= 1'b1;
    always @* if (!f_past) assume (rst);
    (* anyconst *) wire [7:0] f_node;

    reg                f_open;                    // a firing is under way, of this context
    reg [CTX_BITS-1:0] f_ctx;
    always @(posedge clk) begin
        if (take) {f_open, f_ctx} <= {!s_last, s_ctx};
        if (rst) f_open <= 1'b0;
    end
    always @* begin
        assume (!cfg_valid && node == f_node);
        assume (s_ctx < CONTEXTS && destinations[s_ctx] != 0 && destinations[s_ctx] <= DESTINATIONS);
        if (s_valid && f_open) assume (s_ctx == f_ctx);
        assume (destinations[send_ctx] != 0 && destinations[send_ctx] <= DESTINATIONS);
    end
    always @(posedge clk) if (f_past && !$past(rst)) begin
        if ($past(s_valid && !s_ready)) assume (s_valid && $stable(s_data) && $stable(s_ctx) && $stable(s_last));
        if ($past(s_reply_valid && !s_reply_ready))
            assume (s_reply_valid && $stable(s_reply_data) && $stable(s_reply_last));
        if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data) && $stable(m_last));
    end

    // Which buffers are full, in which order; every index inside its packet.
    wire f_sending = state_q == ST_HEAD || state_q == ST_PAYLOAD;
    always @* if (f_past) begin
        assert ({1'b0, fill_q} < PACKET);
        assert ((fill_bank_q == send_bank_q) == (full_q == 2'b00 || full_q == 2'b11));
        if (full_q != 0) assert (full_q[send_bank_q]);
        if (f_sending) assert (full_q[send_bank_q] && dest_q < destinations[send_ctx]);
        if (f_sending) assert ({{8-INDEX_BITS{1'b0}}, send_q} < send_length);
        if (state_q == ST_HEAD) assert (send_q == 0);
        if (full_q[0]) assert (length_0_q != 0 && length_0_q <= PACKET && ctx_0_q < CONTEXTS);
        if (full_q[1]) assert (length_1_q != 0 && length_1_q <= PACKET && ctx_1_q < CONTEXTS);
        if (take) assert (!full_q[fill_bank_q]);
        if (sent && !reply) assert (full_q[send_bank_q]);
        if (sent && reply) assert (s_reply_valid && s_reply_ready && m_data == s_reply_data && m_last == s_reply_last);
        if (fill_q != 0) assert (f_open);
    end

    // Packets are whole: a head, as many words as it says, the last of them marked; replies only in between.
    reg       f_body;
    reg [7:0] f_left;
    always @(posedge clk) begin
        if (sent && !reply) begin
            f_body <= !m_last;
            f_left <= f_body ? f_left - 8'd1 : m_data[`IMC_HEAD_LENGTH];
        end
        if (rst) f_body <= 1'b0;
    end
    always @* if (f_past) begin
        assert (f_body == (state_q == ST_PAYLOAD));
        if (f_body) assert (f_left == send_length - {{8-INDEX_BITS{1'b0}}, send_q} && !reply);
        if (m_valid && f_body) assert (m_last == (f_left == 1));
        if (m_valid && !f_body && !reply) assert (!m_last);
        if (m_valid && !f_body && !reply)
            assert (m_data[`IMC_HEAD_KIND] == `IMC_KIND_DATA && m_data[`IMC_HEAD_SOURCE] == f_node
                    && m_data[`IMC_HEAD_NODE] == target[7:0]);
    end

    // The watched word: it lies in its buffer until it has been sent to so many destinations.
    (* anyseq *) wire    f_choose;
    reg                  f_watch, f_bank;
    reg [INDEX_BITS-1:0] f_index;
    reg [WORD-1:0]       f_word;
    reg [CTX_BITS-1:0]   f_owner;
    reg [7:0]            f_times;
    wire [INDEX_BITS:0]  f_slot = {1'b0, f_index} + (f_bank ? PACKET[INDEX_BITS:0] : {INDEX_BITS+1{1'b0}});
    wire                 f_now = f_watch && full_q[f_bank] && send_bank_q == f_bank;
    wire                 f_freed = state_q == ST_PAYLOAD && sent && m_last && last_dest;
    always @(posedge clk) begin
        if (f_now && state_q == ST_PAYLOAD && send_q == f_index && sent) f_times <= f_times + 8'd1;
        if (f_now && f_freed) f_watch <= 1'b0;
        if (take && f_choose && !f_watch) begin
            {f_watch, f_bank, f_index, f_word, f_owner} <= {1'b1, fill_bank_q, fill_q, s_data, s_ctx};
            f_times <= 8'd0;
        end
        if (rst) f_watch <= 1'b0;
    end
    always @* if (f_past && f_watch) begin
        assert (buffer[f_slot] == f_word);
        if (full_q[f_bank]) assert ((f_bank ? ctx_1_q : ctx_0_q) == f_owner);
        if (full_q[f_bank]) assert ({{8-INDEX_BITS{1'b0}}, f_index} < (f_bank ? length_1_q : length_0_q));
        if (!full_q[f_bank]) assert (fill_bank_q == f_bank && f_index < fill_q && f_open && f_ctx == f_owner);
        if (f_now && f_sending)
            assert (f_times == dest_q + {7'd0, state_q == ST_PAYLOAD && send_q > f_index});
        else assert (f_times == 0);
        if (f_now && state_q == ST_PAYLOAD && send_q == f_index) assert (m_data == f_word);
        if (f_now && f_freed) assert (f_times + {7'd0, send_q == f_index} == destinations[f_owner]);
    end

    always @(posedge clk) if (f_past && !rst) begin
        cover (full_q == 2'b11 && s_valid);
        cover (f_now && f_freed && f_times != 0 && f_word != 0);
        cover (state_q == ST_REPLY && full_q[send_bank_q]);
        cover (f_body && m_valid && !m_ready);
        cover (state_q == ST_PAYLOAD && sent && m_last && last_dest && full_q == 2'b11);
    end

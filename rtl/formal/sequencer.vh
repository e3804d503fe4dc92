// SPDX-License-Identifier: Apache-2.0
// What is proven of sequencer.v: no actor fires without its inputs and its room; none that could fire is forgotten; what a
// firing frees is offered as credit once, whole; offers stand until they are taken. One actor with one port and one
// destination, any of them, is watched. Tables stand while the chip runs; a FIRE comes when it was asked for, as is
// proven of fetch.v; who is refused stays so; rings and rooms hold fewer than 2^16 words; an engine has one firing between issue and `done`.

    reg  f_past = 1'b0, f_ran, f_busy, f_refused;
    reg  [CONTEXTS-1:0] f_asked;
    reg                 f_kept;                    // what the engine has read late, offered and not taken
    reg  [CTX_BITS-1:0]  f_kept_ctx;
    reg  [PORT_BITS-1:0] f_kept_port;
    reg  [15:0]          f_kept_words;
    (* anyconst *) wire [CTX_BITS-1:0]  f_ctx;
    (* anyconst *) wire [PORT_BITS-1:0] f_port;
    (* anyconst *) wire [DEST_BITS-1:0] f_dest;
    wire [CH_BITS-1:0]   f_channel = {f_ctx, f_port};
    wire [SLOT_BITS-1:0] f_slot = first_slot(f_ctx) + {{SLOT_BITS-DEST_BITS{1'b0}}, f_dest};
    wire [15:0] f_fill = arrived[f_channel] - consumed[f_channel];
    wire [15:0] f_room = granted[f_slot] - sent[f_slot];
    wire        f_reads = {{32-PORT_BITS{1'b0}}, f_port} < {{32-`IMC_CONTEXT_PORTS_BITS{1'b0}}, ports[f_ctx]};
    wire        f_sends = {{8-DEST_BITS{1'b0}}, f_dest} < destinations[f_ctx];
    wire [15:0] f_frees = kept[f_channel] == channel[f_channel][`IMC_CHANNEL_KEPT]
                          ? instr[f_ctx][FREE[f_port*8 +: 8] +: 16] : 16'd0;
    wire        f_late = channel[f_channel][`IMC_CHANNEL_LATE];
    wire        f_input_there = !f_reads || f_fill >= instr[f_ctx][NEED[f_port*8 +: 8] +: 16];
    wire        f_room_there = !f_sends || f_room >= instr[f_ctx][`IMC_FIRE_PRODUCE];
    wire        f_select = select && select_ctx == f_ctx;
    wire        f_issued = issue_valid || f_busy;

    always @(posedge clk) begin
        f_past <= 1'b1;
        if (run) f_ran <= 1'b1;
        if (issue_valid && issue_ready) f_busy <= 1'b1;
        if (done) f_busy <= 1'b0;
        if (cfg_valid && cfg_space == `IMC_SPACE_CONTEXT) f_asked[cfg_ctx] <= cfg_data[`IMC_CONTEXT_ACTIVE];
        if (fire_valid) f_asked[fire_ctx] <= 1'b0;
        if (select) f_asked[select_ctx] <= 1'b1;
        f_kept <= freed_valid && !freed_ready;
        f_refused <= refused[f_ctx];
        {f_kept_ctx, f_kept_port, f_kept_words} <= {freed_ctx, freed_port, freed_words};
        if (rst) f_asked <= 0;
        if (rst) {f_ran, f_busy, f_kept, f_refused} <= 4'b0000;
    end
    always @* begin
        if (!f_past) assume (rst);
        assume ({{32-CTX_BITS{1'b0}}, f_ctx} < CONTEXTS);
        if (f_past && cfg_valid) assume (!run && !f_ran);
        if (f_past && fire_valid) assume (f_ran && f_asked[fire_ctx]);
        if (f_past && f_busy) assume (!issue_ready);
        if (f_past && done) assume (f_busy);
        if (f_past && freed_valid) assume (f_ran);
        if (f_past && f_kept) assume (freed_valid && freed_ctx == f_kept_ctx);
        if (f_past && f_kept) assume (freed_port == f_kept_port && freed_words == f_kept_words);
        if (f_past && late_q) assert (f_kept);
        if (f_past && f_refused) assume (refused[f_ctx]);
        if (arrive_valid && in_channel == f_channel) assume ({1'b0, f_fill} + {9'd0, arrive_words} < 17'h10000);
        if (s_credit_valid && in_slot == f_slot)
            assume ({1'b0, f_room} + {1'b0, s_credit_data[`IMC_CREDIT_WORDS]} < 17'h10000);
    end
    always @(posedge clk) if (f_past && !$past(rst)) begin
        if ($past(m_credit_valid && !m_credit_ready)) assert (m_credit_valid && $stable(m_credit_data));
        if ($past(issue_valid && !issue_ready))
            assert (issue_valid && $stable(issue_ctx) && $stable(issue_instr) && $stable(issue_heads));
    end

    // What is ready has its inputs and its room, and nothing takes them away until it is issued.
    always @* if (f_past) begin
        if (f_select) assert (ready_q[f_ctx] && f_input_there && f_room_there);
        if (ready_q[f_ctx]) assert (f_ran && armed_q[f_ctx] && f_input_there && f_room_there);
        if (armed_q[f_ctx]) assert (f_ran && !f_asked[f_ctx]);
    end

    // Whoever could fire is ready, or will be looked at again.
    reg f_could;
    integer f_i;
    reg [CH_BITS-1:0] f_at;
    reg [SLOT_BITS-1:0] f_to;
    reg [15:0] f_words;
    always @* begin
        f_could = armed_q[f_ctx] && !refused[f_ctx];
        for (f_i = 0; f_i < PORTS; f_i = f_i + 1) begin
            f_at = {f_ctx, f_i[PORT_BITS-1:0]};
            f_words = arrived[f_at] - consumed[f_at];
            if (f_i < ports[f_ctx] && f_words < instr[f_ctx][NEED[f_i*8 +: 8] +: 16]) f_could = 1'b0;
        end
        for (f_i = 0; f_i < DESTINATIONS; f_i = f_i + 1) begin
            f_to = first_slot(f_ctx) + f_i[SLOT_BITS-1:0];
            f_words = granted[f_to] - sent[f_to];
            if (f_i[7:0] < destinations[f_ctx] && f_words < instr[f_ctx][`IMC_FIRE_PRODUCE]) f_could = 1'b0;
        end
        if (f_past && f_could) assert (dirty_q[f_ctx] || ready_q[f_ctx]);
    end

    // Words that firings have freed of the watched channel and whose credit has not left.
    reg  [15:0] f_owed;
    wire        f_paid = m_credit_valid && m_credit_ready && !late && credit_channel == f_channel;
    wire [15:0] f_freed = f_issued && issue_ctx == f_ctx && f_reads
                          ? issue_instr[FREE[f_port*8 +: 8] +: 16] : 16'd0;
    wire [15:0] f_offered = credit_q[f_port] && credit_ctx_q == f_ctx ? frees_q[f_port*16 +: 16] : 16'd0;
    always @(posedge clk) begin
        f_owed <= f_owed + (f_select && f_reads ? f_frees : 16'd0)
                  - (f_paid ? m_credit_data[`IMC_CREDIT_WORDS] : 16'd0);
        if (rst) f_owed <= 16'd0;
    end
    always @* if (f_past) begin
        if (issue_valid) assert (!f_busy);
        if (f_issued) assert (f_ran && credit_q == 0);
        if (credit_q != 0 || late_q) assert (f_ran);
        if (f_ran && !f_late) assert (f_owed == f_freed + f_offered);
        if (!f_ran) assert (f_owed == 0);
        if (f_paid) assert (m_credit_data[`IMC_CREDIT_NODE] == channel[f_channel][`IMC_CHANNEL_NODE]);
    end

    always @(posedge clk) if (f_past && !rst) begin
        cover (f_select && f_reads && f_sends && f_fill != 0 && f_room != 0);
        cover (scan && scan_ctx == f_ctx && arrive_valid && in_channel == f_channel && armed_q[f_ctx]);
        cover (f_paid && credits_left != 0);
        cover (late_q && credit_q != 0);
        cover (f_select && f_reads && kept[f_channel] != 0 && f_frees != 0);
        cover (&ready_q);
        cover (room_wait_q[f_ctx]);
    end

// SPDX-License-Identifier: Apache-2.0
// What is proven of fetch.v: an actor gets one FIRE each time that it asks, none unasked, and it is the instruction that
// its program counter points to. One actor, any, is watched. Streams and contexts are written before the run.

    reg f_past = 1'b0, f_ran, f_asked;
    (* anyconst *) wire [CTX_BITS-1:0] f_ctx;
    wire f_next = next_valid && next_ctx == f_ctx;
    wire f_fire = fire_valid && fire_ctx == f_ctx;
    always @(posedge clk) begin
        f_past <= 1'b1;
        if (run) f_ran <= 1'b1;
        if (write_ctx && cfg_ctx == f_ctx) f_asked <= cfg_data[`IMC_CONTEXT_ACTIVE];
        if (f_fire) f_asked <= 1'b0;
        if (f_next) f_asked <= 1'b1;
        if (rst) {f_ran, f_asked} <= 2'b00;
    end
    always @* begin
        if (!f_past) assume (rst);
        assume ({{32-CTX_BITS{1'b0}}, f_ctx} < CONTEXTS);
        if (f_past && cfg_valid) assume (!run && !f_ran);
        if (f_past && next_valid) assume (f_ran);
        if (f_past && f_next) assume (!f_asked);
    end

    always @* if (f_past) begin
        if (fire_valid) assert (f_ran);
        if (f_fire) assert (f_asked);
        if (decode_q) assert (f_ran && due_q[ctx_q] && instr_q == memory[pc[ctx_q]]);
        if (due_q[f_ctx]) assert (f_asked);
    end

    always @(posedge clk) if (f_past && !rst) begin
        cover (f_fire && $past(f_fire, 3));
        cover (f_fire && turns_1[f_ctx] != 0);
        cover (decode_q && is_loop && !again && ctx_q == f_ctx);
        cover (f_next && decode_q && ctx_q != f_ctx);
        cover (f_ran && f_asked && !active_q[f_ctx] && due_q == 0);
    end

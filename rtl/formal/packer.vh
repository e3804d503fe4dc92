// SPDX-License-Identifier: Apache-2.0
// What is proven of packer.v: the stream law, every byte in its place of its word and nowhere else, a firing's last
// byte in the word marked last. One byte, of all that are ever taken, is watched on its way; so is where zeros must be.

    reg f_past = 1'b0;
    always @(posedge clk) f_past <= 1'b1;
    always @* if (!f_past) assume (rst);

    reg                f_open;                    // a firing is under way, of this context
    reg [CTX_BITS-1:0] f_ctx;
    always @(posedge clk) begin
        if (take) {f_open, f_ctx} <= {!s_last, s_ctx};
        if (rst) f_open <= 1'b0;
    end
    always @* if (s_valid) begin
        assume (s_bytes >= 1 && s_bytes <= LANES);
        if (f_open) assume (s_ctx == f_ctx);
    end

    always @(posedge clk) if (f_past && !$past(rst)) begin
        if ($past(s_valid && !s_ready))
            assume (s_valid && $stable(s_data) && $stable(s_bytes) && $stable(s_ctx) && $stable(s_last));
        if ($past(m_valid && !m_ready))
            assert (m_valid && $stable(m_data) && $stable(m_ctx) && $stable(m_last));
    end

    // Bytes taken and not yet given, counted apart from the registers: those of the offered word and those held.
    localparam FB = BB + 3;
    reg  [FB-1:0] f_held, f_offered;
    reg           f_last;                         // the firing ends with what is held
    reg           f_ends;                         // or with the offered word
    wire [FB-1:0] f_sum = f_held + {{FB-BB-1{1'b0}}, s_bytes};
    always @(posedge clk) begin
        if (m_valid && m_ready) f_offered <= 0;
        if (room && f_last) begin
            f_offered <= f_held;
            f_held <= 0;
            f_last <= 1'b0;
            f_ends <= 1'b1;
        end else if (take) begin
            f_ends <= s_last && f_sum <= LANES;
            f_held <= f_sum >= LANES ? f_sum - LANES : s_last ? 0 : f_sum;
            f_last <= s_last && f_sum > LANES;
            if (f_sum >= LANES) f_offered <= LANES;
            else if (s_last) f_offered <= f_sum;
        end
        if (rst) {f_held, f_offered, f_last} <= 0;
    end
    always @* if (f_past) begin
        assert (f_held == {{FB-BB{1'b0}}, fill_q} && f_last == flush_q);
        assert (m_valid == (f_offered != 0) && f_offered <= LANES && f_held < LANES);
        if (m_valid && !m_last) assert (f_offered == LANES);
        if (m_valid) assert (m_last == f_ends);
        if (f_last) assert (f_held != 0 && !f_open);
        if (f_held != 0) assert (f_open || f_last);
        assert ((hold_q >> {fill_q, 3'd0}) == 0);
        if (m_valid) assert ((m_data & ~({WORD{1'b1}} >> {LANES[FB-1:0] - f_offered, 3'd0})) == 0);
        if (m_valid && m_last) assert (!f_last);
    end

    // The watched byte: lane `f_lane` of a beat that is taken while none is watched.
    (* anyseq *) wire          f_choose;
    (* anyseq *) wire [BB-1:0] f_lane;
    reg                        f_watch, f_out;    // it is held, or in the offered word
    reg [BB-1:0]               f_at;              // there, in this lane
    reg [7:0]                  f_byte;
    reg [CTX_BITS-1:0]         f_owner;
    wire [FB-1:0]              f_place = f_held + {{FB-BB{1'b0}}, f_lane};
    always @(posedge clk) begin
        if (f_watch && f_out && m_valid && m_ready) f_watch <= 1'b0;
        if (f_watch && !f_out && room && (f_last || (take && (f_sum >= LANES || s_last)))) f_out <= 1'b1;
        if (take && f_choose && !f_watch && f_lane < s_bytes) begin
            f_watch <= 1'b1;
            f_out   <= f_place < LANES && (f_sum >= LANES || s_last);
            f_at    <= f_place[BB-1:0];
            f_byte  <= s_data[{f_lane, 3'd0} +: 8];
            f_owner <= s_ctx;
        end
        if (rst) f_watch <= 1'b0;
    end
    always @* if (f_past && f_watch) begin
        if (f_out) assert (m_valid && f_at < f_offered && m_data[{f_at, 3'd0} +: 8] == f_byte && m_ctx == f_owner);
        else begin
            assert (f_at < f_held && hold_q[{f_at, 3'd0} +: 8] == f_byte);
            assert (f_last ? m_ctx == f_owner : f_ctx == f_owner);
        end
    end

    always @(posedge clk) if (f_past && !rst) begin
        cover (flush_q && m_valid && !m_ready);
        cover (f_watch && f_out && m_valid && m_ready && f_byte != 0 && m_last);
        cover (f_watch && !f_out && flush_q);
        cover (take && full && !over && fill_q != 0);
        cover (m_valid && m_ready && !m_last && take);
    end

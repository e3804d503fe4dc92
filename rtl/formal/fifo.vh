// SPDX-License-Identifier: Apache-2.0
// What is proven of fifo.v: the stream law, no word lost, doubled or overtaken, nothing taken without room nor given
// without input. One word, of all that are ever taken, is watched on its way.

    reg f_past = 1'b0;
    always @(posedge clk) f_past <= 1'b1;
    always @* if (!f_past) assume (rst);

    always @(posedge clk) if (f_past && !$past(rst)) begin
        if ($past(s_valid && !s_ready)) assume (s_valid && $stable(s_data));
        if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    end

    // How many words it holds, and how many the registers say.
    localparam FB = AW + 2;
    wire          f_push = s_valid && s_ready;
    wire          f_pop  = m_valid && m_ready;
    reg  [FB-1:0] f_count;
    wire [FB-1:0] f_span = {2'd0, wr_q} - {2'd0, rd_q} + (wr_q < rd_q ? DEPTH[FB-1:0] : {FB{1'b0}});
    always @(posedge clk)
        if (rst) f_count <= {FB{1'b0}};
        else f_count <= f_count + {{FB-1{1'b0}}, f_push} - {{FB-1{1'b0}}, f_pop};
    always @* if (f_past) begin
        assert (wr_q <= LAST_SLOT && rd_q <= LAST_SLOT);
        assert (f_count == (full_q ? DEPTH[FB-1:0] : f_span));
        assert (empty_q == (f_count == 0) && full_q == (f_count == DEPTH[FB-1:0]));
        if (full_q) assert (wr_q == rd_q);
        if (!empty_q) assert (m_data == mem[rd_q]);
        if (f_push) assert (f_count < DEPTH[FB-1:0]);
        if (f_pop) assert (f_count != 0);
    end

    // The watched word: any that is taken while none is watched; so many words are before it.
    (* anyseq *) wire  f_choose;
    reg                f_watch;
    reg [WIDTH-1:0]    f_word;
    reg [FB-1:0]       f_before;
    wire [FB-1:0]      f_place = {2'd0, rd_q} + f_before;
    wire [FB-1:0]      f_slot = f_place >= DEPTH[FB-1:0] ? f_place - DEPTH[FB-1:0] : f_place;
    always @(posedge clk) begin
        if (f_pop) f_before <= f_before - 1'b1;
        if (f_pop && f_before == 0) f_watch <= 1'b0;
        if (f_push && f_choose && !f_watch) begin
            f_watch  <= 1'b1;
            f_word   <= s_data;
            f_before <= f_count - {{FB-1{1'b0}}, f_pop};
        end
        if (rst) f_watch <= 1'b0;
    end
    always @* if (f_past && f_watch) begin
        assert (f_before < f_count);
        assert (mem[f_slot[AW-1:0]] == f_word);
        if (f_before == 0) assert (m_valid && m_data == f_word);
    end

    always @(posedge clk) if (f_past && !rst) begin
        cover (full_q && s_valid);
        cover (f_watch && f_pop && f_before == 0 && f_word != 0);
        cover (f_push && f_pop);
        cover (empty_q && $past(m_valid));
    end

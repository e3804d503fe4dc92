// SPDX-License-Identifier: Apache-2.0
// What is proven of converter.v: it converts nothing that was not taken, writes no bank that the drain still reads, gives
// every pixel once, as it was described by its last tile, in turn to the two banks.

    reg f_past = 1'b0;
    always @(posedge clk) f_past <= 1'b1;
    always @* if (!f_past) assume (rst);

    // The gather's side: tiles of a pixel follow each other, offered ones stay. Tables hold legal entries and stand.
    reg f_open;                                   // a pixel has begun and its last tile has not been taken
    always @(posedge clk) begin
        if (take) f_open <= !tile_last;
        if (rst) f_open <= 1'b0;
    end
    always @* begin
        assume (!cfg_valid);
        if (tile_valid) assume (tile_first == !f_open);
        assume (tiles_table[tile_ctx] != 0 && last_table[tile_ctx] != 0 && last_table[tile_ctx] <= GROUPS);
        assume (origin_table[tile_ctx] + last_table[tile_ctx] <= GROUPS && origin_table[ctx_q] + last_table[ctx_q] <= GROUPS);
        assume (rows_table[tile_ctx] != 0 && rows_table[tile_ctx] <= ROWS);
        assume (tiles_table[ctx_q] != 0 && last_table[ctx_q] != 0 && last_table[ctx_q] <= GROUPS);
        assume ((pixel_done & ~pixel_full) == 0); // the drain's side: it ends what it was given
    end
    always @(posedge clk) if (f_past && !$past(rst) && $past(tile_valid && !tile_ready))
        assume (tile_valid && $stable(tile_ctx) && $stable(tile_first) && $stable(tile_last) && $stable(tile_end)
                && $stable(tile_sum));

    // The pixel under way: from its first tile until its last tile is converted, its bank is nobody else's.
    reg f_pixel;
    always @(posedge clk) begin
        if (finish && last_q) f_pixel <= 1'b0;
        if (take) f_pixel <= 1'b1;
        if (rst) f_pixel <= 1'b0;
    end
    always @* if (f_past) begin
        if (f_open || (busy_q && last_q)) assert (f_pixel);
        if (f_pixel) assert (!pixel_full[bank_q] && (f_open || (busy_q && last_q)));
        if (busy_q) assert (f_pixel && f_open == !last_q);
        if (add) assert (!pixel_full[add_bank]);
        if (take) assert (tile_valid && !(busy_q && !finish));
        if (array_load) assert (take);
        if (array_eval) assert (take || busy_q);
    end

    // Every place of a tile's conversion lies in its tables' bounds.
    always @* if (f_past && busy_q) begin
        assert (step_q < STEPS && group_q < groups_q && groups_q <= GROUPS && tile_q < tiles_table[ctx_q]);
        assert (groups_q == (last_tile ? last_table[ctx_q] : GROUPS[7:0]));
        assert (column_q == (group_q + (last_tile ? origin_table[ctx_q] : 8'd0)) * SLICES + slice_q);
        assert (slice_q < SLICES && column_q < GROUPS * SLICES);
        assert (rows_q != 0 && rows_q <= ROWS && read_q < rows_q && read_q % DRIVEN == 0);
    end
    always @* if (f_past && !busy_q) assert (group_q == 0 && step_q == 0 && slice_q == 0 && read_q == 0);

    // One pixel for every last tile, with its description: neither lost nor doubled.
    reg                f_end;
    reg [CTX_BITS-1:0] f_ctx;
    reg [31:0]         f_sum;
    always @(posedge clk) if (take && tile_last) {f_end, f_ctx, f_sum} <= {tile_end, tile_ctx, tile_sum};
    always @* if (f_past && busy_q && last_q) assert ({end_q, ctx_q, sum_q} == {f_end, f_ctx, f_sum});
    wire [1:0] f_given = {finish && last_q && bank_q, finish && last_q && !bank_q};
    always @(posedge clk) if (f_past && !$past(rst)) begin
        assert (pixel_full == (($past(pixel_full) & ~$past(pixel_done)) | $past(f_given)));
        assert (($past(pixel_full) & $past(f_given)) == 0);
        if ($past(f_given[0])) assert ({pixel_end[0], pixel_ctx_0, pixel_sum_0} == $past({f_end, f_ctx, f_sum}));
        if ($past(f_given[1])) assert ({pixel_end[1], pixel_ctx_1, pixel_sum_1} == $past({f_end, f_ctx, f_sum}));
        if (!$past(f_given[0])) assert ({pixel_end[0], pixel_ctx_0, pixel_sum_0} == $past({pixel_end[0], pixel_ctx_0, pixel_sum_0}));
        if (!$past(f_given[1])) assert ({pixel_end[1], pixel_ctx_1, pixel_sum_1} == $past({pixel_end[1], pixel_ctx_1, pixel_sum_1}));
        assert (bank_q == ($past(bank_q) ^ |$past(f_given)));
    end

    always @(posedge clk) if (f_past && !rst) begin
        cover (pixel_full == 2'b11 && tile_valid && !tile_ready);
        cover (finish && take && !last_q);
        cover (busy_q && mvm_end && !last_tile);
        cover (pixel_full == 2'b10 && f_given == 2'b01);
        cover (f_open && !busy_q);
    end

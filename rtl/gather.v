// SPDX-License-Identifier: Apache-2.0
// gather - fills the crossbar's input register with windows of the input image, one row tile after another.
//
// A kernel row of a window is one run of Kw*C contiguous bytes (NHWC), so it is read in memory words, not tap by
// tap; bytes outside the image are the input zero point. Every cycle moves one chunk: the rest of the current word,
// of the run, of the padding or of the tile, whichever ends first. The next tile is gathered while the array
// converts this one. The last tile may start at any row (COLUMNS.row_origin): a chunk can be merged in at any byte
// anyway, so that this takes a start value and no shifter; all other rows are driven with 0. `tile_sum`, the sum of
// the pixel's bytes up to and with this tile, corrects offset-binary weights. Timing: one chunk per cycle while the previous tile has been taken; the first chunk of a firing is in
// the register 3 cycles after the issue; `done` with the last chunk. Python: pyimc.engines.imc.timing.window_chunks.
`default_nettype none
`include "imc_isa.vh"

module gather #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter ROWS = 256
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                cfg_valid,
    input  wire [3:0]          cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */  // contexts above CONTEXTS
    input  wire [15:0]         cfg_addr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    // a firing
    input  wire                issue_valid,
    output wire                issue_ready,
    input  wire [CTX_BITS-1:0] issue_ctx,
    /* verilator lint_off UNUSEDSIGNAL */  // fields that the sequencer reads
    input  wire [`IMC_INSTRUCTION_BITS-1:0] issue_instr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [15:0]         issue_head,
    input  wire [15:0]         issue_base,
    input  wire [15:0]         issue_size,
    output wire                done,
    // activation memory
    output wire                mem_en,
    output wire [15:0]         mem_addr,
    input  wire [WORD-1:0]     mem_data,
    // row tiles of the pixels, in order
    output wire [ROWS*8-1:0]   tile_x,
    output reg  [CTX_BITS-1:0] tile_ctx,
    output reg                 tile_first,
    output reg                 tile_last,
    output reg                 tile_end,
    output wire [31:0]         tile_sum,
    output reg                 tile_valid,
    input  wire                tile_ready
);
    localparam LANES = WORD / 8;
    localparam LANE_BITS = $clog2(LANES);
    localparam POS_BITS = $clog2(ROWS) + 1;

    generate
        if (ROWS % LANES != 0 || ROWS > 32768) begin : gen_illegal
            gather_ROWS_must_be_a_multiple_of_the_word_bytes_and_at_most_32768 u_error ();
        end
    endgenerate

    reg [`IMC_ENTRY_BITS-1:0] window_table [0:CONTEXTS-1];
    reg [`IMC_ENTRY_BITS-1:0] tiles_table [0:CONTEXTS-1];
    reg [POS_BITS-1:0]        row_table [0:CONTEXTS-1]; // where the last tile starts

    // ------------------------------------------------------------------------------- where the window stands
    reg                active_q;
    reg [CTX_BITS-1:0] ctx_q;
    /* verilator lint_off UNUSEDSIGNAL */  // rows above ROWS
    reg [15:0]         run_q, step_q, row_bytes_q, row_words_q, last_rows_q;
    /* verilator lint_on UNUSEDSIGNAL */
    reg [`IMC_FIRE_PIXELS_BITS-1:0] pixels_q;
    reg [16:0]         ring_end_q;
    reg [15:0]         size_q, head_q, row_q;           // word addresses: ring, kernel row `top`, current row
    reg [15:0]         offset_q;                        // words by which these lie behind the start of their rows
    reg [7:0]          kernel_rows_q, zero_q, top_q, below_q, ky_q;
    reg [15:0]         row_tiles_q, tile_q;
    reg [15:0]         run_left_q;                      // bytes of the run that are not gathered
    reg signed [20:0]  x_q;                             // bytes from the start of the row to the window,
    reg signed [20:0]  at_q;                            // to the chunk,
    reg signed [20:0]  end_left_q;                      // and from the chunk to the end of the row
    reg [POS_BITS-1:0] row_origin_q;                    // where the last tile starts
    reg [POS_BITS-1:0] fill_q;                          // row of the tile's next byte,
    reg [POS_BITS-1:0] tile_left_q;                     // bytes that are missing
    reg                start_q;                         // none is there yet

    // -------------------------------------------------------------------------------- the chunk of this cycle
    // Computed in the clocked block, so that an idle gather costs the simulator nothing.
    reg [LANE_BITS:0]  limit, more;                     // bytes before the word or the padding ends; of the chunk
    reg                in_image, run_end, tile_full, pixel_end, last_tile;
    reg signed [20:0]  next_x;
    reg [16:0]         address;

    // stage 1: address on the memory; stage 2: data back from the memory
    reg                v1_q, v2_q, pad1_q, pad2_q, full1_q, full2_q, start1_q, start2_q, first1_q, first2_q;
    reg                last1_q, last2_q, end1_q, end2_q, final1_q, final2_q;
    reg [15:0]         addr1_q;
    reg [LANE_BITS-1:0] off1_q, off2_q;
    reg [LANE_BITS:0]  n1_q, n2_q;
    reg [POS_BITS-1:0] pos1_q, pos2_q;

    wire go = !(v2_q && tile_valid && !tile_ready);
    assign mem_en = v1_q && go && !pad1_q;
    assign mem_addr = addr1_q;
    assign issue_ready = !(active_q || v1_q || v2_q);
    assign done = v2_q && go && final2_q;

    // --------------------------------------------------------------------------------------------- the merger
    /* verilator lint_off UNUSEDSIGNAL */  // the last chunk of a tile may reach past it
    reg [ROWS*8+WORD-1:0] fill_data;                    // the last chunk of a tile may reach past it with zeros
    /* verilator lint_on UNUSEDSIGNAL */
    assign tile_x = fill_data[ROWS*8-1:0];
    reg [WORD-1:0] bytes;                               // those of the chunk, where they are in their word
    localparam [63:0] EVEN = {4{16'h00ff}};
    localparam [WORD-1:0] ONES = {WORD{1'b1}};
    reg [15:0] chunk_sum_q;                             // of the last chunk; it joins the sum a cycle later
    reg [31:0] sum_q;                                   // of the pixel's chunks before it
    assign tile_sum = sum_q + {16'd0, chunk_sum_q};

    // Additions in lanes of 16 bits, the sum in the lowest; of 64 bits, as Icarus has these in a machine word.
    function [15:0] byte_sum(input [WORD-1:0] summands);
        reg [63:0] lanes, part;
        integer n;
        begin
            lanes = 64'd0;
            for (n = 0; n < WORD; n = n + 64) begin
                part = summands[n +: 64];
                lanes = lanes + ((part & EVEN) + ((part >> 8) & EVEN));
            end
            lanes = lanes + (lanes >> 32);
            lanes = lanes + (lanes >> 16);
            byte_sum = lanes[15:0];
        end
    endfunction

    /* verilator lint_off UNUSEDSIGNAL */  // fields that other modules read
    wire [`IMC_TILES_BITS-1:0] issue_tiles = tiles_table[issue_ctx];
    /* verilator lint_on UNUSEDSIGNAL */
    /* verilator lint_off UNUSEDSIGNAL */  // rows above ROWS
    wire [15:0] issue_last_rows = issue_tiles[`IMC_TILES_LAST_ROWS];
    /* verilator lint_on UNUSEDSIGNAL */
    wire issue_last_tile = issue_tiles[`IMC_TILES_ROW_TILES] == 16'd1;
    wire [`IMC_FIRE_X0_BITS-1:0] issue_x0 = issue_instr[`IMC_FIRE_X0];
    wire [CTX_BITS-1:0] cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];
    wire cfg_engine = cfg_valid && cfg_space == `IMC_SPACE_ENGINE;
    /* verilator lint_off UNUSEDSIGNAL */  // rows above ROWS
    wire [15:0] cfg_row_origin = cfg_data[`IMC_COLUMNS_ROW_ORIGIN];
    /* verilator lint_on UNUSEDSIGNAL */
    always @(posedge clk) if (cfg_engine) begin
        if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_WINDOW) window_table[cfg_ctx] <= cfg_data;
        if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_TILES) tiles_table[cfg_ctx] <= cfg_data;
        if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_COLUMNS) row_table[cfg_ctx] <= cfg_row_origin[POS_BITS-1:0];
    end

    wire walking = active_q || v1_q || v2_q || issue_valid || rst;
    wire merging = v2_q || tile_valid || rst;

    // verilator lint_off BLKSEQ
    // reason: what is assigned at once is a temporary of its block
    always @(posedge clk) if (walking) begin
        if (issue_valid && issue_ready) begin
            active_q <= 1'b1;
            ctx_q <= issue_ctx;
            run_q <= window_table[issue_ctx][`IMC_WINDOW_RUN];
            step_q <= window_table[issue_ctx][`IMC_WINDOW_STEP];
            row_bytes_q <= window_table[issue_ctx][`IMC_WINDOW_ROW_BYTES];
            row_words_q <= window_table[issue_ctx][`IMC_WINDOW_ROW_WORDS];
            kernel_rows_q <= issue_tiles[`IMC_TILES_KERNEL_ROWS];
            row_tiles_q <= issue_tiles[`IMC_TILES_ROW_TILES];
            last_rows_q <= issue_tiles[`IMC_TILES_LAST_ROWS];
            zero_q <= issue_tiles[`IMC_TILES_ZERO_POINT];
            pixels_q <= issue_instr[`IMC_FIRE_PIXELS];
            offset_q <= issue_instr[`IMC_FIRE_OFFSET];
            x_q <= {{3{issue_x0[`IMC_FIRE_X0_BITS-1]}}, issue_x0};
            top_q <= {1'b0, issue_instr[`IMC_FIRE_TOP]};
            below_q <= {1'b0, issue_instr[`IMC_FIRE_TOP]} + {1'b0, issue_instr[`IMC_FIRE_ROWS]};
            head_q <= issue_head;
            row_q <= issue_head;
            size_q <= issue_size;
            ring_end_q <= {1'b0, issue_base} + {1'b0, issue_size};
            ky_q <= 0;
            tile_q <= 0;
            run_left_q <= window_table[issue_ctx][`IMC_WINDOW_RUN];
            at_q <= {{3{issue_x0[`IMC_FIRE_X0_BITS-1]}}, issue_x0};
            end_left_q <= $signed({5'd0, window_table[issue_ctx][`IMC_WINDOW_ROW_BYTES]})
                          - $signed({{3{issue_x0[`IMC_FIRE_X0_BITS-1]}}, issue_x0});
            row_origin_q <= row_table[issue_ctx];
            fill_q <= issue_last_tile ? row_table[issue_ctx] : {POS_BITS{1'b0}};
            tile_left_q <= issue_last_tile ? issue_last_rows[POS_BITS-1:0] : ROWS[POS_BITS-1:0];
            start_q <= 1'b1;
        end
        if (go && (active_q || v1_q)) begin
            v1_q <= active_q;
            v2_q <= v1_q;
            {pad2_q, full2_q, start2_q, first2_q, last2_q, end2_q, final2_q}
                <= {pad1_q, full1_q, start1_q, first1_q, last1_q, end1_q, final1_q};
            {off2_q, n2_q, pos2_q} <= {off1_q, n1_q, pos1_q};
        end else if (go) v2_q <= 1'b0;
        if (active_q && go) begin
            in_image = ky_q >= top_q && ky_q < below_q;
            pad1_q <= 1'b1;
            off1_q <= 0;
            limit = LANES[LANE_BITS:0];
            if (in_image && at_q < 0) begin
                if (&at_q[20:LANE_BITS]) limit = {at_q[LANE_BITS-1:0] == 0, ~at_q[LANE_BITS-1:0] + 1'b1};
            end else if (in_image && end_left_q > 0) begin
                pad1_q <= 1'b0;
                off1_q <= at_q[LANE_BITS-1:0];
                limit = LANES[LANE_BITS:0] - {1'b0, at_q[LANE_BITS-1:0]};
                if (end_left_q < $signed({{20-LANE_BITS{1'b0}}, limit})) limit = end_left_q[LANE_BITS:0];
                address = {1'b0, row_q} + {1'b0, (at_q[15:0] >> LANE_BITS) - offset_q};
                if (address >= ring_end_q) address = address - {1'b0, size_q};
                addr1_q <= address[15:0];
            end
            run_end = run_left_q <= {{15-LANE_BITS{1'b0}}, limit} && run_left_q <= {{16-POS_BITS{1'b0}}, tile_left_q};
            tile_full = tile_left_q <= {{POS_BITS-LANE_BITS-1{1'b0}}, limit}
                        && {{16-POS_BITS{1'b0}}, tile_left_q} <= run_left_q;
            more = run_end ? run_left_q[LANE_BITS:0] : tile_full ? tile_left_q[LANE_BITS:0] : limit;
            pixel_end = run_end && ky_q + 1'b1 == kernel_rows_q;
            n1_q <= more;
            pos1_q <= fill_q;
            full1_q <= tile_full;
            start1_q <= start_q;
            first1_q <= tile_q == 0;
            last1_q <= pixel_end;
            end1_q <= pixels_q == 1;
            final1_q <= pixel_end && pixels_q == 1;
            next_x = pixel_end ? x_q + $signed({5'd0, step_q}) : x_q;
            last_tile = pixel_end ? row_tiles_q == 16'd1 : tile_q + 16'd2 == row_tiles_q;
            run_left_q <= run_end ? run_q : run_left_q - {{15-LANE_BITS{1'b0}}, more};
            at_q <= run_end ? next_x : at_q + $signed({{20-LANE_BITS{1'b0}}, more});
            end_left_q <= run_end ? $signed({5'd0, row_bytes_q}) - next_x
                                  : end_left_q - $signed({{20-LANE_BITS{1'b0}}, more});
            start_q <= tile_full;
            fill_q <= tile_full ? (last_tile ? row_origin_q : {POS_BITS{1'b0}})
                                : fill_q + {{POS_BITS-LANE_BITS-1{1'b0}}, more};
            tile_left_q <= tile_full ? (last_tile ? last_rows_q[POS_BITS-1:0] : ROWS[POS_BITS-1:0])
                                     : tile_left_q - {{POS_BITS-LANE_BITS-1{1'b0}}, more};
            if (tile_full) tile_q <= tile_q + 1'b1;
            if (run_end) begin
                ky_q <= ky_q + 1'b1;
                address = {1'b0, row_q} + {1'b0, row_words_q};
                if (address >= ring_end_q) address = address - {1'b0, size_q};
                if (in_image) row_q <= address[15:0];
            end
            if (pixel_end) begin
                ky_q <= 0;
                tile_q <= 0;
                row_q <= head_q;
                x_q <= next_x;
                pixels_q <= pixels_q - 1'b1;
                active_q <= pixels_q != 1;
            end
        end
        if (rst) begin
            active_q <= 1'b0;
            v1_q <= 1'b0;
            v2_q <= 1'b0;
        end
    end

    always @(posedge clk) if (merging) begin
        if (v2_q && go) begin
            bytes = (pad2_q ? {LANES{zero_q}} : mem_data) & ~(ONES << {n2_q, 3'd0}) << {off2_q, 3'd0};
            if (start2_q) fill_data <= {ROWS*8+WORD{1'b0}};
            fill_data[{pos2_q, 3'd0} +: WORD] <= bytes >> {off2_q, 3'd0};
            chunk_sum_q <= byte_sum(bytes);
            sum_q <= start2_q && first2_q ? 32'd0 : tile_sum;
            tile_valid <= full2_q;
            tile_ctx <= ctx_q;
            tile_first <= first2_q;
            tile_last <= last2_q;
            tile_end <= end2_q;
        end else if (tile_ready) tile_valid <= 1'b0;
        if (rst) tile_valid <= 1'b0;
    end
    // verilator lint_on BLKSEQ
endmodule

`default_nettype wire

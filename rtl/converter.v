// SPDX-License-Identifier: Apache-2.0
// converter - runs the MVMs: for every row tile, its column tiles; for each, the reads; for each, the bit steps; for
// each, the ADC groups; for each, the slices of their weights.
//
// It takes a tile from the gather into the array's input register, steps the DAC, and has the ADCs convert one
// group of columns per cycle into the accumulators. When a pixel's last row tile is converted, its accumulator bank
// goes to the drain and the next pixel uses the other bank. The last column tile may start at any group of its planes
// (COLUMNS.group_origin); converters are wired to every ADCS-th column, so that a group is the finest step for free.
// A read drives DRIVEN rows, the first one those from the tile's first row on.
// Timing: a row tile takes reads * STEPS * SLICES * (sum over column tiles of the groups used) cycles, as many reads as
// its rows take; the next tile is taken in the last of these cycles, so back-to-back tiles leave no gap; the first
// conversion is one cycle after the take.
// Python: pyimc.engines.imc.timing.convert_cycles.
`default_nettype none
`include "imc_isa.vh"

module converter #(
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter ROWS = 256,
    parameter COLS = 256,
    parameter ADCS = 32,
    parameter STEPS = 8,
    parameter SLICES = 1,
    parameter DRIVEN = ROWS,
    parameter GROUP_BITS = 5,
    parameter COLUMN_BITS = 5
) (
    input  wire                  clk,
    input  wire                  rst,
    input  wire                  cfg_valid,
    input  wire [3:0]            cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */  // contexts above CONTEXTS
    input  wire [15:0]           cfg_addr,
    /* verilator lint_on UNUSEDSIGNAL */
    /* verilator lint_off UNUSEDSIGNAL */  // fields that other modules read
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    /* verilator lint_on UNUSEDSIGNAL */
    // row tiles
    input  wire                  tile_valid,
    output wire                  tile_ready,
    input  wire [CTX_BITS-1:0]   tile_ctx,
    input  wire                  tile_first,
    input  wire                  tile_last,
    input  wire                  tile_end,
    input  wire [31:0]           tile_sum,
    // array
    output wire                  array_load,
    output wire                  array_eval,
    output wire [15:0]           array_plane,
    output wire [3:0]            array_step,
    output wire [15:0]           array_row,      // the first one that is driven
    // accumulators
    output wire                  add,
    output wire                  add_clear,
    output wire                  add_bank,
    output wire [GROUP_BITS-1:0] add_group,      // of the layer
    output wire [COLUMN_BITS-1:0] add_column,    // of the plane, slice by slice
    output wire [3:0]            add_step,
    output wire [3:0]            add_slice,
    // pixels for the drain: one description per bank
    output reg  [1:0]            pixel_full,
    output reg  [CTX_BITS-1:0]   pixel_ctx_0,
    output reg  [CTX_BITS-1:0]   pixel_ctx_1,
    output reg  [31:0]           pixel_sum_0,
    output reg  [31:0]           pixel_sum_1,
    output reg  [1:0]            pixel_end,
    input  wire [1:0]            pixel_done,
    output wire                  busy,
    output wire [CTX_BITS-1:0]   ctx
);
    localparam GROUPS = COLS / ADCS;

    generate
        if (GROUPS < 1 || GROUPS * SLICES > 255) begin : gen_illegal
            converter_COLS_must_be_1_to_255_times_ADCS u_error ();
        end
        if (DRIVEN > ROWS || ROWS % DRIVEN != 0) begin : gen_driven
            converter_DRIVEN_must_divide_ROWS u_error ();
        end
    endgenerate

    reg [15:0] plane_table [0:CONTEXTS-1];
    reg [7:0]  tiles_table [0:CONTEXTS-1];
    reg [7:0]  last_table  [0:CONTEXTS-1];
    reg [7:0]  origin_table [0:CONTEXTS-1];             // first group of the last column tile
    reg [15:0] rows_table [0:CONTEXTS-1];               // of the last row tile,
    reg [15:0] row_table [0:CONTEXTS-1];                // and the first of them

    wire [CTX_BITS-1:0] cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];
    wire cfg_engine = cfg_valid && cfg_space == `IMC_SPACE_ENGINE;
    always @(posedge clk) if (cfg_engine) begin
        if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_TILES) begin
            plane_table[cfg_ctx] <= cfg_data[`IMC_TILES_PLANE];
            rows_table[cfg_ctx] <= cfg_data[`IMC_TILES_LAST_ROWS];
        end
        if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_COLUMNS) begin
            tiles_table[cfg_ctx] <= cfg_data[`IMC_COLUMNS_COL_TILES];
            last_table[cfg_ctx] <= cfg_data[`IMC_COLUMNS_LAST_GROUPS];
            origin_table[cfg_ctx] <= cfg_data[`IMC_COLUMNS_GROUP_ORIGIN];
            row_table[cfg_ctx] <= cfg_data[`IMC_COLUMNS_ROW_ORIGIN];
        end
    end

    reg                  busy_q, first_q, last_q, end_q, bank_q;
    reg [CTX_BITS-1:0]   ctx_q;
    reg [31:0]           sum_q;
    reg [15:0]           plane_q;
    reg [7:0]            tile_q, group_q, groups_q;     // column tile, group in it, groups it uses
    reg [7:0]            column_q;                      // group in its plane, slice by slice
    reg [3:0]            step_q, slice_q;
    reg [15:0]           row_q, read_q, rows_q;         // first row, rows read before, rows of the tile
    reg [GROUP_BITS-1:0] base_q;                        // first group of the column tile
    assign busy = busy_q;
    assign ctx = ctx_q;

    wire group_end = slice_q == SLICES[3:0] - 4'd1;
    wire step_end = group_end && group_q + 8'd1 == groups_q;
    wire read_end = step_end && step_q == STEPS[3:0] - 4'd1;
    wire [15:0] next_read = read_q + DRIVEN[15:0];
    wire mvm_end = read_end && (DRIVEN == ROWS || next_read >= rows_q);
    wire last_tile = tile_q + 8'd1 == tiles_table[ctx_q];
    wire next_last = tile_q + 8'd2 == tiles_table[ctx_q];
    wire finish = busy_q && mvm_end && last_tile;
    wire next_bank = bank_q ^ (finish && last_q);
    assign tile_ready = (!busy_q || finish) && !(tile_first && pixel_full[next_bank]);
    wire take = tile_valid && tile_ready;

    assign array_load = take;
    assign array_eval = take || (busy_q && step_end && !finish);
    assign array_plane = take ? (tile_first ? plane_table[tile_ctx] : plane_q + 16'd1)
                              : plane_q + {15'd0, mvm_end};
    assign array_step = take || read_end ? 4'd0 : step_q + 4'd1;
    wire [15:0] first_row = tile_last ? row_table[tile_ctx] : 16'd0;
    assign array_row = take ? first_row : row_q + (mvm_end ? 16'd0 : read_end ? next_read : read_q);
    function [7:0] sliced(input [7:0] group);
        sliced = group * SLICES[7:0];
    endfunction

    assign add = busy_q;
    assign add_clear = first_q && step_q == 0 && slice_q == 0 && read_q == 0;
    assign add_bank = bank_q;
    assign add_column = column_q[COLUMN_BITS-1:0];
    assign add_group = base_q + group_q[GROUP_BITS-1:0];
    assign add_step = step_q;
    assign add_slice = slice_q;

    wire awake = busy_q || take || pixel_full != 0 || rst;

    always @(posedge clk) if (awake) begin
        pixel_full <= pixel_full & ~pixel_done;
        if (busy_q) begin
            slice_q <= group_end ? 4'd0 : slice_q + 4'd1;
            if (group_end) group_q <= step_end ? 8'd0 : group_q + 8'd1;
            column_q <= !step_end ? column_q + 8'd1
                      : (mvm_end ? next_last : last_tile) ? sliced(origin_table[ctx_q]) : 8'd0;
            if (step_end) step_q <= read_end ? 4'd0 : step_q + 4'd1;
            if (read_end) read_q <= mvm_end ? 16'd0 : next_read;
            if (mvm_end) begin
                tile_q <= tile_q + 8'd1;
                base_q <= base_q + GROUPS[GROUP_BITS-1:0];
                if (!last_tile) plane_q <= plane_q + 16'd1;
                groups_q <= next_last ? last_table[ctx_q] : GROUPS[7:0];
            end
            if (finish) begin
                busy_q <= 1'b0;
                if (last_q) begin
                    pixel_full[bank_q] <= 1'b1;
                    pixel_end[bank_q] <= end_q;
                    if (bank_q) {pixel_ctx_1, pixel_sum_1} <= {ctx_q, sum_q};
                    else {pixel_ctx_0, pixel_sum_0} <= {ctx_q, sum_q};
                    bank_q <= !bank_q;
                end
            end
        end
        if (take) begin
            busy_q <= 1'b1;
            ctx_q <= tile_ctx;
            first_q <= tile_first;
            last_q <= tile_last;
            end_q <= tile_end;
            sum_q <= tile_sum;
            plane_q <= array_plane;
            tile_q <= 8'd0;
            base_q <= 0;
            row_q <= first_row;
            rows_q <= tile_last ? rows_table[tile_ctx] : ROWS[15:0];
            column_q <= tiles_table[tile_ctx] == 8'd1 ? sliced(origin_table[tile_ctx]) : 8'd0;
            groups_q <= tiles_table[tile_ctx] == 8'd1 ? last_table[tile_ctx] : GROUPS[7:0];
        end
        if (rst) begin
            busy_q <= 1'b0;
            bank_q <= 1'b0;
            pixel_full <= 2'b00;
            group_q <= 8'd0;
            step_q <= 4'd0;
            slice_q <= 4'd0;
            read_q <= 16'd0;
        end
    end
`ifdef FORMAL_CONVERTER
`include "formal/converter.vh"
`endif
endmodule

`default_nettype wire

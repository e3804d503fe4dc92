// SPDX-License-Identifier: Apache-2.0
// accumulator - shift-and-add of the converted columns over bit steps and row tiles, in two banks.
//
// One bank accumulates a pixel while the other is drained. Columns are converted a group (ADCS of them) at a time.
// Sums arrive in lanes of LANE bits and accumulate in lanes of 2*LANE bits, so that one wide addition does a whole
// group: even columns of a group go to its lower half, odd ones to its upper half, and no lane ever overflows
// (255 * 255 * 66051 rows < 2**32). `column_low` of the drain undoes that order. Timing: one group per cycle;
// the row read is combinational.
`default_nettype none

module accumulator #(
    parameter COLUMNS = 1024,          // output channels of the widest layer
    parameter ADCS = 32,
    parameter WIDTH = 32,              // columns of a row: the larger of ADCS and the word's bytes
    parameter LANE = 16,
    parameter DAC = 1,
    parameter GROUP_BITS = 5
) (
    input  wire                    clk,
    input  wire                    add,
    input  wire                    clear,      // start from zero
    input  wire                    bank,
    input  wire [GROUP_BITS-1:0]   group,
    input  wire [3:0]              step,
    input  wire [ADCS*LANE-1:0]    sums,
    input  wire                    read_bank,
    input  wire [GROUP_BITS-1:0]   read_row,
    output wire [WIDTH*2*LANE-1:0] read_data
);
    localparam PARTS = WIDTH / ADCS;           // groups of a row
    localparam ROWS = COLUMNS / WIDTH;
    localparam PART = ADCS * 2 * LANE;         // bits of a group
    localparam HALF = ADCS * LANE;             // bits of its even columns
    localparam INDEX_BITS = GROUP_BITS + 1;

    generate
        if (ADCS < 2 || WIDTH % ADCS != 0 || COLUMNS % WIDTH != 0) begin : gen_illegal
            accumulator_ADCS_must_be_2_or_more_and_divide_WIDTH_and_WIDTH_divide_COLUMNS u_error ();
        end
        if (LANE < 16) begin : gen_lane
            accumulator_LANE_must_be_16_or_more u_error ();
        end
    endgenerate

    reg [WIDTH*2*LANE-1:0] rows [0:2*ROWS-1];

    localparam [HALF-1:0] EVEN = {ADCS/2{{LANE{1'b0}}, {LANE{1'b1}}}};
    localparam [INDEX_BITS-1:0] BANK = ROWS[INDEX_BITS-1:0];

    reg [PART-1:0]       spread, old;
    // verilator lint_off UNUSEDSIGNAL
    // reason: a row number needs fewer bits than a group number when a row holds several groups
    reg [INDEX_BITS-1:0] index, part;

    // verilator lint_off BLKSEQ
    // reason: what is assigned at once is a temporary of its block
    always @(posedge clk) if (add) begin
        index = {1'b0, group} / PARTS[INDEX_BITS-1:0] + (bank ? BANK : {INDEX_BITS{1'b0}});
        part = {1'b0, group} % PARTS[INDEX_BITS-1:0];
        spread = {(sums >> LANE) & EVEN, sums & EVEN};
        old = clear ? {PART{1'b0}} : rows[index][part*PART +: PART];
        rows[index][part*PART +: PART] <= old + (spread << (step * DAC[3:0]));
    end
    // verilator lint_on BLKSEQ

    wire [INDEX_BITS-1:0] read_index = {1'b0, read_row} + (read_bank ? BANK : {INDEX_BITS{1'b0}});
    assign read_data = rows[read_index];
    // verilator lint_on UNUSEDSIGNAL
endmodule

`default_nettype wire

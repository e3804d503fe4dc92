// SPDX-License-Identifier: Apache-2.0
// accumulator - shift-and-add of the converted columns over slices, bit steps, reads and row tiles, in two banks.
//
// One bank accumulates a pixel while the drain reads the other: two memories with one read and one write port each.
// Columns are converted a group (ADCS of them) at a time. Sums arrive in lanes of LANE bits and accumulate in lanes of
// 2*LANE bits, so that one wide addition does a whole group: even columns of a group go to its lower half, odd ones to
// its upper half (COLUMN of the drain undoes that order), and no lane ever overflows (255 * 255 * 66051 rows < 2**32).
// Sums of differential columns are signed: their lanes are added one by one, as there would be carries between them.
// Timing: one group per cycle. In the cycle of `add` the sums are shifted and the group is read, in the next the two are
// added and written, so that a row may be read two cycles after its last `add`. Data of a read enabled in cycle t is on
// read_data from t + 1 on, as long as nothing is added to its bank.
`default_nettype none

module accumulator #(
    parameter ACCUMULATORS = 1024,          // output channels of the widest layer
    parameter ADCS = 32,
    parameter WIDTH = 32,              // columns of a row: the larger of ADCS and the word's bytes
    parameter LANE = 16,
    parameter SIGNED = 0,
    parameter GROUP_BITS = 5
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire                    add,
    input  wire                    clear,      // start from zero
    input  wire                    bank,
    input  wire [GROUP_BITS-1:0]   group,
    input  wire [3:0]              place,      // of the lowest bit of the sums
    input  wire [ADCS*LANE-1:0]    sums,
    input  wire                    read,       // not of the bank that is added to
    input  wire                    read_bank,
    input  wire [GROUP_BITS-1:0]   read_row,
    output wire [WIDTH*2*LANE-1:0] read_data
);
    localparam PARTS = WIDTH / ADCS;           // groups of a row
    localparam ROWS = ACCUMULATORS / WIDTH;
    localparam PART = ADCS * 2 * LANE;         // bits of a group
    localparam HALF = ADCS * LANE;             // bits of its even columns

    generate
        if (ADCS < 2 || WIDTH % ADCS != 0 || (PARTS & (PARTS - 1)) != 0 || ACCUMULATORS % WIDTH != 0) begin : gen_illegal
            accumulator_WIDTH_must_be_a_power_of_two_times_ADCS_of_2_or_more_and_divide_ACCUMULATORS u_error ();
        end
        if (LANE < 16) begin : gen_lane
            accumulator_LANE_must_be_16_or_more u_error ();
        end
    endgenerate

    localparam [HALF-1:0] EVEN = {ADCS/2{{LANE{1'b0}}, {LANE{1'b1}}}};

    reg [WIDTH*2*LANE-1:0] rows_0 [0:ROWS-1];
    reg [WIDTH*2*LANE-1:0] rows_1 [0:ROWS-1];
    reg [WIDTH*2*LANE-1:0] row_0_q, row_1_q;   // what was read of a bank

    reg                    add_q, clear_q, bank_q, again_q, read_bank_q;
    reg [GROUP_BITS-1:0]   group_q;
    reg [PART-1:0]         shifted_q;          // sums of the group in cycle t + 1
    reg [PART-1:0]         total_q;            // written at the end of the cycle before

    // verilator lint_off WIDTH
    // reason: a row has a power of two of groups: shifts and masks
    wire [GROUP_BITS-1:0]  row = group / PARTS;
    wire [GROUP_BITS-1:0]  row_q = group_q / PARTS;
    wire [GROUP_BITS-1:0]  part_q = group_q % PARTS;
    // verilator lint_on WIDTH
    wire                  fetch = add && !clear;
    wire                  read_0 = fetch && !bank || read && !read_bank;
    wire                  read_1 = fetch && bank || read && read_bank;
    wire [GROUP_BITS-1:0] index_0 = add && !bank ? row : read_row;
    wire [GROUP_BITS-1:0] index_1 = add && bank ? row : read_row;
    reg [PART-1:0]        old, total;
    integer               i, column;
    wire                  awake = add || add_q || read || rst;

    // verilator lint_off BLKSEQ
    // reason: what is assigned at once is a temporary of its block, as Icarus adds wires of such a width bit by bit
    always @(posedge clk) if (awake) begin
        add_q <= add;
        if (read_0) row_0_q <= rows_0[index_0];
        if (read_1) row_1_q <= rows_1[index_1];
        if (read) read_bank_q <= read_bank;
        if (add) begin
            {clear_q, bank_q, group_q} <= {clear, bank, group};
            again_q <= add_q && bank == bank_q && group == group_q;
            if (SIGNED == 0) shifted_q <= {(sums >> LANE) & EVEN, sums & EVEN} << place;
            else for (i = 0; i < ADCS; i = i + 1) begin
                column = 2 * i - (2 * i < ADCS ? 0 : ADCS - 1);
                shifted_q[i*2*LANE +: 2*LANE] <= {{LANE{sums[column*LANE+LANE-1]}}, sums[column*LANE +: LANE]} << place;
            end
        end
        if (add_q) begin
            if (clear_q) old = {PART{1'b0}};
            else if (again_q) old = total_q;
            else if (bank_q) old = row_1_q[part_q*PART +: PART];
            else old = row_0_q[part_q*PART +: PART];
            if (SIGNED == 0) total = old + shifted_q;
            else for (i = 0; i < ADCS; i = i + 1)
                total[i*2*LANE +: 2*LANE] = old[i*2*LANE +: 2*LANE] + shifted_q[i*2*LANE +: 2*LANE];
            total_q <= total;
            if (bank_q) rows_1[row_q][part_q*PART +: PART] <= total;
            else rows_0[row_q][part_q*PART +: PART] <= total;
        end
        if (rst) add_q <= 1'b0;
    end
    // verilator lint_on BLKSEQ
    assign read_data = read_bank_q ? row_1_q : row_0_q;
endmodule

`default_nettype wire

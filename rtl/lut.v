// SPDX-License-Identifier: Apache-2.0
// lut - byte tables of 256 entries, read by LANES bytes at once.
//
// Why: any function of a byte, such as an activation, is a table. A simulator keeps the tables once; in hardware every
// read port is a RAM with a copy of them.
//
// Timing: data of a read enabled in cycle t is on `data` from cycle t + 1 on and holds until the next read. Never written
// and read in the same cycle. Throughput: LANES bytes per cycle.
// Model: pyimc.golden, node Lut.
`default_nettype none

module lut #(
    parameter LANES      = 16,
    parameter TABLE_BITS = 4               // 2**TABLE_BITS tables
) (
    input  wire                  clk,
    input  wire                  wen,
    input  wire [TABLE_BITS+4:0] waddr,    // table * 32 + k:
    input  wire [63:0]           wdata,    // entries 8k to 8k + 7, the first one lowest
    input  wire                  en,
    input  wire [TABLE_BITS-1:0] select,
    input  wire [LANES*8-1:0]    index,
    output reg  [LANES*8-1:0]    data
);

    generate
        if (LANES < 1 || TABLE_BITS < 1) begin : gen_bad_size
            error_lut_LANES_and_TABLE_BITS_must_be_at_least_1 u_error ();
        end
    endgenerate

    reg [63:0] eights [0:(32<<TABLE_BITS)-1];

    always @(posedge clk)
        if (wen || en) begin : p_look_up
            integer lane;
            reg [63:0] eight;
            if (wen)
                eights[waddr] <= wdata;
            if (en)
                for (lane = 0; lane < LANES; lane = lane + 1) begin
                    eight = eights[{select, index[lane*8+3 +: 5]}];
                    data[lane*8 +: 8] <= eight[{index[lane*8 +: 3], 3'd0} +: 8];
                end
        end

endmodule

`default_nettype wire

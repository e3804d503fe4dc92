// SPDX-License-Identifier: Apache-2.0
// lut - byte tables of 256 entries, read by LANES bytes at once, in two stages.
//
// Any function of a byte, such as an activation, is a table. A simulator keeps the tables once; in hardware every
// read port is a RAM with a copy of them: the first stage reads the word of 8 entries, the second picks one.
// Timing: `first` takes select and index, `second` in a later cycle what `first` read; data holds until the next
// `second`. Both may be high in every cycle. Never written and read in the same cycle. Python: pyimc.golden, node Lut.
`default_nettype none

module lut #(
    parameter LANES = 16,
    parameter TABLE_BITS = 4               // 2**TABLE_BITS tables
) (
    input  wire                  clk,
    input  wire                  wen,
    input  wire [TABLE_BITS+4:0] waddr,    // table * 32 + k:
    input  wire [63:0]           wdata,    // entries 8k to 8k + 7, the first one lowest
    input  wire                  first,
    input  wire [TABLE_BITS-1:0] select,
    input  wire [LANES*8-1:0]    index,
    input  wire                  second,
    output reg  [LANES*8-1:0]    data
);
    generate
        if (LANES < 1 || TABLE_BITS < 1) begin : gen_illegal
            lut_LANES_and_TABLE_BITS_must_be_at_least_1 u_error ();
        end
    endgenerate

    reg [63:0]         eights [0:(32<<TABLE_BITS)-1];
    reg [LANES*64-1:0] eights_q;
    reg [LANES*3-1:0]  places_q;
    integer            i;

    function [LANES*8-1:0] pick(input [LANES*64-1:0] words, input [LANES*3-1:0] places);
        integer n;
        for (n = 0; n < LANES; n = n + 1) pick[n*8 +: 8] = words[{n[25:0], places[n*3 +: 3], 3'd0} +: 8];
    endfunction

    wire awake = wen || first || second;
    always @(posedge clk) if (awake) begin
        if (wen) eights[waddr] <= wdata;
        if (first)
            for (i = 0; i < LANES; i = i + 1) begin
                eights_q[i*64 +: 64] <= eights[{select, index[i*8+3 +: 5]}];
                places_q[i*3 +: 3] <= index[i*8 +: 3];
            end
        if (second) data <= pick(eights_q, places_q);
    end
endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// lane_sums - what the bytes of a chunk become before they are multiplied by a scale, lane by lane, in two stages.
//
// The first combines: it adds bytes, keeps the largest or the smallest, or multiplies: two maps, a map by weights, or by one
// factor. The second takes n zero points off, or the sum off them, or adds a product with weights to the bias and the products before.
// Timing: `first` takes what comes before it in the list of ports, `second` in the next cycle, or later, what `first` made,
// with the other inputs; `centred` holds until the next `second`. Both may be high in every cycle. Python: pyimc.golden.
`default_nettype none

module lane_sums #(
    parameter LANES = 16
) (
    input  wire                clk,
    input  wire [LANES*8-1:0]  bytes,
    input  wire [LANES*9-1:0]  levels,           // zero point - byte, signed
    input  wire [LANES*8-1:0]  weights,          // signed
    input  wire                inside,           // there are bytes
    input  wire                clear,            // there are none, and the sum is 0
    input  wire                fresh,            // of an accumulation the first
    input  wire                largest,
    input  wire                smallest,
    input  wire                weigh,            // level * weight
    input  wire                pair,             // level * level,
    input  wire                keep,             // whose first factor this is
    input  wire                spread,           // level * factor
    input  wire [8:0]          factor,           // signed
    input  wire                first,
    input  wire [24:0]         zeros,            // n zero points
    input  wire [LANES*32-1:0] bias,
    input  wire                turned,           // zeros - sum
    input  wire                weighed,          // a product of levels with weights or a factor, which is negative:
    input  wire                start,            // bias - product; else centred - product
    input  wire                second,
    output reg  [LANES*32-1:0] centred
);
    localparam SUM   = 25;                       // 255 * 255 * 255 < 2**24, and a sign for products
    localparam LEVEL = 9;

    generate
        if (LANES < 1) begin : gen_illegal
            lane_sums_LANES_must_be_at_least_1 u_error ();
        end
    endgenerate

    reg [LANES*SUM-1:0]   sum_q;
    reg [LANES*LEVEL-1:0] kept_q;

    // A whole word in one call: a call per lane costs a simulator half as much again.
    function [LANES*SUM-1:0] combine(
        input [LANES*SUM-1:0] sums, input [LANES*8-1:0] more, input anew, input most, input least
    );
        integer i;
        begin
            combine = anew ? {LANES*SUM{1'b0}} : sums;
            for (i = 0; i < LANES; i = i + 1)
                if (anew)
                    combine[i*SUM +: 8] = more[i*8 +: 8];
                else if (!most && !least)
                    combine[i*SUM +: SUM] = sums[i*SUM +: SUM] + {{SUM-8{1'b0}}, more[i*8 +: 8]};
                else if (more[i*8 +: 8] > sums[i*SUM +: 8] ? most : least)
                    combine[i*SUM +: 8] = more[i*8 +: 8];
        end
    endfunction

    function [LANES*LEVEL-1:0] extend(input [LANES*8-1:0] values);
        integer i;
        for (i = 0; i < LANES; i = i + 1) extend[i*LEVEL +: LEVEL] = {values[i*8 + 7], values[i*8 +: 8]};
    endfunction

    function [LANES*SUM-1:0] multiply(input [LANES*LEVEL-1:0] left, input [LANES*LEVEL-1:0] right);
        reg signed [2*LEVEL-1:0] product;
        integer i;
        for (i = 0; i < LANES; i = i + 1) begin
            product = $signed(left[i*LEVEL +: LEVEL]) * $signed(right[i*LEVEL +: LEVEL]);
            multiply[i*SUM +: SUM] = {{SUM-2*LEVEL{product[2*LEVEL-1]}}, product};
        end
    endfunction

    function [LANES*32-1:0] centre(
        input [LANES*SUM-1:0] sums, input [SUM-1:0] level, input turn, input deep, input [LANES*32-1:0] before
    );
        reg [31:0] from, less;
        integer i;
        for (i = 0; i < LANES; i = i + 1) begin
            from = {{32-SUM{sums[i*SUM + SUM-1]}}, sums[i*SUM +: SUM]};
            less = {{32-SUM{1'b0}}, level};
            if (turn || deep) begin
                less = from;
                from = deep ? before[i*32 +: 32] : {{32-SUM{1'b0}}, level};
            end
            centre[i*32 +: 32] = from - less;
        end
    endfunction

    wire awake = first || second;
    always @(posedge clk) if (awake) begin
        if (first && clear)
            sum_q <= {LANES*SUM{1'b0}};
        else if (first && inside)
            sum_q <= weigh || pair || spread ? multiply(levels, weigh ? extend(weights) : spread ? {LANES{factor}} : kept_q)
                     : combine(sum_q, bytes, fresh, largest, smallest);
        if (first && inside && keep)
            kept_q <= levels;
        if (second)
            centred <= centre(sum_q, zeros, turned, weighed, start ? bias : centred);
    end
endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// round_clamp - requantises LANES products: data = clamp(zero_point + round_shift(product, shift)), one register.
//
// Why: both engines end with it. It rounds half up as floor((floor(p / 2**(shift-1)) + 1) / 2), which is the same as
// (p + 2**(shift-1)) >>> shift without the carry out of 64 bits, so it is exact for every product.
// It is clocked with an enable so that a simulator evaluates it once per word.
//
// Latency: 1 cycle from `en`; data holds until the next `en`. Throughput: 1 word per cycle.
// Model: pyimc.numerics.round_shift and clamp.
`default_nettype none

module round_clamp #(
    parameter LANES = 16
) (
    input  wire                clk,
    input  wire                en,
    input  wire [LANES*64-1:0] product,     // signed
    input  wire [LANES*6-1:0]  shift,       // 1..62
    input  wire [7:0]          zero_point,
    input  wire [7:0]          low,         // at most `high`
    input  wire [7:0]          high,
    output reg  [LANES*8-1:0]  data
);

    generate
        if (LANES < 1) begin : gen_bad_lanes
            error_round_clamp_LANES_must_be_at_least_1 u_error ();
        end
    endgenerate

    // The whole word in one call: a call per lane costs a simulator half as much again.
    function [LANES*8-1:0] requantise(
        input [LANES*64-1:0] values, input [LANES*6-1:0] places, input [7:0] zero, input [7:0] least, input [7:0] most
    );
        reg signed [63:0] y;
        reg signed [63:0] offset;
        reg signed [63:0] floor;
        reg signed [63:0] ceiling;
        integer lane;
        begin
            offset  = {56'd0, zero};
            floor   = {56'd0, least};
            ceiling = {56'd0, most};
            for (lane = 0; lane < LANES; lane = lane + 1) begin
                y = $signed(values[lane*64 +: 64]) >>> (places[lane*6 +: 6] - 6'd1);
                y = (y >>> 1) + $signed({63'd0, y[0]}) + offset;  // magnitude at most 2**62 + 2**8
                if (y < floor)
                    requantise[lane*8 +: 8] = least;
                else if (y > ceiling)
                    requantise[lane*8 +: 8] = most;
                else
                    requantise[lane*8 +: 8] = y[7:0];
            end
        end
    endfunction

    always @(posedge clk)
        if (en)
            data <= requantise(product, shift, zero_point, low, high);

endmodule

`default_nettype wire

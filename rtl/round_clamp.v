// SPDX-License-Identifier: Apache-2.0
// round_clamp - requantises LANES products: data = clamp(zero_point + round_shift(product, shift)), in two stages.
//
// Both engines end with it. It rounds half up as floor((floor(p / 2**(shift-1)) + 1) / 2), which is the same as
// (p + 2**(shift-1)) >>> shift without the carry out of 64 bits, so it is exact for every product. The first stage
// shifts and saturates at 12 bits, far outside of what a byte and a zero point reach; the second rounds and clamps.
// Timing: `first` takes product and shift, `second` in a later cycle what `first` made, with the other inputs; data
// holds until the next `second`. Both may be high in every cycle. Python: pyimc.numerics.round_shift and clamp.
`default_nettype none

module round_clamp #(
    parameter LANES = 16
) (
    input  wire                clk,
    input  wire                first,
    input  wire [LANES*64-1:0] product,     // signed
    input  wire [LANES*6-1:0]  shift,       // 1..62
    input  wire                second,
    input  wire [7:0]          zero_point,
    input  wire [7:0]          low,         // at most `high`
    input  wire [7:0]          high,
    output reg  [LANES*8-1:0]  data
);
    localparam Y = 12;

    generate
        if (LANES < 1) begin : gen_illegal
            round_clamp_LANES_must_be_at_least_1 u_error ();
        end
    endgenerate

    reg [LANES*Y-1:0] shifted_q;            // signed, of twice the result

    // A whole word in one call: a call per lane costs a simulator half as much again.
    function [LANES*Y-1:0] shift_right(input [LANES*64-1:0] values, input [LANES*6-1:0] places);
        reg signed [63:0] y;
        integer i;
        for (i = 0; i < LANES; i = i + 1) begin
            y = $signed(values[i*64 +: 64]) >>> (places[i*6 +: 6] - 6'd1);
            if (y[63:Y-1] == {65-Y{y[63]}}) shift_right[i*Y +: Y] = y[Y-1:0];
            else shift_right[i*Y +: Y] = {y[63], {Y-1{!y[63]}}};
        end
    endfunction

    function [LANES*8-1:0] clamp(
        input [LANES*Y-1:0] values, input [7:0] zero, input [7:0] least, input [7:0] most
    );
        reg signed [Y-1:0] y;
        integer i;
        for (i = 0; i < LANES; i = i + 1) begin
            y = values[i*Y +: Y];
            y = (y >>> 1) + $signed({{Y-1{1'b0}}, y[0]}) + $signed({{Y-8{1'b0}}, zero});
            if (y < $signed({{Y-8{1'b0}}, least})) clamp[i*8 +: 8] = least;
            else if (y > $signed({{Y-8{1'b0}}, most})) clamp[i*8 +: 8] = most;
            else clamp[i*8 +: 8] = y[7:0];
        end
    endfunction

    wire awake = first || second;
    always @(posedge clk) if (awake) begin
        if (first) shifted_q <= shift_right(product, shift);
        if (second) data <= clamp(shifted_q, zero_point, low, high);
    end
endmodule

`default_nettype wire

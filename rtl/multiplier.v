// SPDX-License-Identifier: Apache-2.0
// multiplier - LANES products of a signed value and a 31-bit factor, in two pipeline stages; sums of them on request.
//
// Both engines requantise with it. One stage multiplies by the lower 16 and the upper 15 bits of the factor, the next
// adds the two with their weights, and the product before if `more`.
// Timing: `first` takes value and factor, `second` in a later cycle (the next one, or it may wait) what `first` made;
// data holds until the next `second`. Both may be high in every cycle. Python: products of exact integers.
`default_nettype none

module multiplier #(
    parameter LANES = 16,
    parameter BITS = 32
) (
    input  wire                  clk,
    input  wire                  first,
    input  wire [LANES*BITS-1:0] value,       // signed
    input  wire [LANES*31-1:0]   factor,
    input  wire                  second,
    input  wire                  more,        // adds to the product before
    output reg  [LANES*64-1:0]   product      // signed
);
    generate
        if (BITS < 2 || BITS > 32) begin : gen_illegal
            multiplier_BITS_must_be_2_to_32 u_error ();
        end
    endgenerate

    localparam PART = 48;                     // BITS + 16 at most

    reg [LANES*PART-1:0] lower_q, upper_q;

    // A whole word in one call: an assignment per lane costs a simulator half as much again.
    function [2*LANES*PART-1:0] multiply(input [LANES*BITS-1:0] values, input [LANES*31-1:0] factors);
        reg signed [PART-1:0] wide;
        integer i;
        for (i = 0; i < LANES; i = i + 1) begin
            wide = {{PART-BITS{values[i*BITS + BITS-1]}}, values[i*BITS +: BITS]};
            multiply[i*PART +: PART] = wide * $signed({{PART-16{1'b0}}, factors[i*31 +: 16]});
            multiply[(LANES+i)*PART +: PART] = wide * $signed({{PART-15{1'b0}}, factors[i*31 + 16 +: 15]});
        end
    endfunction

    function [LANES*64-1:0] add(
        input [LANES*PART-1:0] lower, input [LANES*PART-1:0] upper, input [LANES*64-1:0] products
    );
        integer i;
        for (i = 0; i < LANES; i = i + 1)
            add[i*64 +: 64] = {{64-PART{lower[i*PART + PART-1]}}, lower[i*PART +: PART]}
                              + {upper[i*PART +: PART], 16'd0} + products[i*64 +: 64];
    endfunction

    wire awake = first || second;
    always @(posedge clk) if (awake) begin
        if (first) {upper_q, lower_q} <= multiply(value, factor);
        if (second) product <= add(lower_q, upper_q, more ? product : {LANES*64{1'b0}});
    end
endmodule

`default_nettype wire

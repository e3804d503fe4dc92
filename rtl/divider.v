// SPDX-License-Identifier: Apache-2.0
// divider - floor(numerator / divisor), a bit of the quotient in each step.
//
// Of the vector engine there is one, for what a whole row of a map has in common. The quotient must fit QUOTIENT bits.
// Timing: `start` in cycle 0, quotient and `done` from cycle QUOTIENT + 1 on until the next start; cycles in which `step`
// is low do not count. Python: //, in pyimc.operators.softmax and normalise.
`default_nettype none

module divider #(
    parameter NUMERATOR = 51,
    parameter DIVISOR = 40,
    parameter QUOTIENT = 31
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire                 step,
    input  wire                 start,
    input  wire [NUMERATOR-1:0] numerator,
    input  wire [DIVISOR-1:0]   divisor,     // above numerator >> QUOTIENT
    output wire [QUOTIENT-1:0]  quotient,
    output wire                 done
);
    localparam COUNT = $clog2(QUOTIENT + 1);

    generate
        if (NUMERATOR <= QUOTIENT || NUMERATOR - QUOTIENT > DIVISOR) begin : gen_illegal
            divider_NUMERATOR_must_exceed_QUOTIENT_by_1_to_DIVISOR_bits u_error ();
        end
    endgenerate

    reg [DIVISOR-1:0]  divisor_q, rest_q;
    reg [QUOTIENT-1:0] bits_q;               // of the numerator, and, from the right, of the quotient
    reg [COUNT-1:0]    left_q;

    wire [DIVISOR:0] rest = {rest_q, bits_q[QUOTIENT-1]};
    wire             fits = rest >= {1'b0, divisor_q};
    wire [DIVISOR-1:0] less = rest[DIVISOR-1:0] - divisor_q;

    assign quotient = bits_q;
    assign done     = left_q == {COUNT{1'b0}};

    wire awake = (step && (start || !done)) || rst;
    always @(posedge clk) if (awake) begin
        if (start) begin
            {rest_q, bits_q} <= {{DIVISOR+QUOTIENT-NUMERATOR{1'b0}}, numerator};
            divisor_q <= divisor;
            left_q <= QUOTIENT[COUNT-1:0];
        end else if (!done) begin
            rest_q <= fits ? less : rest[DIVISOR-1:0];
            bits_q <= {bits_q[QUOTIENT-2:0], fits};
            left_q <= left_q - 1'b1;
        end
        if (rst)
            left_q <= {COUNT{1'b0}};
    end
endmodule

`default_nettype wire

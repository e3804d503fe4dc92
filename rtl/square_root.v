// SPDX-License-Identifier: Apache-2.0
// square_root - floor(sqrt(value * 2**BITS)), BITS bits, a bit in each step.
//
// Timing: `start` in cycle 0, root and `done` from cycle BITS + 1 on until the next start; cycles in which `step` is low
// do not count. Python: math.isqrt, in pyimc.operators.normalise.
`default_nettype none

module square_root #(
    parameter BITS = 40                      // even
) (
    input  wire            clk,
    input  wire            rst,
    input  wire            step,
    input  wire            start,
    input  wire [BITS-1:0] value,
    output reg  [BITS-1:0] root,
    output wire            done
);
    localparam COUNT = $clog2(BITS + 1);

    generate
        if (BITS < 2 || BITS % 2 != 0) begin : gen_illegal
            square_root_BITS_must_be_even_and_at_least_2 u_error ();
        end
    endgenerate

    reg [BITS-1:0]  bits_q;                  // of the value; behind them are zeros
    reg [BITS:0]    rest_q;                  // at most twice the root
    reg [COUNT-1:0] left_q;

    wire [BITS+2:0] rest  = {rest_q, bits_q[BITS-1:BITS-2]};
    wire [BITS+2:0] trial = {1'b0, root, 2'b01};
    wire            fits  = rest >= trial;
    /* verilator lint_off UNUSEDSIGNAL */    // the rest is below BITS + 1 bits again
    wire [BITS+2:0] less  = rest - (fits ? trial : {BITS+3{1'b0}});
    /* verilator lint_on UNUSEDSIGNAL */

    assign done = left_q == {COUNT{1'b0}};

    wire awake = (step && (start || !done)) || rst;
    always @(posedge clk) if (awake) begin
        if (start) begin
            bits_q <= value;
            rest_q <= {BITS+1{1'b0}};
            root   <= {BITS{1'b0}};
            left_q <= BITS[COUNT-1:0];
        end else if (!done) begin
            bits_q <= bits_q << 2;
            rest_q <= less[BITS:0];
            root   <= {root[BITS-2:0], fits};
            left_q <= left_q - 1'b1;
        end
        if (rst)
            left_q <= {COUNT{1'b0}};
    end
endmodule

`default_nettype wire

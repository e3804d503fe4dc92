// SPDX-License-Identifier: Apache-2.0
// lowest_one - the index of the lowest set bit of a mask; 0 if none is set.
//
// The fixed priority of contexts: lower index first. Timing: combinational.
`default_nettype none

module lowest_one #(
    parameter WIDTH = 16,
    parameter BITS = 4
) (
    input  wire [WIDTH-1:0] mask,
    output reg  [BITS-1:0]  index
);
    integer i;

    generate
        if (WIDTH > (1 << BITS)) begin : gen_illegal
            lowest_one_BITS_must_hold_every_index u_error ();
        end
    endgenerate

    always @* begin
        index = 0;
        i = 0;                                          // or a tool sees a latch in it
        if (mask != 0)
            for (i = WIDTH - 1; i >= 0; i = i - 1) if (mask[i]) index = i[BITS-1:0];
    end
endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// adc - the converters of a crossbar: ADCS of them, each shared by every ADCS-th column; one group of columns at a time.
//
// Why: what a converter does to a column sum is here and nowhere else. It is ideal so far: a code is the sum.
// Timing: combinational, one group per cycle. Python: pyimc.crossbar.convert.
`default_nettype none

module adc #(
    parameter COLS = 256,
    parameter ADCS = 32,
    parameter LANE = 16,
    parameter GROUP_BITS = 5
) (
    input  wire [COLS*LANE-1:0]  sums,
    input  wire [GROUP_BITS-1:0] group,
    output wire [ADCS*LANE-1:0]  codes
);
    generate
        if (ADCS < 1 || COLS % ADCS != 0 || COLS / ADCS > (1 << GROUP_BITS)) begin : gen_illegal
            adc_COLS_must_be_a_multiple_of_ADCS_and_its_groups_fit_GROUP_BITS u_error ();
        end
    endgenerate

    assign codes = sums[group*(ADCS*LANE) +: ADCS*LANE];
endmodule

`default_nettype wire

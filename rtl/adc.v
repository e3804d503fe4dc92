// SPDX-License-Identifier: Apache-2.0
// adc - the converters of a crossbar: ADCS of them, each shared by every ADCS-th column; one group of columns at a time.
//
// Why: what a converter does to a column sum is here and nowhere else. One of ADC bits rounds to the nearest multiple of
// its step, 2**shift, halves up, and clips at its largest code; what leaves is the sum that the code stands for:
//     value = min((sum + step / 2) >> shift, 2**ADC - 1) << shift
// With ADC = 0 converters are ideal: a value is the sum. A shift of at most max(0, LANE - ADC) keeps values in a lane.
// Timing: combinational, one group per cycle. Python: pyimc.crossbar.convert.
`default_nettype none

module adc #(
    parameter COLS = 256,
    parameter ADCS = 32,
    parameter LANE = 16,
    parameter GROUP_BITS = 5,
    parameter ADC = 0
) (
    input  wire [COLS*LANE-1:0]  sums,
    input  wire [GROUP_BITS-1:0] group,
    input  wire [4:0]            shift,
    output wire [ADCS*LANE-1:0]  values
);
    generate
        if (ADCS < 1 || COLS % ADCS != 0 || COLS / ADCS > (1 << GROUP_BITS)) begin : gen_illegal
            adc_COLS_must_be_a_multiple_of_ADCS_and_its_groups_fit_GROUP_BITS u_error ();
        end
        if (ADC > LANE) begin : gen_bits
            adc_ADC_must_be_at_most_LANE u_error ();
        end
    endgenerate

    wire [ADCS*LANE-1:0] chosen = sums[group*(ADCS*LANE) +: ADCS*LANE];

    genvar c;
    generate
        if (ADC == 0) begin : gen_ideal
            wire unused = &{1'b0, shift};
            assign values = chosen;
        end else begin : gen_real
            localparam [LANE:0] LARGEST = {{LANE+1-ADC{1'b0}}, {ADC{1'b1}}};
            wire [LANE:0] half = ({{LANE{1'b0}}, 1'b1} << shift) >> 1;
            for (c = 0; c < ADCS; c = c + 1) begin : gen_converter
                wire [LANE:0]   rounded = ({1'b0, chosen[c*LANE +: LANE]} + half) >> shift;
                wire [LANE-1:0] code = rounded > LARGEST ? LARGEST[LANE-1:0] : rounded[LANE-1:0];
                assign values[c*LANE +: LANE] = code << shift;
            end
        end
    endgenerate
endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// adc - the converters of a crossbar: ADCS of them, each shared by every ADCS-th column; one group of columns at a time.
//
// Why: what a converter does to a column sum is here and nowhere else. One of ADC bits rounds to the nearest multiple of
// its step, 2**shift, halves up, and clips at its largest code; what leaves is the sum that the code stands for:
//     value = min((sum + step / 2) >> shift, 2**ADC - 1) << shift
// Sums of real cells have FRACTION bits behind the point, which the step covers as well, and maybe noise on top.
// With DIFFERENTIAL = 1 a converter has two columns, side by side in groups, and converts what the first one has more
// than the second; codes are signed, from -(2**(ADC-1) - 1) to 2**(ADC-1) - 1, and so are values in their lanes.
// With ADC = 0 converters are ideal: a value is the sum. A shift that covers the largest sum keeps values in a lane.
// Timing: combinational, one group per cycle. Python: pyimc.crossbar.convert.
`default_nettype none

module adc #(
    parameter COLS = 256,
    parameter ADCS = 32,
    parameter LANE = 16,
    parameter GROUP_BITS = 5,
    parameter ADC = 0,
    parameter DIFFERENTIAL = 0,
    parameter FRACTION = 0
) (
    input  wire [COLS*(DIFFERENTIAL+1)*LANE-1:0] sums,
    input  wire [GROUP_BITS-1:0] group,
    input  wire [4:0]            shift,
    input  wire [ADCS*20-1:0]     noise,         // signed, of real cells
    output wire [ADCS*LANE-1:0]  values
);
    generate
        if (ADCS < 1 || COLS % ADCS != 0 || COLS / ADCS > (1 << GROUP_BITS)) begin : gen_illegal
            adc_COLS_must_be_a_multiple_of_ADCS_and_its_groups_fit_GROUP_BITS u_error ();
        end
        if (ADC > LANE) begin : gen_bits
            adc_ADC_must_be_at_most_LANE u_error ();
        end
        if (FRACTION != 0 && ADC == 0) begin : gen_fraction
            adc_ADC_must_not_be_0_with_FRACTION u_error ();
        end
    endgenerate

    localparam WIDTH = ADCS * LANE;
    localparam HIGHEST = DIFFERENTIAL != 0 ? ADC - 1 : ADC;  // bits of the largest code
    localparam WIDE = (LANE > 20 ? LANE : 20) + 2;           // of a sum with noise
    wire [WIDTH*(DIFFERENTIAL+1)-1:0] chosen = sums[group*(WIDTH*(DIFFERENTIAL+1)) +: WIDTH*(DIFFERENTIAL+1)];

    genvar c;
    generate
        if (ADC == 0 && DIFFERENTIAL == 0) begin : gen_ideal
            wire unused = &{1'b0, shift, noise};
            assign values = chosen;
        end else if (ADC == 0) begin : gen_difference
            wire unused = &{1'b0, shift, noise};
            for (c = 0; c < ADCS; c = c + 1) begin : gen_converter
                assign values[c*LANE +: LANE] = chosen[c*LANE +: LANE] - chosen[WIDTH+c*LANE +: LANE];
            end
        end else begin : gen_real
            localparam signed [WIDE-1:0] LARGEST = (1 << HIGHEST) - 1, SMALLEST = DIFFERENTIAL != 0 ? -LARGEST : 0;
            wire [5:0]             below = {1'b0, shift} + FRACTION[5:0];
            wire signed [WIDE-1:0] half = ({{WIDE-1{1'b0}}, 1'b1} << below) >> 1;
            for (c = 0; c < ADCS; c = c + 1) begin : gen_converter
                wire signed [WIDE-1:0] sum, drawn;
                if (DIFFERENTIAL != 0)
                    assign sum = {{WIDE-LANE{1'b0}}, chosen[c*LANE +: LANE]}
                               - {{WIDE-LANE{1'b0}}, chosen[WIDTH+c*LANE +: LANE]};
                else
                    assign sum = {{WIDE-LANE{1'b0}}, chosen[c*LANE +: LANE]};
                if (FRACTION != 0) assign drawn = {{WIDE-20{noise[c*20+19]}}, noise[c*20 +: 20]};
                else assign drawn = {WIDE{1'b0}};
                wire signed [WIDE-1:0] rounded = (sum + drawn + half) >>> below;
                wire [LANE-1:0]        code = rounded > LARGEST ? LARGEST[LANE-1:0]
                                            : rounded < SMALLEST ? SMALLEST[LANE-1:0] : rounded[LANE-1:0];
                assign values[c*LANE +: LANE] = code << shift;
            end
            if (FRACTION == 0) begin : gen_exact_cells
                wire unused = &{1'b0, noise};
            end
        end
    endgenerate
endmodule

`default_nettype wire

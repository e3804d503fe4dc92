// SPDX-License-Identifier: Apache-2.0
// adc - the converters of a crossbar: ADCS of them, each shared by every ADCS-th column; one group of columns at a time.
//
// Why: what a converter does to a column sum is here and nowhere else. One of ADC bits rounds to the nearest multiple of
// its step, 2**shift, halves up, and clips at its largest code; what leaves is the sum that the code stands for:
//     value = min((sum + step / 2) >> shift, 2**ADC - 1) << shift
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
    parameter DIFFERENTIAL = 0
) (
    input  wire [COLS*(DIFFERENTIAL+1)*LANE-1:0] sums,
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

    localparam WIDTH = ADCS * LANE;
    localparam HIGHEST = DIFFERENTIAL != 0 ? ADC - 1 : ADC;  // bits of the largest code
    wire [WIDTH*(DIFFERENTIAL+1)-1:0] chosen = sums[group*(WIDTH*(DIFFERENTIAL+1)) +: WIDTH*(DIFFERENTIAL+1)];

    genvar c;
    generate
        if (DIFFERENTIAL != 0) begin : gen_differential
            for (c = 0; c < ADCS; c = c + 1) begin : gen_converter
                wire [LANE-1:0] plus = chosen[c*LANE +: LANE], minus = chosen[WIDTH+c*LANE +: LANE];
                if (ADC == 0) begin : gen_ideal
                    wire unused = &{1'b0, shift};
                    assign values[c*LANE +: LANE] = plus - minus;
                end else begin : gen_real
                    localparam signed [LANE:0] LARGEST = (1 << HIGHEST) - 1, SMALLEST = -LARGEST;
                    wire signed [LANE:0] half = ({{LANE{1'b0}}, 1'b1} << shift) >> 1;
                    wire signed [LANE:0] more = {1'b0, plus} - {1'b0, minus};
                    wire signed [LANE:0] rounded = (more + half) >>> shift;
                    wire [LANE-1:0]      code = rounded > LARGEST ? LARGEST[LANE-1:0]
                                              : rounded < SMALLEST ? SMALLEST[LANE-1:0] : rounded[LANE-1:0];
                    assign values[c*LANE +: LANE] = code << shift;
                end
            end
        end else if (ADC == 0) begin : gen_ideal
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

// SPDX-License-Identifier: Apache-2.0
// Parameters of engines, which the shell declares and hands on without knowing them. Generated as engine.v.
`ifndef IMC_ENGINE_PARAMETERS
`define IMC_ENGINE_PARAMETERS \
    parameter ROWS = 256, \
    parameter COLS = 256, \
    parameter PLANES = 40, \
    parameter ADCS = 32, \
    parameter DAC = 1, \
    parameter ADC = 0, \
    parameter CELL = 8, \
    parameter DIFFERENTIAL = 0, \
    parameter DRIVEN = ROWS, \
    parameter FRACTION = 0, \
    parameter NOISE = 0, \
    parameter ACCUMULATORS = 1024, \
    parameter WEIGHTS = 1024, \
    parameter STORED = 64
`define IMC_ENGINE_SETTINGS \
    .ROWS(ROWS), \
    .COLS(COLS), \
    .PLANES(PLANES), \
    .ADCS(ADCS), \
    .DAC(DAC), \
    .ADC(ADC), \
    .CELL(CELL), \
    .DIFFERENTIAL(DIFFERENTIAL), \
    .DRIVEN(DRIVEN), \
    .FRACTION(FRACTION), \
    .NOISE(NOISE), \
    .ACCUMULATORS(ACCUMULATORS), \
    .WEIGHTS(WEIGHTS), \
    .STORED(STORED)
`endif

// SPDX-License-Identifier: Apache-2.0
// channel_memory - bias, multiplier and shift of LANES output channels at once: the parameters of the vector engine.
//
// A row holds the parameters of LANES channels, PARAMETER entry n is lane n % LANES of row n / LANES. The shift is
// read on its own, as it is needed when the multiplications are done.
// Timing: what a read enabled in cycle t finds is there from cycle t+1 on, until the next read. Never written and read
// in the same cycle. Python: pyimc.engines.dpu.task.
`default_nettype none
`include "imc_isa.vh"

module channel_memory #(
    parameter LANES = 16,
    parameter PARAMETERS = 4096,
    parameter ROW_BITS = 8
) (
    input  wire                clk,
    input  wire                cfg_valid,
    input  wire [3:0]          cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */        // channels above PARAMETERS, fields without a use
    input  wire [15:0]         cfg_addr,
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire                ren,
    input  wire [ROW_BITS-1:0] row,
    output reg  [LANES*32-1:0] bias,
    output reg  [LANES*31-1:0] multiplier,
    input  wire                shift_ren,
    input  wire [ROW_BITS-1:0] shift_row,
    output reg  [LANES*6-1:0]  shift
);
    localparam ROWS = PARAMETERS / LANES;
    localparam LANE_BITS = $clog2(LANES);

    generate
        if (ROWS < 1 || PARAMETERS % LANES != 0 || ROWS > 1 << ROW_BITS) begin : gen_illegal
            channel_memory_PARAMETERS_must_be_a_multiple_of_LANES_and_fit_ROW_BITS u_error ();
        end
    endgenerate

    reg [LANES*32-1:0] biases      [0:ROWS-1];
    reg [LANES*31-1:0] multipliers [0:ROWS-1];
    reg [LANES*6-1:0]  shifts      [0:ROWS-1];

    wire                 cfg = cfg_valid && cfg_space == `IMC_SPACE_PARAMETER;
    wire                 cfg_1 = cfg_addr[`IMC_PARAMETER_ADDRESS_ENTRY] == `IMC_ENTRY_PARAM_1;
    wire [ROW_BITS-1:0]  cfg_row = cfg_addr[`IMC_PARAMETER_ADDRESS_CHANNEL_AT + LANE_BITS +: ROW_BITS];
    wire [LANE_BITS-1:0] cfg_lane = cfg_addr[`IMC_PARAMETER_ADDRESS_CHANNEL_AT +: LANE_BITS];

    always @(posedge clk) begin
        if (cfg && cfg_1)
            multipliers[cfg_row][cfg_lane*31 +: 31] <= cfg_data[`IMC_PARAM_1_MULTIPLIER];
        if (cfg && !cfg_1) begin
            biases[cfg_row][cfg_lane*32 +: 32] <= cfg_data[`IMC_PARAM_0_BIAS];
            shifts[cfg_row][cfg_lane*6 +: 6] <= cfg_data[`IMC_PARAM_0_SHIFT];
        end
        if (ren) {bias, multiplier} <= {biases[row], multipliers[row]};
        if (shift_ren) shift <= shifts[shift_row];
    end
endmodule

`default_nettype wire

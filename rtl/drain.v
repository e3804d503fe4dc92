// SPDX-License-Identifier: Apache-2.0
// drain - turns a pixel's accumulators into bytes: bias, offset correction, requantisation, clamp.
//
// It reads a full accumulator bank one word of columns at a time, adds each column's bias, takes off 128 times the
// sum of the inputs (weights are stored as w + 128), multiplies by the column's multiplier, and hands the product
// to round_clamp and the packer. Timing: one word of columns per cycle, 3 cycles from the bank to the packer, all
// held while the packer waits; the bank is free after its last word is read.
// Python: pyimc.golden.run_node for an Mvm.
`default_nettype none
`include "imc_isa.vh"

// verilator lint_off UNUSEDSIGNAL
// reason: a table entry and an instruction hold fields for several stages
module drain #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter PARAMETERS = 4096,
    parameter ADCS = 32,
    parameter WIDTH = 32,
    parameter LANE = 16,
    parameter GROUP_BITS = 5
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire                    cfg_valid,
    input  wire [3:0]              cfg_space,
    input  wire [15:0]             cfg_addr,
    input  wire [63:0]             cfg_data,
    // full banks
    input  wire [1:0]              pixel_full,
    input  wire [CTX_BITS-1:0]     pixel_ctx_0,
    input  wire [CTX_BITS-1:0]     pixel_ctx_1,
    input  wire [31:0]             pixel_sum_0,
    input  wire [31:0]             pixel_sum_1,
    input  wire [1:0]              pixel_end,
    output wire [1:0]              pixel_done,
    // accumulators
    output wire                    read_bank,
    output wire [GROUP_BITS-1:0]   read_row,
    input  wire [WIDTH*2*LANE-1:0] read_data,
    // bytes for the packer
    output wire [WORD-1:0]         m_data,
    output reg  [$clog2(WORD/8):0] m_bytes,
    output reg  [CTX_BITS-1:0]     m_ctx,
    output reg                     m_last,
    output reg                     m_valid,
    input  wire                    m_ready,
    output wire                    busy
);
    localparam LANES = WORD / 8;
    localparam LANE_BITS = $clog2(LANES);
    localparam ACC = 2 * LANE;
    localparam PER_ROW = WIDTH / LANES;                 // words of columns in an accumulator row
    localparam PARAM_ROWS = PARAMETERS / LANES;
    localparam SHIFT = ADCS > LANES ? LANES / 2 * ACC : 0;   // from one word of columns to the next in a row
    localparam PARAM_BITS = $clog2(PARAM_ROWS) > 0 ? $clog2(PARAM_ROWS) : 1;

    generate
        if (WIDTH % LANES != 0 || WIDTH % ADCS != 0 || PARAMETERS % LANES != 0) begin : gen_illegal
            drain_WIDTH_must_be_a_multiple_of_the_lanes_and_of_ADCS_and_PARAMETERS_of_the_lanes u_error ();
        end
    endgenerate

    // Where column i of a word starts in its accumulator row: the order of accumulator.v.
    function [LANES*32-1:0] column_table(input integer adcs);
        integer n;
        for (n = 0; n < LANES; n = n + 1)
            column_table[n*32 +: 32] = ((n / adcs) * adcs + (n % 2) * (adcs / 2) + (n % adcs) / 2) * ACC;
    endfunction
    localparam [LANES*32-1:0] COLUMN = column_table(ADCS);

    reg [63:0]         output_table [0:CONTEXTS-1];
    reg [LANES*32-1:0] bias         [0:PARAM_ROWS-1];
    reg [LANES*6-1:0]  shift        [0:PARAM_ROWS-1];
    reg [LANES*31-1:0] multiplier   [0:PARAM_ROWS-1];

    wire [PARAM_BITS-1:0] cfg_row = cfg_addr[LANE_BITS+1 +: PARAM_BITS];
    wire [LANE_BITS-1:0]  cfg_lane = cfg_addr[1 +: LANE_BITS];
    always @(posedge clk) if (cfg_valid) begin
        if (cfg_space == `IMC_SPACE_ENGINE && cfg_addr[1:0] == 2'd3)
            output_table[cfg_addr[2 +: CTX_BITS]] <= cfg_data;
        if (cfg_space == `IMC_SPACE_PARAMETER && !cfg_addr[0]) begin
            bias[cfg_row][cfg_lane*32 +: 32] <= cfg_data[`IMC_PARAM_0_BIAS];
            shift[cfg_row][cfg_lane*6 +: 6] <= cfg_data[`IMC_PARAM_0_SHIFT];
        end
        if (cfg_space == `IMC_SPACE_PARAMETER && cfg_addr[0])
            multiplier[cfg_row][cfg_lane*31 +: 31] <= cfg_data[`IMC_PARAM_1_MULTIPLIER];
    end

    // ------------------------------------------------------------------------------------- the word being read
    reg                  bank_q;
    reg [15:0]           word_q;
    wire [CTX_BITS-1:0]  ctx = bank_q ? pixel_ctx_1 : pixel_ctx_0;
    wire [31:0]          sum = bank_q ? pixel_sum_1 : pixel_sum_0;
    wire [63:0]          out = output_table[ctx];
    wire [15:0]          columns_left = out[`IMC_OUTPUT_COLUMNS] - (word_q << LANE_BITS);
    wire                 last_word = columns_left <= LANES[15:0];
    wire                 reading = pixel_full[bank_q];
    wire [15:0]          row = word_q / PER_ROW[15:0];
    wire [15:0]          param_row = (out[`IMC_OUTPUT_PARAMETERS] >> LANE_BITS) + word_q;
    wire [PARAM_BITS-1:0] param_index = param_row[PARAM_BITS-1:0];
    assign read_bank = bank_q;
    assign read_row = row[GROUP_BITS-1:0];

    // ------------------------------------------------------------------------------------------------ pipeline
    reg                  v1_q, v2_q, last1_q, last2_q;
    reg [CTX_BITS-1:0]   ctx1_q, ctx2_q;
    reg [LANE_BITS:0]    n1_q, n2_q;
    reg [PARAM_BITS-1:0] param1_q, param2_q;
    reg [LANES*32-1:0]   value_q;
    reg [LANES*64-1:0]   product_q;
    reg [LANES*31-1:0]   factors;
    reg [LANES*32-1:0]   biases;
    reg signed [63:0]    value;
    reg [WIDTH*2*LANE-1:0] lanes;
    integer              i;

    wire go = !m_valid || m_ready;
    wire step = reading && go;
    assign pixel_done = {step && last_word && bank_q, step && last_word && !bank_q};
    assign busy = v1_q || v2_q || m_valid;

    wire awake = (go && (reading || v1_q || v2_q || m_valid)) || rst;

    // verilator lint_off BLKSEQ
    // reason: what is assigned at once is a temporary of its block
    always @(posedge clk) if (awake) begin
        v1_q <= reading;
        v2_q <= v1_q;
        m_valid <= v2_q;
        if (reading) begin
            biases = bias[param_index];
            lanes = read_data >> ({16'd0, word_q} % PER_ROW) * SHIFT;
            for (i = 0; i < LANES; i = i + 1) begin
                value_q[i*32 +: 32] <= lanes[COLUMN[i*32 +: 32] +: 32] + biases[i*32 +: 32] - {sum[24:0], 7'd0};
            end
            n1_q <= last_word ? columns_left[LANE_BITS:0] : LANES[LANE_BITS:0];
            ctx1_q <= ctx;
            last1_q <= last_word && pixel_end[bank_q];
            param1_q <= param_index;
            word_q <= last_word ? 16'd0 : word_q + 16'd1;
            if (last_word) bank_q <= !bank_q;
        end
        if (v1_q) begin
            factors = multiplier[param1_q];
            for (i = 0; i < LANES; i = i + 1) begin
                value = {{32{value_q[i*32 + 31]}}, value_q[i*32 +: 32]};
                product_q[i*64 +: 64] <= value * $signed({33'd0, factors[i*31 +: 31]});
            end
            {n2_q, ctx2_q, last2_q, param2_q} <= {n1_q, ctx1_q, last1_q, param1_q};
        end
        if (v2_q) {m_bytes, m_ctx, m_last} <= {n2_q, ctx2_q, last2_q};
        if (rst) begin
            v1_q <= 1'b0;
            v2_q <= 1'b0;
            m_valid <= 1'b0;
            bank_q <= 1'b0;
            word_q <= 16'd0;
        end
    end
    // verilator lint_on BLKSEQ

    wire [63:0] out2 = output_table[ctx2_q];
    round_clamp #(.LANES(LANES)) u_round_clamp (
        .clk(clk),
        .en(v2_q && go),
        .product(product_q),
        .shift(shift[param2_q]),
        .zero_point(out2[`IMC_OUTPUT_ZERO_POINT]),
        .low(out2[`IMC_OUTPUT_LOW]),
        .high(out2[`IMC_OUTPUT_HIGH]),
        .data(m_data)
    );
endmodule
// verilator lint_on UNUSEDSIGNAL

`default_nettype wire

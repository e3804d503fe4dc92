// SPDX-License-Identifier: Apache-2.0
// drain - turns a pixel's accumulators into bytes: bias, offset correction, requantisation, clamp.
//
// It reads a full accumulator bank one word of columns at a time, adds each column's bias, takes off 128 times the
// sum of the inputs (weights are stored as w + 128), multiplies by the column's multiplier, and hands the product
// to round_clamp and the packer. Of a layer that is cut into parts, it may add the accumulators of the part before,
// from the ring of port 1 (`partial_in`), and hand its own on as they are (`partial_out`), a quarter of a word of
// columns at a time: their 32-bit accumulators are one word. What a firing has read of that ring is free then.
// Timing: one word or quarter per cycle, 3 cycles from the bank to the packer, all held while the packer waits; the
// bank is free after its last columns are read. The last columns of a firing wait while `freed_*` is on offer.
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
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
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
    // partial memory
    output wire                    mem_en,
    output wire [15:0]             mem_addr,
    input  wire [WORD-1:0]         mem_data,
    // words of a firing that have been read from it
    output reg                     freed_valid,
    input  wire                    freed_ready,
    output reg  [CTX_BITS-1:0]     freed_ctx,
    output reg  [15:0]             freed_words,
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
    localparam QUARTER = LANES / 4;
    localparam ACC = 2 * LANE;
    localparam PER_ROW = WIDTH / LANES;                 // words of columns in an accumulator row
    localparam PARAM_ROWS = PARAMETERS / LANES;
    localparam SHIFT = ADCS > LANES ? LANES / 2 * ACC : 0;   // from one word of columns to the next in a row
    localparam PARAM_BITS = $clog2(PARAM_ROWS) > 0 ? $clog2(PARAM_ROWS) : 1;

    generate
        if (LANES < 8 || WIDTH % LANES != 0 || WIDTH % ADCS != 0 || PARAMETERS % LANES != 0) begin : gen_illegal
            drain_WIDTH_must_be_a_multiple_of_8_or_more_lanes_and_of_ADCS_and_PARAMETERS_of_the_lanes u_error ();
        end
    endgenerate

    // Where column i of a word starts in its accumulator row: the order of accumulator.v.
    function [LANES*32-1:0] column_table(input integer adcs);
        integer n;
        for (n = 0; n < LANES; n = n + 1)
            column_table[n*32 +: 32] = ((n / adcs) * adcs + (n % 2) * (adcs / 2) + (n % adcs) / 2) * ACC;
    endfunction
    localparam [LANES*32-1:0] COLUMN = column_table(ADCS);

    reg [`IMC_ENTRY_BITS-1:0] output_table [0:CONTEXTS-1];
    reg                in_table     [0:CONTEXTS-1];     // partial_in
    reg                out_table    [0:CONTEXTS-1];     // partial_out
    reg [15:0]         ring_base    [0:CONTEXTS-1];
    reg [15:0]         ring_size    [0:CONTEXTS-1];
    reg [15:0]         ring_head    [0:CONTEXTS-1];
    reg [LANES*32-1:0] bias         [0:PARAM_ROWS-1];
    reg [LANES*6-1:0]  shift        [0:PARAM_ROWS-1];
    reg [LANES*31-1:0] multiplier   [0:PARAM_ROWS-1];

    wire [PARAM_BITS-1:0] cfg_row = cfg_addr[`IMC_PARAMETER_ADDRESS_CHANNEL_AT+LANE_BITS +: PARAM_BITS];
    wire [LANE_BITS-1:0]  cfg_lane = cfg_addr[`IMC_PARAMETER_ADDRESS_CHANNEL_AT +: LANE_BITS];
    wire [CTX_BITS-1:0]   cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];
    wire                  cfg_ring = cfg_valid && cfg_space == `IMC_SPACE_CHANNEL && cfg_addr[`IMC_CHANNEL_ADDRESS_PORT];
    wire [CTX_BITS-1:0]   cfg_ring_ctx = cfg_addr[`IMC_CHANNEL_ADDRESS_CONTEXT_AT +: CTX_BITS];
    always @(posedge clk) if (cfg_valid) begin
        if (cfg_space == `IMC_SPACE_ENGINE && cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_COLUMNS) begin
            in_table[cfg_ctx] <= cfg_data[`IMC_COLUMNS_PARTIAL_IN];
            out_table[cfg_ctx] <= cfg_data[`IMC_COLUMNS_PARTIAL_OUT];
        end
        if (cfg_space == `IMC_SPACE_ENGINE && cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_OUTPUT)
            output_table[cfg_ctx] <= cfg_data;
        if (cfg_space == `IMC_SPACE_PARAMETER && cfg_addr[`IMC_PARAMETER_ADDRESS_ENTRY] == `IMC_ENTRY_PARAM_0) begin
            bias[cfg_row][cfg_lane*32 +: 32] <= cfg_data[`IMC_PARAM_0_BIAS];
            shift[cfg_row][cfg_lane*6 +: 6] <= cfg_data[`IMC_PARAM_0_SHIFT];
        end
        if (cfg_space == `IMC_SPACE_PARAMETER && cfg_addr[`IMC_PARAMETER_ADDRESS_ENTRY] == `IMC_ENTRY_PARAM_1)
            multiplier[cfg_row][cfg_lane*31 +: 31] <= cfg_data[`IMC_PARAM_1_MULTIPLIER];
    end

    // ---------------------------------------------------------------------------------- the columns being read
    reg                  bank_q;
    reg [17:0]           quarter_q;
    wire [15:0]          word = quarter_q[17:2];
    wire [CTX_BITS-1:0]  ctx = bank_q ? pixel_ctx_1 : pixel_ctx_0;
    wire [31:0]          sum = bank_q ? pixel_sum_1 : pixel_sum_0;
    wire [`IMC_ENTRY_BITS-1:0] out = output_table[ctx];
    wire                 partial_in = in_table[ctx];
    wire                 partial_out = out_table[ctx];
    wire                 partial = partial_in || partial_out;
    wire [15:0]          columns_left = out[`IMC_OUTPUT_COLUMNS] - (quarter_q[15:0] << (LANE_BITS - 2));
    wire [15:0]          columns = partial ? QUARTER[15:0] : LANES[15:0];
    wire                 last_word = columns_left <= columns;
    wire                 frees = partial_in && last_word && pixel_end[bank_q];
    wire                 reading = pixel_full[bank_q] && !(frees && freed_valid);
    wire [15:0]          row = word / PER_ROW[15:0];
    wire [15:0]          param_row = (out[`IMC_OUTPUT_PARAMETERS] >> LANE_BITS) + word;
    wire [PARAM_BITS-1:0] param_index = param_row[PARAM_BITS-1:0];
    assign read_bank = bank_q;
    assign read_row = row[GROUP_BITS-1:0];

    // ------------------------------------------------------------------------------------------------ pipeline
    reg                  v1_q, v2_q, last1_q, last2_q, in1_q, out1_q, out2_q, out3_q;
    reg [1:0]            quarter1_q, quarter2_q, quarter3_q;
    reg [WORD-1:0]       raw2_q, raw3_q;
    reg [CTX_BITS-1:0]   ctx1_q, ctx2_q;
    reg [LANE_BITS:0]    n1_q, n2_q;
    reg [PARAM_BITS-1:0] param1_q, param2_q;
    reg [LANES*32-1:0]   value_q;
    reg [LANES*32-1:0]   sums;
    reg [LANES*64-1:0]   product_q;
    reg [LANES*31-1:0]   factors;
    reg [LANES*32-1:0]   biases;
    reg signed [63:0]    value;
    reg [WIDTH*2*LANE-1:0] lanes;
    integer              i;

    wire go = !m_valid || m_ready;
    wire step = reading && go;
    assign mem_en = step && partial_in;
    assign mem_addr = ring_head[ctx];
    wire [16:0] head_next = {1'b0, mem_addr} + 17'd1;
    wire [16:0] ring_end = {1'b0, ring_base[ctx]} + {1'b0, ring_size[ctx]};
    always @(posedge clk) if (cfg_ring || mem_en) begin
        if (cfg_ring) begin
            ring_base[cfg_ring_ctx] <= cfg_data[`IMC_CHANNEL_BASE];
            ring_size[cfg_ring_ctx] <= cfg_data[`IMC_CHANNEL_SIZE];
            ring_head[cfg_ring_ctx] <= cfg_data[`IMC_CHANNEL_BASE];
        end else ring_head[ctx] <= head_next == ring_end ? ring_base[ctx] : head_next[15:0];
    end

    reg [15:0] words_q;                         // read from the ring by this firing
    always @(posedge clk) if (mem_en || freed_valid || rst) begin
        if (freed_ready) freed_valid <= 1'b0;
        if (mem_en) begin
            words_q <= frees ? 16'd0 : words_q + 16'd1;
            if (frees) begin
                freed_valid <= 1'b1;
                freed_ctx <= ctx;
                freed_words <= words_q + 16'd1;
            end
        end
        if (rst) begin
            freed_valid <= 1'b0;
            words_q <= 16'd0;
        end
    end

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
            lanes = read_data >> ({16'd0, word} % PER_ROW) * SHIFT;
            for (i = 0; i < LANES; i = i + 1) begin
                value_q[i*32 +: 32] <= lanes[COLUMN[i*32 +: 32] +: 32] + biases[i*32 +: 32] - {sum[24:0], 7'd0};
            end
            n1_q <= partial_out ? LANES[LANE_BITS:0] : last_word ? columns_left[LANE_BITS:0] : columns[LANE_BITS:0];
            {in1_q, out1_q, quarter1_q} <= {partial_in, partial_out, quarter_q[1:0]};
            ctx1_q <= ctx;
            last1_q <= last_word && pixel_end[bank_q];
            param1_q <= param_index;
            quarter_q <= last_word ? 18'd0 : quarter_q + (partial ? 18'd1 : 18'd4);
            if (last_word) bank_q <= !bank_q;
        end
        if (v1_q) begin
            sums = value_q;
            if (in1_q) for (i = 0; i < LANES; i = i + 1)
                sums[i*32 +: 32] = sums[i*32 +: 32] + mem_data[(i % QUARTER)*32 +: 32];
            if (out1_q) raw2_q <= sums[quarter1_q*WORD +: WORD];
            else begin
                factors = multiplier[param1_q];
                for (i = 0; i < LANES; i = i + 1) begin
                    value = {{32{sums[i*32 + 31]}}, sums[i*32 +: 32]};
                    product_q[i*64 +: 64] <= value * $signed({33'd0, factors[i*31 +: 31]});
                end
            end
            {n2_q, ctx2_q, last2_q, param2_q} <= {n1_q, ctx1_q, last1_q, param1_q};
            {out2_q, quarter2_q} <= {out1_q, quarter1_q};
        end
        if (v2_q) begin
            {m_bytes, m_ctx, m_last} <= {n2_q, ctx2_q, last2_q};
            {out3_q, quarter3_q} <= {out2_q, quarter2_q};
            if (out2_q) raw3_q <= raw2_q;
        end
        if (rst) begin
            v1_q <= 1'b0;
            v2_q <= 1'b0;
            m_valid <= 1'b0;
            bank_q <= 1'b0;
            quarter_q <= 18'd0;
        end
    end
    // verilator lint_on BLKSEQ

    wire [WORD-1:0] requantised;
    assign m_data = out3_q ? raw3_q : requantised >> {quarter3_q, 3'd0} * QUARTER;
    wire [`IMC_ENTRY_BITS-1:0] out2 = output_table[ctx2_q];
    round_clamp #(.LANES(LANES)) u_round_clamp (
        .clk(clk),
        .en(v2_q && go && !out2_q),
        .product(product_q),
        .shift(shift[param2_q]),
        .zero_point(out2[`IMC_OUTPUT_ZERO_POINT]),
        .low(out2[`IMC_OUTPUT_LOW]),
        .high(out2[`IMC_OUTPUT_HIGH]),
        .data(requantised)
    );
endmodule
// verilator lint_on UNUSEDSIGNAL

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// vector_unit - the arithmetic of the dpu: aligns slots, combines them by lane, multiplies, requantises.
//
// Why: all operations are one pipeline. Stage 1 aligns the bytes read and combines them into an accumulator (the sum,
// or the largest); stage 2 subtracts n zero points and multiplies, add a second time for input 1; stage 3 rounds, shifts
// and clamps (round_clamp), or looks up (lut). What an actor needs is looked up by the context that travels along.
//
// Latency: 3 cycles from the slot that completes a chunk to m_valid. Throughput: 1 slot per cycle.
// While the output waits, all stages wait: `step` is low.
// Model: pyimc.golden, all nodes but Mvm.
`default_nettype none
`include "imc_isa.vh"

module vector_unit #(
    parameter WORD     = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter PARAMS   = 4096
) (
    input  wire                      clk,
    input  wire                      rst,
    output wire                      step,       // the stages advance

    input  wire                      cfg_valid,
    input  wire [3:0]                cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */        // contexts above CONTEXTS, fields that other modules read
    input  wire [15:0]               cfg_addr,
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    /* verilator lint_on UNUSEDSIGNAL */

    input  wire [WORD-1:0]           mem_data,   // of the slot on s_*; the other fields: see vector_fetch
    input  wire                      s_valid,
    input  wire [CTX_BITS-1:0]       s_ctx,
    input  wire                      s_inside,
    input  wire                      s_low,
    input  wire                      s_high,
    input  wire [$clog2(WORD/8)-1:0] s_offset,
    input  wire                      s_side,
    input  wire                      s_first,
    input  wire                      s_final,
    input  wire                      s_emit,
    input  wire [$clog2(WORD/8):0]   s_bytes,
    input  wire                      s_last,

    output wire [WORD-1:0]           m_data,
    output reg  [$clog2(WORD/8):0]   m_bytes,
    output reg  [CTX_BITS-1:0]       m_ctx,
    output reg                       m_last,
    output reg                       m_valid,
    input  wire                      m_ready,

    output wire                      busy        // holds an unfinished result
);

    localparam LANES = WORD / 8;
    localparam SUM   = 24;                       // 255 * 255 * 255 < 2**24
    localparam PB    = $clog2(PARAMS);
    localparam LB    = $clog2(LANES);

    generate
        if (PARAMS < 2) begin : gen_bad_params
            error_vector_unit_PARAMS_must_be_at_least_2 u_error ();
        end
    endgenerate

    // Tables.
    reg [`IMC_ENTRY_BITS-1:0] vector_mem [0:CONTEXTS-1];  // VECTOR
    reg [`IMC_ENTRY_BITS-1:0] output_mem [0:CONTEXTS-1];    // OUTPUT
    reg [30:0] multiplier_mem [0:PARAMS-1];      // PARAM_1

    wire [CTX_BITS-1:0] cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];
    wire cfg_vector     = cfg_valid && cfg_space == `IMC_SPACE_ENGINE && cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_VECTOR;
    wire cfg_output     = cfg_valid && cfg_space == `IMC_SPACE_ENGINE && cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_OUTPUT;
    wire cfg_multiplier = cfg_valid && cfg_space == `IMC_SPACE_PARAMETER && cfg_addr[`IMC_PARAMETER_ADDRESS_ENTRY] == `IMC_ENTRY_PARAM_1;

    always @(posedge clk)
        if (cfg_valid) begin
            if (cfg_vector)
                vector_mem[cfg_ctx] <= cfg_data;
            if (cfg_output)
                output_mem[cfg_ctx] <= cfg_data;
            if (cfg_multiplier)
                multiplier_mem[cfg_addr[`IMC_PARAMETER_ADDRESS_CHANNEL_AT +: PB]] <= cfg_data[`IMC_PARAM_1_MULTIPLIER];
        end

    assign step = !m_valid || m_ready;

    // Stage 1: align and combine; the multiplier and the zero points of what is complete.
    reg [WORD-1:0]       low_q;                  // first read of two
    reg [LANES*SUM-1:0]  sum_q;
    reg [15:0]           count_q;                // taps inside the image
    reg signed [SUM:0]   bias_q;                 // count * zero point
    reg [30:0]           factor_q;
    reg                  product_valid_q;        // sum_q is complete
    reg                  product_more_q;         // adds to product_q
    reg                  product_emit_q;         // completes it
    reg [LB:0]           product_bytes_q;
    reg                  product_last_q;
    reg [CTX_BITS-1:0]   product_ctx_q;

    /* verilator lint_off UNUSEDSIGNAL */        // fields that stage 3 reads, parameters above PARAMS
    wire [`IMC_ENTRY_BITS-1:0] vector = vector_mem[s_ctx];
    wire [`IMC_ENTRY_BITS-1:0] out_1 = output_mem[s_ctx];
    wire [15:0] entry;
    /* verilator lint_on UNUSEDSIGNAL */
    wire [2:0]  op     = vector[`IMC_VECTOR_OPERATION];
    wire        add    = op == `IMC_OPERATION_ADD;
    wire        max    = op == `IMC_OPERATION_MAX;
    wire [15:0] count  = (s_first ? 16'd0 : count_q) + {15'd0, s_inside};
    wire [7:0]  zero   = s_side ? vector[`IMC_VECTOR_ZERO_POINT_1] : vector[`IMC_VECTOR_ZERO_POINT_0];
    wire [15:0] weight = max ? 16'd1 : count;
    wire [15:0] index  = (add || op == `IMC_OPERATION_CONCAT) ? {15'd0, s_side} : weight;
    assign entry = out_1[`IMC_OUTPUT_PARAMETERS] + index;

    function [LANES*SUM-1:0] combine(
        input [LANES*SUM-1:0] sums, input [WORD-1:0] bytes, input fresh, input largest
    );
        integer i;
        begin
            combine = fresh ? {LANES*SUM{1'b0}} : sums;
            for (i = 0; i < LANES; i = i + 1)
                if (fresh)
                    combine[i*SUM +: 8] = bytes[i*8 +: 8];
                else if (!largest)
                    combine[i*SUM +: SUM] = sums[i*SUM +: SUM] + {{SUM-8{1'b0}}, bytes[i*8 +: 8]};
                else if (bytes[i*8 +: 8] > sums[i*SUM +: 8])
                    combine[i*SUM +: 8] = bytes[i*8 +: 8];
        end
    endfunction

    always @(posedge clk)
        if (step && s_valid) begin : p_combine
            reg [WORD-1:0] aligned;
            if (s_low)
                low_q <= mem_data;
            if (!s_low && s_inside) begin
                aligned = (s_high ? low_q : mem_data) >> {s_offset, 3'd0};
                if (s_high)  // the offset is not 0
                    aligned = aligned | mem_data << {{LB{1'b0}} - s_offset, 3'd0};
                sum_q <= combine(sum_q, aligned, s_first, max);
            end else if (!s_low && s_first)
                sum_q <= {LANES*SUM{1'b0}};
            if (!s_low)
                count_q <= count;
            if (s_final) begin
                bias_q          <= $signed({1'b0, {8'd0, weight} * {16'd0, zero}});
                factor_q        <= multiplier_mem[entry[PB-1:0]];
                product_more_q  <= add && s_side;
                product_emit_q  <= s_emit;
                product_bytes_q <= s_bytes;
                product_last_q  <= s_last;
                product_ctx_q   <= s_ctx;
            end
        end

    // Stage 2: (sum - bias) * factor, 25 by 31 bits; add has two of them. The rest of VECTOR and OUTPUT joins here.
    reg [LANES*64-1:0] product_q;
    reg                round_valid_q;            // product_q is complete
    reg [LB:0]         round_bytes_q;
    reg                round_last_q;
    reg [CTX_BITS-1:0] round_ctx_q;

    function [LANES*64-1:0] multiply(
        input [LANES*64-1:0] products, input more,
        input [LANES*SUM-1:0] sums, input signed [SUM:0] bias, input [30:0] factor
    );
        reg signed [63:0] wide;
        reg signed [63:0] product;
        reg signed [SUM:0] centred;
        integer i;
        begin
            wide = {33'd0, factor};
            for (i = 0; i < LANES; i = i + 1) begin
                centred = $signed({1'b0, sums[i*SUM +: SUM]}) - bias;
                product = {{63-SUM{centred[SUM]}}, centred};
                product = product * wide;
                if (more)
                    product = product + $signed(products[i*64 +: 64]);
                multiply[i*64 +: 64] = product;
            end
        end
    endfunction

    always @(posedge clk)
        if (step && product_valid_q) begin
            product_q <= multiply(product_q, product_more_q, sum_q, bias_q, factor_q);
            if (product_emit_q) begin
                round_bytes_q <= product_bytes_q;
                round_last_q  <= product_last_q;
                round_ctx_q   <= product_ctx_q;
            end
        end

    // Stage 3: round, shift, clamp; or what stands in the table, at the product: lut multiplies the byte by 1.
    /* verilator lint_off UNUSEDSIGNAL */        // fields that stage 1 reads
    wire [`IMC_ENTRY_BITS-1:0] vector_3 = vector_mem[round_ctx_q];
    wire [`IMC_ENTRY_BITS-1:0] out_3 = output_mem[round_ctx_q];
    /* verilator lint_on UNUSEDSIGNAL */
    wire        look_up  = vector_3[`IMC_VECTOR_OPERATION] == `IMC_OPERATION_LUT;

    wire [WORD-1:0] rounded;
    wire [WORD-1:0] found;
    reg             found_q;                     // the output is `found`

    assign m_data = found_q ? found : rounded;

    round_clamp #(.LANES(LANES)) u_round_clamp (
        .clk        (clk),
        .en         (step && round_valid_q && !look_up),
        .product    (product_q),
        .shift      ({LANES{vector_3[`IMC_VECTOR_SHIFT]}}),
        .zero_point (out_3[`IMC_OUTPUT_ZERO_POINT]),
        .low        (out_3[`IMC_OUTPUT_LOW]),
        .high       (out_3[`IMC_OUTPUT_HIGH]),
        .data       (rounded)
    );

    wire [LANES*8-1:0] bytes_3;
    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : gen_byte
            assign bytes_3[lane*8 +: 8] = product_q[lane*64 +: 8];
        end
    endgenerate

    lut #(.LANES(LANES), .TABLE_BITS(CTX_BITS)) u_lut (
        .clk   (clk),
        .wen   (cfg_valid && cfg_space == `IMC_SPACE_LUT),
        .waddr ({cfg_addr[`IMC_LUT_ADDRESS_CONTEXT_AT +: CTX_BITS], cfg_addr[`IMC_LUT_ADDRESS_EIGHT]}),
        .wdata (cfg_data),
        .en    (step && round_valid_q && look_up),
        .select (round_ctx_q),
        .index (bytes_3),
        .data  (found)
    );

    assign busy = s_valid || product_valid_q || round_valid_q || m_valid;

    wire moves = (step && busy) || rst;

    always @(posedge clk)
        if (moves) begin
            product_valid_q <= s_valid && s_final;
            round_valid_q   <= product_valid_q && product_emit_q;
            m_valid         <= round_valid_q;
            if (round_valid_q) begin
                m_bytes <= round_bytes_q;
                m_last  <= round_last_q;
                m_ctx   <= round_ctx_q;
                found_q <= look_up;
            end
            if (rst) begin
                product_valid_q <= 1'b0;
                round_valid_q   <= 1'b0;
                m_valid         <= 1'b0;
            end
        end

endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// vector_unit - the arithmetic of the dpu: aligns slots, combines them by lane, multiplies, requantises.
//
// All operations are one pipeline: align the bytes read; combine them (the sum, the largest, the smallest, or a product:
// of two maps, with weights, or of a map and the bytes of another one); subtract n zero points, or, with weights, add to the channel's bias and the products
// before; multiply (two stages of multiplier; add and sub have a second product, for input 1); round and clamp (two
// stages of round_clamp), or look up (lut). What an actor needs is looked up by the context that travels along.
// Softmax and normalise have row_unit beside lane_sums, whose values and factor they multiply.
// Timing: 7 cycles from the slot that completes a chunk to m_valid, 1 slot per cycle. While the output waits, all stages
// wait: `step` is low. Python: pyimc.golden, all nodes but Mvm.
`default_nettype none
`include "imc_isa.vh"

module vector_unit #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter PARAMETERS = 4096,
    parameter WEIGHTS = 1024
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
    input  wire                      s_end,
    input  wire [1:0]                s_pass,
    /* verilator lint_off UNUSEDSIGNAL */        // parameters above PARAMETERS
    input  wire [15:0]               s_count,
    input  wire [15:0]               s_channel,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [15:0]               s_weight,
    input  wire                      s_keep,
    input  wire [$clog2(WORD/8)-1:0] s_factor,

    output wire [WORD-1:0]           m_data,
    output reg  [$clog2(WORD/8):0]   m_bytes,
    output reg  [CTX_BITS-1:0]       m_ctx,
    output reg                       m_last,
    output reg                       m_valid,
    input  wire                      m_ready,

    output wire                      busy        // holds an unfinished result
);

    localparam LANES = WORD / 8;
    localparam LEVEL = 9;                        // of a zero point less a byte
    localparam LB    = $clog2(LANES);
    localparam RB    = PARAMETERS <= 2 * LANES ? 1 : $clog2(PARAMETERS / LANES);

    // Tables.
    reg [`IMC_ENTRY_BITS-1:0] vector_mem [0:CONTEXTS-1];   // VECTOR
    reg [15:0]                output_mem [0:CONTEXTS-1];   // OUTPUT: parameters
    reg [51:0]                row_mem    [0:CONTEXTS-1];   // ROW: exponent, epsilon

    wire [CTX_BITS-1:0] cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];

    always @(posedge clk)
        if (cfg_valid && cfg_space == `IMC_SPACE_ENGINE) begin
            if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_VECTOR)
                vector_mem[cfg_ctx] <= cfg_data;
            if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_OUTPUT)
                output_mem[cfg_ctx] <= cfg_data[`IMC_OUTPUT_PARAMETERS];
            if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_ROW)
                row_mem[cfg_ctx] <= {cfg_data[`IMC_ROW_EXPONENT], cfg_data[`IMC_ROW_EPSILON]};
        end

    assign step = !m_valid || m_ready;

    // Stage 1: align, and take the zero point off what is multiplied. The weights are read.
    reg [WORD-1:0]       low_q;                  // first read of two
    reg                  v1_q, combine1_q, clear1_q, first1_q, most1_q, least1_q, final1_q, emit1_q, more1_q, last1_q;
    reg                  mul1_q, sub1_q, side1_q, tap1_q, deep1_q;   // deep: depthwise, tap: a pixel of its kernel,
    reg                  matmul1_q;              // or of a matrix
    reg                  in_row1_q, normal1_q, end1_q;
    reg [1:0]            pass1_q;
    reg [51:0]           row_entry1_q;
    reg [WORD-1:0]       factors_q;              // matmul: bytes of input 0,
    reg [LEVEL-1:0]      factor1_q;              // one of them - its zero point
    reg [WORD-1:0]       aligned_q;
    reg [LANES*LEVEL-1:0] level1_q;              // zero point - byte
    reg [15:0]           weight1_q;              // zero points in the sum
    reg [7:0]            zero1_q;
    reg [RB-1:0]         row1_q;                 // of the parameters
    reg [LB-1:0]         lane1_q;
    reg [LB:0]           bytes1_q;
    reg [CTX_BITS-1:0]   ctx1_q;

    /* verilator lint_off UNUSEDSIGNAL */        // fields that the last stages read, parameters above PARAMETERS
    wire [`IMC_ENTRY_BITS-1:0] vector = vector_mem[s_ctx];
    wire [15:0] entry;
    /* verilator lint_on UNUSEDSIGNAL */
    wire [`IMC_VECTOR_OPERATION_BITS-1:0] op = vector[`IMC_VECTOR_OPERATION];
    wire        each   = op == `IMC_OPERATION_ADD || op == `IMC_OPERATION_SUB;
    wire        most   = op == `IMC_OPERATION_MAX || op == `IMC_OPERATION_LARGER;
    wire        least  = op == `IMC_OPERATION_SMALLER;
    wire        mul    = op == `IMC_OPERATION_MUL;
    wire        deep   = op == `IMC_OPERATION_DEPTHWISE;
    wire        matmul = op == `IMC_OPERATION_MATMUL;
    wire        normal = op == `IMC_OPERATION_NORMALISE;
    wire        in_row = normal || op == `IMC_OPERATION_SOFTMAX;
    wire [15:0] index  = each || op == `IMC_OPERATION_CONCAT ? {15'd0, s_side} : deep ? s_channel
                         : most || least || mul || matmul ? 16'd1 : s_count;
    wire [7:0]  zero   = s_side ? vector[`IMC_VECTOR_ZERO_POINT_1] : vector[`IMC_VECTOR_ZERO_POINT_0];
    wire [WORD-1:0] aligned = s_high ? low_q >> {s_offset, 3'd0} | mem_data << {{LB{1'b0}} - s_offset, 3'd0}
                              : mem_data >> {s_offset, 3'd0};    // the offset of a second read is not 0
    assign entry = output_mem[s_ctx] + index;

    function [LANES*LEVEL-1:0] below(input [7:0] level, input [WORD-1:0] bytes);
        integer i;
        for (i = 0; i < LANES; i = i + 1) below[i*LEVEL +: LEVEL] = {1'b0, level} - {1'b0, bytes[i*8 +: 8]};
    endfunction

    wire [WORD-1:0] weights;
    weight_memory #(.WORD(WORD), .WEIGHTS(WEIGHTS)) u_weights (
        .clk(clk), .wen(cfg_valid && cfg_space == `IMC_SPACE_WEIGHT), .waddr(cfg_addr), .wdata(cfg_data),
        .ren(step && s_valid && deep), .raddr(s_weight), .rdata(weights)
    );

    always @(posedge clk)
        if (step && s_valid) begin
            if (s_keep)
                factors_q <= mem_data;
            else if (s_low)
                low_q <= mem_data;
            else begin
                aligned_q <= aligned;
                if (deep || mul || matmul)
                    level1_q <= below(zero, aligned);
                if (matmul)
                    factor1_q <= {1'b0, factors_q[{s_factor, 3'd0} +: 8]} - {1'b0, vector[`IMC_VECTOR_ZERO_POINT_0]};
            end
            {combine1_q, clear1_q} <= {!s_low && !s_keep && s_inside, !s_low && !s_inside && (s_first || deep)};
            {first1_q, most1_q, least1_q, final1_q, side1_q} <= {s_first, most, least, s_final, s_side};
            {mul1_q, sub1_q, deep1_q} <= {mul, op == `IMC_OPERATION_SUB && s_side, deep};
            {matmul1_q, tap1_q} <= {matmul, (deep || matmul) && !s_low && !s_keep};
            if (s_final || deep)
                {row1_q, lane1_q} <= entry[LB+RB-1:0];
            if (s_final) begin
                weight1_q <= most || least ? 16'd1 : mul || matmul ? 16'd0 : s_count;
                zero1_q   <= zero;
                {more1_q, emit1_q, last1_q, bytes1_q, ctx1_q} <= {each && s_side, s_emit, s_last, s_bytes, s_ctx};
                {in_row1_q, normal1_q, pass1_q, end1_q, row_entry1_q} <= {in_row, normal, s_pass, s_end, row_mem[s_ctx]};
            end
        end

    // Stage 2: combine; n zero points. The parameters are read.
    reg                  v2_q, tap2_q;           // the sum is complete; it is one of the products that are added up
    reg                  first2_q, sub2_q, deep2_q, matmul2_q;
    reg [24:0]           zeros2_q;               // weight * zero point
    reg                  more2_q, more3_q, more4_q;
    reg                  emit2_q, emit3_q, emit4_q;
    localparam NOTE = 1 + LB + 1 + CTX_BITS;     // {last, bytes, ctx}: travels with a chunk from here on
    reg [NOTE-1:0]       note2_q, note3_q, note4_q, note5_q, note6_q;
    reg [RB:0]           row2_q, row3_q, row4_q; // depthwise, row of the parameters: travel to the shift
    reg [LB-1:0]         lane2_q;
    reg                  in_row2_q, in_row3_q;   // its value and factor are those of row_unit

    wire [LANES*32-1:0] biases;
    wire [LANES*31-1:0] factors;
    wire [LANES*6-1:0]  shifts;
    channel_memory #(.LANES(LANES), .PARAMETERS(PARAMETERS), .ROW_BITS(RB)) u_parameters (
        .clk(clk), .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data),
        .ren(step && v1_q && (deep1_q ? first1_q : final1_q)), .row(row1_q), .bias(biases), .multiplier(factors),
        .shift_ren(step && v4_q && row4_q[RB]), .shift_row(row4_q[RB-1:0]), .shift(shifts)
    );

    always @(posedge clk)
        if (step && v1_q) begin
            {first2_q, sub2_q, deep2_q, matmul2_q} <= {first1_q, sub1_q, deep1_q, matmul1_q};
            if (final1_q) begin
                zeros2_q <= {1'b0, {8'd0, weight1_q} * {16'd0, zero1_q}};
                {row2_q, lane2_q, in_row2_q} <= {deep1_q, row1_q, lane1_q, in_row1_q};
                {more2_q, emit2_q, note2_q} <= {more1_q, emit1_q, last1_q, bytes1_q, ctx1_q};
            end
        end

    // Stage 3: sum - bias, and the multipliers of the chunk.
    // Stages 4 and 5: their product, 32 by 31 bits; add and sub have two of them.
    reg                    v3_q, v4_q, v5_q;     // v5_q: the product is complete
    wire [LANES*32-1:0]    centred;
    reg [LANES*31-1:0]     factor_q;

    lane_sums #(.LANES(LANES)) u_sums (
        .clk(clk), .bytes(aligned_q), .levels(level1_q), .weights(weights), .inside(combine1_q), .clear(clear1_q),
        .fresh(first1_q), .largest(most1_q), .smallest(least1_q), .weigh(deep1_q), .pair(mul1_q),
        .keep(mul1_q && !side1_q), .spread(matmul1_q), .factor(factor1_q), .first(step && v1_q),
        .zeros(zeros2_q), .bias(matmul2_q ? {LANES*32{1'b0}} : biases), .turned(sub2_q), .weighed(deep2_q || matmul2_q), .start(first2_q),
        .second(step && (v2_q || tap2_q)), .centred(centred)
    );

    wire [LANES*32-1:0] row_value;
    wire [30:0]         row_factor;
    wire [30:0]         multiplier = factors[lane2_q*31 +: 31];
    row_unit #(.LANES(LANES)) u_row (
        .clk(clk), .rst(rst), .step(step), .first(step && v1_q && final1_q && in_row1_q), .bytes(aligned_q),
        .count(bytes1_q), .pass(pass1_q), .ends(end1_q), .normalise(normal1_q),
        .exponent(row_entry1_q[51:32]), .epsilon(row_entry1_q[31:0]),
        .second(step && v2_q && in_row2_q), .multiplier(multiplier), .value(row_value), .factor(row_factor)
    );

    always @(posedge clk)
        if (step && (v2_q || v3_q || v4_q)) begin
            if (v2_q) begin
                factor_q <= row2_q[RB] ? factors : {LANES{in_row2_q ? row_factor : multiplier}};
                {more3_q, emit3_q, note3_q, row3_q, in_row3_q} <= {more2_q, emit2_q, note2_q, row2_q, in_row2_q};
            end
            if (v3_q)
                {more4_q, emit4_q, note4_q, row4_q} <= {more3_q, emit3_q, note3_q, row3_q};
            if (v4_q)
                note5_q <= note4_q;
        end

    wire [LANES*64-1:0] product;
    multiplier #(.LANES(LANES), .BITS(32)) u_multiplier (
        .clk(clk), .first(step && v3_q), .value(in_row3_q ? row_value : centred), .factor(factor_q),
        .second(step && v4_q), .more(more4_q), .product(product)
    );

    // Stages 6 and 7: round, shift, clamp, or look up.
    reg                v6_q;
    vector_finish #(.WORD(WORD), .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS)) u_finish (
        .clk(clk), .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data),
        .look(step && v4_q), .ctx_4(note4_q[CTX_BITS-1:0]), .channels(row4_q[RB]),
        .first(step && v5_q), .ctx_5(note5_q[CTX_BITS-1:0]), .product(product), .shifts(shifts),
        .second(step && v6_q), .ctx_6(note6_q[CTX_BITS-1:0]), .data(m_data)
    );

    assign busy = s_valid || v1_q || v2_q || v3_q || v4_q || v5_q || v6_q || m_valid;

    wire moves = (step && busy) || rst;

    always @(posedge clk)
        if (moves) begin
            {v1_q, v2_q, tap2_q, v3_q} <= {s_valid, v1_q && final1_q, v1_q && tap1_q, v2_q};
            {v4_q, v5_q, v6_q, m_valid} <= {v3_q, v4_q && emit4_q, v5_q, v6_q};
            if (v5_q)
                note6_q <= note5_q;
            if (v6_q)
                {m_last, m_bytes, m_ctx} <= note6_q;
            if (rst)
                {v1_q, v2_q, tap2_q, v3_q, v4_q, v5_q, v6_q, m_valid} <= 8'd0;
        end

endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// vector_unit - the arithmetic of the dpu: aligns slots, combines them by lane, multiplies, requantises.
//
// All operations are one pipeline: align the bytes read; combine them into an accumulator (the sum, or the largest);
// subtract n zero points; multiply (two stages of multiplier; add has a second product, for input 1); round and clamp (two
// stages of round_clamp), or look up (lut). What an actor needs is looked up by the context that travels along.
// Timing: 7 cycles from the slot that completes a chunk to m_valid, 1 slot per cycle. While the output waits, all stages
// wait: `step` is low. Python: pyimc.golden, all nodes but Mvm.
`default_nettype none
`include "imc_isa.vh"

module vector_unit #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter PARAMETERS = 4096
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
    localparam PB    = $clog2(PARAMETERS);
    localparam LB    = $clog2(LANES);

    generate
        if (PARAMETERS < 2) begin : gen_illegal
            vector_unit_PARAMETERS_must_be_at_least_2 u_error ();
        end
    endgenerate

    // Tables.
    reg [`IMC_ENTRY_BITS-1:0] vector_mem [0:CONTEXTS-1];   // VECTOR
    reg [`IMC_ENTRY_BITS-1:0] output_mem [0:CONTEXTS-1];   // OUTPUT
    reg [30:0] multiplier_mem [0:PARAMETERS-1];       // PARAM_1

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

    // Stage 1: align. The taps inside the image are counted here, ahead of their sum.
    reg [WORD-1:0]       low_q;                  // first read of two
    reg [15:0]           count_q;                // taps inside the image
    reg                  v1_q, combine1_q, clear1_q, first1_q, max1_q, final1_q, emit1_q, more1_q, last1_q;
    reg [WORD-1:0]       aligned_q;
    reg [15:0]           weight1_q;              // zero points in the sum
    reg [7:0]            zero1_q;
    reg [15:0]           base1_q, index1_q;      // of the multiplier
    reg [LB:0]           bytes1_q;
    reg [CTX_BITS-1:0]   ctx1_q;

    /* verilator lint_off UNUSEDSIGNAL */        // fields that the last stages read
    wire [`IMC_ENTRY_BITS-1:0] vector = vector_mem[s_ctx];
    wire [`IMC_ENTRY_BITS-1:0] out_1  = output_mem[s_ctx];
    /* verilator lint_on UNUSEDSIGNAL */
    wire [2:0]  op     = vector[`IMC_VECTOR_OPERATION];
    wire        add    = op == `IMC_OPERATION_ADD;
    wire        max    = op == `IMC_OPERATION_MAX;
    wire [15:0] count  = (s_first ? 16'd0 : count_q) + {15'd0, s_inside};
    wire [15:0] weight = max ? 16'd1 : count;

    always @(posedge clk)
        if (step && s_valid) begin
            if (s_low)
                low_q <= mem_data;
            else begin
                if (s_high)                      // the offset is not 0
                    aligned_q <= low_q >> {s_offset, 3'd0} | mem_data << {{LB{1'b0}} - s_offset, 3'd0};
                else
                    aligned_q <= mem_data >> {s_offset, 3'd0};
                count_q <= count;
            end
            {combine1_q, clear1_q} <= {!s_low && s_inside, !s_low && !s_inside && s_first};
            {first1_q, max1_q, final1_q} <= {s_first, max, s_final};
            if (s_final) begin
                weight1_q <= weight;
                zero1_q   <= s_side ? vector[`IMC_VECTOR_ZERO_POINT_1] : vector[`IMC_VECTOR_ZERO_POINT_0];
                index1_q  <= (add || op == `IMC_OPERATION_CONCAT) ? {15'd0, s_side} : weight;
                base1_q   <= out_1[`IMC_OUTPUT_PARAMETERS];
                {more1_q, emit1_q, last1_q, bytes1_q, ctx1_q} <= {add && s_side, s_emit, s_last, s_bytes, s_ctx};
            end
        end

    // Stage 2: combine; n zero points, the multiplier's address.
    reg [LANES*SUM-1:0]  sum_q;
    reg                  v2_q;                   // sum_q is complete
    reg signed [SUM:0]   bias2_q;                // weight * zero point
    reg                  more2_q, more3_q, more4_q;
    reg                  emit2_q, emit3_q, emit4_q;
    localparam NOTE = 1 + LB + 1 + CTX_BITS;     // {last, bytes, ctx}: travels with a chunk from here on
    reg [NOTE-1:0]       note2_q, note3_q, note4_q, note5_q, note6_q;
    reg [PB-1:0]         entry2_q;
    /* verilator lint_off UNUSEDSIGNAL */        // parameters above PARAMETERS
    wire [15:0]          entry = base1_q + index1_q;
    /* verilator lint_on UNUSEDSIGNAL */

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
        if (step && v1_q) begin
            if (combine1_q)
                sum_q <= combine(sum_q, aligned_q, first1_q, max1_q);
            else if (clear1_q)
                sum_q <= {LANES*SUM{1'b0}};
            if (final1_q) begin
                bias2_q  <= $signed({1'b0, {8'd0, weight1_q} * {16'd0, zero1_q}});
                entry2_q <= entry[PB-1:0];
                {more2_q, emit2_q, note2_q} <= {more1_q, emit1_q, last1_q, bytes1_q, ctx1_q};
            end
        end

    // Stage 3: sum - bias, and the multiplier. Stages 4 and 5: their product, 25 by 31 bits; add has two of them.
    reg                    v3_q, v4_q, v5_q;     // v5_q: the product is complete
    reg [LANES*(SUM+1)-1:0] centred_q;
    reg [30:0]             factor_q;

    function [LANES*(SUM+1)-1:0] centre(input [LANES*SUM-1:0] sums, input signed [SUM:0] bias);
        integer i;
        for (i = 0; i < LANES; i = i + 1)
            centre[i*(SUM+1) +: SUM+1] = {1'b0, sums[i*SUM +: SUM]} - bias;
    endfunction

    always @(posedge clk)
        if (step && (v2_q || v3_q || v4_q)) begin
            if (v2_q) begin
                centred_q <= centre(sum_q, bias2_q);
                factor_q <= multiplier_mem[entry2_q];
                {more3_q, emit3_q, note3_q} <= {more2_q, emit2_q, note2_q};
            end
            if (v3_q)
                {more4_q, emit4_q, note4_q} <= {more3_q, emit3_q, note3_q};
            if (v4_q)
                note5_q <= note4_q;
        end

    wire [LANES*64-1:0] product;
    multiplier #(.LANES(LANES), .BITS(SUM + 1)) u_multiplier (
        .clk(clk), .first(step && v3_q), .value(centred_q), .factor({LANES{factor_q}}),
        .second(step && v4_q), .more(more4_q), .product(product)
    );

    // Stages 6 and 7: round, shift, clamp; or what stands in the table, at the product: lut multiplies the byte by 1.
    reg                v6_q, look_up6_q;
    wire [CTX_BITS-1:0] ctx_4 = note4_q[CTX_BITS-1:0];
    wire [CTX_BITS-1:0] ctx_5 = note5_q[CTX_BITS-1:0];
    wire [CTX_BITS-1:0] ctx_6 = note6_q[CTX_BITS-1:0];
    /* verilator lint_off UNUSEDSIGNAL */        // fields that the first stages read
    wire [`IMC_ENTRY_BITS-1:0] vector_4 = vector_mem[ctx_4];
    wire [`IMC_ENTRY_BITS-1:0] out_6    = output_mem[ctx_6];
    /* verilator lint_on UNUSEDSIGNAL */
    reg         look_up5_q;
    reg [5:0]   shift5_q;

    wire [WORD-1:0] rounded;
    wire [WORD-1:0] found;
    reg             found_q;                     // the output is `found`

    assign m_data = found_q ? found : rounded;

    round_clamp #(.LANES(LANES)) u_round_clamp (
        .clk(clk), .first(step && v5_q && !look_up5_q), .product(product), .shift({LANES{shift5_q}}),
        .second(step && v6_q && !look_up6_q), .zero_point(out_6[`IMC_OUTPUT_ZERO_POINT]),
        .low(out_6[`IMC_OUTPUT_LOW]), .high(out_6[`IMC_OUTPUT_HIGH]), .data(rounded)
    );

    wire [LANES*8-1:0] bytes_5;
    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : gen_byte
            assign bytes_5[lane*8 +: 8] = product[lane*64 +: 8];
        end
    endgenerate

    lut #(.LANES(LANES), .TABLE_BITS(CTX_BITS)) u_lut (
        .clk(clk), .wen(cfg_valid && cfg_space == `IMC_SPACE_LUT),
        .waddr({cfg_addr[`IMC_LUT_ADDRESS_CONTEXT_AT +: CTX_BITS], cfg_addr[`IMC_LUT_ADDRESS_EIGHT]}), .wdata(cfg_data),
        .first(step && v5_q && look_up5_q), .select(ctx_5), .index(bytes_5),
        .second(step && v6_q && look_up6_q), .data(found)
    );

    assign busy = s_valid || v1_q || v2_q || v3_q || v4_q || v5_q || v6_q || m_valid;

    wire moves = (step && busy) || rst;

    always @(posedge clk)
        if (moves) begin
            {v1_q, v2_q, v3_q} <= {s_valid, v1_q && final1_q, v2_q};
            {v4_q, v5_q, v6_q, m_valid} <= {v3_q, v4_q && emit4_q, v5_q, v6_q};
            if (v4_q)
                {look_up5_q, shift5_q} <= {
                    vector_4[`IMC_VECTOR_OPERATION] == `IMC_OPERATION_LUT, vector_4[`IMC_VECTOR_SHIFT]
                };
            if (v5_q)
                {look_up6_q, note6_q} <= {look_up5_q, note5_q};
            if (v6_q)
                {found_q, m_last, m_bytes, m_ctx} <= {look_up6_q, note6_q};
            if (rst)
                {v1_q, v2_q, v3_q, v4_q, v5_q, v6_q, m_valid} <= 7'd0;
        end

endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// vector_finish - the last two stages of the vector unit: round, shift and clamp a product, or look its lowest byte up.
//
// Which of the two is the actor's operation: lut multiplies the byte by 1. What an actor needs is looked up by its context.
// Timing: `first` takes the product of `ctx_5`, whose shift was read with `look`, `second` in a later cycle what `first`
// made, with ctx_6; data holds until the next `second`. All may be high in every cycle. Python: pyimc.golden.
`default_nettype none
`include "imc_isa.vh"

module vector_finish #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4
) (
    input  wire                clk,
    input  wire                cfg_valid,
    input  wire [3:0]          cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */    // contexts above CONTEXTS, fields that other modules read
    input  wire [15:0]         cfg_addr,
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    /* verilator lint_on UNUSEDSIGNAL */

    input  wire                look,         // one step before `first`:
    input  wire [CTX_BITS-1:0] ctx_4,
    input  wire                channels,     // each channel has its own shift
    input  wire                first,
    input  wire [CTX_BITS-1:0] ctx_5,
    input  wire [WORD*8-1:0]   product,      // of each lane, signed
    input  wire [WORD/8*6-1:0] shifts,
    input  wire                second,
    input  wire [CTX_BITS-1:0] ctx_6,
    output wire [WORD-1:0]     data
);
    localparam LANES = WORD / 8;

    generate
        if (CONTEXTS < 1 || CTX_BITS < 1 || CTX_BITS > 14 || CONTEXTS > (1 << CTX_BITS)) begin : gen_illegal
            vector_finish_CONTEXTS_must_fit_CTX_BITS_of_1_to_14 u_error ();
        end
    endgenerate

    reg [6:0]  vector_mem [0:CONTEXTS-1];     // VECTOR: lut, shift
    reg [23:0] output_mem [0:CONTEXTS-1];     // OUTPUT: zero point, low, high

    wire [CTX_BITS-1:0] cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];
    wire                entry   = cfg_valid && cfg_space == `IMC_SPACE_ENGINE;

    reg         look_up5_q, look_up6_q, channels5_q;
    reg [5:0]   shift5_q;
    reg         found_q;                      // the output is `found`
    wire [7:0]  zero_point, low, high;
    wire [WORD-1:0] rounded, found, bytes;

    assign {zero_point, low, high} = output_mem[ctx_6];
    assign data = found_q ? found : rounded;

    always @(posedge clk) if (entry) begin
        if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_VECTOR)
            vector_mem[cfg_ctx] <= {cfg_data[`IMC_VECTOR_OPERATION] == `IMC_OPERATION_LUT, cfg_data[`IMC_VECTOR_SHIFT]};
        if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_OUTPUT)
            output_mem[cfg_ctx] <= {cfg_data[`IMC_OUTPUT_ZERO_POINT], cfg_data[`IMC_OUTPUT_LOW], cfg_data[`IMC_OUTPUT_HIGH]};
    end

    wire awake = look || first || second;
    always @(posedge clk) if (awake) begin
        if (look) {look_up5_q, shift5_q, channels5_q} <= {vector_mem[ctx_4], channels};
        if (first) look_up6_q <= look_up5_q;
        if (second) found_q <= look_up6_q;
    end

    round_clamp #(.LANES(LANES)) u_round_clamp (
        .clk(clk), .first(first && !look_up5_q), .product(product), .shift(channels5_q ? shifts : {LANES{shift5_q}}),
        .second(second && !look_up6_q), .zero_point(zero_point), .low(low), .high(high), .data(rounded)
    );

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : gen_byte
            assign bytes[lane*8 +: 8] = product[lane*64 +: 8];
        end
    endgenerate

    lut #(.LANES(LANES), .TABLE_BITS(CTX_BITS)) u_lut (
        .clk(clk), .wen(cfg_valid && cfg_space == `IMC_SPACE_LUT),
        .waddr({cfg_addr[`IMC_LUT_ADDRESS_CONTEXT_AT +: CTX_BITS], cfg_addr[`IMC_LUT_ADDRESS_EIGHT]}), .wdata(cfg_data),
        .first(first && look_up5_q), .select(ctx_5), .index(bytes), .second(second && look_up6_q), .data(found)
    );

endmodule

`default_nettype wire

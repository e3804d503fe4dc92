// SPDX-License-Identifier: Apache-2.0
// vector_tables - what the entries of ENGINE say of the walk of every actor: WINDOW, VECTOR, KERNEL, MATRIX and ROW.
//
// Only what the fetch needs of them is kept, and the operation as what it means for the walk.
// Timing: an entry written in cycle t is read from t+1 on; what is read follows `ctx` in the same cycle.
// Python: pyimc.engines.dpu.timing.Walk.
`default_nettype none
`include "imc_isa.vh"

module vector_tables #(
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4
) (
    input  wire                    clk,
    input  wire                    cfg_valid,
    input  wire [3:0]              cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */         // contexts above CONTEXTS
    input  wire [15:0]             cfg_addr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,

    input  wire [CTX_BITS-1:0]     ctx,
    output wire [`IMC_ENTRY_BITS-1:0] window,
    output wire [47:0]             kernel,        // weights, row, pixel
    output wire [15:0]             columns,       // of the kernel: pixels of a row, inputs, or pixels of input 1,
    output wire [15:0]             advance,       // so many bytes apart
    output wire [7:0]              repeats,
    output wire [7:0]              pause,
    output wire                    pair,          // of two maps,
    output wire                    each,          // whose inputs are accumulated one by one,
    output wire                    broadcast,     // the second of which is one pixel
    output wire                    concat,
    output wire                    matmul
);
    generate
        if (CONTEXTS < 1 || CTX_BITS < 1 || CTX_BITS > 14 || CONTEXTS > (1 << CTX_BITS)) begin : gen_illegal
            vector_tables_CONTEXTS_must_fit_CTX_BITS_of_1_to_14 u_error ();
        end
    endgenerate

    reg [`IMC_ENTRY_BITS-1:0] window_mem [0:CONTEXTS-1];
    reg [7:0]  pause_mem  [0:CONTEXTS-1];
    reg [21:0] vector_mem [0:CONTEXTS-1];          // paused, matmul, broadcast, repeat, kernel columns, concat, each, pair
    reg [47:0] kernel_mem [0:CONTEXTS-1];
    reg [31:0] matrix_mem [0:CONTEXTS-1];          // inner, pitch

    wire [CTX_BITS-1:0] cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];
    wire [`IMC_VECTOR_OPERATION_BITS-1:0] cfg_op = cfg_data[`IMC_VECTOR_OPERATION];
    wire cfg_each = cfg_op == `IMC_OPERATION_ADD || cfg_op == `IMC_OPERATION_SUB;
    wire cfg_pair = cfg_each || cfg_op == `IMC_OPERATION_MUL || cfg_op == `IMC_OPERATION_LARGER
                    || cfg_op == `IMC_OPERATION_SMALLER;

    always @(posedge clk)
        if (cfg_valid && cfg_space == `IMC_SPACE_ENGINE) begin
            if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_WINDOW)
                window_mem[cfg_ctx] <= cfg_data;
            if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_VECTOR)
                vector_mem[cfg_ctx] <= {
                    cfg_op == `IMC_OPERATION_SOFTMAX || cfg_op == `IMC_OPERATION_NORMALISE,
                    cfg_op == `IMC_OPERATION_MATMUL, cfg_data[`IMC_VECTOR_BROADCAST], cfg_data[`IMC_VECTOR_REPEAT],
                    cfg_data[`IMC_VECTOR_KERNEL_COLUMNS], cfg_op == `IMC_OPERATION_CONCAT, cfg_each, cfg_pair
                };
            if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_KERNEL)
                kernel_mem[cfg_ctx] <= {
                    cfg_data[`IMC_KERNEL_WEIGHTS], cfg_data[`IMC_KERNEL_ROW], cfg_data[`IMC_KERNEL_PIXEL]
                };
            if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_MATRIX)
                matrix_mem[cfg_ctx] <= {cfg_data[`IMC_MATRIX_INNER], cfg_data[`IMC_MATRIX_PITCH]};
            if (cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_ROW)
                pause_mem[cfg_ctx] <= cfg_data[`IMC_ROW_PAUSE];
        end

    wire [7:0]  kernel_columns;
    wire [15:0] inner, pitch;

    wire        paused;

    assign {paused, matmul, broadcast, repeats, kernel_columns, concat, each, pair} = vector_mem[ctx];
    assign {inner, pitch} = matrix_mem[ctx];
    assign window  = window_mem[ctx];
    assign pause   = paused ? pause_mem[ctx] : 8'd0;
    assign kernel  = kernel_mem[ctx];
    assign columns = matmul ? inner : {8'd0, kernel_columns};
    assign advance = matmul ? pitch : pair ? 16'd0 : window[`IMC_WINDOW_RUN];

endmodule

`default_nettype wire

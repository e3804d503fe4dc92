// SPDX-License-Identifier: Apache-2.0
// fetch - instruction memory, program counters and loops: brings every actor its next FIRE.
//
// An actor asks for its next instruction when the last one was issued (`next`), or when its context is written.
// LOOPs are executed here; each actor has two loop counters, so loops nest twice. HALT makes the actor inactive.
// Timing: 2 cycles per instruction, lowest context first: a FIRE that is due in cycle t is on `fire` in t+2 if no
// other context is in the way. Python: sequencer_model in the tests.
`default_nettype none
`include "imc_isa.vh"

module fetch #(
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter INSTRUCTIONS = 256
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                run,
    // table writes
    input  wire                cfg_valid,
    input  wire [3:0]          cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */  // contexts above CONTEXTS
    input  wire [15:0]         cfg_addr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    // the actor's FIRE has been issued
    input  wire                next_valid,
    input  wire [CTX_BITS-1:0] next_ctx,
    // the next one: a pulse
    output wire                fire_valid,
    output wire [CTX_BITS-1:0] fire_ctx,
    output wire [`IMC_INSTRUCTION_BITS-1:0] fire_instr,
    output wire [CONTEXTS-1:0] active,
    input  wire [CTX_BITS-1:0] status_ctx,
    output wire [`IMC_STATUS_PC_BITS-1:0] status_pc
);
    localparam PC_BITS = $clog2(INSTRUCTIONS);

    generate
        if (INSTRUCTIONS < 2 || INSTRUCTIONS > 4096) begin : gen_instructions
            fetch_INSTRUCTIONS_must_be_2_to_4096 u_error ();
        end
    endgenerate

    reg [`IMC_INSTRUCTION_BITS-1:0] memory [0:INSTRUCTIONS-1];
    reg [PC_BITS-1:0]  pc      [0:CONTEXTS-1];
    reg [15:0]         turns_0 [0:CONTEXTS-1];
    reg [15:0]         turns_1 [0:CONTEXTS-1];
    reg [CONTEXTS-1:0] active_q, due_q;
    assign active = active_q;
    assign status_pc = {{`IMC_STATUS_PC_BITS-PC_BITS{1'b0}}, pc[status_ctx]};

    reg                 decode_q;
    reg [CTX_BITS-1:0]  ctx_q;
    reg [`IMC_INSTRUCTION_BITS-1:0] instr_q;
    wire                start = run && !decode_q && due_q != 0;
    wire [CTX_BITS-1:0] start_ctx;
    lowest_one #(.WIDTH(CONTEXTS), .BITS(CTX_BITS)) u_start (.mask(due_q), .index(start_ctx));
    wire                is_fire = instr_q[`IMC_INSTRUCTION_OPCODE] == `IMC_OP_FIRE;
    wire                is_loop = instr_q[`IMC_INSTRUCTION_OPCODE] == `IMC_OP_LOOP;
    wire                level = instr_q[`IMC_LOOP_LEVEL];
    wire [15:0]         count = instr_q[`IMC_LOOP_COUNT];
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the entry
    wire [15:0]         target = instr_q[`IMC_LOOP_TARGET];
    /* verilator lint_on UNUSEDSIGNAL */
    wire [15:0]         turns = (level ? turns_1[ctx_q] : turns_0[ctx_q]) + 16'd1;
    wire                again = count == 16'd0 || turns < count;
    assign fire_valid = decode_q && is_fire;
    assign fire_ctx = ctx_q;
    assign fire_instr = instr_q;

    wire [CTX_BITS-1:0] cfg_ctx = cfg_addr[CTX_BITS-1:0];
    wire [PC_BITS-1:0]  cfg_pc = cfg_addr[`IMC_INSTRUCTION_ADDRESS_PC_AT +: PC_BITS];
    wire                write_ctx = cfg_valid && cfg_space == `IMC_SPACE_CONTEXT;
    wire                write_instr = cfg_valid && cfg_space == `IMC_SPACE_INSTRUCTION;

    wire memory_used = write_instr || start;
    wire awake = start || decode_q || next_valid || write_ctx || rst;

    always @(posedge clk) if (memory_used) begin
        if (write_instr)
            memory[cfg_pc][cfg_addr[`IMC_INSTRUCTION_ADDRESS_PART]*`IMC_ENTRY_BITS +: `IMC_ENTRY_BITS] <= cfg_data;
        if (start) instr_q <= memory[pc[start_ctx]];
    end

    always @(posedge clk) if (awake) begin
        decode_q <= start;
        if (start) ctx_q <= start_ctx;
        if (decode_q) begin
            pc[ctx_q] <= is_loop && again ? target[PC_BITS-1:0] : pc[ctx_q] + 1'b1;
            if (is_loop && level && count != 16'd0) turns_1[ctx_q] <= again ? turns : 16'd0;
            if (is_loop && !level && count != 16'd0) turns_0[ctx_q] <= again ? turns : 16'd0;
            if (!is_loop) due_q[ctx_q] <= 1'b0;
            if (!is_loop && !is_fire) active_q[ctx_q] <= 1'b0;
        end
        if (next_valid) due_q[next_ctx] <= 1'b1;
        if (write_ctx) begin
            pc[cfg_ctx] <= cfg_data[`IMC_CONTEXT_START_AT +: PC_BITS];
            turns_0[cfg_ctx] <= 16'd0;
            turns_1[cfg_ctx] <= 16'd0;
            active_q[cfg_ctx] <= cfg_data[`IMC_CONTEXT_ACTIVE];
            due_q[cfg_ctx] <= cfg_data[`IMC_CONTEXT_ACTIVE];
        end
        if (rst) begin
            decode_q <= 1'b0;
            active_q <= 0;
            due_q <= 0;
        end
    end
`ifdef FORMAL_FETCH
`include "formal/fetch.vh"
`endif
endmodule

`default_nettype wire

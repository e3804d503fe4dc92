// SPDX-License-Identifier: Apache-2.0
// dpu_engine - the digital vector engine of a PU: layers without weights, and depthwise convolutions.
//
// They run here while the crossbars convolve; the shell around it is that of imc_engine.
//
//     issue -> vector_fetch -> slots -> vector_unit -> chunks -> packer -> m_*
//                  | mem_addr    mem_data ^
//
// Timing of a firing accepted in cycle 0 (no back-pressure): memory slots in cycles 1..slots, `done` in cycle slots,
// the next firing accepted from slots + 1 on; the last word leaves in cycle slots + 9 (+ 1 if its bytes straddle, see
// packer). slots: see vector_fetch. While a word cannot leave, everything waits; nothing else costs a cycle.
// Python: values pyimc.golden (all but Mvm), cycles pyimc.engines.dpu.timing.
`default_nettype none
`include "imc_isa.vh"

module dpu_engine #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter PARAMETERS = 4096,       // output channels, multipliers
    parameter WEIGHTS = 1024           // words of weights
) (
    input  wire                clk,
    input  wire                rst,

    input  wire                issue_valid,
    output wire                issue_ready,
    input  wire [CTX_BITS-1:0] issue_ctx,
    input  wire [`IMC_INSTRUCTION_BITS-1:0] issue_instr,
    input  wire [`IMC_PORTS*16-1:0] issue_heads,   // word addresses of every input: its oldest word,
    input  wire [`IMC_PORTS*16-1:0] issue_bases,   // the start of its ring,
    input  wire [`IMC_PORTS*16-1:0] issue_sizes,   // the ring's length
    output wire                done,           // pulse: the last read of the firing is made in this cycle

    output wire                mem_en,         // mem_data is valid in the next cycle and holds until the next mem_en
    output wire [15:0]         mem_addr,
    input  wire [WORD-1:0]     mem_data,

    input  wire                cfg_valid,      // only while idle
    input  wire [3:0]          cfg_space,
    input  wire [15:0]         cfg_addr,
    /* verilator lint_off UNUSEDSIGNAL */      // a table entry is the low 64 bits
    input  wire [WORD-1:0]     cfg_data,
    /* verilator lint_on UNUSEDSIGNAL */

    output wire [WORD-1:0]     m_data,
    output wire [CTX_BITS-1:0] m_ctx,
    output wire                m_last,         // of the firing
    output wire                m_valid,
    input  wire                m_ready,

    output wire                busy            // from the cycle after the issue until the last word has left
);

    localparam LB = $clog2(WORD / 8);

    wire                step;
    wire                unused = &{1'b0, issue_heads, issue_bases, issue_sizes};  // of actors with two inputs at most

    wire                slot_valid;
    wire [CTX_BITS-1:0] slot_ctx;
    wire                slot_inside;
    wire                slot_low;
    wire                slot_high;
    wire [LB-1:0]       slot_offset;
    wire                slot_side;
    wire                slot_first;
    wire                slot_final;
    wire                slot_emit;
    wire [LB:0]         slot_bytes;
    wire                slot_last;
    wire                slot_end;
    wire [1:0]          slot_pass;
    wire [15:0]         slot_count;
    wire [15:0]         slot_channel;
    wire [15:0]         slot_weight;
    wire                slot_keep;
    wire [LB-1:0]       slot_factor;

    wire [WORD-1:0]     chunk_data;
    wire [LB:0]         chunk_bytes;
    wire [CTX_BITS-1:0] chunk_ctx;
    wire                chunk_last;
    wire                chunk_valid;
    wire                chunk_ready;

    wire                unit_busy;
    wire                packer_busy;

    assign busy = !issue_ready || unit_busy || packer_busy;

    vector_fetch #(.WORD(WORD), .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS)) u_fetch (
        .clk(clk), .rst(rst), .step(step),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data[`IMC_ENTRY_BITS-1:0]),
        .issue_valid(issue_valid), .issue_ready(issue_ready), .issue_ctx(issue_ctx), .issue_instr(issue_instr),
        .issue_head_0(issue_heads[0 +: 16]), .issue_base_0(issue_bases[0 +: 16]), .issue_size_0(issue_sizes[0 +: 16]),
        .issue_head_1(issue_heads[16 +: 16]), .issue_base_1(issue_bases[16 +: 16]), .issue_size_1(issue_sizes[16 +: 16]),
        .done(done), .mem_en(mem_en), .mem_addr(mem_addr),
        .m_valid(slot_valid), .m_ctx(slot_ctx), .m_inside(slot_inside), .m_low(slot_low), .m_high(slot_high),
        .m_offset(slot_offset), .m_side(slot_side), .m_first(slot_first), .m_final(slot_final), .m_emit(slot_emit),
        .m_bytes(slot_bytes), .m_last(slot_last), .m_end(slot_end), .m_pass(slot_pass),
        .m_count(slot_count), .m_channel(slot_channel), .m_weight(slot_weight),
        .m_keep(slot_keep), .m_factor(slot_factor)
    );

    vector_unit #(
        .WORD(WORD), .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .PARAMETERS(PARAMETERS), .WEIGHTS(WEIGHTS)
    ) u_unit (
        .clk(clk), .rst(rst), .step(step),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data[`IMC_ENTRY_BITS-1:0]),
        .mem_data(mem_data),
        .s_valid(slot_valid), .s_ctx(slot_ctx), .s_inside(slot_inside), .s_low(slot_low), .s_high(slot_high),
        .s_offset(slot_offset), .s_side(slot_side), .s_first(slot_first), .s_final(slot_final), .s_emit(slot_emit),
        .s_bytes(slot_bytes), .s_last(slot_last), .s_end(slot_end), .s_pass(slot_pass),
        .s_count(slot_count), .s_channel(slot_channel), .s_weight(slot_weight),
        .s_keep(slot_keep), .s_factor(slot_factor),
        .m_data(chunk_data), .m_bytes(chunk_bytes), .m_ctx(chunk_ctx), .m_last(chunk_last),
        .m_valid(chunk_valid), .m_ready(chunk_ready),
        .busy(unit_busy)
    );

    packer #(.WORD(WORD), .CTX_BITS(CTX_BITS)) u_packer (
        .clk(clk), .rst(rst),
        .s_data(chunk_data), .s_bytes(chunk_bytes), .s_ctx(chunk_ctx), .s_last(chunk_last),
        .s_valid(chunk_valid), .s_ready(chunk_ready),
        .m_data(m_data), .m_ctx(m_ctx), .m_last(m_last), .m_valid(m_valid), .m_ready(m_ready),
        .busy(packer_busy)
    );

endmodule

`default_nettype wire

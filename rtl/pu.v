// SPDX-License-Identifier: Apache-2.0
// pu - a processing unit: ingress, memories, sequencer, engine, egress and counters.
//
//   data network -> ingress -> memories -> engine -> egress -> data network
//                      tables v                       ^ issue
//   credit network ------> sequencer -----------------+---------------> credit network
//
// KIND says which engine: see engine.v. One may have a second memory: a crossbar's drain reads the accumulators that come
// into it while the gather reads the first. The rest is the same.
// Timing: see the parts. Python: pyimc.program for the tables, pyimc.golden for the values.
`default_nettype none
`include "imc_isa.vh"
`include "engine_parameters.vh"

module pu #(
    parameter [3:0] KIND = 8,
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter DESTINATIONS = 4,
    parameter INSTRUCTIONS = 256,
    parameter MEMORY = 16384,
    parameter PARTIALS = 4096,
    parameter PARAMETERS = 4096,
    parameter PACKET = 16,
    `IMC_ENGINE_PARAMETERS
) (
    input  wire            clk,
    input  wire            rst,
    input  wire [7:0]      node,            // a constant: where this PU is
    input  wire            run,
    input  wire [31:0]     now,
    // data network
    input  wire [WORD-1:0] s_data,
    input  wire            s_last,
    input  wire            s_valid,
    output wire            s_ready,
    output wire [WORD-1:0] m_data,
    output wire            m_last,
    output wire            m_valid,
    input  wire            m_ready,
    // credit network: always taken
    input  wire [`IMC_CREDIT_BITS-1:0] s_credit_data,
    input  wire            s_credit_valid,
    output wire [`IMC_CREDIT_BITS-1:0] m_credit_data,
    output wire            m_credit_valid,
    input  wire            m_credit_ready,
    output wire            busy
);
    localparam PARTIAL_MEMORY = KIND[3] ? 1 : 0;
    localparam CTX_BITS = $clog2(CONTEXTS) > 0 ? $clog2(CONTEXTS) : 1;

    // ------------------------------------------------------------------------------------------------ ingress
    wire            mem_wen, arrive_valid, cfg_valid, reply_last, reply_valid, reply_ready;
    wire [15:0]     mem_waddr, cfg_addr, read_addr;
    wire [7:0]      arrive_channel, arrive_words;
    wire [3:0]      cfg_space, read_space;
    wire [`IMC_CHANNEL_MEMORY_BITS-1:0] mem_select;
    wire [CTX_BITS-1:0] mem_ctx;
    wire            mem_end;
    wire [`IMC_ENTRY_BITS-1:0] read_data;
    wire [WORD-1:0] reply_data;
    ingress #(.WORD(WORD), .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS)) u_ingress (
        .clk(clk), .rst(rst), .node(node),
        .s_data(s_data), .s_last(s_last), .s_valid(s_valid), .s_ready(s_ready),
        .mem_wen(mem_wen), .mem_waddr(mem_waddr), .mem_select(mem_select), .mem_ctx(mem_ctx), .mem_end(mem_end),
        .arrive_valid(arrive_valid), .arrive_channel(arrive_channel), .arrive_words(arrive_words),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr),
        .read_space(read_space), .read_addr(read_addr), .read_data(read_data),
        .m_reply_data(reply_data), .m_reply_last(reply_last), .m_reply_valid(reply_valid),
        .m_reply_ready(reply_ready)
    );

    wire            mem_en;
    wire [15:0]     mem_addr;
    wire [WORD-1:0] mem_data;
    ram #(.WIDTH(WORD), .DEPTH(MEMORY)) u_memory (
        .clk(clk), .wen(mem_wen && mem_select == `IMC_MEMORY_ACTIVATION), .waddr(mem_waddr), .wdata(s_data),
        .ren(mem_en), .raddr(mem_addr), .rdata(mem_data)
    );

    // ---------------------------------------------------------------------------------------------- sequencer
    wire                issue_valid, issue_ready, done, room_waiting, fired;
    wire [CTX_BITS-1:0] issue_ctx;
    wire [`IMC_INSTRUCTION_BITS-1:0] issue_instr;
    wire [`IMC_PORTS*16-1:0] heads, bases, sizes;
    wire [CONTEXTS-1:0] active;
    wire [`IMC_ENTRY_BITS-1:0] status;
    wire                freed_valid, freed_ready;
    wire [CTX_BITS-1:0] freed_ctx;
    wire [`IMC_CHANNEL_ADDRESS_PORT_BITS-1:0] freed_port;
    wire [15:0]         freed_words;
    wire [CONTEXTS-1:0] refused;
    sequencer #(
        .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .DESTINATIONS(DESTINATIONS), .INSTRUCTIONS(INSTRUCTIONS)
    ) u_sequencer (
        .clk(clk), .rst(rst), .run(run),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(s_data[`IMC_ENTRY_BITS-1:0]),
        .arrive_valid(arrive_valid), .arrive_channel(arrive_channel), .arrive_words(arrive_words),
        .s_credit_valid(s_credit_valid), .s_credit_data(s_credit_data),
        .m_credit_valid(m_credit_valid), .m_credit_data(m_credit_data), .m_credit_ready(m_credit_ready),
        .issue_valid(issue_valid), .issue_ready(issue_ready), .issue_ctx(issue_ctx), .issue_instr(issue_instr),
        .issue_heads(heads), .issue_bases(bases), .issue_sizes(sizes), .done(done),
        .freed_valid(freed_valid), .freed_ready(freed_ready), .freed_ctx(freed_ctx), .freed_port(freed_port),
        .freed_words(freed_words), .refused(refused),
        .active(active), .room_waiting(room_waiting), .fired(fired),
        .status_addr(read_addr), .status(status)
    );

    // ------------------------------------------------------------------------------------------------- engine
    wire [WORD-1:0]     word_data;
    wire [CTX_BITS-1:0] word_ctx;
    wire                word_last, word_valid, word_ready, engine_busy, converting, working;
    wire [CTX_BITS-1:0] convert_ctx, owner;
    wire                partial_en;
    wire [15:0]         partial_addr;
    wire [WORD-1:0]     partial_data;
    generate
        if (PARTIAL_MEMORY != 0) begin : gen_partials
            ram #(.WIDTH(WORD), .DEPTH(PARTIALS)) u_partials (
                .clk(clk), .wen(mem_wen && mem_select == `IMC_MEMORY_PARTIAL), .waddr(mem_waddr), .wdata(s_data),
                .ren(partial_en), .raddr(partial_addr), .rdata(partial_data)
            );
        end else begin : gen_one_memory
            wire unused = &{1'b0, partial_en, partial_addr};
            assign partial_data = {WORD{1'b0}};
        end
    endgenerate
    engine #(
        .KIND(KIND), .WORD(WORD), .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .PARAMETERS(PARAMETERS), `IMC_ENGINE_SETTINGS
    ) u_engine (
        .clk(clk), .rst(rst), .node(node),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(s_data),
        .plane_wen(mem_wen && mem_select == `IMC_MEMORY_PLANE), .plane_ctx(mem_ctx), .plane_end(mem_end),
        .issue_valid(issue_valid), .issue_ready(issue_ready), .issue_ctx(issue_ctx), .issue_instr(issue_instr),
        .issue_heads(heads), .issue_bases(bases), .issue_sizes(sizes),
        .done(done), .mem_en(mem_en), .mem_addr(mem_addr), .mem_data(mem_data),
        .partial_en(partial_en), .partial_addr(partial_addr), .partial_data(partial_data),
        .freed_valid(freed_valid), .freed_ready(freed_ready), .freed_ctx(freed_ctx), .freed_port(freed_port),
        .freed_words(freed_words), .refused(refused),
        .m_data(word_data), .m_ctx(word_ctx), .m_last(word_last), .m_valid(word_valid), .m_ready(word_ready),
        .busy(engine_busy), .converting(converting), .convert_ctx(convert_ctx)
    );
    assign busy = engine_busy || issue_valid;
    assign working = issue_valid || !issue_ready || converting;
    assign owner = converting ? convert_ctx : issue_ctx;

    egress #(
        .WORD(WORD), .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .DESTINATIONS(DESTINATIONS), .PACKET(PACKET)
    ) u_egress (
        .clk(clk), .rst(rst), .node(node),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(s_data[`IMC_ENTRY_BITS-1:0]),
        .s_data(word_data), .s_ctx(word_ctx), .s_last(word_last), .s_valid(word_valid), .s_ready(word_ready),
        .s_reply_data(reply_data), .s_reply_last(reply_last), .s_reply_valid(reply_valid),
        .s_reply_ready(reply_ready),
        .m_data(m_data), .m_last(m_last), .m_valid(m_valid), .m_ready(m_ready)
    );

    counters #(.CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS)) u_counters (
        .clk(clk), .rst(rst), .run(run), .now(now),
        .busy(working), .owner(owner), .room_waiting(room_waiting), .active(active != 0),
        .fired(fired), .done(done), .ctx(issue_ctx),
        .flit_in(s_valid && s_ready), .flit_out(m_valid && m_ready),
        .read_space(read_space), .read_addr(read_addr), .status(status), .read_data(read_data)
    );
endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// engine - the engine of a PU, whichever kind it is. Generated from the engines' own files by pyimc/engines/rtl.py.
//
// One list of ports towards the shell; an engine has those that it needs, outputs of the others are 0. KIND is the
// digit of the kind in the parameter KINDS of chip.v: its number, and 8 more if its PU has a second memory, of which
// the engine says (`freed_*`) what it has read.
//
//   8  imc: imc_engine.v
//   1  dpu: dpu_engine.v
//   3  memory: memory_engine.v
//
// Timing and models: those of the engine.
`default_nettype none
`include "imc_isa.vh"
`include "engine_parameters.vh"

module engine #(
    parameter KIND = 8,
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter PARAMETERS = 4096,
    `IMC_ENGINE_PARAMETERS
) (
    input  wire                                      clk,
    input  wire                                      rst,
    input  wire [7:0]                                node,
    input  wire                                      cfg_valid,
    input  wire [3:0]                                cfg_space,
    input  wire [15:0]                               cfg_addr,
    input  wire [WORD-1:0]                           cfg_data,
    input  wire                                      plane_wen,
    input  wire [CTX_BITS-1:0]                       plane_ctx,
    input  wire                                      plane_end,
    input  wire                                      issue_valid,
    output wire                                      issue_ready,
    input  wire [CTX_BITS-1:0]                       issue_ctx,
    input  wire [`IMC_INSTRUCTION_BITS-1:0]          issue_instr,
    input  wire [`IMC_PORTS*16-1:0]                  issue_heads,
    input  wire [`IMC_PORTS*16-1:0]                  issue_bases,
    input  wire [`IMC_PORTS*16-1:0]                  issue_sizes,
    output wire                                      done,
    output wire                                      mem_en,
    output wire [15:0]                               mem_addr,
    input  wire [WORD-1:0]                           mem_data,
    output wire                                      partial_en,
    output wire [15:0]                               partial_addr,
    input  wire [WORD-1:0]                           partial_data,
    output wire                                      freed_valid,
    input  wire                                      freed_ready,
    output wire [CTX_BITS-1:0]                       freed_ctx,
    output wire [`IMC_CHANNEL_ADDRESS_PORT_BITS-1:0] freed_port,
    output wire [15:0]                               freed_words,
    output wire [CONTEXTS-1:0]                       refused,
    output wire [WORD-1:0]                           m_data,
    output wire [CTX_BITS-1:0]                       m_ctx,
    output wire                                      m_last,
    output wire                                      m_valid,
    input  wire                                      m_ready,
    output wire                                      busy,
    output wire                                      converting,
    output wire [CTX_BITS-1:0]                       convert_ctx
);
    generate
        if (KIND == 8) begin : gen_imc
            imc_engine #(
                .WORD(WORD),
                .CONTEXTS(CONTEXTS),
                .CTX_BITS(CTX_BITS),
                .PARAMETERS(PARAMETERS),
                .ROWS(ROWS),
                .COLS(COLS),
                .PLANES(PLANES),
                .ADCS(ADCS),
                .DAC(DAC),
                .ADC(ADC),
                .CELL(CELL),
                .DIFFERENTIAL(DIFFERENTIAL),
                .DRIVEN(DRIVEN),
                .FRACTION(FRACTION),
                .NOISE(NOISE),
                .ACCUMULATORS(ACCUMULATORS)
            ) u_engine (
                .clk(clk),
                .rst(rst),
                .node(node),
                .cfg_valid(cfg_valid),
                .cfg_space(cfg_space),
                .cfg_addr(cfg_addr),
                .cfg_data(cfg_data),
                .plane_wen(plane_wen),
                .plane_ctx(plane_ctx),
                .plane_end(plane_end),
                .issue_valid(issue_valid),
                .issue_ready(issue_ready),
                .issue_ctx(issue_ctx),
                .issue_instr(issue_instr),
                .issue_heads(issue_heads),
                .issue_bases(issue_bases),
                .issue_sizes(issue_sizes),
                .done(done),
                .mem_en(mem_en),
                .mem_addr(mem_addr),
                .mem_data(mem_data),
                .partial_en(partial_en),
                .partial_addr(partial_addr),
                .partial_data(partial_data),
                .freed_valid(freed_valid),
                .freed_ready(freed_ready),
                .freed_ctx(freed_ctx),
                .freed_port(freed_port),
                .freed_words(freed_words),
                .refused(refused),
                .m_data(m_data),
                .m_ctx(m_ctx),
                .m_last(m_last),
                .m_valid(m_valid),
                .m_ready(m_ready),
                .busy(busy),
                .converting(converting),
                .convert_ctx(convert_ctx)
            );
        end else if (KIND == 1) begin : gen_dpu
            dpu_engine #(
                .WORD(WORD),
                .CONTEXTS(CONTEXTS),
                .CTX_BITS(CTX_BITS),
                .PARAMETERS(PARAMETERS),
                .WEIGHTS(WEIGHTS)
            ) u_engine (
                .clk(clk),
                .rst(rst),
                .cfg_valid(cfg_valid),
                .cfg_space(cfg_space),
                .cfg_addr(cfg_addr),
                .cfg_data(cfg_data),
                .issue_valid(issue_valid),
                .issue_ready(issue_ready),
                .issue_ctx(issue_ctx),
                .issue_instr(issue_instr),
                .issue_heads(issue_heads),
                .issue_bases(issue_bases),
                .issue_sizes(issue_sizes),
                .done(done),
                .mem_en(mem_en),
                .mem_addr(mem_addr),
                .mem_data(mem_data),
                .m_data(m_data),
                .m_ctx(m_ctx),
                .m_last(m_last),
                .m_valid(m_valid),
                .m_ready(m_ready),
                .busy(busy)
            );
            assign partial_en = 1'b0;
            assign partial_addr = 16'd0;
            assign freed_valid = 1'b0;
            assign freed_ctx = {CTX_BITS{1'b0}};
            assign freed_port = {`IMC_CHANNEL_ADDRESS_PORT_BITS{1'b0}};
            assign freed_words = 16'd0;
            assign refused = {CONTEXTS{1'b0}};
            assign converting = 1'b0;
            assign convert_ctx = {CTX_BITS{1'b0}};
            wire unused = &{1'b0, node, plane_wen, plane_ctx, plane_end, partial_data, freed_ready};
        end else if (KIND == 3) begin : gen_memory
            memory_engine #(
                .WORD(WORD),
                .CONTEXTS(CONTEXTS),
                .CTX_BITS(CTX_BITS),
                .ROWS(ROWS),
                .COLS(COLS),
                .STORED(STORED)
            ) u_engine (
                .clk(clk),
                .rst(rst),
                .node(node),
                .cfg_valid(cfg_valid),
                .cfg_space(cfg_space),
                .cfg_addr(cfg_addr),
                .cfg_data(cfg_data),
                .issue_valid(issue_valid),
                .issue_ready(issue_ready),
                .issue_ctx(issue_ctx),
                .done(done),
                .m_data(m_data),
                .m_ctx(m_ctx),
                .m_last(m_last),
                .m_valid(m_valid),
                .m_ready(m_ready),
                .busy(busy)
            );
            assign mem_en = 1'b0;
            assign mem_addr = 16'd0;
            assign partial_en = 1'b0;
            assign partial_addr = 16'd0;
            assign freed_valid = 1'b0;
            assign freed_ctx = {CTX_BITS{1'b0}};
            assign freed_port = {`IMC_CHANNEL_ADDRESS_PORT_BITS{1'b0}};
            assign freed_words = 16'd0;
            assign refused = {CONTEXTS{1'b0}};
            assign converting = 1'b0;
            assign convert_ctx = {CTX_BITS{1'b0}};
            wire unused = &{1'b0, plane_wen, plane_ctx, plane_end, issue_instr, issue_heads, issue_bases, issue_sizes, mem_data, partial_data, freed_ready};
        end else begin : gen_illegal
            engine_KIND_must_be_one_of_8_1_3 u_error ();
        end
    endgenerate
endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// tb - the chip with a capture and an event log on every PU, and a latch that sees whether anything stirs. Simulation only.
`default_nettype none
`include "imc_isa.vh"
`include "engine_parameters.vh"

module tb #(
    parameter MESH_X = 5,
    parameter MESH_Y = 4,
    parameter HOST = 0,
    parameter [1023:0] KINDS = 1024'h88888881881818888880,
    parameter FIFO_DEPTH = 4,
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter DESTINATIONS = 4,
    parameter INSTRUCTIONS = 256,
    parameter MEMORY = 16384,
    parameter PARTIALS = 4096,
    parameter PARAMETERS = 4096,
    parameter PACKET = 16,
    `IMC_ENGINE_PARAMETERS,
    parameter HOST_WORDS = 256
) (
    input  wire            clk,
    input  wire            rst,
    input  wire            start,
    input  wire [31:0]     stop_words,
    output wire            run,
    output wire [31:0]     now,
    input  wire [WORD-1:0] s_host_data,
    input  wire            s_host_last,
    input  wire            s_host_valid,
    output wire            s_host_ready,
    output wire [WORD-1:0] m_host_data,
    output wire            m_host_last,
    output wire            m_host_valid,
    input  wire            m_host_ready
);
    localparam CTX_BITS = $clog2(CONTEXTS) > 0 ? $clog2(CONTEXTS) : 1;

    wire quiet;
    wire stopped = !run;
    chip #(
        .MESH_X(MESH_X), .MESH_Y(MESH_Y), .HOST(HOST), .KINDS(KINDS), .FIFO_DEPTH(FIFO_DEPTH), .WORD(WORD),
        .CONTEXTS(CONTEXTS), .DESTINATIONS(DESTINATIONS), .INSTRUCTIONS(INSTRUCTIONS), .MEMORY(MEMORY), .PARTIALS(PARTIALS),
        .PARAMETERS(PARAMETERS), .PACKET(PACKET), `IMC_ENGINE_SETTINGS, .HOST_WORDS(HOST_WORDS)
    ) u_chip (
        .clk(clk), .rst(rst), .start(start), .stop_words(stop_words), .run(run), .now(now), .quiet(quiet),
        .s_host_data(s_host_data), .s_host_last(s_host_last), .s_host_valid(s_host_valid),
        .s_host_ready(s_host_ready), .m_host_data(m_host_data), .m_host_last(m_host_last),
        .m_host_valid(m_host_valid), .m_host_ready(m_host_ready)
    );

    // The bench clears this and looks again much later: still clear means that nothing has moved in between.
    reg stirred;
    always @(negedge quiet) stirred = 1'b1;

    // Waves while the bench has `recording` set, if there are plusargs: +waves=FILE, of everything or of +waves_pu=N.
    reg             recording;
    reg             whole;
    reg [8*512-1:0] waves;
    reg [31:0]      waves_pu;
    initial begin
        recording = 1'b0;
        whole = !$value$plusargs("waves_pu=%d", waves_pu);
        if ($value$plusargs("waves=%s", waves)) $dumpfile(waves);
    end
    always @(posedge recording) $dumpvars(1, tb);
    always @(posedge recording) if (whole) $dumpvars(0, u_chip);
    always @(negedge recording) $dumpoff;

    genvar n;
    generate
        for (n = 0; n < MESH_X * MESH_Y; n = n + 1) begin : gen_capture
            if (n != HOST) begin : gen_pu
                wire [`IMC_FIRE_OPCODE_BITS-1:0] opcode = u_chip.gen_node[n].gen_pu.u_pu.u_sequencer.fire_instr[`IMC_FIRE_OPCODE];
                always @(posedge recording) if (whole || waves_pu == n) $dumpvars(1, opcode);
                always @(posedge recording) if (!whole && waves_pu == n) $dumpvars(0, u_chip.gen_node[n].gen_pu.u_pu);
                capture #(.WORD(WORD), .CTX_BITS(CTX_BITS), .NODE(n)) u_capture (
                    .clk(clk),
                    .valid(u_chip.gen_node[n].gen_pu.u_pu.word_valid),
                    .ready(u_chip.gen_node[n].gen_pu.u_pu.word_ready),
                    .ctx(u_chip.gen_node[n].gen_pu.u_pu.word_ctx),
                    .data(u_chip.gen_node[n].gen_pu.u_pu.word_data),
                    .now(now)
                );
                events #(.CTX_BITS(CTX_BITS), .NODE(n)) u_events (
                    .clk(clk),
                    .run(run),
                    .issue(u_chip.gen_node[n].gen_pu.u_pu.fired),
                    .done(u_chip.gen_node[n].gen_pu.u_pu.done),
                    .ctx(u_chip.gen_node[n].gen_pu.u_pu.issue_ctx),
                    .arrival(u_chip.gen_node[n].gen_pu.u_pu.arrive_valid),
                    .channel(u_chip.gen_node[n].gen_pu.u_pu.arrive_channel),
                    .credit(u_chip.gen_node[n].gen_pu.u_pu.s_credit_valid),
                    .slot(u_chip.gen_node[n].gen_pu.u_pu.s_credit_data[`IMC_CREDIT_SLOT]),
                    .now(now)
                );
            end
        end
    endgenerate
endmodule

`default_nettype wire

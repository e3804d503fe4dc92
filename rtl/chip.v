// SPDX-License-Identifier: Apache-2.0
// chip - a mesh of PUs with one host port, a data network and a credit network.
//
// Node n = y * MESH_X + x is the host port or a PU, whose kind is digit n of KINDS, four bits (engine.v). Credits travel on a mesh
// of their own, so a packet is only ever sent into room that is reserved for it and the data network always drains.
// `quiet` says that no engine works and no flit moves: with results outstanding that is a deadlock.
// Timing: the sum of the parts; docs/architecture.md. Python: pyimc.arch for the parameters.
`default_nettype none
`include "imc_isa.vh"
`include "engine_parameters.vh"

module chip #(
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
    output wire            quiet,
    input  wire [WORD-1:0] s_host_data,
    input  wire            s_host_last,
    input  wire            s_host_valid,
    output wire            s_host_ready,
    output wire [WORD-1:0] m_host_data,
    output wire            m_host_last,
    output wire            m_host_valid,
    input  wire            m_host_ready
);
    localparam NODES = MESH_X * MESH_Y;
    localparam CREDIT = `IMC_CREDIT_BITS;

    generate
        if (NODES > 256 || HOST >= NODES || KINDS[4*HOST +: 4] != 0) begin : gen_illegal
            chip_HOST_must_be_a_node_of_at_most_256_without_a_kind u_error ();
        end
    endgenerate

    reg  [NODES*WORD-1:0] up_data;
    wire [NODES*WORD-1:0] down_data;
    reg  [NODES-1:0]      up_last, up_valid, down_ready, up_credit_valid, busy;
    wire [NODES-1:0]      up_ready, down_last, down_valid, up_credit_ready, down_credit_valid;
    reg  [NODES*CREDIT-1:0] up_credit_data;
    wire [NODES*CREDIT-1:0] down_credit_data;
    wire                  data_busy, credit_busy;

    mesh #(.WIDTH(WORD), .NODE_AT(`IMC_HEAD_NODE_AT), .FIFO_DEPTH(FIFO_DEPTH), .MESH_X(MESH_X), .MESH_Y(MESH_Y)) u_data_mesh (
        .clk(clk), .rst(rst),
        .s_data(up_data), .s_last(up_last), .s_valid(up_valid), .s_ready(up_ready),
        .m_data(down_data), .m_last(down_last), .m_valid(down_valid), .m_ready(down_ready), .busy(data_busy)
    );

    // Every credit is a packet of one flit.
    wire [NODES-1:0] credit_last;
    mesh #(.WIDTH(CREDIT), .NODE_AT(`IMC_CREDIT_NODE_AT), .FIFO_DEPTH(FIFO_DEPTH), .MESH_X(MESH_X), .MESH_Y(MESH_Y)) u_credit_mesh (
        .clk(clk), .rst(rst),
        .s_data(up_credit_data), .s_last({NODES{1'b1}}), .s_valid(up_credit_valid), .s_ready(up_credit_ready),
        .m_data(down_credit_data), .m_last(credit_last), .m_valid(down_credit_valid), .m_ready({NODES{1'b1}}),
        .busy(credit_busy)
    );
    wire unused = &{1'b0, credit_last};

    assign quiet = !data_busy && !credit_busy && busy == 0;

    genvar n;
    generate
        for (n = 0; n < NODES; n = n + 1) begin : gen_node
            localparam [7:0] NODE = n;
            // One process per slice of a bus: many continuous drivers of one wide net are slow to simulate.
            wire [WORD-1:0] data;
            wire            last, valid, ready, credit_valid, working;
            wire [CREDIT-1:0] credit_data;
            always @* up_data[n*WORD +: WORD] = data;
            always @* up_last[n] = last;
            always @* up_valid[n] = valid;
            always @* down_ready[n] = ready;
            always @* up_credit_data[n*CREDIT +: CREDIT] = credit_data;
            always @* up_credit_valid[n] = credit_valid;
            always @* busy[n] = working;
            if (n == HOST) begin : gen_host
                host_port #(.WORD(WORD), .BUFFER(HOST_WORDS)) u_host (
                    .clk(clk), .rst(rst), .node(NODE), .start(start), .stop_words(stop_words), .run(run), .now(now),
                    .s_host_data(s_host_data), .s_host_last(s_host_last), .s_host_valid(s_host_valid),
                    .s_host_ready(s_host_ready),
                    .m_host_data(m_host_data), .m_host_last(m_host_last), .m_host_valid(m_host_valid),
                    .m_host_ready(m_host_ready),
                    .s_data(down_data[n*WORD +: WORD]), .s_last(down_last[n]), .s_valid(down_valid[n]),
                    .s_ready(ready),
                    .m_data(data), .m_last(last), .m_valid(valid),
                    .m_ready(up_ready[n]),
                    .s_credit_data(down_credit_data[n*CREDIT +: CREDIT]), .s_credit_valid(down_credit_valid[n]),
                    .m_credit_data(credit_data), .m_credit_valid(credit_valid),
                    .m_credit_ready(up_credit_ready[n])
                );
                assign working = 1'b0;
            end else begin : gen_pu
                pu #(
                    .KIND(KINDS[4*n +: 4]), .WORD(WORD), .CONTEXTS(CONTEXTS), .DESTINATIONS(DESTINATIONS),
                    .INSTRUCTIONS(INSTRUCTIONS), .MEMORY(MEMORY), .PARTIALS(PARTIALS), .PARAMETERS(PARAMETERS),
                    .PACKET(PACKET), `IMC_ENGINE_SETTINGS
                ) u_pu (
                    .clk(clk), .rst(rst), .node(NODE), .run(run), .now(now),
                    .s_data(down_data[n*WORD +: WORD]), .s_last(down_last[n]), .s_valid(down_valid[n]),
                    .s_ready(ready),
                    .m_data(data), .m_last(last), .m_valid(valid),
                    .m_ready(up_ready[n]),
                    .s_credit_data(down_credit_data[n*CREDIT +: CREDIT]), .s_credit_valid(down_credit_valid[n]),
                    .m_credit_data(credit_data), .m_credit_valid(credit_valid),
                    .m_credit_ready(up_credit_ready[n]), .busy(working)
                );
            end
        end
    endgenerate
endmodule

`default_nettype wire

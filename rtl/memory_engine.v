// SPDX-License-Identifier: Apache-2.0
// memory_engine - stands for a memory beside the chip: sends the weights of a layer whose crossbars do not keep them.
//
// A firing has no input. It sends the actor's words, in order, as any engine sends its results: into room that the
// consumer has given. Which words stands in the actor's entry STREAM, the memory's bandwidth and latency in PACE, and
// there, too, how much longer writing a row into a crossbar takes than sending it: the last word of each row waits for that.
// Timing: issued in cycle 0, reads word n in cycle 1 + latency + n * interval + floor((n + 1) / row words) * row wait,
// `done` with the last; a word is on the output 2 cycles later. A read waits while the word before it has not been taken.
// Models: pyimc/engines/memory/cycle.py (cycles), pyimc/operators/load.py (values).
`default_nettype none
`include "imc_isa.vh"

module memory_engine #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter ROWS = 256,
    parameter COLS = 256,
    parameter STORED = 64                       // planes as large as those of the crossbars
) (
    input  wire                clk,
    input  wire                rst,
    input  wire [7:0]          node,

    input  wire                cfg_valid,      // only while idle
    input  wire [3:0]          cfg_space,
    input  wire [15:0]         cfg_addr,
    input  wire [WORD-1:0]     cfg_data,

    input  wire                issue_valid,
    output wire                issue_ready,
    input  wire [CTX_BITS-1:0] issue_ctx,
    output wire                done,           // pulse: the last word of the firing is read in this cycle

    output wire [WORD-1:0]     m_data,
    output wire [CTX_BITS-1:0] m_ctx,
    output wire                m_last,         // of the firing
    output wire                m_valid,
    input  wire                m_ready,

    output wire                busy
);
    localparam BB = $clog2(WORD / 8);

    reg  [`IMC_ENTRY_BITS-1:0] stream [0:CONTEXTS-1];
    reg  [`IMC_ENTRY_BITS-1:0] paces  [0:CONTEXTS-1];
    reg  [15:0]                left_q;                   // words to read,
    reg  [`IMC_STREAM_START_BITS-1:0] addr_q;            // the next one,
    reg  [16:0]                wait_q;                   // cycles until it is read,
    reg  [`IMC_PACE_ROW_WORDS_BITS-1:0] row_q;           // words of its row, itself included
    reg  [`IMC_ENTRY_BITS-1:0] pace_q;
    reg  [CTX_BITS-1:0]        ctx_q, read_ctx_q;
    reg                        read_q, last_q;           // a word is at the memory's output
    wire [WORD-1:0]            data;
    wire                       ready, packer_busy;
    wire                       step = !read_q || ready;
    wire                       read = left_q != 0 && wait_q == 0 && step;
    wire                       issue = issue_valid && issue_ready;
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the entry
    wire [`IMC_ENTRY_BITS-1:0] entry = stream[issue_ctx];
    /* verilator lint_on UNUSEDSIGNAL */
    wire [`IMC_ENTRY_BITS-1:0] pace = issue ? paces[issue_ctx] : pace_q;
    wire [`IMC_PACE_ROW_WORDS_BITS-1:0] row = issue || row_q == 1 ? pace[`IMC_PACE_ROW_WORDS] : row_q - 1'b1;
    wire [16:0]                row_wait = row == 1 ? {1'b0, pace[`IMC_PACE_ROW_WAIT]} : 17'd0;
    wire [16:0]                interval = {{17-`IMC_PACE_INTERVAL_BITS{1'b0}}, pace[`IMC_PACE_INTERVAL]};
    wire [CTX_BITS-1:0]        cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];

    assign issue_ready = left_q == 0;
    assign done = read && left_q == 16'd1;
    assign busy = !issue_ready || read_q || packer_busy;

    always @(posedge clk) begin
        if (cfg_valid && cfg_space == `IMC_SPACE_ENGINE && cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_STREAM)
            stream[cfg_ctx] <= cfg_data[`IMC_ENTRY_BITS-1:0];
        if (cfg_valid && cfg_space == `IMC_SPACE_ENGINE && cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_PACE)
            paces[cfg_ctx] <= cfg_data[`IMC_ENTRY_BITS-1:0];
        if (step) begin
            read_q <= read;
            last_q <= done;
            read_ctx_q <= ctx_q;
        end
        if (wait_q != 0) wait_q <= wait_q - 17'd1;
        if (read) begin
            left_q <= left_q - 16'd1;
            addr_q <= addr_q + 1'b1;
            row_q <= row;
            wait_q <= interval + row_wait - 17'd1;
        end
        if (issue) begin
            left_q <= entry[`IMC_STREAM_WORDS];
            addr_q <= entry[`IMC_STREAM_START];
            row_q <= row;
            pace_q <= pace;
            wait_q <= {1'b0, pace[`IMC_PACE_LATENCY]} + row_wait;
            ctx_q <= issue_ctx;
        end
        if (rst) begin
            left_q <= 16'd0;
            read_q <= 1'b0;
        end
    end

    reg  [15:0]                plane_q;
    wire                       cfg_plane = cfg_valid && cfg_space == `IMC_SPACE_CONTROL && cfg_addr == `IMC_ENTRY_PLANE;
    always @(posedge clk) if (cfg_plane) plane_q <= cfg_data[`IMC_CONTROL_PLANE];
    plane_store #(.WORD(WORD), .WORDS(ROWS * COLS / (WORD / 8)), .PLANES(STORED)) u_store (
        .clk(clk), .node(node),
        .wen(cfg_valid && cfg_space == `IMC_SPACE_WEIGHT), .wplane(plane_q), .waddr(cfg_addr), .wdata(cfg_data),
        .ren(read), .raddr(addr_q), .rdata(data)
    );
    packer #(.WORD(WORD), .CTX_BITS(CTX_BITS)) u_packer (
        .clk(clk), .rst(rst),
        .s_data(data), .s_bytes({1'b1, {BB{1'b0}}}), .s_ctx(read_ctx_q), .s_last(last_q), .s_valid(read_q),
        .s_ready(ready),
        .m_data(m_data), .m_ctx(m_ctx), .m_last(m_last), .m_valid(m_valid), .m_ready(m_ready), .busy(packer_busy)
    );
endmodule

`default_nettype wire

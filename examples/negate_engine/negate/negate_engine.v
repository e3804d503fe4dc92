// SPDX-License-Identifier: Apache-2.0
// negate_engine - reads the words of a firing and gives them with every bit inverted.
//
// Timing: issued in cycle 0, reads in cycles 1..words, `done` with the last; a word is on the output 2 cycles later.
// A read waits while the word before it has not been taken. Model: negate/cycle.py; values: negate/operator.py.
`default_nettype none
`include "imc_isa.vh"

module negate_engine #(
    parameter WORD = 128,
    parameter CTX_BITS = 4,
    parameter LANES = 16                        // bytes of a word
) (
    input  wire                clk,
    input  wire                rst,

    input  wire                issue_valid,
    output wire                issue_ready,
    input  wire [CTX_BITS-1:0] issue_ctx,
    /* verilator lint_off UNUSEDSIGNAL */      // fields that the sequencer reads
    input  wire [`IMC_INSTRUCTION_BITS-1:0] issue_instr,
    input  wire [`IMC_PORTS*16-1:0] issue_heads,   // one input is read
    input  wire [`IMC_PORTS*16-1:0] issue_bases,
    input  wire [`IMC_PORTS*16-1:0] issue_sizes,
    /* verilator lint_on UNUSEDSIGNAL */
    output wire                done,

    output wire                mem_en,
    output wire [15:0]         mem_addr,
    input  wire [WORD-1:0]     mem_data,

    output wire [WORD-1:0]     m_data,
    output wire [CTX_BITS-1:0] m_ctx,
    output wire                m_last,
    output wire                m_valid,
    input  wire                m_ready,

    output wire                busy
);
    localparam BB = $clog2(LANES);
    localparam LEFT_BITS = `IMC_FIRE_PIXELS_BITS;

    reg  [LEFT_BITS-1:0] left_q;               // words to read
    reg  [15:0]          addr_q, base_q, size_q;
    reg  [CTX_BITS-1:0]  ctx_q, read_ctx_q;
    reg                  read_q, last_q;       // a word is at the memory's output
    wire                 ready, packer_busy;
    wire                 step = !read_q || ready;

    assign issue_ready = left_q == 0;
    assign mem_en = left_q != 0 && step;
    assign mem_addr = addr_q;
    assign done = mem_en && left_q == 1;
    assign busy = !issue_ready || read_q || packer_busy;

    always @(posedge clk) begin
        if (step) begin
            read_q <= mem_en;
            last_q <= done;
            read_ctx_q <= ctx_q;
        end
        if (mem_en) begin
            left_q <= left_q - 1'b1;
            addr_q <= addr_q + 16'd1 == base_q + size_q ? base_q : addr_q + 16'd1;
        end
        if (issue_valid && issue_ready) begin
            left_q <= issue_instr[`IMC_FIRE_PIXELS];
            addr_q <= issue_heads[0 +: 16];
            base_q <= issue_bases[0 +: 16];
            size_q <= issue_sizes[0 +: 16];
            ctx_q <= issue_ctx;
        end
        if (rst) begin
            left_q <= {LEFT_BITS{1'b0}};
            read_q <= 1'b0;
        end
    end

    packer #(.WORD(WORD), .CTX_BITS(CTX_BITS)) u_packer (
        .clk(clk), .rst(rst),
        .s_data(~mem_data), .s_bytes({1'b1, {BB{1'b0}}}), .s_ctx(read_ctx_q), .s_last(last_q), .s_valid(read_q),
        .s_ready(ready),
        .m_data(m_data), .m_ctx(m_ctx), .m_last(m_last), .m_valid(m_valid), .m_ready(m_ready), .busy(packer_busy)
    );
endmodule

`default_nettype wire

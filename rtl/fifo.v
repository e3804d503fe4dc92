// SPDX-License-Identifier: Apache-2.0
// fifo - first-in first-out buffer between two valid/ready streams, of any depth from 2 up.
//
// It decouples two sides and cuts the ready path: s_ready = !full and m_valid = !empty are registers, so neither side
// sees the other's handshake combinationally. The words are in a memory with a registered read, as an SRAM macro has:
// in every cycle it reads the word that is at the output in the next; a word that is written just then passes it by.
//
// Timing: a word written at clock edge t is on m_data from edge t on (it can be taken at edge t+1): 1 cycle.
// Throughput: 1 word per cycle as long as it is neither full nor empty.
// A full fifo accepts a word in the cycle after one was taken, not in the same one.
// Python: collections.deque, tests/rtl/test_fifo.py.
`default_nettype none

module fifo #(
    parameter WIDTH = 8,
    parameter DEPTH = 2
) (
    input  wire             clk,
    input  wire             rst,

    input  wire [WIDTH-1:0] s_data,
    input  wire             s_valid,
    output wire             s_ready,

    output wire [WIDTH-1:0] m_data,
    output wire             m_valid,
    input  wire             m_ready
);

    generate
        if (WIDTH < 1) begin : gen_width
            fifo_WIDTH_must_be_at_least_1 u_error ();
        end
        if (DEPTH < 2) begin : gen_depth
            fifo_DEPTH_must_be_at_least_2 u_error ();
        end
    endgenerate

    localparam AW = (DEPTH > 2) ? $clog2(DEPTH) : 1;
    localparam [AW-1:0] LAST_SLOT = DEPTH[AW-1:0] - 1'b1;  // DEPTH = 2**AW wraps to the right value

    reg [WIDTH-1:0] mem [0:DEPTH-1];
    reg [AW-1:0]    wr_q;   // next slot to write
    reg [AW-1:0]    rd_q;   // slot at the output
    reg [WIDTH-1:0] read_q; // what the memory read
    reg [WIDTH-1:0] past_q; // what passed it by,
    reg             past;   // and is at the output
    reg             full_q;
    reg             empty_q;

    wire push = s_valid && !full_q;
    wire pop  = m_ready && !empty_q;
    wire awake = push || pop || rst;
    wire [AW-1:0] wr_d = (wr_q == LAST_SLOT) ? {AW{1'b0}} : wr_q + 1'b1;
    wire [AW-1:0] rd_d = (rd_q == LAST_SLOT) ? {AW{1'b0}} : rd_q + 1'b1;

    assign s_ready = !full_q;
    assign m_valid = !empty_q;
    assign m_data  = past ? past_q : read_q;

    wire [AW-1:0] next = pop ? rd_d : rd_q;
    wire          passes = push && wr_q == next;

    always @(posedge clk)
        if (awake) begin
            past <= passes;
            if (passes)
                past_q <= s_data;
            else
                read_q <= mem[next];
            if (push) begin
                mem[wr_q] <= s_data;
                wr_q      <= wr_d;
            end
            if (pop)
                rd_q <= rd_d;
            if (push != pop) begin
                full_q  <= push && (wr_d == rd_q);
                empty_q <= pop && (rd_d == wr_q);
            end
            if (rst) begin
                wr_q    <= {AW{1'b0}};
                rd_q    <= {AW{1'b0}};
                full_q  <= 1'b0;
                empty_q <= 1'b1;
            end
        end

`ifdef FORMAL_FIFO
`include "formal/fifo.vh"
`endif
endmodule

`default_nettype wire

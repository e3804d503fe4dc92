// SPDX-License-Identifier: Apache-2.0
// packer - packs runs of 1..LANES bytes densely into words; LANES = WORD / 8.
//
// An engine produces the bytes of a pixel in chunks that need not fill a word, while the words on the network are
// dense. `s_last` ends a firing: what is left goes out as a last word, padded with zero bytes.
//
// Timing: 1 cycle from the beat that completes a word. Throughput: 1 beat per cycle; a last beat that fills a word
// and leaves bytes over takes one cycle more (the flush). s_ready depends on m_ready in the same cycle.
// Python: `pack` in tests/rtl/test_packer.py.
`default_nettype none

module packer #(
    parameter WORD = 128,
    parameter CTX_BITS = 4
) (
    input  wire                    clk,
    input  wire                    rst,

    input  wire [WORD-1:0]         s_data,
    input  wire [$clog2(WORD/8):0] s_bytes,   // 1..LANES valid bytes, in the low lanes
    input  wire [CTX_BITS-1:0]     s_ctx,     // constant between two `s_last`
    input  wire                    s_last,
    input  wire                    s_valid,
    output wire                    s_ready,

    output reg  [WORD-1:0]         m_data,
    output reg  [CTX_BITS-1:0]     m_ctx,
    output reg                     m_last,
    output reg                     m_valid,
    input  wire                    m_ready,

    output wire                    busy       // holds bytes or a word
);

    localparam LANES = WORD / 8;
    localparam BB    = $clog2(LANES);

    generate
        if (WORD < 16 || (WORD & (WORD - 1)) != 0) begin : gen_word
            packer_WORD_must_be_a_power_of_two_from_16_up u_error ();
        end
        if (CTX_BITS < 1) begin : gen_ctx
            packer_CTX_BITS_must_be_at_least_1 u_error ();
        end
    endgenerate

    reg [WORD-1:0] hold_q;    // bytes of a word to come; zero above `fill_q`
    reg [BB-1:0]   fill_q;    // how many
    reg            flush_q;   // they are the last of a firing

    wire          room  = !m_valid || m_ready;
    wire          take  = s_valid && s_ready;
    wire [BB:0]   total = {1'b0, fill_q} + s_bytes;
    wire          full  = total[BB];              // the beat completes a word,
    wire          over  = total[BB-1:0] != 0;     // and bytes are over, or it does not complete one

    assign s_ready = room && !flush_q;
    assign busy    = m_valid || fill_q != 0;

    wire awake = take || flush_q || m_valid || rst;

    always @(posedge clk)
        if (awake) begin : p_pack
            reg [2*WORD-1:0] merged;
            if (room)
                m_valid <= flush_q || (take && (full || s_last));
            if (room && flush_q) begin
                m_data  <= hold_q;
                m_last  <= 1'b1;
                hold_q  <= {WORD{1'b0}};
                fill_q  <= {BB{1'b0}};
                flush_q <= 1'b0;
            end else if (take) begin
                m_ctx   <= s_ctx;
                m_last  <= s_last && !(full && over);
                flush_q <= s_last && full && over;
                fill_q  <= (s_last && !full) ? {BB{1'b0}} : total[BB-1:0];
                if (full && !over && fill_q == 0) begin  // a whole word; `hold_q` is zero and stays so
                    m_data <= s_data;
                end else begin
                    merged = {{WORD{1'b0}}, s_data & ~({WORD{1'b1}} << {s_bytes, 3'd0})};
                    merged = (merged << {fill_q, 3'd0}) | {{WORD{1'b0}}, hold_q};
                    if (full || s_last) begin
                        m_data <= merged[WORD-1:0];
                        hold_q <= merged[2*WORD-1:WORD];
                    end else begin
                        hold_q <= merged[WORD-1:0];
                    end
                end
            end
            if (rst) begin
                hold_q  <= {WORD{1'b0}};
                fill_q  <= {BB{1'b0}};
                flush_q <= 1'b0;
                m_valid <= 1'b0;
            end
        end

`ifdef FORMAL_PACKER
`include "formal/packer.vh"
`endif
endmodule

`default_nettype wire

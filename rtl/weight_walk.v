// SPDX-License-Identifier: Apache-2.0
// weight_walk - where the weights of a depthwise slot are: beside vector_fetch, which says what the slot is.
//
// A kernel row has `row` words, a pixel of it `pixel`; a chunk is a word of each pixel. The product that finds the first
// kernel row inside the image has a cycle of its own: the first slot, whose weights are read in the next.
// Timing: `accept` takes kernel and top; `go` moves on with the slot, whose word is on m_weight from the next cycle on.
// Python: pyimc.engines.dpu.task.Kernels.
`default_nettype none

module weight_walk (
    input  wire        clk,
    input  wire        accept,     // a firing:
    input  wire [47:0] kernel,     // first word, words of a kernel row, of a kernel pixel,
    input  wire [6:0]  top,        // first kernel row inside the image
    input  wire        go,         // a slot is given,
    input  wire        tap,        // which ends a kernel pixel,
    input  wire        last_tap,   // the last one of a chunk,
    input  wire        last_chunk, // which is the last one of its pixel
    output wire [15:0] m_weight    // word of the weight memory
);
    reg [15:0] weights_q;          // the weights of kernel row `top`, from the second slot on; in the first:
    reg        fresh_q;            // they start at kernel_q, and `row_q` is a kernel row
    reg [15:0] kernel_q, row_q, pixel_q;
    reg [6:0]  top_q;
    reg [15:0] chunk_q;            // words from weights_q to the first of the chunk,
    reg [15:0] word_q;             // to that of the slot that comes,
    reg [15:0] slot_q;             // and of the one that was given

    assign m_weight = weights_q + slot_q;

    always @(posedge clk)
        if (accept) begin
            {kernel_q, row_q, pixel_q} <= kernel;
            top_q   <= top;
            chunk_q <= 16'd0;
            word_q  <= 16'd0;
            fresh_q <= 1'b1;
        end else if (go) begin
            fresh_q <= 1'b0;
            slot_q  <= word_q;
            if (fresh_q)
                weights_q <= kernel_q + {9'd0, top_q} * row_q;
            if (tap)
                word_q <= word_q + pixel_q;
            if (tap && last_tap) begin
                chunk_q <= last_chunk ? 16'd0 : chunk_q + 16'd1;
                word_q  <= last_chunk ? 16'd0 : chunk_q + 16'd1;
            end
        end

endmodule

`default_nettype wire

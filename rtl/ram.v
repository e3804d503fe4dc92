// SPDX-License-Identifier: Apache-2.0
// ram - memory with one write port and one read port.
//
// The activation memory of a PU: the network writes, the engine reads, in the same cycle if they like.
// Timing: data of a read enabled in cycle t is on `rdata` from cycle t+1 on, and stays until the next read.
//         A read and a write of the same word in the same cycle return the old word.
`default_nettype none

module ram #(
    parameter WIDTH = 128,
    parameter DEPTH = 1024,
    parameter ADDR_BITS = 16
) (
    input  wire                 clk,
    input  wire                 wen,
    input  wire [ADDR_BITS-1:0] waddr,
    input  wire [WIDTH-1:0]     wdata,
    input  wire                 ren,
    input  wire [ADDR_BITS-1:0] raddr,
    output reg  [WIDTH-1:0]     rdata
);
    localparam INDEX_BITS = DEPTH <= 2 ? 1 : $clog2(DEPTH);

    reg [WIDTH-1:0] words [0:DEPTH-1];

    generate
        if (DEPTH < 2 || INDEX_BITS > ADDR_BITS) begin : gen_illegal
            ram_depth_must_be_2_to_2_power_ADDR_BITS u_error ();
        end
        if (INDEX_BITS < ADDR_BITS) begin : gen_unused
            // The compiler keeps every ring inside DEPTH words.
            wire unused = &{1'b0, waddr[ADDR_BITS-1:INDEX_BITS], raddr[ADDR_BITS-1:INDEX_BITS]};
        end
    endgenerate

    wire awake = wen || ren;
    always @(posedge clk) if (awake) begin
        if (wen) words[waddr[INDEX_BITS-1:0]] <= wdata;
        if (ren) rdata <= words[raddr[INDEX_BITS-1:0]];
    end
endmodule

`default_nettype wire

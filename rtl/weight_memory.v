// SPDX-License-Identifier: Apache-2.0
// weight_memory - the weights of depthwise layers in the vector engine: int8, a word of LANES of them read at once.
//
// A word holds a pixel of the kernel for LANES channels. It is written eight weights at a time, as tables are.
// Timing: data of a read enabled in cycle t is on `rdata` from cycle t+1 on, and stays until the next read. Never
// written and read in the same cycle. Python: pyimc.engines.dpu.task.
`default_nettype none

module weight_memory #(
    parameter WORD = 128,
    parameter WEIGHTS = 1024               // words
) (
    input  wire            clk,
    input  wire            wen,
    input  wire [15:0]     waddr,          // word * (WORD / 64) + part, the lowest part first
    input  wire [63:0]     wdata,
    input  wire            ren,
    /* verilator lint_off UNUSEDSIGNAL */  // the compiler keeps every layer inside WEIGHTS words
    input  wire [15:0]     raddr,
    /* verilator lint_on UNUSEDSIGNAL */
    output reg  [WORD-1:0] rdata
);
    localparam PARTS = WORD / 64;
    localparam PART_BITS = $clog2(PARTS);
    localparam BITS = WEIGHTS <= 2 ? 1 : $clog2(WEIGHTS);

    generate
        if (WORD != 64 << PART_BITS || WEIGHTS < 2 || BITS + PART_BITS > 16) begin : gen_illegal
            weight_memory_WORD_must_be_64_times_a_power_of_two_and_WEIGHTS_2_to_65536_parts u_error ();
        end
    endgenerate

    reg  [WORD-1:0] words [0:WEIGHTS-1];
    wire [BITS-1:0] word = waddr[PART_BITS +: BITS];
    integer         part;

    always @(posedge clk) begin
        if (wen)
            for (part = 0; part < PARTS; part = part + 1)
                if ((waddr & (PARTS[15:0] - 16'd1)) == part[15:0]) words[word][part*64 +: 64] <= wdata;
        if (ren) rdata <= words[raddr[BITS-1:0]];
    end
endmodule

`default_nettype wire

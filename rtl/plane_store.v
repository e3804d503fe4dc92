// SPDX-License-Identifier: Apache-2.0
// plane_store - what a memory PU holds: the contents of PLANES crossbar planes, WORDS words each, row by row.
//
// It stands for a memory beside the chip, as imc_array stands for an analogue circuit, and is filled in the same two ways:
// a plane is chosen and its words are written, or plusarg +weights=DIR loads DIR/pu_NN/weights.bin at the first clock edge.
// Timing: data of a read enabled in cycle t is on `rdata` from cycle t+1 on, and stays until the next read. Never
// written and read in the same cycle. Python: pyimc.engines.memory.task.
`default_nettype none

module plane_store #(
    parameter WORD = 128,
    parameter WORDS = 4096,
    parameter PLANES = 64
) (
    input  wire            clk,
    input  wire [7:0]      node,
    input  wire            wen,
    input  wire [15:0]     wplane,
    input  wire [15:0]     waddr,
    input  wire [WORD-1:0] wdata,
    input  wire            ren,
    /* verilator lint_off UNUSEDSIGNAL */       // the compiler keeps every layer inside PLANES planes
    input  wire [31:0]     raddr,               // of all planes
    /* verilator lint_on UNUSEDSIGNAL */
    output reg  [WORD-1:0] rdata
);
    localparam LANES = WORD / 8;

    reg [WORD-1:0]  words [0:PLANES*WORDS-1];
    reg [8*512-1:0] folder, path;
    reg [WORD-1:0]  bytes, word;                        // $fread: first byte of the file in the highest bits
    integer         file, count, n, i;
    reg             loaded;
    initial loaded = 1'b0;

    // verilator lint_off BLKSEQ
    // reason: what is assigned at once is a temporary of its block
    task load_planes;
        begin
            loaded = 1'b1;
            if ($value$plusargs("weights=%s", folder)) begin
                $sformat(path, "%0s/pu_%02d/weights.bin", folder, node);
                file = $fopen(path, "rb");
                if (file != 0) begin
                    n = 0;
                    count = $fread(bytes, file);
                    while (count == LANES) begin
                        for (i = 0; i < LANES; i = i + 1) word[i*8 +: 8] = bytes[(LANES-1-i)*8 +: 8];
                        words[n] = word;
                        n = n + 1;
                        count = $fread(bytes, file);
                    end
                    $fclose(file);
                end
            end
        end
    endtask

    always @(posedge clk) begin
        if (!loaded) load_planes;
        if (wen) words[wplane * WORDS + {16'd0, waddr}] = wdata;
        if (ren) rdata <= words[raddr];
    end
    // verilator lint_on BLKSEQ
endmodule

`default_nettype wire

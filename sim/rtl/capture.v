// SPDX-License-Identifier: Apache-2.0
// capture - writes every word that leaves a PU's engine to a binary file. Simulation only.
//
// One record a word, of 32-bit numbers: cycle, context, then the word, lowest first. The file of node N is
// capture_NN.bin in the folder that plusarg +capture=DIR names; without the plusarg nothing is written.
`default_nettype none

module capture #(
    parameter WORD = 128,
    parameter CTX_BITS = 4,
    parameter NODE = 1
) (
    input wire                clk,
    input wire                valid,
    input wire                ready,
    input wire [CTX_BITS-1:0] ctx,
    input wire [WORD-1:0]     data,
    input wire [31:0]         now
);
    reg [8*512-1:0] folder, path;
    integer         file;

    initial begin
        file = 0;
        if ($value$plusargs("capture=%s", folder)) begin
            $sformat(path, "%0s/capture_%02d.bin", folder, NODE);
            file = $fopen(path, "wb");
        end
    end

    wire taken = valid && ready;

    always @(posedge clk) if (taken) if (file != 0)
        $fwrite(file, "%u", {data, {32-CTX_BITS{1'b0}}, ctx, now});
endmodule

`default_nettype wire

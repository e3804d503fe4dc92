// SPDX-License-Identifier: Apache-2.0
// events - writes what happens at a PU's sequencer to a binary file. Simulation only.
//
// One record an event, three 32-bit numbers: cycle, kind (0 issue, 1 done, 2 arrival, 3 credit), value (context,
// context, channel, slot): the events of pyimc.measurement.Event. The file of node N is events_NN.bin in the folder
// that plusarg +capture=DIR names; without the plusarg nothing is written.
`default_nettype none

module events #(
    parameter CTX_BITS = 4,
    parameter NODE = 1
) (
    input wire                clk,
    input wire                run,
    input wire                issue,
    input wire                done,
    input wire [CTX_BITS-1:0] ctx,
    input wire                arrival,
    input wire [7:0]          channel,
    input wire                credit,
    input wire [7:0]          slot,
    input wire [31:0]         now
);
    reg [8*512-1:0] folder, path;
    integer         file;

    initial begin
        file = 0;
        if ($value$plusargs("capture=%s", folder)) begin
            $sformat(path, "%0s/events_%02d.bin", folder, NODE);
            file = $fopen(path, "wb");
        end
    end

    wire any = run && (issue || done || arrival || credit);

    always @(posedge clk) if (any) if (file != 0) begin
        if (issue) $fwrite(file, "%u", {{32-CTX_BITS{1'b0}}, ctx, 32'd0, now});
        if (done) $fwrite(file, "%u", {{32-CTX_BITS{1'b0}}, ctx, 32'd1, now});
        if (arrival) $fwrite(file, "%u", {24'd0, channel, 32'd2, now});
        if (credit) $fwrite(file, "%u", {24'd0, slot, 32'd3, now});
    end
endmodule

`default_nettype wire

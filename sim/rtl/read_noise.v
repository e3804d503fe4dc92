// SPDX-License-Identifier: Apache-2.0
// read_noise - the noise of what the converters of a PU with real cells sample. Simulation only.
//
// Deviation of the n-th conversion of an actor, times the amplitude of its layer, in the unit of the sums. It is part of
// no chip that is made; sim/rtl/noise.v draws. Plusarg +weights=DIR loads DIR/pu_NN/noise.bin at the first clock edge:
// for every context seed, number of the layer and amplitude, 32 bits each. Without a file there is no noise.
// Timing: combinational; a conversion counts at the end of its cycle. Python: pyimc.conversion.
`default_nettype none

module read_noise #(
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter ADCS = 32
) (
    input  wire                clk,
    input  wire                rst,
    input  wire [7:0]          node,
    input  wire                convert,
    input  wire [CTX_BITS-1:0] ctx,
    output wire [ADCS*20-1:0]  noise
);
    reg [31:0] seeds      [0:CONTEXTS-1];
    reg [31:0] units      [0:CONTEXTS-1];
    reg [31:0] amplitudes [0:CONTEXTS-1];
    reg [31:0] numbers    [0:CONTEXTS-1];

    reg [8*512-1:0] folder, path;
    reg [95:0]      bytes;                              // $fread: first byte of the file in the highest bits
    integer         file, count, i;
    reg             loaded;
    initial begin
        loaded = 1'b0;
        for (i = 0; i < CONTEXTS; i = i + 1) {seeds[i], units[i], amplitudes[i], numbers[i]} = 128'd0;
    end

    function [31:0] swapped(input [31:0] word);
        swapped = {word[7:0], word[15:8], word[23:16], word[31:24]};
    endfunction

    // verilator lint_off BLKSEQ
    // reason: the tables are loaded at once
    always @(posedge clk) begin
        if (!loaded) begin
            loaded = 1'b1;
            if ($value$plusargs("weights=%s", folder)) begin
                $sformat(path, "%0s/pu_%02d/noise.bin", folder, node);
                file = $fopen(path, "rb");
                if (file != 0) begin
                    for (i = 0; i < CONTEXTS; i = i + 1) begin
                        count = $fread(bytes, file);
                        if (count == 12)
                            {seeds[i], units[i], amplitudes[i]} =
                                {swapped(bytes[95:64]), swapped(bytes[63:32]), swapped(bytes[31:0])};
                    end
                    $fclose(file);
                end
            end
        end
        if (rst) for (i = 0; i < CONTEXTS; i = i + 1) numbers[i] = 32'd0;
        else if (convert) numbers[ctx] = numbers[ctx] + 32'd1;
    end
    // verilator lint_on BLKSEQ

    wire [31:0]        seed = seeds[ctx], unit = units[ctx], number = numbers[ctx];
    wire signed [32:0] amplitude = {1'b0, amplitudes[ctx]};

    genvar c;
    generate
        for (c = 0; c < ADCS; c = c + 1) begin : gen_converter
            wire signed [11:0] deviation;
            noise u_noise (.seed(seed), .unit(unit), .read(number), .column(c), .deviation(deviation));
            wire signed [44:0] product = deviation * amplitude + 45'sd32768;
            assign noise[c*20 +: 20] = product[35:16];
            wire unused = &{1'b0, product[44:36], product[15:0]};
        end
    endgenerate
endmodule

`default_nettype wire

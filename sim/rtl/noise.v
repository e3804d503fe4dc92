// SPDX-License-Identifier: Apache-2.0
// noise - deviations of reads, drawn by counting: a hash of seed, unit, read and column, and the sum of its bytes.
//
// The same read has the same deviation whenever it is asked for, so a golden model and the hardware draw alike without
// a stream of numbers between them. It stands for physics inside the array. A deviation has mean 0, a variance of
// 8 (256^2 - 1) / 12 and lies within -1020..1020. The hash is the finaliser of MurmurHash3 over one word more each time.
// Timing: combinational. Python: pyimc.devices.noise.deviation.
`default_nettype none

module noise (
    input  wire [31:0]        seed,
    input  wire [31:0]        unit,
    input  wire [31:0]        read,
    input  wire [31:0]        column,
    output wire signed [11:0] deviation
);
    function [31:0] mixed;
        input [31:0] state;
        input [31:0] word;
        reg   [31:0] x;
        begin
            x = (state ^ word) + 32'h9E3779B9;
            x = (x ^ (x >> 16)) * 32'h85EBCA6B;
            x = (x ^ (x >> 13)) * 32'hC2B2AE35;
            mixed = x ^ (x >> 16);
        end
    endfunction

    wire [31:0] first = mixed(mixed(mixed(seed, unit), read), column);
    wire [31:0] second = mixed(first, 32'd1);
    wire [11:0] low = {4'd0, first[7:0]} + {4'd0, first[15:8]} + {4'd0, first[23:16]} + {4'd0, first[31:24]};
    wire [11:0] high = {4'd0, second[7:0]} + {4'd0, second[15:8]} + {4'd0, second[23:16]} + {4'd0, second[31:24]};

    assign deviation = $signed(low + high - 12'd1020);
endmodule

`default_nettype wire

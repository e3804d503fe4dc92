// SPDX-License-Identifier: Apache-2.0
// exponential - 2**20 * 2**-((level - byte) * exponent / 2**16), lane by lane, in two stages.
//
// A power of two by its whole part is a shift; its fraction is a straight line between the ends of one of 16 segments,
// at most 2.4e-4 above it. The first stage multiplies, the second finds the segment, multiplies and shifts.
// Timing: `first` takes what is before it in the list of ports, `second` in a later cycle what that made; values hold until
// the next `second`. Both may be high in every cycle. Python: pyimc.operators.softmax.exponentials.
`default_nettype none

module exponential #(
    parameter LANES = 16
) (
    input  wire                clk,
    input  wire [LANES*8-1:0]  bytes,
    input  wire [7:0]          level,       // at least every byte of the row
    input  wire [19:0]         exponent,
    input  wire                first,
    input  wire                second,
    output reg  [LANES*21-1:0] values
);
    localparam P = 28;

    generate
        if (LANES < 1) begin : gen_illegal
            exponential_LANES_must_be_at_least_1 u_error ();
        end
    endgenerate

    reg [LANES*P-1:0] powers_q;

    // 2**20 * 2**(-n / 16), and how far that falls to the next.
    function [36:0] segment(input [3:0] n);
        case (n)
            4'd0:  segment = {21'd1048576, 16'd44456};
            4'd1:  segment = {21'd1004120, 16'd42572};
            4'd2:  segment = {21'd961548, 16'd40766};
            4'd3:  segment = {21'd920782, 16'd39038};
            4'd4:  segment = {21'd881744, 16'd37383};
            4'd5:  segment = {21'd844361, 16'd35798};
            4'd6:  segment = {21'd808563, 16'd34281};
            4'd7:  segment = {21'd774282, 16'd32827};
            4'd8:  segment = {21'd741455, 16'd31435};
            4'd9:  segment = {21'd710020, 16'd30103};
            4'd10: segment = {21'd679917, 16'd28826};
            4'd11: segment = {21'd651091, 16'd27604};
            4'd12: segment = {21'd623487, 16'd26434};
            4'd13: segment = {21'd597053, 16'd25313};
            4'd14: segment = {21'd571740, 16'd24240};
            default: segment = {21'd547500, 16'd23212};
        endcase
    endfunction

    function [LANES*P-1:0] scale(input [LANES*8-1:0] lanes, input [7:0] from, input [19:0] octaves);
        reg [7:0] below;
        integer i;
        for (i = 0; i < LANES; i = i + 1) begin
            below = from - lanes[i*8 +: 8];
            scale[i*P +: P] = {20'd0, below} * {8'd0, octaves};
        end
    endfunction

    function [20:0] fallen(input [15:0] whole, input [11:0] share);
        /* verilator lint_off UNUSEDSIGNAL */     // the share is of 2**12
        reg [27:0] product;
        /* verilator lint_on UNUSEDSIGNAL */
        begin
            product = {12'd0, whole} * {16'd0, share};
            fallen = {5'd0, product[27:12]};
        end
    endfunction

    function [LANES*21-1:0] power(input [LANES*P-1:0] lanes);
        reg [36:0] line;
        integer i;
        for (i = 0; i < LANES; i = i + 1) begin
            line = segment(lanes[i*P+12 +: 4]);
            power[i*21 +: 21] = (line[36:16] - fallen(line[15:0], lanes[i*P +: 12])) >> lanes[i*P+16 +: 12];
        end
    endfunction

    wire awake = first || second;
    always @(posedge clk) if (awake) begin
        if (first) powers_q <= scale(bytes, level, exponent);
        if (second) values <= power(powers_q);
    end
endmodule

`default_nettype wire

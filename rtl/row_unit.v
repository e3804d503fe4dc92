// SPDX-License-Identifier: Apache-2.0
// row_unit - softmax and normalise: what the bytes of a pixel have in common, and what each is besides.
//
// It runs beside lane_sums. A pixel, its row, is read several times. softmax: its largest byte; the sum of powers of two by the
// distance to that; the powers again. normalise: sums of bytes and of their squares; 256 * (byte - mean). The last reading
// gives `value`, which the vector unit multiplies by `factor` and requantises; the others only add up.
// Timing: `first`, `second`: as lane_sums; `value` from `second` on, masked and added up in the two steps after it. From
// the chunk that ends a reading the mean, the largest and the factor follow 3 steps, then as row_factor says, later.
// All advances with `step`. Python: pyimc.operators.softmax and normalise; cycles pyimc.engines.dpu.timing.
`default_nettype none

module row_unit #(
    parameter LANES = 16
) (
    input  wire                     clk,
    input  wire                     rst,
    input  wire                     step,

    input  wire                     first,       // a chunk of
    input  wire [LANES*8-1:0]       bytes,
    input  wire [$clog2(LANES):0]   count,       // so many bytes,
    input  wire [1:0]               pass,        // of the last reading of its pixel but so many,
    input  wire                     ends,        // which it ends
    input  wire                     normalise,
    input  wire [19:0]              exponent,
    input  wire [31:0]              epsilon,

    input  wire                     second,
    input  wire [30:0]              multiplier,
    output wire [LANES*32-1:0]      value,       // signed
    output wire [30:0]              factor
);
    localparam LB = $clog2(LANES);
    localparam E  = 21;                          // of a power
    localparam T  = E + LB;                      // of the sum of a chunk,
    localparam Q  = 16 + LB;                     // of that of its squares

    generate
        if (LANES < 2 || LANES != 1 << LB) begin : gen_illegal
            row_unit_LANES_must_be_a_power_of_two_from_2_up u_error ();
        end
    endgenerate

    // The stages that `first` and `second` make, then the two that add up.
    reg               on3_q, on4_q, full_q;      // something to add up; a row's sums are there
    reg [LB:0]        count2_q, count3_q, count4_q;
    reg [1:0]         pass2_q, pass3_q, pass4_q;
    reg               ends2_q, ends3_q, ends4_q, normalise2_q, normalise3_q;
    reg [LANES*8-1:0] bytes2_q;
    reg [LANES*17-1:0] level3_q;                 // normalise: the byte, or 256 * (byte - mean)
    reg [31:0]        epsilon_q;
    reg [30:0]        multiplier_q;

    reg [T-1:0]       sum4_q;                    // of a chunk,
    reg [Q-1:0]       squares4_q;
    reg [7:0]         most4_q;
    reg               fresh_q;                   // the next chunk is the first of a reading,
    reg [32:0]        sum_q;                     // of which this is the sum so far
    reg [27:0]        squares_q;
    reg [12:0]        count_q;
    reg [7:0]         most_q;                    // stays until the next row

    wire [15:0]         mean;
    wire [LANES*E-1:0]  powers;

    exponential #(.LANES(LANES)) u_exponential (
        .clk(clk), .bytes(bytes), .level(most_q), .exponent(exponent), .first(first),
        .second(second && !normalise2_q), .values(powers)
    );

    row_factor u_factor (
        .clk(clk), .rst(rst), .step(step), .start(full_q), .normalise(normalise3_q), .sum(sum_q), .squares(squares_q),
        .count(count_q), .multiplier(multiplier_q), .epsilon(epsilon_q), .mean(mean), .factor(factor)
    );

    function [LANES*17-1:0] centre(input [LANES*8-1:0] lanes, input [15:0] less, input fine);
        integer i;
        for (i = 0; i < LANES; i = i + 1)
            centre[i*17 +: 17] = fine ? {1'b0, lanes[i*8 +: 8], 8'd0} - {1'b0, less} : {9'd0, lanes[i*8 +: 8]};
    endfunction

    function [LANES*32-1:0] extend(input [LANES*17-1:0] levels, input [LANES*E-1:0] lanes, input level);
        integer i;
        for (i = 0; i < LANES; i = i + 1)
            extend[i*32 +: 32] = level ? {{15{levels[i*17+16]}}, levels[i*17 +: 17]} : {11'd0, lanes[i*E +: E]};
    endfunction

    // Of the first `used` lanes: the sum, the sum of the squares of their bytes, the largest of these; as trees.
    function [T+Q+8-1:0] reduce(input [LANES*32-1:0] lanes, input [LANES*17-1:0] levels, input [LB:0] used);
        reg [LANES*T-1:0] totals;
        reg [LANES*Q-1:0] squares;
        reg [LANES*8-1:0] most;
        reg [7:0]         low;
        integer           i, width;
        begin
            for (i = 0; i < LANES; i = i + 1) begin
                low = i[LB:0] < used ? levels[i*17 +: 8] : 8'd0;
                most[i*8 +: 8] = low;
                squares[i*Q +: Q] = {{LB{1'b0}}, {8'd0, low} * {8'd0, low}};
                totals[i*T +: T] = i[LB:0] < used ? {{LB{1'b0}}, lanes[i*32 +: E]} : {T{1'b0}};
            end
            for (width = LANES / 2; width > 0; width = width / 2)
                for (i = 0; i < width; i = i + 1) begin
                    totals[i*T +: T] = totals[2*i*T +: T] + totals[(2*i+1)*T +: T];
                    squares[i*Q +: Q] = squares[2*i*Q +: Q] + squares[(2*i+1)*Q +: Q];
                    most[i*8 +: 8] = most[2*i*8 +: 8] > most[(2*i+1)*8 +: 8] ? most[2*i*8 +: 8] : most[(2*i+1)*8 +: 8];
                end
            reduce = {totals[T-1:0], squares[Q-1:0], most[7:0]};
        end
    endfunction

    assign value = extend(level3_q, powers, normalise3_q || pass3_q == 2'd2);

    wire largest4 = pass4_q == 2'd2;

    wire awake = (step && (first || second || on3_q || on4_q || full_q)) || rst;
    always @(posedge clk) if (awake) begin
        if (first) begin
            {bytes2_q, count2_q, pass2_q, ends2_q} <= {bytes, count, pass, ends};
            {normalise2_q, epsilon_q} <= {normalise, epsilon};
        end
        if (second) begin
            level3_q <= centre(bytes2_q, mean, pass2_q == 2'd0);
            {count3_q, pass3_q, ends3_q, normalise3_q} <= {count2_q, pass2_q, ends2_q, normalise2_q};
            multiplier_q <= multiplier;
        end
        if (on3_q) begin
            {sum4_q, squares4_q, most4_q} <= reduce(value, level3_q, count3_q);
            {count4_q, pass4_q, ends4_q} <= {count3_q, pass3_q, ends3_q};
        end
        if (on4_q) begin
            fresh_q   <= ends4_q;
            sum_q     <= (fresh_q ? 33'd0 : sum_q) + {{12-LB{1'b0}}, sum4_q};
            squares_q <= (fresh_q ? 28'd0 : squares_q) + {{12-LB{1'b0}}, squares4_q};
            count_q   <= (fresh_q ? 13'd0 : count_q) + {{12-LB{1'b0}}, count4_q};
            if (largest4)
                most_q <= fresh_q || most4_q > most_q ? most4_q : most_q;
        end
        on3_q  <= second && pass2_q != 2'd0;
        on4_q  <= on3_q;
        full_q <= on4_q && ends4_q && !largest4;
        if (rst)
            {on3_q, on4_q, full_q, fresh_q} <= 4'b0001;
    end

endmodule

`default_nettype wire

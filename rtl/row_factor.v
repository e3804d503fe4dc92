// SPDX-License-Identifier: Apache-2.0
// row_factor - from the sums of a row to the factor that all its values are multiplied by, and to their mean.
//
// softmax:   factor = floor(multiplier * 2**20 / sum)
// normalise: factor = floor(multiplier * 2**20 / floor(sqrt(variance * 2**40))), 256 * mean rounded half up;
//            variance = count * squares - sum**2 + epsilon, that is count**2 times that of the bytes, 1 at least.
// Timing: sums with `start` in cycle 0; the mean is there from cycle 32 on, the factor from cycle 32 on (softmax) or 75
// (normalise), until the next start. Cycles in which `step` is low do not count.
// Python: pyimc.operators.softmax and normalise; cycles pyimc.engines.dpu.timing.
`default_nettype none

module row_factor (
    input  wire        clk,
    input  wire        rst,
    input  wire        step,
    input  wire        start,
    input  wire        normalise,  // else softmax; this, multiplier and epsilon stay until the factor is there
    input  wire [32:0] sum,
    input  wire [27:0] squares,
    input  wire [12:0] count,      // bytes of the row
    input  wire [30:0] multiplier,
    input  wire [31:0] epsilon,
    output reg  [15:0] mean,       // in steps of 1 / 256
    output wire [30:0] factor
);
    reg         products_q, variance_q, root_q;   // they are there, or under way
    reg         mean_q;                           // the quotient to come is the mean
    reg [39:0]  left_q, right_q, value_q;

    wire [39:0] variance = left_q - right_q + {8'd0, epsilon};
    wire [39:0] root;
    wire        rooted, divided;
    wire        divides = root_q && rooted;

    square_root #(.BITS(40)) u_root (
        .clk(clk), .rst(rst), .step(step), .start(variance_q), .value(value_q), .root(root), .done(rooted)
    );

    divider #(.NUMERATOR(51), .DIVISOR(40), .QUOTIENT(31)) u_divider (
        .clk(clk), .rst(rst), .step(step), .start(start || divides),
        .numerator(start && normalise ? {9'd0, sum, 9'd0} + {38'd0, count} : {multiplier, 20'd0}),
        .divisor(!start ? root : normalise ? {26'd0, count, 1'b0} : {7'd0, sum}), .quotient(factor), .done(divided)
    );

    wire awake = (step && (start || products_q || variance_q || root_q || mean_q)) || rst;
    always @(posedge clk) if (awake) begin
        products_q <= start && normalise;
        variance_q <= products_q;
        root_q     <= variance_q || (root_q && !rooted);
        mean_q     <= (start && normalise) || (mean_q && !divided);
        if (start) begin
            left_q  <= {27'd0, count} * {12'd0, squares};
            right_q <= {7'd0, sum} * {7'd0, sum};
        end
        if (products_q)
            value_q <= variance == 40'd0 ? 40'd1 : variance;
        if (mean_q && divided)
            mean <= factor[15:0];
        if (rst)
            {products_q, variance_q, root_q, mean_q} <= 4'd0;
    end
endmodule

`default_nettype wire

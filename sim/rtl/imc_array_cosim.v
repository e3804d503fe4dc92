// SPDX-License-Identifier: Apache-2.0
// imc_array - drop-in replacement of rtl/imc_array.v whose column sums numpy computes through cocotb.
//
// On the first step of a read it latches input vector and plane and toggles `request`; the bench answers within the
// same time step by writing the sums of every bit step into `slices` (sim/run/cosim_array.py). Weights stay in numpy:
// front-door writes are handed over with `wrote`. Timing: as rtl/imc_array.v.
`default_nettype none

module imc_array #(
    parameter WORD = 128,
    parameter ROWS = 256,
    parameter COLS = 256,
    parameter PLANES = 40,
    parameter ADCS = 32,
    parameter DAC = 1,
    parameter CELL = 8,
    parameter DIFFERENTIAL = 0,
    parameter DRIVEN = ROWS,
    parameter FRACTION = 0,
    parameter LANE = 16
) (
    input  wire                 clk,
    input  wire [7:0]           node,
    input  wire                 wen,
    input  wire [15:0]          wplane,
    input  wire [15:0]          waddr,
    input  wire [WORD-1:0]      wdata,
    input  wire                 load,
    input  wire [ROWS*8-1:0]    x,
    input  wire                 eval,
    input  wire [15:0]          plane,
    input  wire [3:0]           step,
    input  wire [15:0]          first,
    output wire [COLS*(8/CELL)*(DIFFERENTIAL+1)*LANE-1:0] sums
);
    localparam STEPS = 8 / DAC;
    localparam COLUMNS = COLS * (8 / CELL) * (DIFFERENTIAL + 1);
    localparam [ROWS*8-1:0] READ = {ROWS*8{1'b1}} >> (ROWS - DRIVEN) * 8;

    // verilator public_flat_rw_on
    reg [STEPS*COLUMNS*LANE-1:0] slices;
    reg [ROWS*8-1:0]          x_q;                       // of the rows that are driven
    reg [15:0]                plane_q, wplane_q, waddr_q;
    reg [WORD-1:0]            wdata_q;
    reg                       request, wrote;
    // verilator public_off
    reg [3:0]                 step_q;
    reg [ROWS*8-1:0]          kept_q;
    wire [ROWS*8-1:0]         vector = load ? x : kept_q;

    initial {request, wrote} = 2'b00;

    assign sums = slices[step_q*(COLUMNS*LANE) +: COLUMNS*LANE];

    always @(posedge clk) if (eval) begin
        step_q <= step;
        if (load) kept_q <= x;
        if (step == 0) begin
            x_q <= DRIVEN == ROWS ? vector : vector & (READ << {16'd0, first} * 8);
            plane_q <= plane;
            request <= !request;
        end
    end

    always @(posedge clk) if (wen) begin
        {wplane_q, waddr_q, wdata_q} <= {wplane, waddr, wdata};
        wrote <= !wrote;
    end
endmodule

`default_nettype wire

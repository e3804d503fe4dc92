// SPDX-License-Identifier: Apache-2.0
// imc_array - the crossbars of a PU: PLANES matrices of ROWS x COLS weights behind one DAC row and one bit line row.
//
// The one module that stands for an analogue circuit and is not synthesisable; sim/rtl/imc_array_cosim.v is its
// drop-in replacement computed by numpy, and a test holds the two equal. Weights are offset-binary bytes (w + 128).
// `sums` lane c = sum over rows r of weight[plane][r][c] * slice(x[r], step), slice = DAC bits of the input byte.
// Every slice of an MVM is computed when its first step is asked for, row by row over whole packed rows: that is
// what makes an interpreting simulator fast, and exact because no lane can overflow into the next.
// Timing: `sums` is valid in the cycle after `eval` and holds. Python: pyimc.golden (exact integers).
// Plusarg +weights=DIR loads DIR/pu_NN/weights.bin at the first clock edge (the backdoor; WRITE packets are the front door).
`default_nettype none

module imc_array #(
    parameter WORD = 128,
    parameter ROWS = 256,
    parameter COLS = 256,
    parameter PLANES = 40,
    parameter DAC = 1,
    parameter LANE = 16
) (
    input  wire                 clk,
    input  wire [7:0]           node,
    // weights: one word of consecutive columns of a row
    input  wire                 wen,
    input  wire [15:0]          wplane,
    input  wire [15:0]          waddr,
    input  wire [WORD-1:0]      wdata,
    // conversion: `load` takes a new input vector with its first step
    input  wire                 load,
    input  wire [ROWS*8-1:0]    x,
    input  wire                 eval,
    input  wire [15:0]          plane,
    input  wire [3:0]           step,
    output wire [COLS*LANE-1:0] sums
);
    localparam LANES = WORD / 8;
    localparam WORDS = COLS / LANES;

    generate
        if (LANE < 8 + $clog2(ROWS) + (DAC == 1 ? 0 : DAC)) begin : gen_illegal
            imc_array_LANE_cannot_hold_a_column_sum u_error ();
        end
    endgenerate

    reg [COLS*LANE-1:0] weights [0:PLANES*ROWS-1];
    reg [COLS*LANE-1:0] slices  [0:7];                  // 8 / DAC of them are used
    reg [COLS*LANE-1:0] row;
    reg [COLS*LANE-1:0] bit_0, bit_1, bit_2, bit_3, bit_4, bit_5, bit_6, bit_7;
    reg [ROWS*8-1:0]    x_q;
    reg [2:0]           step_q;
    reg [63:0]          eight;                          // input bytes, the next one lowest
    integer             i, base;

    assign sums = slices[step_q];

    // verilator lint_off BLKSEQ
    // reason: what is assigned at once is a temporary of its block

    // ------------------------------------------------------------------------------------------- backdoor
    reg [8*512-1:0]   folder, path;
    reg [COLS*8-1:0]  bytes;                            // $fread: first byte of the file in the highest bits
    integer           file, count, n;
    reg               loaded;
    initial loaded = 1'b0;

    task load_weights;
        begin
            loaded = 1'b1;
            if ($value$plusargs("weights=%s", folder)) begin
                $sformat(path, "%0s/pu_%02d/weights.bin", folder, node);
                file = $fopen(path, "rb");
                if (file != 0) begin
                    n = 0;
                    count = $fread(bytes, file);
                    while (count == COLS) begin
                        for (i = 0; i < COLS; i = i + 1)
                            row[i*LANE +: LANE] = {{LANE-8{1'b0}}, bytes[(COLS-1-i)*8 +: 8]};
                        weights[n] = row;
                        n = n + 1;
                        count = $fread(bytes, file);
                    end
                    $fclose(file);
                end
            end
        end
    endtask

    // ------------------------------------------------------------------------------------------ column sums
    always @(posedge clk) if (eval || wen || !loaded) begin
        if (!loaded) load_weights;
        if (eval) begin
            step_q <= step[2:0];
            if (load) x_q = x;
            if (step == 0) begin
                {bit_0, bit_1, bit_2, bit_3, bit_4, bit_5, bit_6, bit_7} = 0;
                for (i = 0; i < ROWS; i = i + 8) begin
                    eight = x_q[i*8 +: 64];
                    base = plane * ROWS + i;
                    while (eight != 0) begin
                        if (eight[7:0] != 0) begin
                            row = weights[base];
                            if (eight[0]) bit_0 = bit_0 + row;
                            if (eight[1]) bit_1 = bit_1 + row;
                            if (eight[2]) bit_2 = bit_2 + row;
                            if (eight[3]) bit_3 = bit_3 + row;
                            if (eight[4]) bit_4 = bit_4 + row;
                            if (eight[5]) bit_5 = bit_5 + row;
                            if (eight[6]) bit_6 = bit_6 + row;
                            if (eight[7]) bit_7 = bit_7 + row;
                        end
                        eight = eight >> 8;
                        base = base + 1;
                    end
                end
                case (DAC)
                    1: begin
                        slices[0] <= bit_0;
                        slices[1] <= bit_1;
                        slices[2] <= bit_2;
                        slices[3] <= bit_3;
                        slices[4] <= bit_4;
                        slices[5] <= bit_5;
                        slices[6] <= bit_6;
                        slices[7] <= bit_7;
                    end
                    2: begin
                        slices[0] <= bit_0 + (bit_1 << 1);
                        slices[1] <= bit_2 + (bit_3 << 1);
                        slices[2] <= bit_4 + (bit_5 << 1);
                        slices[3] <= bit_6 + (bit_7 << 1);
                    end
                    4: begin
                        slices[0] <= bit_0 + (bit_1 << 1) + (bit_2 << 2) + (bit_3 << 3);
                        slices[1] <= bit_4 + (bit_5 << 1) + (bit_6 << 2) + (bit_7 << 3);
                    end
                    default:
                        slices[0] <= bit_0 + (bit_1 << 1) + (bit_2 << 2) + (bit_3 << 3)
                                     + (bit_4 << 4) + (bit_5 << 5) + (bit_6 << 6) + (bit_7 << 7);
                endcase
            end
        end
        if (wen) begin
            base = wplane * ROWS + {16'd0, waddr} / WORDS;
            for (i = 0; i < LANES; i = i + 1)
                weights[base][(({16'd0, waddr} % WORDS) * LANES + i) * LANE +: LANE] =
                    {{LANE-8{1'b0}}, wdata[i*8 +: 8]};
        end
    end

    // verilator lint_on BLKSEQ
endmodule

`default_nettype wire

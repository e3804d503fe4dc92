// SPDX-License-Identifier: Apache-2.0
// imc_array - the crossbars of a PU: PLANES matrices of ROWS x COLS weights behind one DAC row and one bit line row.
// A weight is in one cell of 8 bits or more cells of fewer, in columns of their own.
//
// The one module that stands for an analogue circuit and is not synthesisable; sim/rtl/imc_array_cosim.v is its
// drop-in replacement computed by numpy, and a test holds the two equal. Weights are offset-binary bytes (w + 128), or
// signed ones if differential.
// `sums` lane c = sum over driven rows r of cell[plane][r][c] * slice(x[r], step), slice = DAC bits of the input byte;
// driven are DRIVEN rows from `first` on.
// Every slice of an MVM is computed when its first step is asked for, row by row over packed rows, as wide as the
// plane needs: that is what makes an interpreting simulator fast, and exact because no lane can overflow into the next.
// Timing: `sums` is valid in the cycle after `eval` and holds. Python: pyimc.golden (exact integers).
// Plusarg +weights=DIR loads DIR/pu_NN/weights.bin at the first clock edge (the backdoor; WRITE packets are the front door).
// With FRACTION bits, cells are real: what they hold, in 2^-FRACTION of a level, is in DIR/pu_NN/cells.bin instead, two
// bytes a column in the order of conversion; what WRITE packets bring is held exactly.
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
    input  wire [15:0]          first,
    output wire [COLS*(8/CELL)*(DIFFERENTIAL+1)*LANE-1:0] sums
);
    // A weight's cells: SLICES of CELL bits, the lowest first; of each, if differential, one for positive and one for
    // negative weights. Columns in the order in which they are converted: by group of ADCS weights, slice, sign, weight.
    localparam SLICES = 8 / CELL;
    localparam CELLS = SLICES * (DIFFERENTIAL + 1);
    localparam COLUMNS = COLS * CELLS;
    localparam [ROWS*8-1:0] READ = {ROWS*8{1'b1}} >> (ROWS - DRIVEN) * 8;
    localparam [7:0] LARGEST = (1 << CELL) - 1;
    localparam LANES = WORD / 8;
    localparam WORDS = COLS / LANES;

    generate
        if (LANE < 8 + $clog2(ROWS) + (DAC == 1 ? 0 : DAC) + (FRACTION == 0 ? 0 : FRACTION + 1)) begin : gen_illegal
            imc_array_LANE_cannot_hold_a_column_sum u_error ();
        end
    endgenerate

    reg [COLUMNS*LANE-1:0] slices [0:7];                // 8 / DAC of them are used
    reg [COLUMNS*LANE-1:0] row;
    reg [ROWS*8-1:0]    x_q, driven;
    reg [2:0]           step_q;
    reg [63:0]          eight [0:0];                    // input bytes, the next one lowest; Icarus reads
    reg [31:0]          base  [0:0];                    // the word of a memory faster than a variable
    reg [1:0]           halvings [0:PLANES-1];          // of the columns that hold a weight other than zero
    integer             i, n;

    assign sums = slices[step_q];

    // verilator lint_off BLKSEQ
    // reason: what is assigned at once is a temporary of its block

    // ------------------------------------------------------------------------------------------- backdoor
    reg [8*512-1:0]   folder, path;
    localparam FILE_BITS = FRACTION == 0 ? COLS*8 : COLUMNS*16;
    reg [FILE_BITS-1:0] bytes;                          // $fread: first byte of the file in the highest bits
    integer           file, count;
    reg               loaded;
    initial begin
        loaded = 1'b0;
        for (i = 0; i < PLANES; i = i + 1) halvings[i] = 2'd2;
    end

    task load_weights;
        begin
            loaded = 1'b1;
            if ($value$plusargs("weights=%s", folder)) begin
                if (FRACTION == 0) $sformat(path, "%0s/pu_%02d/weights.bin", folder, node);
                else $sformat(path, "%0s/pu_%02d/cells.bin", folder, node);
                file = $fopen(path, "rb");
                if (file != 0) begin
                    n = 0;
                    count = $fread(bytes, file);
                    while (count == FILE_BITS / 8) begin
                        if (FRACTION != 0)
                            for (i = 0; i < COLUMNS; i = i + 1)
                                row[i*LANE +: LANE] = held(bytes[FILE_BITS-16-i*16 +: 16]);
                        else
                            for (i = 0; i < COLS; i = i + 1)
                                place_weight(i, bytes[FILE_BITS-8-i*8 +: 8]);
                        store;
                        n = n + 1;
                        count = $fread(bytes, file);
                    end
                    $fclose(file);
                end
            end
        end
    endtask

    function [LANE-1:0] held(input [15:0] swapped);
        held = {{LANE-16{1'b0}}, swapped[7:0], swapped[15:8]};
    endfunction

    // Cells of weight `at` of `row`.
    integer   slice, cell_at;
    reg [7:0] positive, negative;
    task place_weight(input integer at, input [7:0] weight);
        if (CELLS == 1) row[at*LANE +: LANE] = {{LANE-FRACTION-8{1'b0}}, weight, {FRACTION{1'b0}}};
        else begin
            positive = DIFFERENTIAL != 0 && weight[7] ? 8'd0 : weight;
            negative = weight[7] ? -weight : 8'd0;
            for (slice = 0; slice < SLICES; slice = slice + 1) begin
                cell_at = (at / ADCS * SLICES + slice) * (DIFFERENTIAL + 1) * ADCS + at % ADCS;
                row[cell_at*LANE +: LANE] = {{LANE-8{1'b0}}, (positive >> slice * CELL) & LARGEST} << FRACTION;
                if (DIFFERENTIAL != 0)
                    row[(cell_at+ADCS)*LANE +: LANE] = {{LANE-8{1'b0}}, (negative >> slice * CELL) & LARGEST} << FRACTION;
            end
        end
    endtask

    // ------------------------------------------------------------------------------------------ column sums
    // A plane's rows are added over all columns, or over the lower half or quarter of them if the others hold zeros.
    // A row is added to the sum of the rows with the same lower nibble of their input bytes, and likewise the higher
    // nibble; from these 15 sums each bit's follows: two additions a row instead of one for every bit that is set.
    genvar w;
    generate
        for (w = 0; w < 3; w = w + 1) begin : gen_part
            localparam BITS = (COLUMNS >> w) * LANE;
            reg [BITS-1:0] weights [0:PLANES*ROWS-1];
            reg [BITS-1:0] low  [0:15];
            reg [BITS-1:0] high [0:15];
            reg [BITS-1:0] bit_0, bit_1, bit_2, bit_3, bit_4, bit_5, bit_6, bit_7;

            // verilator lint_off WIDTH
            // reason: a part's sums are extended with zeros
            task convert;
                begin
                    for (i = 1; i < 16; i = i + 1) begin
                        low[i] = 0;
                        high[i] = 0;
                    end
                    for (i = 0; i < ROWS; i = i + 8) begin
                        eight[0] = driven[i*8 +: 64];
                        base[0] = plane * ROWS + i;
                        while (eight[0] != 0) begin
                            if (eight[0][7:0] != 0) begin
                                if (eight[0][3:0] != 0)
                                    low[eight[0][3:0]] = low[eight[0][3:0]] + weights[base[0]];
                                if (eight[0][7:4] != 0)
                                    high[eight[0][7:4]] = high[eight[0][7:4]] + weights[base[0]];
                            end
                            eight[0] = eight[0] >> 8;
                            base[0] = base[0] + 1;
                        end
                    end
                    bit_3 = low[8] + low[9] + low[10] + low[11] + low[12] + low[13] + low[14] + low[15];
                    bit_7 = high[8] + high[9] + high[10] + high[11] + high[12] + high[13] + high[14] + high[15];
                    for (i = 1; i < 8; i = i + 1) begin
                        low[i] = low[i] + low[i+8];
                        high[i] = high[i] + high[i+8];
                    end
                    bit_0 = low[1] + low[3] + low[5] + low[7];
                    bit_1 = low[2] + low[3] + low[6] + low[7];
                    bit_2 = low[4] + low[5] + low[6] + low[7];
                    bit_4 = high[1] + high[3] + high[5] + high[7];
                    bit_5 = high[2] + high[3] + high[6] + high[7];
                    bit_6 = high[4] + high[5] + high[6] + high[7];
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
            endtask
            // verilator lint_on WIDTH
        end
    endgenerate

    task store;                                         // `row` is row `n` of all planes
        begin
            gen_part[0].weights[n] = row;
            gen_part[1].weights[n] = row[0 +: COLUMNS*LANE/2];
            gen_part[2].weights[n] = row[0 +: COLUMNS*LANE/4];
            if (row[COLUMNS*LANE-1 : COLUMNS*LANE/2] != 0) halvings[n / ROWS] = 2'd0;
            else if (row[COLUMNS*LANE/2-1 : COLUMNS*LANE/4] != 0 && halvings[n / ROWS] == 2'd2)
                halvings[n / ROWS] = 2'd1;
        end
    endtask

    wire awake = eval || wen || !loaded;
    always @(posedge clk) if (awake) begin
        if (!loaded) load_weights;
        if (eval) begin
            step_q <= step[2:0];
            if (load) x_q = x;
            if (step == 0) begin
                driven = DRIVEN == ROWS ? x_q : x_q & (READ << {16'd0, first} * 8);
                case (halvings[{16'd0, plane}])
                    2'd0: gen_part[0].convert;
                    2'd1: gen_part[1].convert;
                    default: gen_part[2].convert;
                endcase
            end
        end
        if (wen) begin
            n = wplane * ROWS + {16'd0, waddr} / WORDS;
            row = gen_part[0].weights[n];
            for (i = 0; i < LANES; i = i + 1)
                place_weight(({16'd0, waddr} % WORDS) * LANES + i, wdata[i*8 +: 8]);
            store;
        end
    end

    // verilator lint_on BLKSEQ
endmodule

`default_nettype wire

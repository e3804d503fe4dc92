// SPDX-License-Identifier: Apache-2.0
// drain - turns a pixel's accumulators into bytes: bias, offset correction, requantisation, clamp.
//
// It reads a full accumulator bank one word of columns at a time, adds each column's bias, takes off 128 times the
// sum of the inputs (weights are stored as w + 128), multiplies by the column's multiplier, and hands the product
// to round_clamp and the packer. Of a layer that is cut into parts, it may add the accumulators of the part before,
// from its ring in the partial memory (`partial_in`), and hand its own on as they are (`partial_out`), a quarter of a word of
// columns at a time: their 32-bit accumulators are one word. What a firing has read of that ring is free then.
// Timing: a bank is read from the second cycle of `pixel_full` on (in the first its actor's tables are looked up), one
// word or quarter per cycle, which takes 6 cycles to the packer: memories, sum, two of multiplier, two of round_clamp.
// All wait while the packer waits. The bank is free when its last columns are in the sum. The last columns of a
// firing are not read while `freed_*` is on offer.
// Python: pyimc.golden.run_node for an Mvm.
`default_nettype none
`include "imc_isa.vh"

// verilator lint_off UNUSEDSIGNAL
// reason: a table entry and an instruction hold fields for several stages
module drain #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter PARAMETERS = 4096,
    parameter ADCS = 32,
    parameter WIDTH = 32,
    parameter LANE = 16,
    parameter SIGNED = 0,
    parameter GROUP_BITS = 5
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire                    cfg_valid,
    input  wire [3:0]              cfg_space,
    input  wire [15:0]             cfg_addr,
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    // full banks
    input  wire [1:0]              pixel_full,
    input  wire [CTX_BITS-1:0]     pixel_ctx_0,
    input  wire [CTX_BITS-1:0]     pixel_ctx_1,
    input  wire [31:0]             pixel_sum_0,
    input  wire [31:0]             pixel_sum_1,
    input  wire [1:0]              pixel_end,
    output wire [1:0]              pixel_done,
    // accumulators
    output wire                    read,
    output wire                    read_bank,
    output wire [GROUP_BITS-1:0]   read_row,
    input  wire [WIDTH*2*LANE-1:0] read_data,
    // partial memory
    output wire                    mem_en,
    output wire [15:0]             mem_addr,
    input  wire [WORD-1:0]         mem_data,
    // words of a firing that have been read from it
    output reg                     freed_valid,
    input  wire                    freed_ready,
    output reg  [CTX_BITS-1:0]     freed_ctx,
    output reg  [`IMC_CHANNEL_ADDRESS_PORT_BITS-1:0] freed_port,
    output reg  [15:0]             freed_words,
    // bytes for the packer
    output wire [WORD-1:0]         m_data,
    output reg  [$clog2(WORD/8):0] m_bytes,
    output reg  [CTX_BITS-1:0]     m_ctx,
    output reg                     m_last,
    output reg                     m_valid,
    input  wire                    m_ready,
    output wire                    busy
);
    localparam LANES = WORD / 8;
    localparam LANE_BITS = $clog2(LANES);
    localparam QUARTER = LANES / 4;
    localparam ACC = 2 * LANE;
    localparam PER_ROW = WIDTH / LANES;                 // words of columns in an accumulator row
    localparam PARAM_ROWS = PARAMETERS / LANES;
    localparam SHIFT = ADCS > LANES ? LANES / 2 * ACC : 0;   // from one word of columns to the next in a row
    localparam PER_BITS = $clog2(PER_ROW) > 0 ? $clog2(PER_ROW) : 1;
    localparam PARAM_BITS = $clog2(PARAM_ROWS) > 0 ? $clog2(PARAM_ROWS) : 1;

    generate
        if (LANES < 8 || WIDTH % LANES != 0 || WIDTH % ADCS != 0 || PARAMETERS % LANES != 0) begin : gen_illegal
            drain_WIDTH_must_be_a_multiple_of_8_or_more_lanes_and_of_ADCS_and_PARAMETERS_of_the_lanes u_error ();
        end
    endgenerate

    // Where column i of a word starts in its accumulator row: the order of accumulator.v.
    function [LANES*32-1:0] column_table(input integer adcs);
        integer n;
        for (n = 0; n < LANES; n = n + 1)
            column_table[n*32 +: 32] = ((n / adcs) * adcs + (n % 2) * (adcs / 2) + (n % adcs) / 2) * ACC;
    endfunction
    localparam [LANES*32-1:0] COLUMN = column_table(ADCS);

    reg [`IMC_ENTRY_BITS-1:0] output_table [0:CONTEXTS-1];
    reg                in_table     [0:CONTEXTS-1];     // partial_in
    reg                out_table    [0:CONTEXTS-1];     // partial_out
    reg [15:0]         ring_base    [0:CONTEXTS-1];
    reg [15:0]         ring_size    [0:CONTEXTS-1];
    reg [15:0]         ring_head    [0:CONTEXTS-1];
    reg [`IMC_CHANNEL_ADDRESS_PORT_BITS-1:0] ring_port [0:CONTEXTS-1];
    reg [LANES*32-1:0] bias         [0:PARAM_ROWS-1];
    reg [LANES*6-1:0]  shift        [0:PARAM_ROWS-1];
    reg [LANES*31-1:0] multiplier   [0:PARAM_ROWS-1];

    wire [PARAM_BITS-1:0] cfg_row = cfg_addr[`IMC_PARAMETER_ADDRESS_CHANNEL_AT+LANE_BITS +: PARAM_BITS];
    wire [LANE_BITS-1:0]  cfg_lane = cfg_addr[`IMC_PARAMETER_ADDRESS_CHANNEL_AT +: LANE_BITS];
    wire [CTX_BITS-1:0]   cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];
    wire                  cfg_ring = cfg_valid && cfg_space == `IMC_SPACE_CHANNEL
                                     && cfg_data[`IMC_CHANNEL_MEMORY] == `IMC_MEMORY_PARTIAL;
    wire [CTX_BITS-1:0]   cfg_ring_ctx = cfg_addr[`IMC_CHANNEL_ADDRESS_CONTEXT_AT +: CTX_BITS];
    always @(posedge clk) if (cfg_valid) begin
        if (cfg_space == `IMC_SPACE_ENGINE && cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_COLUMNS) begin
            in_table[cfg_ctx] <= cfg_data[`IMC_COLUMNS_PARTIAL_IN];
            out_table[cfg_ctx] <= cfg_data[`IMC_COLUMNS_PARTIAL_OUT];
        end
        if (cfg_space == `IMC_SPACE_ENGINE && cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_OUTPUT)
            output_table[cfg_ctx] <= cfg_data;
        if (cfg_space == `IMC_SPACE_PARAMETER && cfg_addr[`IMC_PARAMETER_ADDRESS_ENTRY] == `IMC_ENTRY_PARAM_0) begin
            bias[cfg_row][cfg_lane*32 +: 32] <= cfg_data[`IMC_PARAM_0_BIAS];
            shift[cfg_row][cfg_lane*6 +: 6] <= cfg_data[`IMC_PARAM_0_SHIFT];
        end
        if (cfg_space == `IMC_SPACE_PARAMETER && cfg_addr[`IMC_PARAMETER_ADDRESS_ENTRY] == `IMC_ENTRY_PARAM_1)
            multiplier[cfg_row][cfg_lane*31 +: 31] <= cfg_data[`IMC_PARAM_1_MULTIPLIER];
    end

    // ------------------------------------------------------------------------------------------- the full banks
    // What the tables say of the actor of each, looked up in the first cycle of `pixel_full`.
    reg                    known_0_q, known_1_q, in_0_q, in_1_q, out_0_q, out_1_q;
    reg [`IMC_ENTRY_BITS-1:0] output_0_q, output_1_q;
    wire                   leaves_0, leaves_1;            // its last columns are in the memory's output
    wire                   learn_0 = pixel_full[0] && !known_0_q && !leaves_0;
    wire                   learn_1 = pixel_full[1] && !known_1_q && !leaves_1;

    // ---------------------------------------------------------------------------------- the columns being read
    reg                    bank_q;
    reg [17:0]             quarter_q;
    wire [15:0]            word = quarter_q[17:2];
    wire [CTX_BITS-1:0]    ctx = bank_q ? pixel_ctx_1 : pixel_ctx_0;
    wire [`IMC_ENTRY_BITS-1:0] out = bank_q ? output_1_q : output_0_q;
    wire                   partial_in = bank_q ? in_1_q : in_0_q;
    wire                   partial_out = bank_q ? out_1_q : out_0_q;
    wire                   partial = partial_in || partial_out;
    wire [15:0]            columns_left = out[`IMC_OUTPUT_COLUMNS] - (quarter_q[15:0] << (LANE_BITS - 2));
    wire [15:0]            columns = partial ? QUARTER[15:0] : LANES[15:0];
    wire                   last_word = columns_left <= columns;
    wire                   frees = partial_in && last_word && pixel_end[bank_q];
    wire                   known = bank_q ? known_1_q : known_0_q;
    wire                   reading = known && !(frees && freed_valid);
    wire [15:0]            param_row = (out[`IMC_OUTPUT_PARAMETERS] >> LANE_BITS) + word;
    wire [15:0]            row = word / PER_ROW[15:0];
    wire [15:0]            place = word % PER_ROW[15:0];
    wire                   forget = read && last_word;
    assign read_bank = bank_q;
    assign read_row = row[GROUP_BITS-1:0];

    wire go = !m_valid || m_ready;
    assign read = reading && go;
    assign mem_en = read && partial_in;
    assign mem_addr = ring_head[ctx];
    wire [16:0] head_next = {1'b0, mem_addr} + 17'd1;
    wire [16:0] ring_end = {1'b0, ring_base[ctx]} + {1'b0, ring_size[ctx]};
    wire moves = cfg_ring || mem_en;
    always @(posedge clk) if (moves) begin
        if (cfg_ring) begin
            ring_base[cfg_ring_ctx] <= cfg_data[`IMC_CHANNEL_BASE];
            ring_size[cfg_ring_ctx] <= cfg_data[`IMC_CHANNEL_SIZE];
            ring_head[cfg_ring_ctx] <= cfg_data[`IMC_CHANNEL_BASE];
            ring_port[cfg_ring_ctx] <= cfg_addr[`IMC_CHANNEL_ADDRESS_PORT];
        end else ring_head[ctx] <= head_next == ring_end ? ring_base[ctx] : head_next[15:0];
    end

    reg [15:0] words_q;                                   // read from the ring by this firing
    wire freeing = mem_en || freed_valid || rst;
    always @(posedge clk) if (freeing) begin
        if (freed_ready) freed_valid <= 1'b0;
        if (mem_en) begin
            words_q <= frees ? 16'd0 : words_q + 16'd1;
            if (frees) begin
                freed_valid <= 1'b1;
                freed_ctx <= ctx;
                freed_port <= ring_port[ctx];
                freed_words <= words_q + 16'd1;
            end
        end
        if (rst) {freed_valid, words_q} <= 17'd0;
    end

    wire stirs = pixel_full != 2'b00 || rst;
    always @(posedge clk) if (stirs) begin
        if (learn_0) begin
            {known_0_q, in_0_q, out_0_q} <= {1'b1, in_table[pixel_ctx_0], out_table[pixel_ctx_0]};
            output_0_q <= output_table[pixel_ctx_0];
        end
        if (learn_1) begin
            {known_1_q, in_1_q, out_1_q} <= {1'b1, in_table[pixel_ctx_1], out_table[pixel_ctx_1]};
            output_1_q <= output_table[pixel_ctx_1];
        end
        if (read) quarter_q <= last_word ? 18'd0 : quarter_q + (partial ? 18'd1 : 18'd4);
        if (forget) begin
            bank_q <= !bank_q;
            if (bank_q) known_1_q <= 1'b0;
            else known_0_q <= 1'b0;
        end
        if (rst) {bank_q, quarter_q, known_0_q, known_1_q} <= 21'd0;
    end

    // ------------------------------------------------------------------------------------------------ pipeline
    // What belongs to a word travels through the stages 1 to 5 with it, the newest lowest: whether there is one, and
    // {end of firing, raw accumulators, output word's quarter, valid columns, context, row of the parameters}.
    localparam NOTE = 4 + LANE_BITS + 1 + CTX_BITS + PARAM_BITS;
    reg [5:1]              v_q;
    reg [5*NOTE-1:0]       note_q;
    wire [LANE_BITS:0]     valid_columns = partial_out ? LANES[LANE_BITS:0]
                                         : last_word ? columns_left[LANE_BITS:0] : columns[LANE_BITS:0];
    wire [NOTE-1:0]        note = {
        last_word && pixel_end[bank_q], partial_out, quarter_q[1:0], valid_columns, ctx, param_row[PARAM_BITS-1:0]
    };
    wire [PARAM_BITS-1:0]  row_1 = note_q[0*NOTE +: PARAM_BITS];
    wire [PARAM_BITS-1:0]  row_3 = note_q[2*NOTE +: PARAM_BITS];
    wire [CTX_BITS-1:0]    ctx_5 = note_q[4*NOTE + PARAM_BITS +: CTX_BITS];
    wire                   raw_1 = note_q[1*NOTE-2];
    wire                   raw_2 = note_q[2*NOTE-2];
    wire                   raw_3 = note_q[3*NOTE-2];
    wire                   raw_4 = note_q[4*NOTE-2];
    wire                   raw_5 = note_q[5*NOTE-2];
    wire [1:0]             quarter_1 = note_q[1*NOTE-4 +: 2];

    // Stage 1: the sum of what was read.
    reg                    bank1_q, pixel1_q, in1_q;      // the bank, its last columns, with partial sums
    reg [PER_BITS-1:0]     word1_q;                       // of its row
    reg [31:0]             offset1_q;                     // 128 times the sum of the inputs; 0 of signed weights
    reg [LANES*32-1:0]     bias_q;
    reg [LANES*32-1:0]     value_q, values;
    reg [WIDTH*2*LANE-1:0] lanes;
    reg [31:0]             partial1;
    integer                i;
    assign leaves_0 = v_q[1] && pixel1_q && !bank1_q;
    assign leaves_1 = v_q[1] && pixel1_q && bank1_q;
    assign pixel_done = {leaves_1 && go, leaves_0 && go};
    assign busy = v_q != 5'd0 || m_valid;

    // Stage 2: its multipliers; 4: its shifts. Raw accumulators pass by.
    reg [LANES*31-1:0]     factor_q;
    reg [LANES*6-1:0]      shift_q;
    reg [WORD-1:0]         raw2_q, raw3_q, raw4_q, raw5_q, raw6_q;
    reg                    raw_q;
    reg [1:0]              quarter6_q;

    wire awake = (go && (reading || busy)) || rst;

    // verilator lint_off BLKSEQ
    // reason: what is assigned at once is a temporary of its block
    always @(posedge clk) if (awake) begin
        v_q <= {v_q[4:1], reading};
        m_valid <= v_q[5];
        note_q <= {note_q[4*NOTE-1:0], note};
        if (reading) begin
            {bank1_q, pixel1_q, in1_q, word1_q} <= {bank_q, last_word, partial_in, place[PER_BITS-1:0]};
            offset1_q <= SIGNED != 0 ? 32'd0 : {bank_q ? pixel_sum_1[24:0] : pixel_sum_0[24:0], 7'd0};
            bias_q <= bias[param_row[PARAM_BITS-1:0]];
        end
        if (v_q[1]) begin
            lanes = read_data >> {{32-PER_BITS{1'b0}}, word1_q} * SHIFT;
            for (i = 0; i < LANES; i = i + 1) begin
                partial1 = in1_q ? mem_data[(i % QUARTER)*32 +: 32] : 32'd0;
                values[i*32 +: 32] = lanes[COLUMN[i*32 +: 32] +: 32] + bias_q[i*32 +: 32] + partial1 - offset1_q;
            end
            value_q <= values;
            if (raw_1) raw2_q <= values[quarter_1*WORD +: WORD];
            else factor_q <= multiplier[row_1];
        end
        if (v_q[2] && raw_2) raw3_q <= raw2_q;
        if (v_q[3]) begin
            if (raw_3) raw4_q <= raw3_q;
            else shift_q <= shift[row_3];
        end
        if (v_q[4] && raw_4) raw5_q <= raw4_q;
        if (v_q[5]) begin
            {m_last, raw_q, quarter6_q, m_bytes, m_ctx} <= note_q[4*NOTE + PARAM_BITS +: NOTE - PARAM_BITS];
            if (raw_5) raw6_q <= raw5_q;
        end
        if (rst) {v_q, m_valid} <= 6'd0;
    end
    // verilator lint_on BLKSEQ

    wire [LANES*64-1:0] product;
    multiplier #(.LANES(LANES), .BITS(32)) u_multiplier (
        .clk(clk), .first(go && v_q[2] && !raw_2), .value(value_q), .factor(factor_q),
        .second(go && v_q[3] && !raw_3), .more(1'b0), .product(product)
    );
    wire [WORD-1:0] requantised;
    wire [`IMC_ENTRY_BITS-1:0] out_5 = output_table[ctx_5];
    round_clamp #(.LANES(LANES)) u_round_clamp (
        .clk(clk), .first(go && v_q[4] && !raw_4), .product(product), .shift(shift_q),
        .second(go && v_q[5] && !raw_5), .zero_point(out_5[`IMC_OUTPUT_ZERO_POINT]), .low(out_5[`IMC_OUTPUT_LOW]),
        .high(out_5[`IMC_OUTPUT_HIGH]), .data(requantised)
    );
    assign m_data = raw_q ? raw6_q : requantised >> {quarter6_q, 3'd0} * QUARTER;
endmodule
// verilator lint_on UNUSEDSIGNAL

`default_nettype wire

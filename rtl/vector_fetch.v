// SPDX-License-Identifier: Apache-2.0
// vector_fetch - walks the windows of one firing of the dpu and reads them from memory, one slot a cycle.
//
// It turns every kind of firing into one stream of slots for the vector unit. A slot is one memory read, or a
// kernel column outside the image. For each pixel, chunk of LANES channels, kernel row inside the image and kernel
// column: 1 slot, or 2 when the chunk's bytes straddle two words. Operations on two maps have a kernel of 2 columns, which
// are their inputs; with `broadcast`, input 1 is one pixel. Concat takes turns: its pixel is `run` bytes of input 0,
// then WINDOW.step bytes of input 1. A slot says where the weights of depthwise are, too: KERNEL. Matmul has a kernel of
// `inner` columns, pixels of input 1; 1 slot more for each word of their factors, before the first. Its pixel is a group.
// With ROW.pause a pixel is read several times, `pause` cycles apart, and only the last reading gives an output.
//
// Timing: issued in cycle 0, slots in cycles 1..slots, `done` with the last of them, issue_ready again in slots + 1.
// Cycles in which `step` is low (back-pressure) do not count. A slot's mem_data arrives with its m_* fields.
// Python: pyimc.engines.dpu.timing.
`default_nettype none
`include "imc_isa.vh"

module vector_fetch #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire                    step,          // the vector unit takes the slot on m_*

    input  wire                    cfg_valid,
    input  wire [3:0]              cfg_space,
    input  wire [15:0]             cfg_addr,
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,

    input  wire                    issue_valid,
    output wire                    issue_ready,
    input  wire [CTX_BITS-1:0]     issue_ctx,
    /* verilator lint_off UNUSEDSIGNAL */         // fields that the sequencer reads
    input  wire [`IMC_INSTRUCTION_BITS-1:0] issue_instr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [15:0]             issue_head_0,  // word addresses of input 0: oldest data,
    input  wire [15:0]             issue_base_0,  // start of the ring,
    input  wire [15:0]             issue_size_0,  // its length
    input  wire [15:0]             issue_head_1,
    input  wire [15:0]             issue_base_1,
    input  wire [15:0]             issue_size_1,
    output wire                    done,

    output wire                    mem_en,
    output wire [15:0]             mem_addr,

    output reg                     m_valid,
    output reg  [CTX_BITS-1:0]     m_ctx,
    output reg                     m_inside,      // the read is data, not outside the image
    output reg                     m_low,         // first read of two: keep it
    output reg                     m_high,        // second read of two
    output reg  [$clog2(WORD/8)-1:0] m_offset,    // bytes to shift down
    output reg                     m_side,        // input 1
    output reg                     m_first,       // starts an accumulation
    output reg                     m_final,       // ends it
    output reg                     m_emit,        // its result completes an output chunk of
    output reg  [$clog2(WORD/8):0] m_bytes,       // this many bytes,
    output reg                     m_last,        // the last of the firing
    output reg                     m_end,         // the last of a pixel,
    output reg  [1:0]              m_pass,        // which is read so many times more
    output reg  [15:0]             m_count,       // reads of the accumulation up to this one, straddling ones once
    output reg  [15:0]             m_channel,     // of the chunk's first byte in its pixel
    output wire [15:0]             m_weight,      // word of the weight memory
    output reg                     m_keep,        // matmul: a word of factors,
    output reg  [$clog2(WORD/8)-1:0] m_factor     // of which a read takes this byte
);

    localparam LANES = WORD / 8;
    localparam LB    = $clog2(LANES);
    localparam [15:0] LANES_16 = LANES[15:0];

    generate
        if (WORD < 64 || (WORD & (WORD - 1)) != 0) begin : gen_word
            vector_fetch_WORD_must_be_a_power_of_two_from_64_up u_error ();
        end
        if (CONTEXTS < 1 || CTX_BITS < 1 || CTX_BITS > 14 || CONTEXTS > (1 << CTX_BITS)) begin : gen_contexts
            vector_fetch_CONTEXTS_must_fit_CTX_BITS_of_1_to_14 u_error ();
        end
    endgenerate

    // The firing.
    reg                active_q;
    reg [CTX_BITS-1:0] ctx_q;
    reg                pair_q;       // of two maps
    reg                each_q;       // whose inputs are accumulated one by one
    reg                broadcast_q;
    reg                concat_q;
    reg                matmul_q;
    reg [15:0]         step_q;
    reg [15:0]         row_bytes_q;
    reg [15:0]         stride_q;     // words from row to row
    reg [15:0]         head_0_q;     // kernel row `top`, from
    reg [15:0]         offset_q;     // this word of the row on
    reg [16:0]         end_0_q;      // end of the ring
    reg [15:0]         size_0_q;
    reg [15:0]         head_1_q;
    reg [16:0]         end_1_q;
    reg [15:0]         size_1_q;
    reg [7:0]          rows_q;
    reg [15:0]         columns_q;
    reg [15:0]         advance_q;    // bytes from column to column
    reg [7:0]          repeat_q;
    reg [7:0]          pause_q;      // of a pixel that is read several times: cycles before it is read again; else 0

    // Where it stands.
    reg                side_q;       // concat: input 1
    reg [15:0]         run_q;        // bytes of the pixel,
    reg [15:0]         other_run_q;  // concat: of the next, from the other input
    reg [19:0]         x_q;          // start of the window in its row; negative is left of the image,
    reg [19:0]         tap_q;        // start of the pixel; which reads as beyond the row's end
    reg [19:0]         other_x_q;    // concat: start of the next pixel
    reg [15:0]         chunk_q;      // start of the chunk in the pixel
    reg [15:0]         left_q;       // bytes from there to the end of the pixel
    reg [15:0]         row_q;        // start of the row in ring 0
    reg [`IMC_FIRE_PIXELS_BITS-1:0] pixels_left_q;
    reg [7:0]          repeats_left_q;
    reg [7:0]          rows_left_q;
    reg [15:0]         columns_left_q;
    reg                first_q;      // no tap of the chunk is done
    reg                second_q;     // second read of two
    reg [7:0]          wait_q;       // cycles until it is
    reg                keep_q;           // matmul: the slot is a word of factors
    reg [15:0]         group_q;          // the first factor of the group,
    reg [15:0]         factor_q;         // and that of the slot, in bytes of row_q

    // The slot.
    wire last_column = columns_left_q == 16'd1;
    wire side        = pair_q ? last_column : matmul_q ? !keep_q : side_q;
    wire        inside   = tap_q < {4'd0, row_bytes_q};
    wire        partial  = left_q < LANES_16;
    wire [LB:0] bytes    = partial ? {1'b0, left_q[LB-1:0]} : LANES_16[LB:0];
    wire [15:0] tap      = broadcast_q && side ? 16'd0 : tap_q[15:0];
    wire [15:0] place    = keep_q ? factor_q : tap + chunk_q;
    wire [LB:0] reach    = {1'b0, place[LB-1:0]} + bytes - 1'b1;
    wire        two      = inside && reach[LB] && !keep_q;   // straddles two words
    wire        split    = two && !second_q;
    wire        whole    = !split && !keep_q;         // a tap is done
    wire [16:0] row_sum  = {1'b0, row_q} + {1'b0, stride_q};
    wire [15:0] next_row = row_sum[15:0] - ((row_sum >= end_0_q) ? size_0_q : 16'd0);

    wire last_row    = rows_left_q == 8'd1;
    wire last_chunk  = left_q <= LANES_16;
    wire last_tap    = last_column && last_row;
    wire last_pixel  = pixels_left_q == 1 && side_q == concat_q;
    wire waits       = wait_q != 8'd0;
    wire given       = active_q && !waits;
    wire go          = given && step;

    wire [15:0] start    = side ? head_1_q : row_q;
    wire [16:0] ring_end = side ? end_1_q : end_0_q;
    wire [15:0] size     = side ? size_1_q : size_0_q;
    wire [16:0] sum      = {1'b0, start} + {1'b0, {{LB{1'b0}}, place[15:LB]} - offset_q} + {16'd0, second_q};

    wire        moves_on = repeats_left_q == 8'd0;
    wire [19:0] moved_x  = x_q + {4'd0, concat_q ? run_q : moves_on != matmul_q ? step_q : 16'd0};
    wire [19:0] next_x   = concat_q ? other_x_q : matmul_q && moves_on ? 20'd0 : moved_x;
    wire [15:0] next_factor = factor_q + 16'd1;
    wire [15:0] next_run = concat_q ? other_run_q : run_q;

    assign issue_ready = !active_q;
    assign mem_en      = go && inside;
    assign mem_addr    = sum[15:0] - ((sum >= ring_end) ? size : 16'd0);
    assign done        = go && whole && last_tap && last_chunk && last_pixel;

    wire        accept = issue_valid && issue_ready;
    wire [`IMC_ENTRY_BITS-1:0] window;
    wire [47:0] kernel;
    wire [15:0] columns, advance;
    wire [7:0]  repeats, pause;
    wire        pair, each, broadcast, concat, matmul;
    vector_tables #(.CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS)) u_tables (
        .clk(clk), .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data), .ctx(issue_ctx),
        .window(window), .kernel(kernel), .columns(columns), .advance(advance), .repeats(repeats), .pause(pause),
        .pair(pair), .each(each), .broadcast(broadcast), .concat(concat), .matmul(matmul)
    );
    wire [`IMC_FIRE_X0_BITS-1:0] x0 = issue_instr[`IMC_FIRE_X0];
    wire [7:0]  rows   = {1'b0, issue_instr[`IMC_FIRE_ROWS]};

    always @(posedge clk)
        if (accept) begin
            ctx_q          <= issue_ctx;
            {pair_q, each_q, broadcast_q, concat_q, matmul_q} <= {pair, each, broadcast, concat, matmul};
            repeat_q       <= repeats;
            columns_q      <= columns;
            advance_q      <= advance;
            pause_q        <= pause;
            wait_q         <= 8'd0;
            step_q         <= window[`IMC_WINDOW_STEP];
            row_bytes_q    <= window[`IMC_WINDOW_ROW_BYTES];
            stride_q       <= window[`IMC_WINDOW_ROW_WORDS];
            head_0_q       <= issue_head_0;
            offset_q       <= issue_instr[`IMC_FIRE_OFFSET];
            end_0_q        <= {1'b0, issue_base_0} + {1'b0, issue_size_0};
            size_0_q       <= issue_size_0;
            head_1_q       <= issue_head_1;
            end_1_q        <= {1'b0, issue_base_1} + {1'b0, issue_size_1};
            size_1_q       <= issue_size_1;
            rows_q         <= rows;
            side_q         <= 1'b0;
            run_q          <= window[`IMC_WINDOW_RUN];
            other_run_q    <= window[`IMC_WINDOW_STEP];
            x_q            <= {{2{x0[`IMC_FIRE_X0_BITS-1]}}, x0};
            tap_q          <= {{2{x0[`IMC_FIRE_X0_BITS-1]}}, x0};
            other_x_q      <= 20'd0;
            chunk_q        <= 16'd0;
            left_q         <= window[`IMC_WINDOW_RUN];
            row_q          <= issue_head_0;
            pixels_left_q  <= issue_instr[`IMC_FIRE_PIXELS];
            repeats_left_q <= repeats;
            rows_left_q    <= rows;
            columns_left_q <= columns;
            first_q        <= 1'b1;
            second_q       <= 1'b0;
            keep_q         <= matmul;
            group_q        <= 16'd0;
            factor_q       <= 16'd0;
        end else if (go) begin
            second_q <= split;
            keep_q   <= 1'b0;
            if (whole) begin
                first_q        <= last_tap;
                columns_left_q <= last_column ? columns_q : columns_left_q - 16'd1;
                tap_q          <= last_column ? x_q : tap_q + {4'd0, advance_q};
                keep_q         <= matmul_q && (last_column || next_factor[LB-1:0] == {LB{1'b0}});
                factor_q       <= last_column && !last_chunk ? group_q : next_factor;
                group_q        <= last_column && last_chunk ? next_factor : group_q;
                if (last_column) begin
                    rows_left_q <= last_row ? rows_q : rows_left_q - 8'd1;
                    row_q       <= last_row ? head_0_q : next_row;
                end
                if (last_tap) begin
                    chunk_q <= last_chunk ? 16'd0 : chunk_q + LANES_16;
                    left_q  <= last_chunk ? next_run : left_q - LANES_16;
                end
                if (last_tap && last_chunk) begin
                    side_q         <= concat_q && !side_q;
                    run_q          <= next_run;
                    other_run_q    <= run_q;
                    x_q            <= next_x;
                    tap_q          <= next_x;
                    other_x_q      <= moved_x;
                    repeats_left_q <= moves_on ? repeat_q : repeats_left_q - 8'd1;
                    wait_q         <= moves_on ? 8'd0 : pause_q;
                    if (side_q == concat_q)
                        pixels_left_q <= pixels_left_q - 1'b1;
                end
            end
        end else if (step && waits)
            wait_q <= wait_q - 8'd1;

    wire starts = first_q || each_q;
    weight_walk u_weights (
        .clk(clk), .accept(accept), .kernel(kernel), .top(issue_instr[`IMC_FIRE_TOP]), .go(go), .tap(whole),
        .last_tap(last_tap), .last_chunk(last_chunk), .m_weight(m_weight)
    );

    wire turn  = accept || done || rst;
    wire moves = (step && (active_q || m_valid)) || rst;

    always @(posedge clk)
        if (turn)
            active_q <= accept && !rst;

    always @(posedge clk)
        if (moves) begin
            m_valid <= given;
            if (given) begin
                m_ctx    <= ctx_q;
                m_inside <= inside;
                m_low    <= split;
                m_high   <= second_q;
                m_offset <= place[LB-1:0];
                m_side   <= side;
                m_first  <= starts;
                m_final  <= whole && (last_tap || each_q);
                m_emit   <= whole && last_tap && (moves_on || pause_q == 8'd0);
                m_pass   <= repeats_left_q[1:0];
                m_end    <= last_chunk;
                m_bytes  <= bytes;
                m_last   <= last_chunk && last_pixel;
                m_channel <= chunk_q;
                m_keep   <= keep_q;
                m_factor <= factor_q[LB-1:0];
                if (!split)
                    m_count <= (starts ? 16'd0 : m_count) + {15'd0, inside};
            end
            if (rst)
                m_valid <= 1'b0;
        end

endmodule

`default_nettype wire

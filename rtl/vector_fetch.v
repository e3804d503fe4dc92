// SPDX-License-Identifier: Apache-2.0
// vector_fetch - walks the windows of one firing of the dpu and reads them from memory, one slot a cycle.
//
// Why: it turns element-wise and pooling firings into one stream of slots for the vector unit. A slot is one memory
// read, or a kernel column outside the image. Pools: for each pixel, chunk of LANES channels, kernel row inside the
// image and kernel column: 1 slot, or 2 when the chunk's bytes straddle two words. Add: 2 slots a word, one a channel.
//
// Timing: issued in cycle 0, slots in cycles 1..slots, `done` with the last of them, issue_ready again in slots + 1.
// Cycles in which `step` is low (back-pressure) do not count. A slot's mem_data arrives with its m_* fields.
// Model: pyimc.timing_dpu.
`default_nettype none
`include "imc_isa.vh"

module vector_fetch #(
    parameter WORD     = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire                    step,          // the vector unit takes the slot on m_*

    input  wire                    cfg_valid,
    input  wire [3:0]              cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */         // contexts above CONTEXTS
    input  wire [15:0]             cfg_addr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [63:0]             cfg_data,

    input  wire                    issue_valid,
    output wire                    issue_ready,
    input  wire [CTX_BITS-1:0]     issue_ctx,
    /* verilator lint_off UNUSEDSIGNAL */         // fields that the sequencer reads
    input  wire [127:0]            issue_instr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [15:0]             issue_head_0,  // word addresses: oldest data,
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
    output reg                     m_side,        // add: input 1
    output reg                     m_first,       // starts an accumulation
    output reg                     m_final,       // ends it
    output reg                     m_emit,        // its result completes an output chunk of
    output reg  [$clog2(WORD/8):0] m_bytes,       // this many bytes,
    output reg                     m_last         // the last of the firing
);

    localparam LANES = WORD / 8;
    localparam LB    = $clog2(LANES);
    localparam [15:0] LANES_16 = LANES[15:0];

    generate
        if (WORD < 64 || (WORD & (WORD - 1)) != 0) begin : gen_bad_word
            error_vector_fetch_WORD_must_be_a_power_of_two_from_64_up u_error ();
        end
        if (CONTEXTS < 1 || CTX_BITS < 1 || CTX_BITS > 14 || CONTEXTS > (1 << CTX_BITS)) begin : gen_bad_contexts
            error_vector_fetch_CONTEXTS_must_fit_CTX_BITS_of_1_to_14 u_error ();
        end
    endgenerate

    // Tables, by context.
    reg [63:0] window_mem [0:CONTEXTS-1];
    reg [8:0]  pool_mem   [0:CONTEXTS-1];          // kernel columns, add

    wire cfg_engine = cfg_valid && cfg_space == `IMC_SPACE_ENGINE;
    wire cfg_is_add = cfg_data[`IMC_POOL_OPERATION] == 2'd0;

    always @(posedge clk)
        if (cfg_engine) begin
            if (cfg_addr[1:0] == 2'd0)
                window_mem[cfg_addr[CTX_BITS+1:2]] <= cfg_data;
            if (cfg_addr[1:0] == 2'd1)
                pool_mem[cfg_addr[CTX_BITS+1:2]] <= {cfg_data[`IMC_POOL_KERNEL_COLUMNS], cfg_is_add};
        end

    // The firing.
    reg                active_q;
    reg [CTX_BITS-1:0] ctx_q;
    reg                add_q;
    reg [15:0]         run_q;        // bytes of a pixel (add: 0)
    reg [15:0]         step_q;
    reg [15:0]         row_bytes_q;
    reg [15:0]         stride_q;     // words from row to row (add: 1)
    reg [15:0]         head_q;       // kernel row `top`, from
    reg [15:0]         offset_q;     // this word of the row on
    reg [16:0]         end_0_q;      // end of the ring
    reg [15:0]         size_0_q;
    reg [15:0]         base_1_q;
    reg [15:0]         wrap_1_q;     // last word of ring 1
    reg [7:0]          rows_q;
    reg [7:0]          columns_q;

    // Where it stands.
    reg [19:0]         x_q;          // start of the window in its row; negative is left of the image,
    reg [19:0]         tap_q;        // start of the pixel; which reads as beyond the row's end
    reg [15:0]         chunk_q;      // start of the chunk in the pixel
    reg [15:0]         left_q;       // bytes from there to the end of the pixel
    reg [15:0]         at_0_q;       // start of the row
    reg [15:0]         at_1_q;
    reg [15:0]         pixels_left_q;
    reg [7:0]          rows_left_q;
    reg [7:0]          columns_left_q;
    reg                first_q;      // no tap of the chunk is done
    reg                second_q;     // second read of two

    // The slot.
    wire        inside   = tap_q < {4'd0, row_bytes_q};
    wire        partial  = left_q < LANES_16;
    wire [LB:0] bytes    = partial ? {1'b0, left_q[LB-1:0]} : LANES_16[LB:0];
    wire [15:0] place    = tap_q[15:0] + chunk_q;
    wire [LB:0] reach    = {1'b0, place[LB-1:0]} + bytes - 1'b1;
    wire        two      = inside && reach[LB];   // straddles two words
    wire        split    = two && !second_q;
    wire [16:0] sum      = {1'b0, at_0_q} + {1'b0, {{LB{1'b0}}, place[15:LB]} - offset_q} + {16'd0, second_q};
    wire [15:0] wrapped  = sum[15:0] - ((sum >= end_0_q) ? size_0_q : 16'd0);
    wire [16:0] row_sum  = {1'b0, at_0_q} + {1'b0, stride_q};
    wire [15:0] next_row = row_sum[15:0] - ((row_sum >= end_0_q) ? size_0_q : 16'd0);

    wire last_column = columns_left_q == 8'd1;
    wire last_row    = rows_left_q == 8'd1;
    wire last_chunk  = left_q <= LANES_16;
    wire last_pixel  = pixels_left_q == 16'd1;
    wire last_tap    = last_column && last_row;
    wire side        = add_q && last_column;
    wire go          = active_q && step;

    assign issue_ready = !active_q;
    assign mem_en      = go && inside;
    assign mem_addr    = side ? at_1_q : wrapped;
    assign done        = go && !split && last_tap && last_chunk && last_pixel;

    wire        start     = issue_valid && issue_ready;
    wire [63:0] window    = window_mem[issue_ctx];
    wire [8:0]  pool      = pool_mem[issue_ctx];
    wire        start_add = pool[0];
    wire [17:0] issue_x0  = issue_instr[`IMC_FIRE_X0];
    wire [19:0] start_x   = start_add ? 20'd0 : {{2{issue_x0[17]}}, issue_x0};
    wire [7:0]  start_rows = start_add ? 8'd1 : {1'b0, issue_instr[`IMC_FIRE_ROWS]};
    wire [7:0]  start_columns = start_add ? 8'd2 : pool[8:1];

    always @(posedge clk)
        if (start) begin
            ctx_q          <= issue_ctx;
            add_q          <= start_add;
            run_q          <= start_add ? 16'd0 : window[`IMC_WINDOW_RUN];
            step_q         <= start_add ? 16'd0 : window[`IMC_WINDOW_STEP];
            row_bytes_q    <= start_add ? 16'd1 : window[`IMC_WINDOW_ROW_BYTES];
            stride_q       <= start_add ? 16'd1 : window[`IMC_WINDOW_ROW_WORDS];
            head_q         <= issue_head_0;
            offset_q       <= start_add ? 16'd0 : issue_instr[`IMC_FIRE_OFFSET];
            end_0_q        <= {1'b0, issue_base_0} + {1'b0, issue_size_0};
            size_0_q       <= issue_size_0;
            base_1_q       <= issue_base_1;
            wrap_1_q       <= issue_base_1 + issue_size_1 - 16'd1;
            rows_q         <= start_rows;
            columns_q      <= start_columns;
            x_q            <= start_x;
            tap_q          <= start_x;
            chunk_q        <= 16'd0;
            left_q         <= start_add ? LANES_16 : window[`IMC_WINDOW_RUN];
            at_0_q         <= issue_head_0;
            at_1_q         <= issue_head_1;
            pixels_left_q  <= start_add ? issue_instr[`IMC_FIRE_PRODUCE] : {4'd0, issue_instr[`IMC_FIRE_PIXELS]};
            rows_left_q    <= start_rows;
            columns_left_q <= start_columns;
            first_q        <= 1'b1;
            second_q       <= 1'b0;
        end else if (go) begin
            second_q <= split;
            if (!split) begin
                first_q        <= last_tap;
                columns_left_q <= last_column ? columns_q : columns_left_q - 8'd1;
                tap_q          <= last_column ? x_q : tap_q + {4'd0, run_q};
                if (last_column) begin
                    rows_left_q <= last_row ? rows_q : rows_left_q - 8'd1;
                    at_0_q      <= (last_row && !add_q) ? head_q : next_row;
                    at_1_q      <= (at_1_q == wrap_1_q) ? base_1_q : at_1_q + 16'd1;
                end
                if (last_tap) begin
                    chunk_q <= last_chunk ? 16'd0 : chunk_q + LANES_16;
                    left_q  <= last_chunk ? (add_q ? LANES_16 : run_q) : left_q - LANES_16;
                end
                if (last_tap && last_chunk) begin
                    x_q           <= x_q + {4'd0, step_q};
                    tap_q         <= x_q + {4'd0, step_q};
                    pixels_left_q <= pixels_left_q - 16'd1;
                end
            end
        end

    wire turn  = start || done || rst;
    wire moves = (step && (active_q || m_valid)) || rst;

    always @(posedge clk)
        if (turn)
            active_q <= start && !rst;

    always @(posedge clk)
        if (moves) begin
            m_valid <= active_q;
            if (active_q) begin
                m_ctx    <= ctx_q;
                m_inside <= inside;
                m_low    <= split;
                m_high   <= second_q;
                m_offset <= place[LB-1:0];
                m_side   <= side;
                m_first  <= first_q || add_q;
                m_final  <= !split && (last_tap || add_q);
                m_emit   <= !split && last_tap;
                m_bytes  <= bytes;
                m_last   <= last_chunk && last_pixel;
            end
            if (rst)
                m_valid <= 1'b0;
        end

endmodule

`default_nettype wire

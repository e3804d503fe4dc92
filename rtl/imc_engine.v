// SPDX-License-Identifier: Apache-2.0
// imc_engine - the crossbar engine: gather, array, ADC groups, accumulators, drain, packer.
//
//   issue -> gather -> [input register] -> array -> converter/accumulator -> drain -> packer -> words
//                                                                             ^ accumulators of another layer's part
//
// Three stages work on three different tiles or pixels at once; each looks its own part of the actor's description
// up by the context that travels along. A new firing may enter the gather while older ones are still behind it.
// Words for the planes may come in at any time: weights that travel are written while other planes are used, where
// weight_port.v says. A firing that gives such weights back is done in the cycle after its last conversion, and nothing
// enters the gather before.
// Timing: a row tile takes max(chunks to gather, cycles to convert); see those modules. Python: pyimc.engines.imc.timing.Pipeline.
`default_nettype none
`include "imc_isa.vh"

module imc_engine #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter PARAMETERS = 4096,
    parameter ROWS = 256,
    parameter COLS = 256,
    parameter PLANES = 40,
    parameter ADCS = 32,
    parameter DAC = 1,
    parameter ADC = 0,
    parameter CELL = 8,
    parameter DIFFERENTIAL = 0,
    parameter DRIVEN = ROWS,
    parameter FRACTION = 0,
    parameter NOISE = 0,
    parameter ACCUMULATORS = 1024
) (
    input  wire                clk,
    input  wire                rst,
    input  wire [7:0]          node,
    // tables
    input  wire                cfg_valid,
    input  wire [3:0]          cfg_space,
    input  wire [15:0]         cfg_addr,
    input  wire [WORD-1:0]     cfg_data,
    // weights that come through a channel: a word of cfg_data for an actor, maybe the last that was sent at once
    input  wire                plane_wen,
    input  wire [CTX_BITS-1:0] plane_ctx,
    input  wire                plane_end,
    output wire [CONTEXTS-1:0] refused,        // actors whose weights did not come as they should
    // a firing
    input  wire                issue_valid,
    output wire                issue_ready,
    input  wire [CTX_BITS-1:0] issue_ctx,
    input  wire [`IMC_INSTRUCTION_BITS-1:0] issue_instr,
    input  wire [`IMC_PORTS*16-1:0] issue_heads,
    input  wire [`IMC_PORTS*16-1:0] issue_bases,
    input  wire [`IMC_PORTS*16-1:0] issue_sizes,
    output wire                done,
    // activation memory
    output wire                mem_en,
    output wire [15:0]         mem_addr,
    input  wire [WORD-1:0]     mem_data,
    // partial memory, and the words of it that may be given back
    output wire                partial_en,
    output wire [15:0]         partial_addr,
    input  wire [WORD-1:0]     partial_data,
    output wire                freed_valid,
    input  wire                freed_ready,
    output wire [CTX_BITS-1:0] freed_ctx,
    output wire [`IMC_CHANNEL_ADDRESS_PORT_BITS-1:0] freed_port,
    output wire [15:0]         freed_words,
    // output words
    output wire [WORD-1:0]     m_data,
    output wire [CTX_BITS-1:0] m_ctx,
    output wire                m_last,
    output wire                m_valid,
    input  wire                m_ready,
    output wire                busy,
    // the array has a tile, and whose it is
    output wire                converting,
    output wire [CTX_BITS-1:0] convert_ctx
);
    localparam LANES = WORD / 8;
    localparam SLICES = 8 / CELL;
    localparam LANE_MIN = 8 + $clog2(ROWS) + (DAC == 1 ? 0 : DAC) + DIFFERENTIAL + (FRACTION == 0 ? 0 : FRACTION + 1);
    localparam LANE = LANE_MIN < 16 ? 16 : LANE_MIN;
    localparam WIDTH = ADCS > LANES ? ADCS : LANES;
    localparam GROUP_BITS = $clog2(ACCUMULATORS / ADCS) > 0 ? $clog2(ACCUMULATORS / ADCS) : 1;
    localparam COLUMN_BITS = $clog2(COLS / ADCS * SLICES) > 0 ? $clog2(COLS / ADCS * SLICES) : 1;

    generate
        if (DAC != 1 && DAC != 2 && DAC != 4 && DAC != 8) begin : gen_dac
            imc_engine_DAC_must_be_1_2_4_or_8_bits u_error ();
        end
        if (CELL != 1 && CELL != 2 && CELL != 4 && CELL != 8) begin : gen_cell
            imc_engine_CELL_must_be_1_2_4_or_8_bits u_error ();
        end
        if (COLS > ACCUMULATORS || COLS % LANES != 0) begin : gen_cols
            imc_engine_COLS_must_be_at_most_ACCUMULATORS_and_a_multiple_of_the_word_bytes u_error ();
        end
    endgenerate

    // ------------------------------------------------------------------------------- weights that are given back
    localparam [`IMC_PORTS*8-1:0] FREE = `IMC_FIRE_FREE_PLACES;
    reg  [`IMC_COLUMNS_LOADED_BITS-1:0] loaded [0:CONTEXTS-1];  // the channel that brings the weights, or 0
    reg                 gives_q;                        // the firing in the gather gives them back
    reg                 held_q;                         // they are still in use
    reg  [4:0]          adc_shift_table [0:CONTEXTS-1]; // the step of the converters
    wire                gather_ready, gathered;
    wire [`IMC_COLUMNS_LOADED_BITS-1:0] weights_port = loaded[issue_ctx];
    wire [15:0]         weights_free = issue_instr[FREE[weights_port*8 +: 8] +: 16];
    wire                unused_from_now = held_q && !tile_valid && !convert_busy;
    wire [CTX_BITS-1:0] cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];
    assign done = (gathered && !gives_q) || unused_from_now;
    assign issue_ready = gather_ready && !held_q;
    wire                cfg_columns = cfg_valid && cfg_space == `IMC_SPACE_ENGINE
                                      && cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY] == `IMC_ENTRY_COLUMNS;
    wire                awake = cfg_columns || issue_valid || gathered || held_q || rst;
    always @(posedge clk) if (awake) begin
        if (cfg_columns) begin
            loaded[cfg_ctx] <= cfg_data[`IMC_COLUMNS_LOADED];
            adc_shift_table[cfg_ctx] <= cfg_data[`IMC_COLUMNS_ADC_SHIFT];
        end
        if (issue_valid && issue_ready) gives_q <= weights_port != 0 && weights_free != 0;
        if (rst || unused_from_now) held_q <= 1'b0;
        else if (gathered) held_q <= gives_q;
    end

    wire [ROWS*8-1:0]   tile_x;
    wire [CTX_BITS-1:0] tile_ctx;
    wire                tile_first, tile_last, tile_end, tile_valid, tile_ready;
    wire [31:0]         tile_sum;
    gather #(.WORD(WORD), .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .ROWS(ROWS)) u_gather (
        .clk(clk), .rst(rst),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data[`IMC_ENTRY_BITS-1:0]),
        .issue_valid(issue_valid), .issue_ready(gather_ready), .issue_ctx(issue_ctx), .issue_instr(issue_instr),
        .issue_head(issue_heads[0 +: 16]), .issue_base(issue_bases[0 +: 16]), .issue_size(issue_sizes[0 +: 16]), .done(gathered),
        .mem_en(mem_en), .mem_addr(mem_addr), .mem_data(mem_data),
        .tile_x(tile_x), .tile_ctx(tile_ctx), .tile_first(tile_first), .tile_last(tile_last), .tile_end(tile_end),
        .tile_sum(tile_sum), .tile_valid(tile_valid), .tile_ready(tile_ready)
    );

    wire                  load, eval, add, add_clear, add_bank, convert_busy;
    wire [15:0]           plane, window, first;
    wire [3:0]            step, add_step, add_slice;
    wire [GROUP_BITS-1:0] add_group;
    wire [COLUMN_BITS-1:0] add_column;
    wire [1:0]            pixel_full, pixel_end, pixel_done;
    wire [CTX_BITS-1:0]   pixel_ctx_0, pixel_ctx_1;
    wire [31:0]           pixel_sum_0, pixel_sum_1;
    converter #(
        .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .ROWS(ROWS), .COLS(COLS), .ADCS(ADCS), .STEPS(8 / DAC), .SLICES(SLICES),
        .DRIVEN(DRIVEN), .GROUP_BITS(GROUP_BITS), .COLUMN_BITS(COLUMN_BITS)
    ) u_converter (
        .clk(clk), .rst(rst),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data[`IMC_ENTRY_BITS-1:0]),
        .tile_valid(tile_valid), .tile_ready(tile_ready), .tile_ctx(tile_ctx), .tile_first(tile_first),
        .tile_last(tile_last), .tile_end(tile_end), .tile_sum(tile_sum),
        .array_load(load), .array_eval(eval), .array_plane(plane), .array_step(step), .array_row(first),
        .add(add), .add_clear(add_clear), .add_bank(add_bank), .add_group(add_group), .add_column(add_column),
        .add_step(add_step), .add_slice(add_slice),
        .pixel_full(pixel_full), .pixel_ctx_0(pixel_ctx_0), .pixel_ctx_1(pixel_ctx_1), .pixel_sum_0(pixel_sum_0),
        .pixel_sum_1(pixel_sum_1), .pixel_end(pixel_end), .pixel_done(pixel_done), .busy(convert_busy), .ctx(convert_ctx)
    );

    reg  [15:0]          wplane_q;
    wire [COLS*SLICES*(DIFFERENTIAL+1)*LANE-1:0] sums;
    wire                 cfg_plane = cfg_valid && cfg_space == `IMC_SPACE_CONTROL && cfg_addr == `IMC_ENTRY_PLANE;
    wire [15:0]          load_plane, load_place;
    weight_port #(.WORD(WORD), .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .PLANE_WORDS(ROWS * COLS / LANES)) u_weight_port (
        .clk(clk), .rst(rst),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data[`IMC_ENTRY_BITS-1:0]),
        .s_data(cfg_data), .s_ctx(plane_ctx), .s_end(plane_end), .s_valid(plane_wen),
        .plane(load_plane), .place(load_place), .refused(refused),
        .given(unused_from_now), .given_ctx(issue_ctx), .use_ctx(load ? tile_ctx : convert_ctx), .window(window)
    );
    always @(posedge clk) if (cfg_plane) wplane_q <= cfg_data[`IMC_CONTROL_PLANE];
    imc_array #(
        .WORD(WORD), .ROWS(ROWS), .COLS(COLS), .PLANES(PLANES), .ADCS(ADCS), .DAC(DAC), .CELL(CELL),
        .DIFFERENTIAL(DIFFERENTIAL), .DRIVEN(DRIVEN), .FRACTION(FRACTION), .LANE(LANE)
    ) u_array (
        .clk(clk), .node(node),
        .wen(plane_wen || (cfg_valid && cfg_space == `IMC_SPACE_WEIGHT)),
        .wplane(cfg_valid ? wplane_q : load_plane), .waddr(cfg_valid ? cfg_addr : load_place),
        .wdata(cfg_data),
        .load(load), .x(tile_x), .eval(eval), .plane(plane + window), .step(step), .first(first), .sums(sums)
    );

    wire [ADCS*LANE-1:0] converted;
    wire [ADCS*20-1:0]   noise;                         // of real cells, in simulation
    adc #(
        .COLS(COLS * SLICES), .ADCS(ADCS), .LANE(LANE), .GROUP_BITS(COLUMN_BITS), .ADC(ADC), .DIFFERENTIAL(DIFFERENTIAL),
        .FRACTION(FRACTION)
    ) u_adc (
        .sums(sums), .group(add_column), .shift(adc_shift_table[convert_ctx]), .noise(noise), .values(converted)
    );

    generate
        if (NOISE != 0) begin : gen_noise
            read_noise #(.CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .ADCS(ADCS)) u_noise (
                .clk(clk), .rst(rst), .node(node), .convert(add), .ctx(convert_ctx), .noise(noise)
            );
        end else begin : gen_quiet
            assign noise = {ADCS*20{1'b0}};
        end
    endgenerate

    wire [3:0]              place = add_step * DAC[3:0] + add_slice * CELL[3:0];
    wire                    read, read_bank;
    wire [GROUP_BITS-1:0]   read_row;
    wire [WIDTH*2*LANE-1:0] read_data;
    accumulator #(
        .ACCUMULATORS(ACCUMULATORS), .ADCS(ADCS), .WIDTH(WIDTH), .LANE(LANE), .SIGNED(DIFFERENTIAL), .GROUP_BITS(GROUP_BITS)
    ) u_accumulator (
        .clk(clk), .rst(rst), .add(add), .clear(add_clear), .bank(add_bank), .group(add_group), .place(place),
        .sums(converted),
        .read(read), .read_bank(read_bank), .read_row(read_row), .read_data(read_data)
    );

    wire [WORD-1:0]        bytes;
    wire [$clog2(LANES):0] bytes_n;
    wire [CTX_BITS-1:0]    bytes_ctx;
    wire                   bytes_last, bytes_valid, bytes_ready, drain_busy, packer_busy;
    drain #(
        .WORD(WORD), .CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .PARAMETERS(PARAMETERS), .ADCS(ADCS), .WIDTH(WIDTH),
        .LANE(LANE), .SIGNED(DIFFERENTIAL), .GROUP_BITS(GROUP_BITS)
    ) u_drain (
        .clk(clk), .rst(rst),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data[`IMC_ENTRY_BITS-1:0]),
        .pixel_full(pixel_full), .pixel_ctx_0(pixel_ctx_0), .pixel_ctx_1(pixel_ctx_1), .pixel_sum_0(pixel_sum_0),
        .pixel_sum_1(pixel_sum_1), .pixel_end(pixel_end), .pixel_done(pixel_done),
        .read(read), .read_bank(read_bank), .read_row(read_row), .read_data(read_data),
        .mem_en(partial_en), .mem_addr(partial_addr), .mem_data(partial_data),
        .freed_valid(freed_valid), .freed_ready(freed_ready), .freed_ctx(freed_ctx), .freed_port(freed_port), .freed_words(freed_words),
        .m_data(bytes), .m_bytes(bytes_n), .m_ctx(bytes_ctx), .m_last(bytes_last), .m_valid(bytes_valid),
        .m_ready(bytes_ready), .busy(drain_busy)
    );
    packer #(.WORD(WORD), .CTX_BITS(CTX_BITS)) u_packer (
        .clk(clk), .rst(rst),
        .s_data(bytes), .s_bytes(bytes_n), .s_ctx(bytes_ctx), .s_last(bytes_last), .s_valid(bytes_valid),
        .s_ready(bytes_ready),
        .m_data(m_data), .m_ctx(m_ctx), .m_last(m_last), .m_valid(m_valid), .m_ready(m_ready), .busy(packer_busy)
    );

    wire unused = &{1'b0, issue_heads, issue_bases, issue_sizes};  // the drain keeps the place in its rings itself
    assign converting = convert_busy;
    assign busy = !issue_ready || tile_valid || convert_busy || pixel_full != 2'b00 || drain_busy || packer_busy;
endmodule

`default_nettype wire

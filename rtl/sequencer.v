// SPDX-License-Identifier: Apache-2.0
// sequencer - executes the instruction streams of a PU's actors and decides which actor fires next.
//
// Every context (actor) holds one fetched FIRE. It is looked at again only when something that it waits for has
// changed (a packet arrived, a credit came back, an instruction was fetched), so an idle PU does nothing.
// A FIRE can fire when every input channel holds what it needs and each destination has room for `produce`;
// nothing takes that away again, so a context found ready stays ready until it is issued.
// What a firing frees is offered as credits after `done`, one channel after the other; of a channel whose words are kept
// for some times (`kept`), it frees none until then, nor does the engine see that it would. Where the engine reads a channel
// later (`late` in its entry), it says itself what may be given back (`freed_*`), between the others.
// Timing: fetch as fetch.v says, one context looked at per cycle, lowest index first; when the engine's
//         front is free and any context is ready, the lowest one is issued in the next cycle (1 cycle).
//         Counters of arrived and consumed words run modulo 2^16; a ring is shorter than that.
`default_nettype none
`include "imc_isa.vh"

// verilator lint_off UNUSEDSIGNAL
// reason: a table entry and an instruction hold fields for several stages
module sequencer #(
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter DESTINATIONS = 4,
    parameter INSTRUCTIONS = 256
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                run,
    // table writes
    input  wire                cfg_valid,
    input  wire [3:0]          cfg_space,
    input  wire [15:0]         cfg_addr,
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    // a data packet has arrived in full
    input  wire                arrive_valid,
    input  wire [7:0]          arrive_channel,
    input  wire [7:0]          arrive_words,
    // credit network
    input  wire                s_credit_valid,
    input  wire [`IMC_CREDIT_BITS-1:0] s_credit_data,
    output wire                m_credit_valid,
    output reg  [`IMC_CREDIT_BITS-1:0] m_credit_data,
    input  wire                m_credit_ready,
    // the engine's front
    output reg                 issue_valid,
    input  wire                issue_ready,
    output reg  [CTX_BITS-1:0] issue_ctx,
    output reg  [`IMC_INSTRUCTION_BITS-1:0] issue_instr,
    output reg  [`IMC_PORTS*16-1:0] issue_heads,      // of every input channel: its oldest word,
    output reg  [`IMC_PORTS*16-1:0] issue_bases,      // its ring
    output reg  [`IMC_PORTS*16-1:0] issue_sizes,
    input  wire                done,
    // words of a late channel that have been read since
    input  wire                freed_valid,
    output wire                freed_ready,
    input  wire [CTX_BITS-1:0] freed_ctx,
    input  wire [`IMC_CHANNEL_ADDRESS_PORT_BITS-1:0] freed_port,
    input  wire [15:0]         freed_words,
    // actors that must not fire
    input  wire [CONTEXTS-1:0] refused,
    // what the counters see
    output wire [CONTEXTS-1:0] active,
    output wire                room_waiting,
    output reg                 fired,
    // READ of STATUS
    input  wire [15:0]         status_addr,
    output reg  [`IMC_ENTRY_BITS-1:0] status
);
    localparam PORTS = `IMC_PORTS;
    localparam [PORTS*8-1:0] NEED = `IMC_FIRE_NEED_PLACES;
    localparam [PORTS*8-1:0] FREE = `IMC_FIRE_FREE_PLACES;
    localparam PORT_BITS = `IMC_CHANNEL_ADDRESS_PORT_BITS;
    localparam CHANNELS = CONTEXTS << PORT_BITS;
    localparam CH_BITS = CTX_BITS + PORT_BITS;
    localparam SLOTS = CONTEXTS * DESTINATIONS;
    localparam SLOT_BITS = $clog2(SLOTS) > 0 ? $clog2(SLOTS) : 1;
    localparam DEST_BITS = $clog2(DESTINATIONS);

    generate
        if (CONTEXTS < 1 || CONTEXTS > 64 || CONTEXTS > (1 << CTX_BITS)) begin : gen_contexts
            sequencer_CONTEXTS_must_be_1_to_64_and_fit_CTX_BITS u_error ();
        end
        if (SLOTS > 256 || DESTINATIONS != (1 << DEST_BITS)) begin : gen_slots
            sequencer_DESTINATIONS_must_be_a_power_of_two_and_CONTEXTS_times_it_at_most_256 u_error ();
        end
    endgenerate

    // ------------------------------------------------------------------------------------------ state per actor
    reg [`IMC_INSTRUCTION_BITS-1:0] instr [0:CONTEXTS-1];
    reg [`IMC_CONTEXT_PORTS_BITS-1:0] ports [0:CONTEXTS-1];
    reg [7:0]           destinations[0:CONTEXTS-1];
    reg [`IMC_ENTRY_BITS-1:0] channel [0:CHANNELS-1];
    reg [15:0]          head [0:CHANNELS-1], arrived [0:CHANNELS-1], consumed [0:CHANNELS-1];
    reg [7:0]           kept        [0:CHANNELS-1];
    reg [15:0]          granted     [0:SLOTS-1], sent [0:SLOTS-1];

    reg [CONTEXTS-1:0] armed_q, dirty_q, ready_q, room_wait_q;
    assign room_waiting = |room_wait_q;

    integer i, p;
    function [15:0] advance(input [15:0] from, input [15:0] by, input [15:0] base, input [15:0] size);
        reg [16:0] sum;
        begin
            sum = {1'b0, from} + {1'b0, by};
            if (sum >= {1'b0, base} + {1'b0, size}) sum = sum - {1'b0, size};
            advance = sum[15:0];
        end
    endfunction

    function [SLOT_BITS-1:0] first_slot(input [CTX_BITS-1:0] ctx);
        reg [31:0] wide;
        begin
            wide = {{32-CTX_BITS{1'b0}}, ctx} << DEST_BITS;
            first_slot = wide[SLOT_BITS-1:0];
        end
    endfunction

    // ---------------------------------------------------------------------------------------------------- fetch
    wire                fire_valid;
    wire [CTX_BITS-1:0] fire_ctx;
    wire [`IMC_INSTRUCTION_BITS-1:0] fire_instr;
    wire [`IMC_STATUS_PC_BITS-1:0] status_pc;
    fetch #(.CONTEXTS(CONTEXTS), .CTX_BITS(CTX_BITS), .INSTRUCTIONS(INSTRUCTIONS)) u_fetch (
        .clk(clk), .rst(rst), .run(run),
        .cfg_valid(cfg_valid), .cfg_space(cfg_space), .cfg_addr(cfg_addr), .cfg_data(cfg_data),
        .next_valid(select), .next_ctx(select_ctx),
        .fire_valid(fire_valid), .fire_ctx(fire_ctx), .fire_instr(fire_instr),
        .active(active), .status_ctx(status_ctx), .status_pc(status_pc)
    );

    // ----------------------------------------------------------------------------------------------------- scan
    wire                scan = run && dirty_q != 0;
    wire [CTX_BITS-1:0] scan_ctx;
    lowest_one #(.WIDTH(CONTEXTS), .BITS(CTX_BITS)) u_scan (.mask(dirty_q), .index(scan_ctx));
    reg                 scan_inputs, scan_room, keep;
    reg [15:0]          scan_fill, scan_produce, scan_slot_room;
    reg [SLOT_BITS-1:0] slot;

    // ---------------------------------------------------------------------------------------------------- issue
    wire                credits_done = credit_q == 0 || (credit_ready && credits_left == 0);
    wire                select = run && ready_q != 0 && issue_ready && !issue_valid && credits_done;
    wire [CTX_BITS-1:0] select_ctx;
    lowest_one #(.WIDTH(CONTEXTS), .BITS(CTX_BITS)) u_select (.mask(ready_q), .index(select_ctx));
    reg [15:0]          free, produce;
    reg [CH_BITS-1:0]   at;

    // Credits of the firing that has just read its inputs, else of what was read late; what is offered stands.
    reg [PORTS-1:0]     credit_q;                       // channels whose credit has not left
    reg                 late_q;
    reg [CTX_BITS-1:0]  credit_ctx_q;
    reg [PORTS*16-1:0]  frees_q;
    wire [PORTS-1:0]    credits_left = credit_q & (credit_q - 1'b1);
    wire [PORT_BITS-1:0] credit_port;
    lowest_one #(.WIDTH(PORTS), .BITS(PORT_BITS)) u_credit (.mask(credit_q), .index(credit_port));
    wire                late = late_q || credit_q == 0;
    wire                credit_ready = m_credit_ready && !late;
    assign              freed_ready = m_credit_ready && late;
    assign              m_credit_valid = credit_q != 0 || freed_valid;
    wire [CH_BITS-1:0]  credit_channel = late ? {freed_ctx, freed_port} : {credit_ctx_q, credit_port};
    wire [`IMC_ENTRY_BITS-1:0] credit_entry = channel[credit_channel];
    wire [15:0]         credit_words = late ? freed_words : frees_q[credit_port*16 +: 16];
    always @* begin
        m_credit_data = 0;
        m_credit_data[`IMC_CREDIT_NODE] = credit_entry[`IMC_CHANNEL_NODE];
        m_credit_data[`IMC_CREDIT_SLOT] = credit_entry[`IMC_CHANNEL_SLOT];
        m_credit_data[`IMC_CREDIT_WORDS] = credit_words;
    end

    wire [CTX_BITS-1:0]  cfg_ctx = cfg_addr[CTX_BITS-1:0];
    wire [CH_BITS-1:0]   cfg_channel = {cfg_addr[`IMC_CHANNEL_ADDRESS_CONTEXT_AT +: CTX_BITS],
                                        cfg_addr[`IMC_CHANNEL_ADDRESS_PORT]};
    wire [SLOT_BITS-1:0] cfg_slot = cfg_addr[SLOT_BITS-1:0];
    wire [CH_BITS-1:0]   in_channel = arrive_channel[CH_BITS-1:0];
    wire [SLOT_BITS-1:0] in_slot = s_credit_data[`IMC_CREDIT_SLOT_AT +: SLOT_BITS];
    wire [7:0]           in_ctx = s_credit_data[`IMC_CREDIT_SLOT] >> DEST_BITS;

    wire [CTX_BITS-1:0]  status_ctx = status_addr[`IMC_STATUS_ADDRESS_CONTEXT_AT +: CTX_BITS];
    wire [PORT_BITS:0]   status_entry = status_addr[`IMC_STATUS_ADDRESS_ENTRY];
    wire [PORT_BITS:0]   status_port = status_entry - `IMC_ENTRY_PORT_STATUS;
    wire [CH_BITS-1:0]   status_channel = {status_ctx, status_port[PORT_BITS-1:0]};
    always @* begin
        status = 0;
        if (status_entry == `IMC_ENTRY_STATUS) begin
            status[`IMC_STATUS_ACTIVE] = active[status_ctx];
            status[`IMC_STATUS_FETCHED] = armed_q[status_ctx];
            status[`IMC_STATUS_READY] = ready_q[status_ctx];
            status[`IMC_STATUS_ROOM_WAIT] = room_wait_q[status_ctx];
            status[`IMC_STATUS_PC] = status_pc;
            status[`IMC_STATUS_REFUSED] = refused[status_ctx];
        end else begin
            status[`IMC_PORT_STATUS_FILL] = arrived[status_channel] - consumed[status_channel];
            status[`IMC_PORT_STATUS_NEED] = instr[status_ctx][NEED[status_port*8 +: 8] +: 16];
        end
    end

    // ---------------------------------------------------------------- word counters: each has a single writer
    wire counting = arrive_valid || s_credit_valid || cfg_valid;
    always @(posedge clk) if (counting) begin
        if (arrive_valid) arrived[in_channel] <= arrived[in_channel] + {8'd0, arrive_words};
        if (s_credit_valid) granted[in_slot] <= granted[in_slot] + s_credit_data[`IMC_CREDIT_WORDS];
        if (cfg_valid && cfg_space == `IMC_SPACE_CHANNEL) arrived[cfg_channel] <= 0;
        if (cfg_valid && cfg_space == `IMC_SPACE_DESTINATION) granted[cfg_slot] <= cfg_data[`IMC_DESTINATION_ROOM];
    end

    // --------------------------------------------------------------------------------------------- the machine
    wire awake = rst || cfg_valid || fire_valid || scan || arrive_valid || s_credit_valid || select
                 || issue_valid || done || m_credit_valid || fired;

    // verilator lint_off BLKSEQ
    // reason: what is assigned at once is a temporary of its block
    always @(posedge clk) if (awake) begin
        fired <= 1'b0;
        if (scan) begin
            scan_produce = instr[scan_ctx][`IMC_FIRE_PRODUCE];
            scan_inputs = 1'b1;
            for (p = 0; p < PORTS; p = p + 1) begin
                at = {scan_ctx, p[PORT_BITS-1:0]};
                scan_fill = arrived[at] - consumed[at];
                if (p < ports[scan_ctx] && scan_fill < instr[scan_ctx][NEED[p*8 +: 8] +: 16]) scan_inputs = 1'b0;
            end
            scan_room = 1'b1;
            for (i = 0; i < DESTINATIONS; i = i + 1) begin
                slot = first_slot(scan_ctx) + i[SLOT_BITS-1:0];
                scan_slot_room = granted[slot] - sent[slot];
                if (i[7:0] < destinations[scan_ctx] && scan_slot_room < scan_produce) scan_room = 1'b0;
            end
            dirty_q[scan_ctx] <= 1'b0;
            if (armed_q[scan_ctx]) begin
                if (scan_inputs && scan_room && !refused[scan_ctx]) ready_q[scan_ctx] <= 1'b1;
                room_wait_q[scan_ctx] <= scan_inputs && !scan_room;
            end
        end
        if (arrive_valid) dirty_q[in_channel[CH_BITS-1:PORT_BITS]] <= 1'b1;
        if (s_credit_valid) dirty_q[in_ctx[CTX_BITS-1:0]] <= 1'b1;
        if (fire_valid) begin
            instr[fire_ctx] <= fire_instr;
            armed_q[fire_ctx] <= 1'b1;
            dirty_q[fire_ctx] <= 1'b1;
        end
        if (select) begin
            produce = instr[select_ctx][`IMC_FIRE_PRODUCE];
            issue_valid <= 1'b1;
            issue_ctx <= select_ctx;
            issue_instr <= instr[select_ctx];
            for (p = 0; p < PORTS; p = p + 1) begin
                at = {select_ctx, p[PORT_BITS-1:0]};
                free = instr[select_ctx][FREE[p*8 +: 8] +: 16];
                keep = free != 0 && kept[at] != channel[at][`IMC_CHANNEL_KEPT];
                issue_heads[p*16 +: 16] <= head[at];
                issue_bases[p*16 +: 16] <= channel[at][`IMC_CHANNEL_BASE];
                issue_sizes[p*16 +: 16] <= channel[at][`IMC_CHANNEL_SIZE];
                if (p < ports[select_ctx]) begin
                    if (free != 0) kept[at] <= keep ? kept[at] + 8'd1 : 8'd0;
                    if (keep) free = 16'd0;
                    issue_instr[FREE[p*8 +: 8] +: 16] <= free;
                    consumed[at] <= consumed[at] + free;
                    head[at] <= advance(head[at], free, channel[at][`IMC_CHANNEL_BASE], channel[at][`IMC_CHANNEL_SIZE]);
                end
            end
            for (i = 0; i < DESTINATIONS; i = i + 1) begin
                slot = first_slot(select_ctx) + i[SLOT_BITS-1:0];
                sent[slot] <= sent[slot] + produce;
            end
            armed_q[select_ctx] <= 1'b0;
            ready_q[select_ctx] <= 1'b0;
            fired <= 1'b1;
        end
        if (issue_valid && issue_ready) issue_valid <= 1'b0;
        if (done) begin
            for (p = 0; p < PORTS; p = p + 1) begin
                at = {issue_ctx, p[PORT_BITS-1:0]};
                free = issue_instr[FREE[p*8 +: 8] +: 16];
                credit_q[p] <= p < ports[issue_ctx] && !channel[at][`IMC_CHANNEL_LATE] && free != 0;
                frees_q[p*16 +: 16] <= free;
            end
            credit_ctx_q <= issue_ctx;
        end else if (credit_q != 0 && credit_ready) credit_q <= credits_left;
        late_q <= late && freed_valid && !m_credit_ready;
        if (cfg_valid && cfg_space == `IMC_SPACE_CONTEXT) begin
            ports[cfg_ctx] <= cfg_data[`IMC_CONTEXT_PORTS];
            destinations[cfg_ctx] <= cfg_data[`IMC_CONTEXT_DESTINATIONS];
        end
        if (cfg_valid && cfg_space == `IMC_SPACE_CHANNEL) begin
            channel[cfg_channel] <= cfg_data;
            head[cfg_channel] <= cfg_data[`IMC_CHANNEL_BASE];
            {consumed[cfg_channel], kept[cfg_channel]} <= 24'd0;
        end
        if (cfg_valid && cfg_space == `IMC_SPACE_DESTINATION) sent[cfg_slot] <= 0;
        if (rst) begin
            {armed_q, dirty_q, ready_q, room_wait_q} <= 0;         // Yosys takes no other mix
            {credit_q, issue_valid, late_q, fired} <= 0;
        end
    end
    // verilator lint_on BLKSEQ
`ifdef FORMAL_SEQUENCER
`include "formal/sequencer.vh"
`endif
endmodule
// verilator lint_on UNUSEDSIGNAL

`default_nettype wire

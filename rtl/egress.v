// SPDX-License-Identifier: Apache-2.0
// egress - cuts an engine's words into packets and sends each packet to every destination of its actor.
//
// Two packet buffers: one fills while the other is sent. A packet ends when the buffer is full or the firing ends.
// Room at the destinations was reserved when the firing was issued, so a packet only ever waits for the network.
// A REPLY of the ingress goes when no packet is complete or under way.
// Timing: a packet of n words to d destinations holds the link d * (n + 1) cycles without a gap; its first head is offered
//         two cycles after its last word was taken, or directly behind the packet before.
`default_nettype none
`include "imc_isa.vh"

module egress #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter DESTINATIONS = 4,
    parameter PACKET = 16
) (
    input  wire                clk,
    input  wire                rst,
    input  wire [7:0]          node,
    // table writes
    input  wire                cfg_valid,
    input  wire [3:0]          cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */  // contexts above CONTEXTS
    input  wire [15:0]         cfg_addr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    // words of the engine; last = end of firing
    input  wire [WORD-1:0]     s_data,
    input  wire [CTX_BITS-1:0] s_ctx,
    input  wire                s_last,
    input  wire                s_valid,
    output wire                s_ready,
    // replies of the ingress
    input  wire [WORD-1:0]     s_reply_data,
    input  wire                s_reply_last,
    input  wire                s_reply_valid,
    output wire                s_reply_ready,
    // to the network
    output wire [WORD-1:0]     m_data,
    output wire                m_last,
    output wire                m_valid,
    input  wire                m_ready
);
    localparam SLOTS = CONTEXTS * DESTINATIONS;
    localparam SLOT_BITS = $clog2(SLOTS) > 0 ? $clog2(SLOTS) : 1;
    localparam DEST_BITS = $clog2(DESTINATIONS);
    localparam INDEX_BITS = $clog2(PACKET) > 0 ? $clog2(PACKET) : 1;
    localparam [1:0] ST_IDLE = 2'd0, ST_REPLY = 2'd1, ST_HEAD = 2'd2, ST_PAYLOAD = 2'd3;

    generate
        if (PACKET < 1 || PACKET > 255) begin : gen_packet
            egress_PACKET_must_be_1_to_255_words u_error ();
        end
        if (WORD < `IMC_ENTRY_BITS) begin : gen_word
            egress_WORD_must_be_at_least_64 u_error ();
        end
        if (CONTEXTS < 1 || CTX_BITS < 1 || CONTEXTS > (1 << CTX_BITS)) begin : gen_contexts
            egress_CONTEXTS_must_be_at_least_1_and_fit_CTX_BITS u_error ();
        end
        if (SLOTS > 256 || DESTINATIONS != (1 << DEST_BITS)) begin : gen_slots
            egress_DESTINATIONS_must_be_a_power_of_two_and_CONTEXTS_times_it_at_most_256 u_error ();
        end
    endgenerate

    reg [`IMC_ENTRY_BITS-1:0] target_table [0:SLOTS-1];          // DESTINATION
    reg [7:0]            destinations [0:CONTEXTS-1];
    reg [WORD-1:0]       buffer       [0:2*PACKET-1];

    // ------------------------------------------------------------------------------------------------ filling
    reg                  fill_bank_q;
    reg [INDEX_BITS-1:0] fill_q;
    reg [1:0]            full_q;
    reg [7:0]            length_0_q, length_1_q;
    reg [CTX_BITS-1:0]   ctx_0_q, ctx_1_q;
    reg [1:0]            end_q;                                  // the packet ends a firing
    wire [INDEX_BITS:0]  fill_index = {1'b0, fill_q} + (fill_bank_q ? PACKET[INDEX_BITS:0] : {INDEX_BITS+1{1'b0}});
    wire [7:0]           fill_words = {{8-INDEX_BITS{1'b0}}, fill_q} + 8'd1;
    wire                 take = s_valid && s_ready;
    wire                 complete = take && (s_last || fill_words == PACKET[7:0]);
    assign s_ready = !full_q[fill_bank_q];

    // ------------------------------------------------------------------------------------------------ sending
    reg [1:0]            state_q;
    reg                  send_bank_q;
    reg [7:0]            dest_q;
    reg [INDEX_BITS-1:0] send_q;
    wire [CTX_BITS-1:0]  send_ctx = send_bank_q ? ctx_1_q : ctx_0_q;
    wire [7:0]           send_length = send_bank_q ? length_1_q : length_0_q;
    wire [INDEX_BITS:0]  send_index = {1'b0, send_q} + (send_bank_q ? PACKET[INDEX_BITS:0] : {INDEX_BITS+1{1'b0}});
    wire [7:0]           send_words = {{8-INDEX_BITS{1'b0}}, send_q} + 8'd1;
    /* verilator lint_off UNUSEDSIGNAL */  // slots above CONTEXTS * DESTINATIONS
    wire [15:0]          slot_wide = ({{16-CTX_BITS{1'b0}}, send_ctx} << DEST_BITS) + {8'd0, dest_q};
    /* verilator lint_on UNUSEDSIGNAL */
    /* verilator lint_off UNUSEDSIGNAL */  // a part of the entry
    wire [`IMC_ENTRY_BITS-1:0] target = target_table[slot_wide[SLOT_BITS-1:0]];
    /* verilator lint_on UNUSEDSIGNAL */
    reg [`IMC_ENTRY_BITS-1:0] head;
    always @* begin
        head = 0;
        head[`IMC_DATA_NODE] = target[`IMC_DESTINATION_NODE];
        head[`IMC_DATA_KIND] = `IMC_KIND_DATA;
        head[`IMC_DATA_LENGTH] = send_length;
        head[`IMC_DATA_SOURCE] = node;
        head[`IMC_DATA_CHANNEL] = target[`IMC_DESTINATION_CHANNEL];
        head[`IMC_DATA_SLOT] = slot_wide[7:0];
        head[`IMC_DATA_END] = end_q[send_bank_q];
    end
    wire [WORD-1:0]      head_word;
    generate
        if (WORD > `IMC_ENTRY_BITS) begin : gen_wide
            assign head_word = {{WORD-`IMC_ENTRY_BITS{1'b0}}, head};
        end else begin : gen_narrow
            assign head_word = head;
        end
    endgenerate
    wire reply = state_q == ST_IDLE ? s_reply_valid && !full_q[send_bank_q] : state_q == ST_REPLY;
    assign m_valid = reply ? s_reply_valid : state_q == ST_HEAD || state_q == ST_PAYLOAD;
    assign m_data = reply ? s_reply_data : state_q == ST_HEAD ? head_word : buffer[send_index];
    assign m_last = reply ? s_reply_last : state_q == ST_PAYLOAD && send_words == send_length;
    assign s_reply_ready = reply && m_ready;
    wire sent = m_valid && m_ready;
    wire last_dest = dest_q + 8'd1 == destinations[send_ctx];

    always @(posedge clk) if (take) buffer[fill_index] <= s_data;

    wire awake = take || full_q != 0 || reply || cfg_valid || rst;

    always @(posedge clk) if (awake) begin
        if (complete) begin
            full_q[fill_bank_q] <= 1'b1;
            fill_bank_q <= !fill_bank_q;
            fill_q <= 0;
            end_q[fill_bank_q] <= s_last;
            if (fill_bank_q) {length_1_q, ctx_1_q} <= {fill_words, s_ctx};
            else {length_0_q, ctx_0_q} <= {fill_words, s_ctx};
        end else if (take) fill_q <= fill_q + 1'b1;
        case (state_q)
            ST_IDLE: begin
                dest_q <= 0;
                send_q <= 0;
                if (full_q[send_bank_q]) state_q <= ST_HEAD;
                else if (reply) state_q <= sent && s_reply_last ? ST_IDLE : ST_REPLY;
            end
            ST_REPLY: if (sent && s_reply_last) state_q <= ST_IDLE;
            ST_HEAD: if (sent) state_q <= ST_PAYLOAD;
            default: if (sent) begin
                send_q <= send_q + 1'b1;
                if (m_last) begin
                    send_q <= 0;
                    dest_q <= last_dest ? 8'd0 : dest_q + 1'b1;
                    state_q <= !last_dest || full_q[!send_bank_q] ? ST_HEAD : ST_IDLE;
                    if (last_dest) begin
                        full_q[send_bank_q] <= 1'b0;
                        send_bank_q <= !send_bank_q;
                    end
                end
            end
        endcase
        if (cfg_valid && cfg_space == `IMC_SPACE_DESTINATION)
            target_table[cfg_addr[SLOT_BITS-1:0]] <= cfg_data;
        if (cfg_valid && cfg_space == `IMC_SPACE_CONTEXT)
            destinations[cfg_addr[CTX_BITS-1:0]] <= cfg_data[`IMC_CONTEXT_DESTINATIONS];
        if (rst) begin
            state_q <= ST_IDLE;
            full_q <= 2'b00;
            fill_bank_q <= 1'b0;
            send_bank_q <= 1'b0;
            fill_q <= 0;
        end
    end
`ifdef FORMAL_EGRESS
`include "formal/egress.vh"
`endif
endmodule

`default_nettype wire

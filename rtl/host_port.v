// SPDX-License-Identifier: Apache-2.0
// host_port - the chip's door: packets in and out, the credit gate for images, and the start and end of a run.
//
// The host sends whole packets. A DATA packet waits here until its channel has room (credits), so the data network
// can always drain; others pass. A WRITE of DESTINATION entries addressed to the host's own node sets that room at
// start. Result packets queue in a buffer; their credits go back as the host takes them. A run lasts from `start`
// until `stop_words` result words have been taken. Timing: one flit per cycle each way; a packet that finds room is
// not delayed; a result flit waits one cycle in the buffer.
`default_nettype none
`include "imc_isa.vh"

module host_port #(
    parameter WORD = 128,
    parameter SLOTS = 8,               // consumers of the network's input
    parameter BUFFER = 256             // result buffer, in words; twice as many flits
) (
    input  wire            clk,
    input  wire            rst,
    input  wire [7:0]      node,
    // run control
    input  wire            start,
    input  wire [31:0]     stop_words,
    output reg             run,
    output reg  [31:0]     now,
    // host
    input  wire [WORD-1:0] s_host_data,
    input  wire            s_host_last,
    input  wire            s_host_valid,
    output wire            s_host_ready,
    output wire [WORD-1:0] m_host_data,
    output wire            m_host_last,
    output wire            m_host_valid,
    input  wire            m_host_ready,
    // data network
    input  wire [WORD-1:0] s_data,
    input  wire            s_last,
    input  wire            s_valid,
    output wire            s_ready,
    output wire [WORD-1:0] m_data,
    output wire            m_last,
    output wire            m_valid,
    input  wire            m_ready,
    // credit network
    /* verilator lint_off UNUSEDSIGNAL */  // fields that others read
    input  wire [`IMC_CREDIT_BITS-1:0] s_credit_data,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire            s_credit_valid,
    output reg  [`IMC_CREDIT_BITS-1:0] m_credit_data,
    output reg             m_credit_valid,
    input  wire            m_credit_ready
);
    localparam SLOT_BITS = $clog2(SLOTS);
    localparam [1:0] ST_HEAD = 2'd0, ST_PASS = 2'd1, ST_OWN = 2'd2;

    generate
        if (WORD < `IMC_ENTRY_BITS) begin : gen_word
            host_port_WORD_must_be_at_least_64 u_error ();
        end
        if (SLOTS < 2 || SLOTS > 256) begin : gen_slots
            host_port_SLOTS_must_be_2_to_256 u_error ();
        end
        if (BUFFER < 1) begin : gen_buffer
            host_port_BUFFER_must_be_at_least_1_word u_error ();
        end
    endgenerate

    always @(posedge clk) now <= rst ? 32'd0 : now + 32'd1;

    // ------------------------------------------------------------------------------------------- host to chip
    reg [1:0]           in_q;
    reg [3:0]           own_space_q;
    reg [15:0]          own_q;
    reg [15:0]          granted [0:SLOTS-1];
    reg [15:0]          sent    [0:SLOTS-1];
    wire [SLOT_BITS-1:0] slot = s_host_data[`IMC_DATA_SLOT_AT +: SLOT_BITS];
    wire [15:0]         length = {8'd0, s_host_data[`IMC_HEAD_LENGTH]};
    wire [15:0]         room = granted[slot] - sent[slot];
    wire                is_data = s_host_data[`IMC_HEAD_KIND] == `IMC_KIND_DATA;
    wire                is_own = s_host_data[`IMC_HEAD_NODE] == node;
    reg                 offered_q;       // a head on offer stays, also when the run ends meanwhile
    wire                open = is_data ? offered_q || (run && room >= length) : !is_own;
    wire                pass = in_q == ST_PASS || (in_q == ST_HEAD && open);
    assign m_data = s_host_data;
    assign m_last = s_host_last;
    assign m_valid = s_host_valid && pass;
    assign s_host_ready = pass ? m_ready : in_q == ST_OWN || (is_own && !is_data);
    wire take = s_host_valid && s_host_ready;
    wire [SLOT_BITS-1:0] credit_slot = s_credit_data[`IMC_CREDIT_SLOT_AT +: SLOT_BITS];
    wire own_write = take && in_q == ST_OWN && own_space_q == `IMC_SPACE_DESTINATION;

    always @(posedge clk) offered_q <= m_valid && !m_ready && in_q == ST_HEAD && !rst;

    always @(posedge clk) if (take || s_credit_valid || rst) begin
        if (take) begin
            case (in_q)
                ST_HEAD: begin
                    own_space_q <= s_host_data[`IMC_TABLE_SPACE];
                    own_q <= s_host_data[`IMC_TABLE_ADDRESS];
                    if (!s_host_last) in_q <= pass ? ST_PASS : ST_OWN;
                    if (is_data) sent[slot] <= sent[slot] + length;
                end
                default: if (s_host_last) in_q <= ST_HEAD;
            endcase
        end
        if (s_credit_valid) granted[credit_slot] <= granted[credit_slot] + s_credit_data[`IMC_CREDIT_WORDS];
        if (own_write) begin
            granted[own_q[SLOT_BITS-1:0]] <= s_host_data[`IMC_DESTINATION_ROOM];
            sent[own_q[SLOT_BITS-1:0]] <= 16'd0;
            own_q <= own_q + 16'd1;
        end
        if (rst) in_q <= ST_HEAD;
    end

    // ------------------------------------------------------------------------------------------- chip to host
    wire            out_valid;
    wire            credit_free = !m_credit_valid || m_credit_ready;
    reg             body_q, data_q;
    /* verilator lint_off UNUSEDSIGNAL */  // fields that a node reads
    reg [`IMC_ENTRY_BITS-1:0] head_q;
    /* verilator lint_on UNUSEDSIGNAL */
    reg [31:0]      words_q;
    assign m_host_valid = out_valid && credit_free;
    wire give = m_host_valid && m_host_ready;
    fifo #(.WIDTH(WORD + 1), .DEPTH(2 * BUFFER)) u_results (
        .clk(clk), .rst(rst),
        .s_data({s_last, s_data}), .s_valid(s_valid), .s_ready(s_ready),
        .m_data({m_host_last, m_host_data}), .m_valid(out_valid), .m_ready(m_host_ready && credit_free)
    );
    always @* begin
        m_credit_data = 0;
        m_credit_data[`IMC_CREDIT_NODE] = head_q[`IMC_HEAD_SOURCE];
        m_credit_data[`IMC_CREDIT_SLOT] = head_q[`IMC_DATA_SLOT];
        m_credit_data[`IMC_CREDIT_WORDS] = {8'd0, head_q[`IMC_HEAD_LENGTH]};
    end

    always @(posedge clk) if (give || m_credit_valid || start || rst) begin
        if (m_credit_ready) m_credit_valid <= 1'b0;
        if (give) begin
            body_q <= !m_host_last;
            if (!body_q) begin
                head_q <= m_host_data[`IMC_ENTRY_BITS-1:0];
                data_q <= m_host_data[`IMC_HEAD_KIND] == `IMC_KIND_DATA;
            end else if (data_q) begin
                words_q <= words_q + 32'd1;
                if (words_q + 32'd1 == stop_words) run <= 1'b0;
                if (m_host_last) m_credit_valid <= 1'b1;
            end
        end
        if (start) begin
            run <= 1'b1;
            words_q <= 32'd0;
        end
        if (rst) begin
            run <= 1'b0;
            body_q <= 1'b0;
            m_credit_valid <= 1'b0;
        end
    end
`ifdef FORMAL_HOST_PORT
`include "formal/host_port.vh"
`endif
endmodule

`default_nettype wire

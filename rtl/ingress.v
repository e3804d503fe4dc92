// SPDX-License-Identifier: Apache-2.0
// ingress - what the network brings to a PU: activations, table writes and read requests.
//
// DATA words go to the tail of their channel's ring; room was reserved by the sender, so they are always taken.
// `mem_select` says in which memory the ring is. WRITE words go to the PU's tables. A READ is
// answered with a REPLY packet to its sender, and the link waits meanwhile. Timing: one flit per cycle; a DATA packet
// counts as arrived one cycle after its last word; a REPLY takes one cycle per flit.
`default_nettype none
`include "imc_isa.vh"

module ingress #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4
) (
    input  wire            clk,
    input  wire            rst,
    input  wire [7:0]      node,
    // from the network
    /* verilator lint_off UNUSEDSIGNAL */  // what a head does not use
    input  wire [WORD-1:0] s_data,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire            s_last,
    input  wire            s_valid,
    output wire            s_ready,
    // memories
    output wire            mem_wen,
    output wire [15:0]     mem_waddr,
    output wire [`IMC_CHANNEL_MEMORY_BITS-1:0] mem_select,
    output wire [CTX_BITS-1:0] mem_ctx,         // whose channel it is
    output wire            mem_end,             // the last word of a firing
    // packet complete
    output reg             arrive_valid,
    output reg  [7:0]      arrive_channel,
    output reg  [7:0]      arrive_words,
    // tables
    output wire            cfg_valid,
    output reg  [3:0]      cfg_space,
    output reg  [15:0]     cfg_addr,
    // read requests: combinational answer
    output wire [3:0]      read_space,
    output wire [15:0]     read_addr,
    input  wire [`IMC_ENTRY_BITS-1:0] read_data,
    // reply packet
    output wire [WORD-1:0] m_reply_data,
    output wire            m_reply_last,
    output wire            m_reply_valid,
    input  wire            m_reply_ready
);
    localparam PORT_BITS = `IMC_CHANNEL_ADDRESS_PORT_BITS;
    localparam CH_BITS = CTX_BITS + PORT_BITS;
    localparam CHANNELS = CONTEXTS << PORT_BITS;
    localparam [2:0] ST_HEAD = 3'd0, ST_DATA = 3'd1, ST_WRITE = 3'd2, ST_REPLY_HEAD = 3'd3, ST_REPLY = 3'd4;

    generate
        if (WORD < `IMC_ENTRY_BITS) begin : gen_word
            ingress_WORD_must_be_at_least_64 u_error ();
        end
        if (CONTEXTS < 1 || CTX_BITS < 1 || CTX_BITS > 6 || CONTEXTS > (1 << CTX_BITS)) begin : gen_contexts
            ingress_CONTEXTS_must_fit_CTX_BITS_of_1_to_6 u_error ();
        end
    endgenerate

    reg [2:0]         state_q;
    reg [15:0]        base [0:CHANNELS-1];
    reg [15:0]        size [0:CHANNELS-1];
    reg [15:0]        tail [0:CHANNELS-1];
    reg [`IMC_CHANNEL_MEMORY_BITS-1:0] memory [0:CHANNELS-1];
    reg [CH_BITS-1:0] channel_q;
    reg [15:0]        tail_q;
    reg [7:0]         words_q;
    reg [7:0]         source_q;
    reg               end_q;

    wire replying = state_q == ST_REPLY_HEAD || state_q == ST_REPLY;
    wire take = s_valid && s_ready;
    assign s_ready = !replying;

    assign mem_wen = take && state_q == ST_DATA;
    assign mem_waddr = tail_q;
    assign mem_select = memory[channel_q];
    assign mem_ctx = channel_q[CH_BITS-1:PORT_BITS];
    assign mem_end = s_last && end_q;
    wire [16:0] ring_end = {1'b0, base[channel_q]} + {1'b0, size[channel_q]};
    wire [15:0] tail_next = {1'b0, tail_q} + 17'd1 == ring_end ? base[channel_q] : tail_q + 16'd1;

    assign cfg_valid = take && state_q == ST_WRITE;
    assign read_space = cfg_space;
    assign read_addr = cfg_addr;

    reg [`IMC_ENTRY_BITS-1:0] reply_head;
    always @* begin
        reply_head = 0;
        reply_head[`IMC_TABLE_NODE] = source_q;
        reply_head[`IMC_TABLE_KIND] = `IMC_KIND_REPLY;
        reply_head[`IMC_TABLE_LENGTH] = words_q;
        reply_head[`IMC_TABLE_SOURCE] = node;
        reply_head[`IMC_TABLE_SPACE] = cfg_space;
        reply_head[`IMC_TABLE_ADDRESS] = cfg_addr;
    end
    wire [`IMC_ENTRY_BITS-1:0] reply = state_q == ST_REPLY_HEAD ? reply_head : read_data;
    generate
        if (WORD > `IMC_ENTRY_BITS) begin : gen_wide
            assign m_reply_data = {{WORD-`IMC_ENTRY_BITS{1'b0}}, reply};
        end else begin : gen_narrow
            assign m_reply_data = reply;
        end
    endgenerate
    assign m_reply_valid = replying;
    assign m_reply_last = state_q == ST_REPLY && words_q == 8'd1;

    /* verilator lint_off UNUSEDSIGNAL */  // contexts above CONTEXTS
    wire [`IMC_DATA_CHANNEL_BITS-1:0] head_number = s_data[`IMC_DATA_CHANNEL];
    /* verilator lint_on UNUSEDSIGNAL */
    wire [CH_BITS-1:0] head_channel = {head_number[`IMC_CHANNEL_ADDRESS_CONTEXT_AT +: CTX_BITS],
                                       head_number[`IMC_CHANNEL_ADDRESS_PORT]};
    wire [CH_BITS-1:0] cfg_channel = {cfg_addr[`IMC_CHANNEL_ADDRESS_CONTEXT_AT +: CTX_BITS],
                                      cfg_addr[`IMC_CHANNEL_ADDRESS_PORT]};

    wire awake = take || replying || arrive_valid || rst;

    always @(posedge clk) if (awake) begin
        arrive_valid <= 1'b0;
        case (state_q)
            ST_HEAD: if (take) begin
                source_q <= s_data[`IMC_HEAD_SOURCE];
                cfg_space <= s_data[`IMC_TABLE_SPACE];
                cfg_addr <= s_data[`IMC_TABLE_ADDRESS];
                words_q <= s_data[`IMC_HEAD_LENGTH];
                channel_q <= head_channel;
                tail_q <= tail[head_channel];
                end_q <= s_data[`IMC_DATA_END];
                case (s_data[`IMC_HEAD_KIND])
                    `IMC_KIND_DATA: state_q <= ST_DATA;
                    `IMC_KIND_WRITE: state_q <= ST_WRITE;
                    default: state_q <= ST_REPLY_HEAD;
                endcase
            end
            ST_DATA: if (take) begin
                tail_q <= tail_next;
                if (s_last) begin
                    tail[channel_q] <= tail_next;
                    arrive_valid <= 1'b1;
                    arrive_channel <= {{8-CH_BITS{1'b0}}, channel_q};
                    arrive_words <= words_q;
                    state_q <= ST_HEAD;
                end
            end
            ST_WRITE: if (take) begin
                cfg_addr <= cfg_addr + 1'b1;
                if (cfg_space == `IMC_SPACE_CHANNEL) begin
                    base[cfg_channel] <= s_data[`IMC_CHANNEL_BASE];
                    size[cfg_channel] <= s_data[`IMC_CHANNEL_SIZE];
                    tail[cfg_channel] <= s_data[`IMC_CHANNEL_BASE];
                    memory[cfg_channel] <= s_data[`IMC_CHANNEL_MEMORY];
                end
                if (s_last) state_q <= ST_HEAD;
            end
            ST_REPLY_HEAD: if (m_reply_ready) state_q <= ST_REPLY;
            default: if (m_reply_ready) begin
                cfg_addr <= cfg_addr + 1'b1;
                words_q <= words_q - 1'b1;
                if (m_reply_last) state_q <= ST_HEAD;
            end
        endcase
        if (rst) begin
            state_q <= ST_HEAD;
            arrive_valid <= 1'b0;
        end
    end
`ifdef FORMAL_INGRESS
`include "formal/ingress.vh"
`endif
endmodule

`default_nettype wire

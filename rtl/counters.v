// SPDX-License-Identifier: Apache-2.0
// counters - what a PU did with every cycle of a run, and what each of its actors did; read through READ packets.
//
// Every cycle while `run` is high counts as exactly one of: busy (the engine gathers, converts or computes for some
// actor, `owner`), room wait (else some actor has its inputs but no room), input wait (else some actor is not
// halted), idle. So the four add up to the cycles of the run, and the busy cycles of the actors add up to the PU's.
// Totals are added when state or owner changes, so counting costs nothing meanwhile.
// Timing: totals are complete 2 cycles after `run` falls.
`default_nettype none
`include "imc_isa.vh"

module counters #(
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                run,
    input  wire [31:0]         now,
    input  wire                busy,
    input  wire [CTX_BITS-1:0] owner,          // whose cycle a busy cycle is
    input  wire                room_waiting,
    input  wire                active,
    input  wire                fired,          // first cycle of a firing
    input  wire                done,           // last cycle of a firing
    input  wire [CTX_BITS-1:0] ctx,
    input  wire                flit_in,
    input  wire                flit_out,
    input  wire [3:0]          read_space,
    input  wire [15:0]         read_addr,
    input  wire [`IMC_ENTRY_BITS-1:0] status,
    output reg  [`IMC_ENTRY_BITS-1:0] read_data
);
    localparam [2:0] ST_BUSY = 3'd0, ST_INPUT = 3'd1, ST_ROOM = 3'd2, ST_IDLE = 3'd3, ST_STOPPED = 3'd4;

    generate
        if (CONTEXTS < 1 || CTX_BITS < 1 || CTX_BITS > 15 || CONTEXTS > (1 << CTX_BITS)) begin : gen_illegal
            counters_CONTEXTS_must_fit_CTX_BITS_of_1_to_15 u_error ();
        end
    endgenerate

    reg [2:0]  state_q;
    reg [31:0] since_q;
    reg [31:0] total   [0:4];
    reg [31:0] firings [0:CONTEXTS-1];
    reg [31:0] worked  [0:CONTEXTS-1];
    reg [31:0] first   [0:CONTEXTS-1];
    reg [31:0] last    [0:CONTEXTS-1];
    reg [31:0] flits_in_q, flits_out_q;
    reg [CTX_BITS-1:0] owner_q;
    integer    i;

    wire [2:0]  state = !run ? ST_STOPPED : busy ? ST_BUSY : room_waiting ? ST_ROOM : active ? ST_INPUT : ST_IDLE;
    wire        change = state != state_q || (busy && owner != owner_q);
    wire [31:0] span = now - since_q;

    wire awake = change || fired || done || rst;

    always @(posedge clk) if (awake) begin
        if (change) begin
            state_q <= state;
            owner_q <= owner;
            since_q <= now;
            total[state_q] <= total[state_q] + span;
            if (state_q == ST_BUSY) worked[owner_q] <= worked[owner_q] + span;
        end
        if (fired && firings[ctx] == 0) first[ctx] <= now;
        if (done && run) begin
            firings[ctx] <= firings[ctx] + 32'd1;
            last[ctx] <= now;
        end
        if (rst) begin
            state_q <= ST_STOPPED;
            since_q <= now;
            for (i = 0; i < 5; i = i + 1) total[i] <= 32'd0;
            for (i = 0; i < CONTEXTS; i = i + 1) begin
                firings[i] <= 32'd0;
                worked[i] <= 32'd0;
                first[i] <= 32'd0;
                last[i] <= 32'd0;
            end
        end
    end

    wire flit = flit_in || flit_out || rst;

    always @(posedge clk) if (flit) begin
        if (run && flit_in) flits_in_q <= flits_in_q + 32'd1;
        if (run && flit_out) flits_out_q <= flits_out_q + 32'd1;
        if (rst) {flits_in_q, flits_out_q} <= 64'd0;
    end

    wire [CTX_BITS-1:0] which = read_addr[`IMC_ACTOR_ADDRESS_CONTEXT_AT +: CTX_BITS];
    always @* begin
        read_data = 0;
        case (read_space)
            `IMC_SPACE_COUNTER: case (read_addr)
                `IMC_ENTRY_COUNTER_0: begin
                    read_data[`IMC_COUNTER_0_BUSY] = total[ST_BUSY];
                    read_data[`IMC_COUNTER_0_INPUT_WAIT] = total[ST_INPUT];
                end
                `IMC_ENTRY_COUNTER_1: begin
                    read_data[`IMC_COUNTER_1_ROOM_WAIT] = total[ST_ROOM];
                    read_data[`IMC_COUNTER_1_IDLE] = total[ST_IDLE];
                end
                default: begin
                    read_data[`IMC_COUNTER_2_FLITS_IN] = flits_in_q;
                    read_data[`IMC_COUNTER_2_FLITS_OUT] = flits_out_q;
                end
            endcase
            `IMC_SPACE_ACTOR: if (read_addr[`IMC_ACTOR_ADDRESS_ENTRY] == `IMC_ENTRY_ACTOR_0) begin
                read_data[`IMC_ACTOR_0_FIRINGS] = firings[which];
                read_data[`IMC_ACTOR_0_BUSY] = worked[which];
            end else begin
                read_data[`IMC_ACTOR_1_FIRST] = first[which];
                read_data[`IMC_ACTOR_1_LAST] = last[which];
            end
            default: read_data = status;
        endcase
    end
endmodule

`default_nettype wire

// SPDX-License-Identifier: Apache-2.0
// router - five-port wormhole router of a 2-D mesh: XY routing, one input fifo per port, round robin per output.
//
// Ports: 0 local, 1 north (y-1), 2 east (x+1), 3 south (y+1), 4 west (x-1). The 8 bits from NODE_AT of a packet's first flit
// are the destination node, y*MESH_X + x; `last` ends the packet. A node outside the mesh leaves here, at port 0.
// XY order cannot deadlock, and link ready is a register (fifo not full): no path crosses two routers.
//
// Cycle rules, for each output o (input i requests o: the oldest flit in its fifo belongs to a packet for o):
//   sel[o]     = locked[o] ? owner[o] : the first input of owner[o]+1, +2, +3, +4, +5 (mod 5) that requests o
//   m_valid[o] = sel[o] requests o;  the flit moves when m_ready[o] too
//   at the edge, if m_valid[o]: owner[o] <= sel[o]; locked[o] <= !(m_ready[o] && m_last[o]).  Reset: owner 4, unlocked
//   s_ready[i] = fifo i held fewer than FIFO_DEPTH flits after the last edge
// Timing: 1 cycle: written at edge t, on the output from then on, in the next router at edge t+1 if not blocked.
// Throughput: 1 flit per cycle and link, no bubble between flits nor packets.
// Python: RouterModel in tests/rtl/router_model.py, equal in every cycle.
//
// Style: simulation speed decides this form. Icarus 11, 5x4 mesh, 128 bits, thousand cycles per second:
//                                             idle   0.9 flits/cycle   5.8 flits/cycle (entering the mesh)
//   five fifo.v, a clocked block each           24                 6               1.2
//   one clocked block, loops over the ports    480                10               1.8
//   one clocked block, unrolled by macros      480                17               3.0
//   as above, a data port per direction        480                28               5.0   (this file)
// because an idle clocked block costs 0.09 us a cycle, a loop iteration 0.4 us, a wide concatenation in a link 1 us.
// The price is area: the output multiplexers read the fifo words directly, 5 * 2**clog2(FIFO_DEPTH) of them.
`default_nettype none

module router #(
    parameter WIDTH = 128,
    parameter NODE_AT = 0,
    parameter FIFO_DEPTH = 4,
    parameter MESH_X = 5,
    parameter MESH_Y = 4
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [7:0]       x,           // constants: where this router is
    input  wire [7:0]       y,

    input  wire [WIDTH-1:0] s_local_data,
    input  wire [WIDTH-1:0] s_north_data,
    input  wire [WIDTH-1:0] s_east_data,
    input  wire [WIDTH-1:0] s_south_data,
    input  wire [WIDTH-1:0] s_west_data,
    input  wire [4:0]       s_last,      // bit p is port p
    input  wire [4:0]       s_valid,
    output wire [4:0]       s_ready,

    output wire [WIDTH-1:0] m_local_data,
    output wire [WIDTH-1:0] m_north_data,
    output wire [WIDTH-1:0] m_east_data,
    output wire [WIDTH-1:0] m_south_data,
    output wire [WIDTH-1:0] m_west_data,
    output reg  [4:0]       m_last,
    output reg  [4:0]       m_valid,
    input  wire [4:0]       m_ready,

    output wire             busy         // a flit is stored here
);

    localparam NODES = MESH_X * MESH_Y;

    generate
        if (WIDTH < NODE_AT + 8) begin : gen_width
            router_WIDTH_must_be_at_least_8 u_error ();
        end
        if (FIFO_DEPTH < 2) begin : gen_depth
            router_FIFO_DEPTH_must_be_at_least_2 u_error ();
        end
        if (MESH_X < 1 || MESH_Y < 1 || NODES > 256) begin : gen_mesh
            router_MESH_X_times_MESH_Y_must_be_1_to_256 u_error ();
        end
    endgenerate

    localparam PW = $clog2(FIFO_DEPTH);               // slot of one fifo
    localparam AW = 3 + PW;                           // {port, slot}
    localparam SLOTS = 5 << PW;
    localparam [PW-1:0] LAST_SLOT = FIFO_DEPTH[PW-1:0] - 1'b1;

    // output port by destination, 3 bits each
    function [3*NODES-1:0] route_table(input integer here_x, input integer here_y);
        integer n;
        for (n = 0; n < NODES; n = n + 1)
            route_table[3*n +: 3] = (n % MESH_X > here_x) ? 3'd2 :
                                    (n % MESH_X < here_x) ? 3'd4 :
                                    (n / MESH_X > here_y) ? 3'd3 :
                                    (n / MESH_X < here_y) ? 3'd1 : 3'd0;
    endfunction
    wire [3*NODES-1:0] route = route_table({24'd0, x}, {24'd0, y});

    // the first requester after `owner`, round robin; some bit of req is set
    function [2:0] pick(input [4:0] req, input [2:0] owner);
        // verilator lint_off UNUSEDSIGNAL
        // reason: four bits tell who of five is first
        reg [9:0] after;
        // verilator lint_on UNUSEDSIGNAL
        reg [3:0] n;
        begin
            after = {req, req} >> (owner + 3'd1);
            n = {1'b0, owner} + (after[0] ? 4'd1 : after[1] ? 4'd2 : after[2] ? 4'd3 : after[3] ? 4'd4 : 4'd5);
            if (n >= 4'd5)
                n = n - 4'd5;
            pick = n[2:0];
        end
    endfunction

    reg [WIDTH-1:0]   mem [0:SLOTS-1];   // flits, at {port, slot}
    reg [4*SLOTS-1:0] tag_q;             // {last, output port} of each
    reg [5*PW-1:0]    wr_q;              // per input: next slot to write, oldest slot
    reg [5*PW-1:0]    rd_q;
    reg [4:0]         have_q;            // not empty
    reg [4:0]         room_q;            // not full
    reg [4:0]         mid_q;             // the next flit to arrive continues a packet,
    reg [14:0]        port_q;            // which goes to this output
    reg [4:0]         locked_q;          // per output
    reg [14:0]        owner_q;

    assign s_ready = room_q;
    assign busy    = |have_q;

    // Arbitration. req: at {output, input}; addr: of the flit at each output; pop: inputs whose flit moves.
    reg [39:0]     req;
    reg [14:0]     sel;
    reg [4:0]      head_last;
    reg [4:0]      pop;
    reg [5*AW-1:0] addr;
    reg [3:0]      tag;
    reg [2:0]      from;

`define ROUTER_REQUEST(i) \
            if (have_q[i]) begin \
                tag = tag_q[{i, rd_q[i*PW +: PW], 2'b00} +: 4]; \
                head_last[i] = tag[3]; \
                req[{tag[2:0], i}] = 1'b1; \
            end

`define ROUTER_GRANT(o) \
            if (req[o*8 +: 8] != 8'd0) begin \
                from = locked_q[o] ? owner_q[o*3 +: 3] : pick(req[o*8 +: 5], owner_q[o*3 +: 3]); \
                if (req[{o, from}]) begin \
                    sel[o*3 +: 3]    = from; \
                    m_valid[o]       = 1'b1; \
                    m_last[o]        = head_last[from]; \
                    addr[o*AW +: AW] = {from, rd_q[from*PW +: PW]}; \
                    pop[from]        = m_ready[o]; \
                end \
            end

    always @* begin
        m_valid   = 5'd0;
        m_last    = 5'd0;
        req       = 40'd0;
        sel       = 15'd0;
        head_last = 5'd0;
        pop       = 5'd0;
        tag       = 4'd0;
        from      = 3'd0;
        // an idle output looks at its own input, which hardly ever sends there: its data stay quiet
        addr = {3'd4, {PW{1'b0}}, 3'd3, {PW{1'b0}}, 3'd2, {PW{1'b0}}, 3'd1, {PW{1'b0}}, 3'd0, {PW{1'b0}}};
        if (have_q != 5'd0) begin
            `ROUTER_REQUEST(3'd0)
            `ROUTER_REQUEST(3'd1)
            `ROUTER_REQUEST(3'd2)
            `ROUTER_REQUEST(3'd3)
            `ROUTER_REQUEST(3'd4)
            `ROUTER_GRANT(3'd0)
            `ROUTER_GRANT(3'd1)
            `ROUTER_GRANT(3'd2)
            `ROUTER_GRANT(3'd3)
            `ROUTER_GRANT(3'd4)
        end
    end

    assign m_local_data = mem[addr[0*AW +: AW]];
    assign m_north_data = mem[addr[1*AW +: AW]];
    assign m_east_data  = mem[addr[2*AW +: AW]];
    assign m_south_data = mem[addr[3*AW +: AW]];
    assign m_west_data  = mem[addr[4*AW +: AW]];

    // Fifos and locks.
    wire [4:0] push   = s_valid & room_q;
    wire       active = (push != 5'd0) || busy || rst;
    reg [PW-1:0] wr;
    reg [PW-1:0] rd;
    reg [2:0]    port;

`define ROUTER_FIFO(i, data) \
            if (push[i] || pop[i]) begin \
                wr = wr_q[i*PW +: PW]; \
                rd = rd_q[i*PW +: PW]; \
                if (push[i]) begin \
                    if (mid_q[i]) \
                        port = port_q[i*3 +: 3]; \
                    else if ({1'b0, data[NODE_AT +: 8]} < NODES[8:0]) \
                        port = route[3*data[NODE_AT +: 8] +: 3]; \
                    else \
                        port = 3'd0; \
                    mem[{i, wr}]                  <= data; \
                    tag_q[{i, wr, 2'b00} +: 4]    <= {s_last[i], port}; \
                    port_q[i*3 +: 3]              <= port; \
                    mid_q[i]                      <= !s_last[i]; \
                    wr = (wr == LAST_SLOT) ? {PW{1'b0}} : wr + 1'b1; \
                    wr_q[i*PW +: PW] <= wr; \
                end \
                if (pop[i]) begin \
                    rd = (rd == LAST_SLOT) ? {PW{1'b0}} : rd + 1'b1; \
                    rd_q[i*PW +: PW] <= rd; \
                end \
                if (push[i] != pop[i]) begin \
                    have_q[i] <= push[i] || wr != rd; \
                    room_q[i] <= pop[i] || wr != rd; \
                end \
            end

`define ROUTER_LOCK(o) \
            if (m_valid[o]) begin \
                locked_q[o]        <= !(m_ready[o] && m_last[o]); \
                owner_q[o*3 +: 3]  <= sel[o*3 +: 3]; \
            end

    // verilator lint_off BLKSEQ
    // reason: wr, rd and port are temporaries of this block
    always @(posedge clk)
        if (active) begin
            `ROUTER_FIFO(3'd0, s_local_data)
            `ROUTER_FIFO(3'd1, s_north_data)
            `ROUTER_FIFO(3'd2, s_east_data)
            `ROUTER_FIFO(3'd3, s_south_data)
            `ROUTER_FIFO(3'd4, s_west_data)
            `ROUTER_LOCK(3'd0)
            `ROUTER_LOCK(3'd1)
            `ROUTER_LOCK(3'd2)
            `ROUTER_LOCK(3'd3)
            `ROUTER_LOCK(3'd4)
            if (rst) begin
                wr_q     <= {5*PW{1'b0}};
                rd_q     <= {5*PW{1'b0}};
                have_q   <= 5'd0;
                room_q   <= 5'b11111;
                mid_q    <= 5'd0;
                locked_q <= 5'd0;
                owner_q  <= {5{3'd4}};
            end
        end
    // verilator lint_on BLKSEQ

`undef ROUTER_REQUEST
`undef ROUTER_GRANT
`undef ROUTER_FIFO
`undef ROUTER_LOCK

`ifdef FORMAL_ROUTER
`include "formal/router.vh"
`endif
endmodule

`default_nettype wire

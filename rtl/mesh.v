// SPDX-License-Identifier: Apache-2.0
// mesh - MESH_X x MESH_Y routers with one stream in and one stream out per node; node n = y*MESH_X + x is lane n.
//
// It carries packets between the nodes of the chip; see router.v for packets and cycle rules. Ready of a node's
// stream is a register, valid never waits for ready, packets of one (source, destination) pair stay in order.
// Timing: a flit taken from the source at edge t can be taken by the destination at edge t + hops + 1 at the
// earliest, hops = |dx| + |dy|; so also from a node to itself (t + 1).
// Throughput: 1 flit per cycle and link.
// Python: MeshModel in tests/rtl/router_model.py, equal in every cycle; hops: pyimc/routing.py.
//
// Style: parts of a vector are driven from `always @*`, not `assign`: Icarus joins partial continuous assignments bit
// by bit (25 us for 2560 bits, at each change). Whoever drives s_data in parts should do the same.
`default_nettype none

module mesh #(
    parameter WIDTH = 128,
    parameter NODE_AT = 0,             // where a packet's first flit names its destination
    parameter FIFO_DEPTH = 4,
    parameter MESH_X = 5,
    parameter MESH_Y = 4
) (
    input  wire                           clk,
    input  wire                           rst,

    // node -> network
    input  wire [MESH_X*MESH_Y*WIDTH-1:0] s_data,
    input  wire [MESH_X*MESH_Y-1:0]       s_last,
    input  wire [MESH_X*MESH_Y-1:0]       s_valid,
    output reg  [MESH_X*MESH_Y-1:0]       s_ready,

    // network -> node
    output reg  [MESH_X*MESH_Y*WIDTH-1:0] m_data,
    output reg  [MESH_X*MESH_Y-1:0]       m_last,
    output reg  [MESH_X*MESH_Y-1:0]       m_valid,
    input  wire [MESH_X*MESH_Y-1:0]       m_ready,

    output wire                           busy     // a flit is stored in some router
);

    localparam NODES = MESH_X * MESH_Y;

    generate
        if (MESH_X < 1 || MESH_Y < 1) begin : gen_mesh
            mesh_MESH_X_and_MESH_Y_must_be_at_least_1 u_error ();
        end
    endgenerate

    reg [NODES-1:0] router_busy;
    assign busy = |router_busy;

    genvar n;
    generate
        for (n = 0; n < NODES; n = n + 1) begin : gen_node
            localparam X = n % MESH_X;
            localparam Y = n / MESH_X;

            wire [WIDTH-1:0] local_data;
            // verilator lint_off UNUSEDSIGNAL
            // reason: nobody listens beyond the edge of the mesh
            wire [WIDTH-1:0] north_data;
            wire [WIDTH-1:0] east_data;
            wire [WIDTH-1:0] south_data;
            wire [WIDTH-1:0] west_data;
            wire [4:0]       last;         // bit 0 local, 1 north, 2 east, 3 south, 4 west
            wire [4:0]       valid;
            wire [4:0]       ready;
            // verilator lint_on UNUSEDSIGNAL
            wire             holds_flit;

            // what its neighbours send, their {valid, last}, and their ready
            wire [WIDTH-1:0] from_north_data;
            wire [WIDTH-1:0] from_east_data;
            wire [WIDTH-1:0] from_south_data;
            wire [WIDTH-1:0] from_west_data;
            wire [1:0]       north;
            wire             north_ready;
            wire [1:0]       east;
            wire             east_ready;
            wire [1:0]       south;
            wire             south_ready;
            wire [1:0]       west;
            wire             west_ready;

            router #(
                .WIDTH(WIDTH), .NODE_AT(NODE_AT), .FIFO_DEPTH(FIFO_DEPTH), .MESH_X(MESH_X), .MESH_Y(MESH_Y)
            ) u_router (
                .clk(clk), .rst(rst), .x(X[7:0]), .y(Y[7:0]),
                .s_local_data(s_data[n*WIDTH +: WIDTH]),
                .s_north_data(from_north_data), .s_east_data(from_east_data),
                .s_south_data(from_south_data), .s_west_data(from_west_data),
                .s_last ({west[0], south[0], east[0], north[0], s_last[n]}),
                .s_valid({west[1], south[1], east[1], north[1], s_valid[n]}),
                .s_ready(ready),
                .m_local_data(local_data),
                .m_north_data(north_data), .m_east_data(east_data),
                .m_south_data(south_data), .m_west_data(west_data),
                .m_last(last),
                .m_valid(valid),
                .m_ready({west_ready, south_ready, east_ready, north_ready, m_ready[n]}),
                .busy(holds_flit)
            );

            always @* m_data[n*WIDTH +: WIDTH] = local_data;
            always @* m_last[n]      = last[0];
            always @* m_valid[n]     = valid[0];
            always @* s_ready[n]     = ready[0];
            always @* router_busy[n] = holds_flit;

            if (Y > 0) begin : gen_north
                assign from_north_data = gen_node[n-MESH_X].south_data;
                assign north       = {gen_node[n-MESH_X].valid[3], gen_node[n-MESH_X].last[3]};
                assign north_ready = gen_node[n-MESH_X].ready[3];
            end else begin : gen_no_north
                assign from_north_data = {WIDTH{1'b0}};
                assign north       = 2'b00;
                assign north_ready = 1'b0;
            end

            if (X < MESH_X - 1) begin : gen_east
                assign from_east_data = gen_node[n+1].west_data;
                assign east       = {gen_node[n+1].valid[4], gen_node[n+1].last[4]};
                assign east_ready = gen_node[n+1].ready[4];
            end else begin : gen_no_east
                assign from_east_data = {WIDTH{1'b0}};
                assign east       = 2'b00;
                assign east_ready = 1'b0;
            end

            if (Y < MESH_Y - 1) begin : gen_south
                assign from_south_data = gen_node[n+MESH_X].north_data;
                assign south       = {gen_node[n+MESH_X].valid[1], gen_node[n+MESH_X].last[1]};
                assign south_ready = gen_node[n+MESH_X].ready[1];
            end else begin : gen_no_south
                assign from_south_data = {WIDTH{1'b0}};
                assign south       = 2'b00;
                assign south_ready = 1'b0;
            end

            if (X > 0) begin : gen_west
                assign from_west_data = gen_node[n-1].east_data;
                assign west       = {gen_node[n-1].valid[2], gen_node[n-1].last[2]};
                assign west_ready = gen_node[n-1].ready[2];
            end else begin : gen_no_west
                assign from_west_data = {WIDTH{1'b0}};
                assign west       = 2'b00;
                assign west_ready = 1'b0;
            end
        end
    endgenerate

endmodule

`default_nettype wire

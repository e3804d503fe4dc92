// SPDX-License-Identifier: Apache-2.0
// What is proven of router.v: every flit that comes in leaves once, unchanged, at the output that XY routing gives its
// packet; an output gives whole packets, one after another; the stream law holds. One input, one output and one flit of
// that input, any, are watched. Where the router is, stands; inputs may do what they like.

    reg f_past = 1'b0;
    always @(posedge clk) f_past <= 1'b1;
    always @* if (!f_past) assume (rst);
    (* anyconst *) wire [7:0] f_x, f_y;
    (* anyconst *) wire [2:0] f_in, f_out;
    (* anyseq *)   wire       f_choose;                   // to watch the flit that arrives
    always @* assume (x == f_x && y == f_y && f_x < MESH_X && f_y < MESH_Y && f_in < 3'd5 && f_out < 3'd5);

    wire [WIDTH-1:0] f_arriving = f_in == 3'd0 ? s_local_data : f_in == 3'd1 ? s_north_data
                                  : f_in == 3'd2 ? s_east_data : f_in == 3'd3 ? s_south_data : s_west_data;
    wire [WIDTH-1:0] f_leaving = f_out == 3'd0 ? m_local_data : f_out == 3'd1 ? m_north_data
                                 : f_out == 3'd2 ? m_east_data : f_out == 3'd3 ? m_south_data : m_west_data;
    wire [2:0]       f_sender = sel[f_out*3 +: 3];        // whose flit is at the output
    wire             f_sent = m_valid[f_out] && m_ready[f_out];

    // Slots of every input between the oldest and the next to write.
    function inside(input [PW-1:0] slot, input [PW-1:0] oldest, input [PW-1:0] next);
        inside = oldest < next ? slot >= oldest && slot < next : slot >= oldest || slot < next;
    endfunction
    wire [5*PW-1:0] f_newest;
    genvar f;
    generate
        for (f = 0; f < 5; f = f + 1) begin : gen_f
            wire [PW-1:0] first = rd_q[f*PW +: PW];
            wire [PW-1:0] next = wr_q[f*PW +: PW];
            wire [PW-1:0] second = first == LAST_SLOT ? {PW{1'b0}} : first + 1'b1;
            assign f_newest[f*PW +: PW] = next == {PW{1'b0}} ? LAST_SLOT : next - 1'b1;
            wire [3:0]    oldest_tag = tag_q[(f*(1 << PW) + first)*4 +: 4];
            wire [3:0]    second_tag = tag_q[(f*(1 << PW) + second)*4 +: 4];
            wire [3:0]    newest_tag = tag_q[(f*(1 << PW) + f_newest[f*PW +: PW])*4 +: 4];
            always @* if (f_past) begin
                assert ({{32-PW{1'b0}}, first} < FIFO_DEPTH && {{32-PW{1'b0}}, next} < FIFO_DEPTH);
                assert (first == next ? have_q[f] != room_q[f] : have_q[f] && room_q[f]);
                // packets are whole: what follows a flit that is not the last goes where that goes
                if (have_q[f]) assert (oldest_tag[2:0] < 3'd5 && mid_q[f] == !newest_tag[3]);
                if (have_q[f] && mid_q[f]) assert (port_q[f*3 +: 3] == newest_tag[2:0]);
                if (have_q[f] && second != next && !oldest_tag[3]) assert (second_tag[2:0] == oldest_tag[2:0]);
                if (mid_q[f]) assert (port_q[f*3 +: 3] < 3'd5);
                if (have_q[f]) assert (newest_tag[2:0] < 3'd5 && second_tag[2:0] < 3'd5 || second == next);
            end
        end
    endgenerate

    // The watched flit: where it is, what it is, where it has to go.
    reg             f_held, f_last;
    reg [PW-1:0]    f_slot;
    reg [WIDTH-1:0] f_data;
    reg [2:0]       f_port;
    reg             f_inner;                              // the packet at the watched input goes on,
    reg [2:0]       f_to;                                 // to this output
    wire [7:0]      f_node = f_arriving[NODE_AT +: 8];
    wire [7:0]      f_column = f_node % MESH_X;
    wire [7:0]      f_row = f_node / MESH_X;
    wire [2:0]      f_route = {1'b0, f_node} >= NODES[8:0] ? 3'd0 : f_column > x ? 3'd2 : f_column < x ? 3'd4
                              : f_row > y ? 3'd3 : f_row < y ? 3'd1 : 3'd0;
    wire            f_taken = f_held && pop[f_in] && rd_q[f_in*PW +: PW] == f_slot;
    always @(posedge clk) begin
        if (push[f_in]) {f_inner, f_to} <= {!s_last[f_in], f_inner ? f_to : f_route};
        if (f_taken) f_held <= 1'b0;
        if (push[f_in] && f_choose && (!f_held || f_taken)) begin
            {f_held, f_slot, f_data, f_last} <= {1'b1, wr_q[f_in*PW +: PW], f_arriving, s_last[f_in]};
            f_port <= f_inner ? f_to : f_route;
        end
        if (rst) {f_held, f_inner} <= 2'b00;
    end
    always @* if (f_past) begin
        assert (f_inner == mid_q[f_in]);
        if (f_inner) assert (f_to == port_q[f_in*3 +: 3]);
        if (f_held) begin
            assert (have_q[f_in] && f_port < 3'd5 && {{32-PW{1'b0}}, f_slot} < FIFO_DEPTH);
            assert (inside(f_slot, rd_q[f_in*PW +: PW], wr_q[f_in*PW +: PW]));
            assert (mem[{f_in, f_slot}] == f_data && tag_q[{f_in, f_slot, 2'b00} +: 4] == {f_last, f_port});
        end
        if (f_taken) assert (m_valid[f_port] && m_ready[f_port] && sel[f_port*3 +: 3] == f_in);
        if (f_taken && f_port == f_out) assert (f_leaving == f_data && m_last[f_out] == f_last);
        // what leaves has been taken from its input, and from no other
        if (f_sent) assert (pop[f_sender] && have_q[f_sender]);
        if (pop[f_in] && f_sent && f_sender == f_in) assert (!f_held || f_taken || rd_q[f_in*PW +: PW] != f_slot);
    end

    // Whole packets at the watched output; the stream law.
    reg       f_open;
    reg [2:0] f_from;
    always @(posedge clk) begin
        if (f_sent) {f_open, f_from} <= {!m_last[f_out], f_sender};
        if (rst) f_open <= 1'b0;
    end
    wire [3:0] f_next = tag_q[{f_from, rd_q[f_from*PW +: PW], 2'b00} +: 4];
    always @* if (f_past) begin
        if (f_open) assert (locked_q[f_out] && owner_q[f_out*3 +: 3] == f_from && f_from < 3'd5);
        if (f_open && m_valid[f_out]) assert (f_sender == f_from);
        if (f_open && have_q[f_from]) assert (f_next[2:0] == f_out);
        if (f_open && !have_q[f_from]) assert (mid_q[f_from] && port_q[f_from*3 +: 3] == f_out);
        assert (owner_q[f_out*3 +: 3] < 3'd5);
    end
    always @(posedge clk) if (f_past && !$past(rst) && $past(m_valid[f_out] && !m_ready[f_out]))
        assert (m_valid[f_out] && $stable(f_leaving) && $stable(m_last[f_out]));

    always @(posedge clk) if (f_past && !rst) begin
        cover (f_taken && f_port == f_out && !f_last && f_out == 3'd2);
        cover (f_open && f_sent && m_last[f_out] && f_out != f_from);
        cover (f_sent && $past(f_sent) && f_sender != $past(f_sender));
        cover (f_held && !room_q[f_in] && f_slot == f_newest[f_in*PW +: PW]);
        cover (f_taken && f_inner && f_out == f_port && f_last);
    end

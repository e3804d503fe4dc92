// SPDX-License-Identifier: Apache-2.0
// What is proven of ingress.v: every DATA word goes to the tail of its channel's ring, one after the other, inside the ring;
// every DATA packet is reported once, with its channel and its words; a REPLY stays until taken and is whole. One channel,
// any, is watched. Its table entry is written once, before; what is read stands while it is read.

    reg f_past = 1'b0;
    always @(posedge clk) f_past <= 1'b1;
    always @* if (!f_past) assume (rst);

    // Packets are legal: as many words as the head says, a READ without any.
    reg        f_first;                           // the next flit is a head
    reg [7:0]  f_left;
    wire [3:0] f_kind = s_data[`IMC_HEAD_KIND];
    wire       f_write_or_data = f_kind == `IMC_KIND_DATA || f_kind == `IMC_KIND_WRITE;
    always @(posedge clk) begin
        if (take) begin
            f_first <= s_last;
            f_left <= f_first ? s_data[`IMC_HEAD_LENGTH] : f_left - 8'd1;
        end
        if (rst) f_first <= 1'b1;
    end
    always @* if (s_valid) begin
        if (f_first) assume (s_data[`IMC_HEAD_LENGTH] != 0 && s_last == !f_write_or_data);
        else assume (s_last == (f_left == 1));
    end
    always @(posedge clk) if (f_past && !$past(rst)) begin
        if ($past(s_valid && !s_ready)) assume (s_valid && $stable(s_data) && $stable(s_last));
        if ($past(m_reply_valid && !m_reply_ready)) assume ($stable(read_data) && $stable(node));
        if ($past(m_reply_valid && !m_reply_ready))
            assert (m_reply_valid && $stable(m_reply_data) && $stable(m_reply_last));
    end

    // The watched channel: its ring, and where the next word of it belongs.
    (* anyconst *) wire [CH_BITS-1:0] f_channel;
    reg                               f_known;
    reg [15:0]                        f_base, f_size, f_tail;
    reg [`IMC_CHANNEL_MEMORY_BITS-1:0] f_memory;
    reg [7:0]                         f_words;    // of the packet under way, if it is the channel's
    wire                              f_mine = mem_wen && channel_q == f_channel;
    wire                              f_entry = cfg_valid && cfg_space == `IMC_SPACE_CHANNEL
                                                && cfg_channel == f_channel;
    wire [16:0]                       f_end = {1'b0, f_base} + {1'b0, f_size};
    always @* begin
        assume (f_channel < CHANNELS);
        if (f_entry) assume (!f_known && s_data[`IMC_CHANNEL_SIZE] != 0
                             && {1'b0, s_data[`IMC_CHANNEL_BASE]} + {1'b0, s_data[`IMC_CHANNEL_SIZE]} <= 17'h10000);
        if (take && f_first && f_kind == `IMC_KIND_DATA && head_channel == f_channel) assume (f_known);
    end
    always @(posedge clk) begin
        if (f_entry) begin
            f_known <= 1'b1;
            f_base  <= s_data[`IMC_CHANNEL_BASE];
            f_size  <= s_data[`IMC_CHANNEL_SIZE];
            f_tail  <= s_data[`IMC_CHANNEL_BASE];
            f_memory <= s_data[`IMC_CHANNEL_MEMORY];
        end
        if (f_mine) f_tail <= {1'b0, f_tail} + 17'd1 == f_end ? f_base : f_tail + 16'd1;
        if (take && f_first) f_words <= 8'd0;
        if (f_mine) f_words <= f_words + 8'd1;
        if (rst) f_known <= 1'b0;
    end
    always @* if (f_past) begin
        assert (f_first == (state_q == ST_HEAD || replying));
        if (state_q == ST_DATA || state_q == ST_WRITE) assert (f_left != 0);
        if (replying) assert (words_q != 0);
        if (state_q == ST_DATA) assert (f_left <= words_q);
        assert (state_q <= ST_REPLY);
        if (f_known) begin
            assert (base[f_channel] == f_base && size[f_channel] == f_size && f_size != 0 && f_end <= 17'h10000);
            assert (memory[f_channel] == f_memory);
            assert (f_tail >= f_base && {1'b0, f_tail} < f_end);
            if (state_q == ST_DATA && channel_q == f_channel) assert (tail_q == f_tail && f_words + f_left == words_q);
            else assert (tail[f_channel] == f_tail);
        end else assert (!(state_q == ST_DATA && channel_q == f_channel));
        if (f_mine) assert (mem_waddr == f_tail && mem_select == f_memory);
        if (mem_wen || cfg_valid) assert (take && !f_first && !(mem_wen && cfg_valid));
        if (take && !f_first) assert (mem_wen || cfg_valid);
    end

    // Reported once, in the cycle after the last word.
    always @(posedge clk) if (f_past) begin
        if ($past(rst)) assert (!arrive_valid);
        else begin
            assert (arrive_valid == $past(mem_wen && s_last));
            if ($past(f_mine && s_last)) assert (arrive_channel == f_channel && arrive_words == $past(f_words) + 8'd1);
        end
    end

    // Replies: a head, then as many words as it says.
    reg       f_body;
    reg [7:0] f_due;
    always @(posedge clk) begin
        if (m_reply_valid && m_reply_ready) begin
            f_body <= !m_reply_last;
            f_due <= f_body ? f_due - 8'd1 : m_reply_data[`IMC_HEAD_LENGTH];
        end
        if (rst) f_body <= 1'b0;
    end
    always @* if (f_past) begin
        assert (f_body == (state_q == ST_REPLY));
        if (f_body) assert (f_due == words_q);
        if (m_reply_valid) assert (m_reply_last == (f_body && f_due == 1) && !s_ready);
    end

    always @(posedge clk) if (f_past && !rst) begin
        cover (f_known && f_mine && f_tail == f_base && f_words == 1);
        cover (arrive_valid && f_known && arrive_channel == f_channel && arrive_words == 2);
        cover (m_reply_valid && m_reply_ready && m_reply_last && f_known);
        cover (m_reply_valid && !m_reply_ready && f_body);
    end

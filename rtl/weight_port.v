// SPDX-License-Identifier: Apache-2.0
// weight_port - where weights that travel are written, and which of them the array computes with.
//
// A layer's loads go through windows of planes in turn, one load after the other `step` planes further, around `span`
// planes: so one window is written while another computes. A load is as many words as the actor's entry LOADS says, sent
// by one firing, and has the CRC-32 of its entry CHECKSUM. If it is shorter, longer or another, the actor is `refused`
// until reset: the sequencer does not fire it again. The window of the oldest load is read until `given`. Room and fill
// are those of any channel (sequencer.v); this knows places only.
// Timing: `plane`, `place` and `window` in the same cycle; `given` moves the window from the next cycle on. A load is
// compared in the cycle after its last word, and `refused` in the one after: when the sequencer looks at the actor, at the earliest.
// Python: pyimc.engines.imc.task.
`default_nettype none
`include "imc_isa.vh"

module weight_port #(
    parameter WORD = 128,
    parameter CONTEXTS = 16,
    parameter CTX_BITS = 4,
    parameter PLANE_WORDS = 4096                // a power of two
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                cfg_valid,
    input  wire [3:0]          cfg_space,
    /* verilator lint_off UNUSEDSIGNAL */       // contexts above CONTEXTS
    input  wire [15:0]         cfg_addr,
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire [`IMC_ENTRY_BITS-1:0] cfg_data,
    // words that come in
    input  wire [WORD-1:0]     s_data,
    input  wire [CTX_BITS-1:0] s_ctx,
    input  wire                s_end,           // the last one of the firing that has sent them
    input  wire                s_valid,
    output wire [15:0]         plane,           // where they go
    output wire [15:0]         place,
    output reg  [CONTEXTS-1:0] refused,
    // the oldest load of an actor is not needed any more
    input  wire                given,
    input  wire [CTX_BITS-1:0] given_ctx,
    // planes from TILES.plane to the oldest load of an actor
    input  wire [CTX_BITS-1:0] use_ctx,
    output wire [15:0]         window
);
    localparam PLANE_BITS = $clog2(PLANE_WORDS);
    localparam [31:0] POLYNOMIAL = 32'hEDB88320;

    reg [`IMC_ENTRY_BITS-1:0] loads [0:CONTEXTS-1];
    reg [15:0]         first_plane  [0:CONTEXTS-1];
    reg [31:0]         crc_due      [0:CONTEXTS-1];
    reg [15:0]         write_window [0:CONTEXTS-1];
    reg [15:0]         read_window  [0:CONTEXTS-1];
    reg [15:0]         words        [0:CONTEXTS-1];     // of the load that is coming in, so far,
    reg [31:0]         crc          [0:CONTEXTS-1];     // and of these
    reg [CONTEXTS-1:0] loaded_q;
    reg                ended_q;                 // the word before this cycle ended a load, or should have
    reg                whole_q;                 // it did both
    reg [CTX_BITS-1:0] ctx_q;
    reg [31:0]         crc_q;

    wire [CTX_BITS-1:0] cfg_ctx = cfg_addr[`IMC_ENGINE_ADDRESS_CONTEXT_AT +: CTX_BITS];
    wire [`IMC_ENGINE_ADDRESS_ENTRY_BITS-1:0] cfg_entry = cfg_addr[`IMC_ENGINE_ADDRESS_ENTRY];
    wire cfg_engine = cfg_valid && cfg_space == `IMC_SPACE_ENGINE;

    // The CRC is linear: what it was goes into the first bits of a word, and each of its bits is the parity of some of these.
    function [32*WORD-1:0] parities(input integer unused);
        reg [31:0] column;                      // the CRC of a word with one bit
        integer    at, digit;
        begin
            column = POLYNOMIAL;
            for (at = WORD - 1; at >= 0; at = at - 1) begin
                for (digit = 0; digit < 32; digit = digit + 1)
                    parities[digit*WORD + at] = column[digit];
                column = (column >> 1) ^ (column[0] ? POLYNOMIAL : 32'd0);
            end
        end
    endfunction
    localparam [32*WORD-1:0] PARITIES = parities(0);

    function [31:0] crc_32(input [31:0] from, input [WORD-1:0] word);
        reg [WORD-1:0] mixed;
        integer        i;
        begin
            mixed = word ^ {{WORD-32{1'b0}}, from};
            for (i = 0; i < 32; i = i + 1)
                crc_32[i] = ^(mixed & PARITIES[i*WORD +: WORD]);
        end
    endfunction

    /* verilator lint_off UNUSEDSIGNAL */       // words of a load
    function [15:0] next_window(input [15:0] from, input [`IMC_ENTRY_BITS-1:0] entry);
    /* verilator lint_on UNUSEDSIGNAL */
        reg [16:0] sum;
        begin
            sum = {1'b0, from} + {1'b0, entry[`IMC_LOADS_STEP]};
            if (sum >= {1'b0, entry[`IMC_LOADS_SPAN]}) sum = sum - {1'b0, entry[`IMC_LOADS_SPAN]};
            next_window = sum[15:0];
        end
    endfunction

    wire [15:0] word = words[s_ctx];
    wire [15:0] whole = loads[s_ctx][`IMC_LOADS_WORDS];
    wire        complete = word + 16'd1 == whole;
    reg  [31:0] crc_now;                        // assigned where words come only: Icarus would follow every flit else
    assign plane = first_plane[s_ctx] + write_window[s_ctx] + (word >> PLANE_BITS);
    assign place = word & (PLANE_WORDS[15:0] - 16'd1);
    assign window = loaded_q[use_ctx] ? read_window[use_ctx] : 16'd0;

    wire awake = s_valid || ended_q || given || cfg_engine || rst;
    always @(posedge clk) if (awake) begin
        if (s_valid) begin
            // verilator lint_off BLKSEQ
            crc_now = crc_32(crc[s_ctx], s_data);   // a temporary of the block
            // verilator lint_on BLKSEQ
            words[s_ctx] <= s_end ? 16'd0 : word + 16'd1;
            crc[s_ctx] <= s_end ? ~32'd0 : crc_now;
            if (s_end) write_window[s_ctx] <= next_window(write_window[s_ctx], loads[s_ctx]);
            {whole_q, ctx_q, crc_q} <= {complete && s_end, s_ctx, crc_now};
        end
        ended_q <= s_valid && (complete || s_end);
        if (ended_q && (!whole_q || ~crc_q != crc_due[ctx_q])) refused[ctx_q] <= 1'b1;
        if (given) read_window[given_ctx] <= next_window(read_window[given_ctx], loads[given_ctx]);
        if (cfg_engine && cfg_entry == `IMC_ENTRY_TILES) first_plane[cfg_ctx] <= cfg_data[`IMC_TILES_PLANE];
        if (cfg_engine && cfg_entry == `IMC_ENTRY_COLUMNS) loaded_q[cfg_ctx] <= cfg_data[`IMC_COLUMNS_LOADED] != 0;
        if (cfg_engine && cfg_entry == `IMC_ENTRY_CHECKSUM) crc_due[cfg_ctx] <= cfg_data[`IMC_CHECKSUM_CRC];
        if (cfg_engine && cfg_entry == `IMC_ENTRY_LOADS) begin
            loads[cfg_ctx] <= cfg_data;
            write_window[cfg_ctx] <= cfg_data[`IMC_LOADS_FIRST];
            read_window[cfg_ctx] <= cfg_data[`IMC_LOADS_FIRST];
            words[cfg_ctx] <= 16'd0;
            crc[cfg_ctx] <= ~32'd0;
        end
        if (rst) begin
            refused <= {CONTEXTS{1'b0}};
            ended_q <= 1'b0;
        end
    end
endmodule

`default_nettype wire

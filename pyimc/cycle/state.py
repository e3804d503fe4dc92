# SPDX-License-Identifier: Apache-2.0
"""The state of a chip as the compiled kernel sees it: one int64 array that holds rows of named columns.

One array, because a compiled function then takes its state in a few registers. A row is named by its offset: with
`u` the row of a processing unit, `s[u + P_READY]` is its mask of ready contexts; rows refer to others by offset too.

Times are cycles relative to the start of the run: cycle 1 is the first with `run` high. A value that the hardware
registers at the end of cycle t counts from t + 1 on; where the order of evaluation inside a cycle could show, the
cycle of the change is kept beside the value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyimc import isa

Table = NDArray[np.int64]

NEVER = 1 << 60

# --------------------------------------------------------------------------------------- one of a kind, from offset 0
(
    # constants of the chip and of the run
    G_DESTINATIONS, G_DEPTH, G_LANES, G_TILE_ROWS, G_PACKET, G_IMAGES, G_STOP_WORDS, G_PATIENCE,
    # first row of each kind
    G_UNITS, G_UNITS_END, G_SOURCES, G_SOURCES_END, G_OUTPUTS, G_FIRST, G_RESULTS, G_RESULTS_MASK, G_EVENTS_END,
    # lists of what is to be looked at in this cycle and in the next: offset, then length of the latter
    G_LINKS_NOW, G_LINKS_NEXT, G_LINKS, G_OUTS_NOW, G_OUTS_NEXT, G_OUTS, G_SEQS_NOW, G_SEQS_NEXT, G_SEQS,
    G_ARRIVAL_LIST, G_ARRIVALS, G_WHEEL, G_TIMERS,
    # host port, towards the chip
    G_IN_IMAGE, G_IN_ROW, G_IN_SOURCE, G_IN_WORD, G_IN_LEFT, G_IN_PACKET, G_IN_ASLEEP, G_IN_FLITS,
    G_HOST_FIFO, G_HOST_CREDIT_FIFO, G_NODE,
    # host port, towards the host
    G_OUT_READ, G_OUT_WRITE, G_OUT_PUSHED, G_OUT_CREDIT, G_OUT_BODY, G_OUT_WORDS, G_HEARD,
    # end
    G_TIME, G_ENDED, G_EVENT, G_LOG_WORDS,
    G_COLUMNS,
) = range(53)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------- routers
# A flit is the packet's description, the same in every flit of it; LAST ends the packet.
LAST, CHANNEL_AT, WORDS_AT, SOURCE_AT, SLOT_AT = 1 << 60, 8, 16, 32, 40
PORTS = 5
# Flits, number of the oldest, cycle of the last push and pop, output of the oldest, offset of the flits themselves, of
# the router's routes and of its first link.
F_COUNT, F_READ, F_PUSHED, F_POPPED, F_PORT, F_FLITS, F_ROUTES, F_LINKS = range(8)
FIFO_COLUMNS = 8
# The fifo that owns it, the fifo behind it, this router's first fifo, its port; behind a local port: what and where.
L_LOCKED, L_OWNER, L_NEXT, L_FIRST, L_PORT, L_LISTED, L_SINK, L_UNIT = range(8)
LINK_COLUMNS = 8
SINK_UNIT, SINK_HOST, SINK_UNIT_CREDIT, SINK_HOST_CREDIT = range(4)

# ------------------------------------------------------------------------------------------------- processing units
(
    P_NODE, P_KIND, P_ACTORS, P_CHANNELS, P_SLOTS, P_STREAM, P_FIFO, P_CREDIT_FIFO,
    # sequencer
    P_DIRTY, P_READY, P_DUE, P_ROOM_WAIT, P_ACTIVE, P_DECODE,
    P_CREDIT, P_CREDIT_FROM, P_CREDIT_CTX, P_CREDIT_AT, P_FREE_FROM, P_ISSUE_CTX, P_ISSUE_AT, P_LATE, P_KEEPS,
    P_SEQ_LISTED,
    # counters
    P_SINCE, P_FRONT, P_CONVERT, P_CONVERT_CTX, P_BUSY, P_INPUT_CYCLES, P_ROOM_CYCLES, P_IDLE_CYCLES, P_IN, P_OUT,
    # gather: a tile that waits for the array, the one to be gathered after it
    P_TILE, P_WRITTEN, P_TILE_CTX, P_TILE_FIRST, P_TILE_LAST, P_TILE_END,
    P_MORE, P_FIRST_CHUNK, P_PIXELS, P_TILE_NUMBER, P_X, P_TOP, P_ROWS,
    # converter, and the two accumulator banks
    P_CONVERT_END, P_CONVERT_LAST, P_CONVERT_PIXEL_END, P_BANK, P_BLOCKED, P_HELD,
    P_FULL_FROM_0, P_FULL_FROM_1, P_EMPTY_FROM_0, P_EMPTY_FROM_1, P_PIXEL_0, P_PIXEL_1,
    # drain: columns on their way, partial sums that it has read, and the packer
    P_READ_BANK, P_COLUMN, P_WORDS_READ, P_FREED, P_FREED_FROM, P_FREED_CHANNEL,
    P_STAGE_1, P_STAGE_2, P_STAGE_3, P_STAGE_4, P_STAGE_5, P_STAGE_6, P_STAGE_7, P_STAGE_8,
    P_PACKED, P_FILL, P_FLUSH, P_FLUSH_CTX,
    # vector engine: a firing and the chunks on their way
    P_FETCH, P_FETCH_FROM, P_SLOTS_LEFT, P_CHUNK, P_CHUNK_BYTES, P_REPEATS, P_SIDE, P_RUN, P_OTHER_RUN,
    P_OTHER_X, P_GROUP,
    # egress
    P_FILL_BANK, P_FILLED, P_PACKET_0, P_PACKET_1,
    P_SEND_STATE, P_SEND_BANK, P_DESTINATION, P_FLIT, P_LEFT, P_OUT_LISTED,
    # timers: cycle and next timer in the same bucket, for each kind
    P_TIMERS,
) = range(99)  # fmt: skip
UNIT_COLUMNS = 128
P_OFFERED = P_STAGE_8  # what the packer is offered
IMC, DPU = 0, 1
SEND_IDLE, SEND_HEAD, SEND_PAYLOAD = range(3)
T_FINISH, T_TAKE, T_DONE, T_FETCH = range(0, 8, 2)
WHEEL = 1 << 12

# A word or chunk on its way through an engine, and a full packet buffer; 0 is none: size, end of firing, end of pixel
# (in the drain's first stage only), context.
SIZE_MASK, MARK_LAST, MARK_PIXEL, CTX_AT = 0xFFFF, 1 << 16, 1 << 17, 20

# ----------------------------------------------------------------------------------------------------------- actors
(
    A_ARMED, A_INSTRUCTION, A_PORTS, A_DESTINATIONS, A_PC, A_TURNS_0, A_TURNS_1,
    A_FIRINGS, A_BUSY, A_FIRST, A_LAST, A_LAST_WORD,
    A_RUN, A_STEP, A_ROW_BYTES, A_KERNEL_COLUMNS, A_PAIR, A_BROADCAST, A_CONCAT, A_REPEAT, A_ROW_TILES, A_LAST_ROWS,
    A_CONVERT_CYCLES, A_READS, A_LAST_READS, A_COLUMNS, A_DRAIN_COLUMNS, A_COLUMN_BYTES, A_PARTIAL_IN, A_PARTIAL_PORT,
    A_LOADED, A_STREAM_WORDS, A_STREAM_LATENCY, A_STREAM_INTERVAL, A_STREAM_ROW, A_STREAM_WAIT,
    A_INNER, A_PITCH, A_PAUSE,
) = range(39)  # fmt: skip
ACTOR_COLUMNS = 48
C_ARRIVED, C_CONSUMED, C_NODE, C_SLOT, C_LATE, C_KEPT, C_TIMES = range(7)  # kept: so many times; so far
CHANNEL_COLUMNS = 8
INPUTS, INPUTS_STEP = isa.PORTS, 1 << isa.PORT_BITS  # of an actor; channels from one actor to the next
S_GRANTED, S_SENT, S_NODE, S_CHANNEL = range(4)
SLOT_COLUMNS = 4
I_OPCODE, I_PRODUCE, I_PIXELS, I_X0, I_TOP, I_ROWS, I_LEVEL, I_COUNT, I_TARGET, I_NEED = range(10)
I_FREE = I_NEED + INPUTS  # of every input
INSTRUCTION_COLUMNS = 16
HALT, FIRE, LOOP = range(3)

# ------------------------------------------------------------------------------------------------------------- host
H_GRANTED, H_SENT, H_NODE, H_CHANNEL, H_ROW_WORDS, H_ROWS, H_SLOT = range(7)
SOURCE_COLUMNS = 8
O_SIZE, O_WORDS, O_IMAGES, O_FINISHED = range(4)  # words of an image, words and images so far, where to note cycles
OUTPUT_COLUMNS = 4

# ------------------------------------------------------------------------------------------------------- event log
E_CYCLE, E_NODE, E_KIND, E_VALUE = range(4)  # value: context (issue, done, word), channel (arrival) or slot (credit)
EVENT_COLUMNS = 4
EVENT_ISSUE, EVENT_DONE, EVENT_ARRIVAL, EVENT_CREDIT, EVENT_WORD = range(5)

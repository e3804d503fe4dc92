# SPDX-License-Identifier: Apache-2.0
"""The state of a chip as the compiled kernel sees it: int64 arrays with a row for every thing and a named column each.

Times are cycles relative to the start of the run: cycle 1 is the first with `run` high. A value that the hardware
registers at the end of cycle t counts from t + 1 on; where the order of evaluation inside a cycle could show, the
cycle of the change is kept beside the value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.int64]

NEVER = 1 << 60
LAST = 1 << 60  # of a flit: it ends its packet

# A flit is the packet's description, the same in every flit of it.
NODE_BITS, CHANNEL_AT, WORDS_AT, SOURCE_AT, SLOT_AT = 8, 8, 16, 32, 40

# ---------------------------------------------------------------------------------------------------------- routers
# Row router * 5 + port; routers of the data mesh first, then those of the credit mesh.
F_COUNT, F_READ, F_PUSHED, F_POPPED, F_PORT = range(5)  # flits, oldest, cycle of the last push and pop, its output
FIFO_COLUMNS = 8
L_LOCKED, L_OWNER, L_NEXT, L_LISTED = range(4)  # L_NEXT: the fifo behind the link, -1 for the node itself
LINK_COLUMNS = 4

# ------------------------------------------------------------------------------------------------- processing units
(
    # sequencer
    P_KIND, P_DIRTY, P_READY, P_DUE, P_ROOM_WAIT, P_ACTIVE, P_DECODE, P_DECODE_AT,
    P_CREDIT, P_CREDIT_FROM, P_SECOND, P_CREDIT_CTX, P_FREE, P_FREE_FROM, P_ISSUE_CTX, P_ISSUE_FREE, P_SEQ_LISTED,
    # counters
    P_SINCE, P_FRONT, P_CONVERT, P_CONVERT_CTX, P_BUSY, P_INPUT_CYCLES, P_ROOM_CYCLES, P_IDLE_CYCLES, P_IN, P_OUT,
    # gather: a tile that waits for the array, the one to be gathered after it
    P_TILE, P_WRITTEN, P_TILE_CTX, P_TILE_FIRST, P_TILE_LAST, P_TILE_END,
    P_MORE, P_FIRST_CHUNK, P_PIXELS, P_TILE_NUMBER, P_X, P_TOP, P_ROWS,
    # converter
    P_CONVERT_END, P_CONVERT_LAST, P_CONVERT_PIXEL_END, P_BANK, P_BLOCKED,
    P_FULL_FROM_0, P_FULL_FROM_1, P_EMPTY_FROM_0, P_EMPTY_FROM_1, P_PIXEL_0, P_PIXEL_1,
    # drain: words on their way, and the packer
    P_READ_BANK, P_WORD, P_STAGE_1, P_STAGE_2, P_STAGE_3, P_PACKED, P_FILL, P_FLUSH, P_FLUSH_CTX,
    # vector engine: a firing and the chunks on their way
    P_FETCH, P_FETCH_FROM, P_SLOTS, P_CHUNK, P_CHUNK_BYTES, P_SLOT_STAGE,
    # egress
    P_FILL_BANK, P_FILLED, P_PACKET_0, P_PACKET_1, P_SEND_STATE, P_SEND_BANK, P_DESTINATION, P_SENT, P_OUT_LISTED,
) = range(75)  # fmt: skip
PU_COLUMNS = 80
IMC, DPU, NO_PU = 0, 1, 2
SEND_IDLE, SEND_HEAD, SEND_PAYLOAD = range(3)

# A word or chunk on its way through an engine, and a full packet buffer: 0 is none.
SIZE_MASK, MARK_LAST, CTX_AT = 0xFFFF, 1 << 16, 20

# ----------------------------------------------------------------------------------------------------------- actors
# Row node * contexts + context.
(
    A_ARMED, A_INSTRUCTION, A_TWO_PORTS, A_DESTINATIONS, A_PC, A_TURNS_0, A_TURNS_1,
    A_FIRINGS, A_BUSY, A_FIRST, A_LAST,
    A_RUN, A_STEP, A_ROW_BYTES, A_KERNEL_ROWS, A_KERNEL_COLUMNS, A_ADD, A_ROW_TILES, A_LAST_ROWS, A_CONVERT_CYCLES,
    A_COLUMNS,
) = range(21)  # fmt: skip
ACTOR_COLUMNS = 24
C_ARRIVED, C_CONSUMED, C_NODE, C_SLOT = range(4)  # row (node * contexts + context) * 2 + port
CHANNEL_COLUMNS = 4
S_GRANTED, S_SENT, S_NODE, S_CHANNEL = range(4)  # row (node * contexts + context) * destinations + index
SLOT_COLUMNS = 4
# Row node * instructions + address.
I_OPCODE, I_NEED, I_FREE, I_PRODUCE, I_PIXELS, I_X0, I_TOP, I_ROWS, I_LEVEL, I_COUNT, I_TARGET = range(11)
INSTRUCTION_COLUMNS = 12
HALT, FIRE, LOOP = range(3)

# ------------------------------------------------------------------------------------------------------------- host
H_GRANTED, H_SENT, H_NODE, H_CHANNEL, H_ROW_WORDS, H_ROWS = range(6)  # row: slot of the host
HOST_COLUMNS = 6
O_WORDS, O_IMAGES = range(2)  # row: output. Words so far, images so far

# ---------------------------------------------------------------------------------------------------- one of a kind
(
    # constants
    G_NODES, G_HOST, G_CONTEXTS, G_DESTINATIONS, G_INSTRUCTIONS, G_DEPTH, G_RING, G_LANES, G_TILE_ROWS, G_PACKET,
    G_IMAGES, G_SOURCES, G_STOP_WORDS, G_PATIENCE,
    # how long the lists of what is to be looked at are, and which half is the current one
    G_LINKS, G_OUTS, G_SEQS, G_ARRIVALS, G_TIMERS, G_HALF,
    # host port, towards the chip
    G_IN_IMAGE, G_IN_ROW, G_IN_SLOT, G_IN_WORD, G_IN_LEFT, G_IN_PACKET, G_IN_OFFERED, G_IN_ASLEEP, G_IN_FLITS,
    # host port, towards the host
    G_OUT_READ, G_OUT_WRITE, G_OUT_PUSHED, G_OUT_CREDIT, G_OUT_BODY, G_OUT_WORDS, G_HEARD,
    # end
    G_TIME, G_ENDED, G_EVENTS,
) = range(39)  # fmt: skip
GLOBALS = 40

# ----------------------------------------------------------------------------------------------------------- timers
T_FINISH, T_TAKE, T_DONE, T_FETCH = range(4)  # row node * 4 + kind
WHEEL = 1 << 12

# ------------------------------------------------------------------------------------------------------- event log
EVENT_ISSUE, EVENT_DONE, EVENT_ARRIVAL, EVENT_CREDIT = range(4)
EVENT_COLUMNS = 4  # cycle, node, kind, context (issue, done), channel (arrival) or slot (credit)


class Chip(NamedTuple):
    """All of it. `due`, `after` and `wheel` are the timers: their cycle, the next one in the same bucket, the first."""

    fifo: Table
    flits: Table
    link: Table
    route: Table
    pu: Table
    actor: Table
    channel: Table
    slot: Table
    instruction: Table
    source: Table
    output: Table
    output_size: Table
    results: Table
    first: Table
    finished: Table
    links: Table
    outs: Table
    seqs: Table
    arrivals: Table
    due: Table
    after: Table
    wheel: Table
    g: Table
    events: Table

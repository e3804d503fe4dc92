# SPDX-License-Identifier: Apache-2.0
"""rtl/vector_fetch.v: how many memory slots the next chunk of a firing takes."""

from __future__ import annotations

from numba import njit

from pyimc.cycle.imc import wake_output
from pyimc.cycle.state import *  # noqa: F403


@njit(cache=True)
def next_chunk(s, n, row):
    """Slots and bytes of the chunk that P_CHUNK and P_X name."""
    lanes = s.g[G_LANES]
    if s.actor[row, A_ADD]:
        s.pu[n, P_CHUNK_BYTES] = lanes
        s.pu[n, P_SLOTS] = 2
        return
    run, row_bytes, chunk = s.actor[row, A_RUN], s.actor[row, A_ROW_BYTES], s.pu[n, P_CHUNK]
    size = min(lanes, run - chunk)
    slots = 0
    tap = s.pu[n, P_X]
    for _ in range(s.actor[row, A_KERNEL_COLUMNS]):
        slots += 1
        if 0 <= tap < row_bytes and (tap + chunk) % lanes + size > lanes:
            slots += 1
        tap += run
    s.pu[n, P_CHUNK_BYTES] = size
    s.pu[n, P_SLOTS] = slots * s.pu[n, P_ROWS]


@njit(cache=True)
def accept(s, n, row, at, now):
    """A firing is accepted in cycle `now`, which is the next one; its first slot is one cycle later."""
    s.pu[n, P_FETCH] = 1
    s.pu[n, P_FETCH_FROM] = now + 1
    s.pu[n, P_PIXELS] = s.instruction[at, I_PRODUCE] if s.actor[row, A_ADD] else s.instruction[at, I_PIXELS]
    s.pu[n, P_X] = s.instruction[at, I_X0]
    s.pu[n, P_ROWS] = s.instruction[at, I_ROWS]
    s.pu[n, P_CHUNK] = 0
    next_chunk(s, n, row)
    wake_output(s, n)


@njit(cache=True)
def advance(s, n):
    """The slots of a chunk are done; returns the chunk and moves on. P_FETCH falls with the firing's last one."""
    ctx = s.pu[n, P_ISSUE_CTX]
    row = n * s.g[G_CONTEXTS] + ctx
    item = ctx << CTX_AT | s.pu[n, P_CHUNK_BYTES]
    if s.actor[row, A_ADD]:
        s.pu[n, P_PIXELS] -= 1
    else:
        s.pu[n, P_CHUNK] += s.g[G_LANES]
        if s.pu[n, P_CHUNK] >= s.actor[row, A_RUN]:
            s.pu[n, P_CHUNK] = 0
            s.pu[n, P_X] += s.actor[row, A_STEP]
            s.pu[n, P_PIXELS] -= 1
    if s.pu[n, P_PIXELS] == 0:
        s.pu[n, P_FETCH] = 0
        return item | MARK_LAST
    next_chunk(s, n, row)
    return item

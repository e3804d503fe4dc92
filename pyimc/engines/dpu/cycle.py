# SPDX-License-Identifier: Apache-2.0
"""rtl/vector_fetch.v: how many memory slots the next chunk of a firing takes."""

# ruff: noqa: F403, F405
from __future__ import annotations

from pyimc.cycle.agenda import actor_row, wake_output
from pyimc.cycle.jit import cold
from pyimc.cycle.state import *


@cold
def next_chunk(s: Table, u: int, row: int) -> None:
    """Slots and bytes of the chunk that P_CHUNK and P_X name."""
    lanes = s[G_LANES]
    run, row_bytes, chunk = s[u + P_RUN], s[row + A_ROW_BYTES], s[u + P_CHUNK]
    size = min(lanes, run - chunk)
    slots = s[row + A_PAUSE] if not chunk and s[u + P_REPEATS] < s[row + A_REPEAT] else 0
    tap = s[u + P_X]
    inner = s[row + A_INNER]
    if inner:
        group = s[u + P_GROUP]
        slots += (group + inner - 1) // lanes - group // lanes + 1
    for _ in range(inner if inner else s[row + A_KERNEL_COLUMNS]):
        slots += 1
        if 0 <= tap < row_bytes and (tap + chunk) % lanes + size > lanes:
            slots += 1
        if s[row + A_BROADCAST]:
            tap = 0
        elif inner:
            tap += s[row + A_PITCH]
        elif not s[row + A_PAIR]:  # whose columns are its inputs
            tap += run
    s[u + P_CHUNK_BYTES] = size
    s[u + P_SLOTS_LEFT] = slots * s[u + P_ROWS]


@cold
def accept(s: Table, u: int, row: int, at: int, now: int) -> None:
    """A firing is accepted in cycle `now`, which is the next one; its first slot is one cycle later."""
    s[u + P_FETCH] = 1
    s[u + P_FETCH_FROM] = now + 1
    s[u + P_PIXELS] = s[at + I_PIXELS]
    s[u + P_X] = s[at + I_X0]
    s[u + P_ROWS] = s[at + I_ROWS]
    s[u + P_CHUNK] = 0
    s[u + P_SIDE] = 0
    s[u + P_REPEATS] = s[row + A_REPEAT]
    s[u + P_RUN] = s[row + A_RUN]
    s[u + P_OTHER_RUN] = s[row + A_STEP]
    s[u + P_OTHER_X] = 0
    s[u + P_GROUP] = 0
    next_chunk(s, u, row)
    wake_output(s, u)


@cold
def next_pixel(s: Table, u: int, row: int) -> None:
    """Where the next pixel is; concat takes turns between its inputs."""
    s[u + P_CHUNK] = 0
    if s[row + A_CONCAT]:
        x, run = s[u + P_X] + s[u + P_RUN], s[u + P_RUN]
        s[u + P_X], s[u + P_RUN] = s[u + P_OTHER_X], s[u + P_OTHER_RUN]
        s[u + P_OTHER_X], s[u + P_OTHER_RUN] = x, run
        s[u + P_SIDE] = 1 - s[u + P_SIDE]
    elif s[u + P_REPEATS]:
        s[u + P_REPEATS] -= 1
        s[u + P_X] += s[row + A_STEP] if s[row + A_INNER] else 0
    else:
        s[u + P_REPEATS] = s[row + A_REPEAT]
        s[u + P_X] = 0 if s[row + A_INNER] else s[u + P_X] + s[row + A_STEP]
    s[u + P_GROUP] += s[row + A_INNER]
    if not s[u + P_SIDE]:
        s[u + P_PIXELS] -= 1


@cold
def advance(s: Table, u: int) -> int:
    """The slots of a chunk are done; returns the chunk and moves on. P_FETCH falls with the firing's last one.

    A reading of a pixel that is not its last one gives nothing.
    """
    ctx = s[u + P_ISSUE_CTX]
    row = actor_row(s, u, ctx)
    item = ctx << CTX_AT | s[u + P_CHUNK_BYTES]
    if s[row + A_PAUSE] and s[u + P_REPEATS]:
        item = 0
    s[u + P_CHUNK] += s[G_LANES]
    if s[u + P_CHUNK] >= s[u + P_RUN]:
        next_pixel(s, u, row)
    if s[u + P_PIXELS] == 0:
        s[u + P_FETCH] = 0
        return item | MARK_LAST
    next_chunk(s, u, row)
    return item

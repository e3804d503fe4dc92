# SPDX-License-Identifier: Apache-2.0
"""memory_engine.v, cycle by cycle."""

# ruff: noqa: F403, F405
from pyimc.cycle.agenda import done, wake_output
from pyimc.cycle.jit import cold
from pyimc.cycle.state import *


@cold
def accept(s: Table, u: int, row: int, at: int, now: int) -> None:
    """A firing is accepted in cycle `now`; its first word is read once the latency is over."""
    s[u + P_FETCH] = s[row + A_STREAM_WORDS]
    s[u + P_SLOTS_LEFT] = s[row + A_STREAM_ROW]
    s[u + P_FETCH_FROM] = now + 1 + s[row + A_STREAM_LATENCY] + _row_wait(s, row, s[u + P_SLOTS_LEFT])
    wake_output(s, u)


@cold
def _row_wait(s: Table, row: int, left: int) -> int:
    """What the next word waits for as the last one of its row, if that many words of the row are left."""
    return s[row + A_STREAM_WAIT] if left == 1 else 0


@cold
def step(s: Table, u: int, taken: bool, now: int) -> None:
    """One cycle; `taken`: the packer takes what is offered."""
    if s[u + P_OFFERED] and not taken:
        return
    s[u + P_OFFERED] = 0
    if s[u + P_FETCH] and s[u + P_FETCH_FROM] <= now:
        row = s[u + P_ACTORS] + s[u + P_ISSUE_CTX] * ACTOR_COLUMNS
        s[u + P_FETCH] -= 1
        s[u + P_SLOTS_LEFT] -= 1
        if s[u + P_SLOTS_LEFT] == 0:
            s[u + P_SLOTS_LEFT] = s[row + A_STREAM_ROW]
        s[u + P_FETCH_FROM] = now + s[row + A_STREAM_INTERVAL] + _row_wait(s, row, s[u + P_SLOTS_LEFT])
        s[u + P_OFFERED] = s[u + P_ISSUE_CTX] << CTX_AT | s[G_LANES]
        if s[u + P_FETCH] == 0:
            s[u + P_OFFERED] |= MARK_LAST
            done(s, u, now)


@cold
def stays(s: Table, u: int, now: int) -> bool:
    """It has something to do in the next cycle."""
    return s[u + P_FETCH] != 0 or s[u + P_OFFERED] != 0

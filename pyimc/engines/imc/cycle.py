# SPDX-License-Identifier: Apache-2.0
"""Gather and converter of rtl/imc_engine.v, tile by tile, as `pyimc.engines.imc.timing` says.

Between two tiles nothing can disturb them: the gather only waits for the array to take the tile before, the array only
for a tile and for a free accumulator bank. So both are events in a timer wheel; the rest of the engine is `output`.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from pyimc.cycle.agenda import account, actor_row, done, set_timer, wake_output
from pyimc.cycle.jit import cold
from pyimc.cycle.state import *


@cold
def up(size: int, step: int) -> int:
    """size / step, rounded up."""
    return (size + step - 1) // step


@cold
def chunks(s: Table, u: int, row: int) -> int:
    """Cycles to gather the next tile: `pyimc.engines.imc.timing.window_chunks` for one of them."""
    lanes, run = s[G_LANES], s[row + A_RUN]
    row_bytes, top = s[row + A_ROW_BYTES], s[u + P_TOP]
    below, x = top + s[u + P_ROWS], s[u + P_X]
    start = s[u + P_TILE_NUMBER] * s[G_TILE_ROWS]
    end = start + s[G_TILE_ROWS]
    if s[u + P_TILE_NUMBER] + 1 == s[row + A_ROW_TILES]:
        end = start + s[row + A_LAST_ROWS]
    total = 0
    ky = start // run
    while ky * run < end:
        first = x + max(start - ky * run, 0)
        last = x + min(end - ky * run, run)
        if ky < top or ky >= below:
            total += up(last - first, lanes)
        else:
            if first < 0:
                total += up(min(last, 0) - first, lanes)
                first = 0
            if last > row_bytes:
                total += up(last - max(first, row_bytes), lanes)
                last = row_bytes
            if first < last:
                total += (last - 1) // lanes - first // lanes + 1
        ky += 1
    return total


@cold
def gather(s: Table, u: int, now: int) -> int:
    """The next tile is gathered, as nothing is in its way any more; `now` is when its first chunk may be written."""
    ctx = s[u + P_ISSUE_CTX]
    row = actor_row(s, u, ctx)
    number = s[u + P_TILE_NUMBER]
    written = max(s[u + P_FIRST_CHUNK], now) + chunks(s, u, row) - 1
    last = number + 1 == s[row + A_ROW_TILES]
    end = s[u + P_PIXELS] == 1
    s[u + P_TILE] = 1
    s[u + P_WRITTEN] = written
    s[u + P_TILE_CTX] = ctx
    s[u + P_TILE_FIRST] = number == 0
    s[u + P_TILE_LAST] = last
    s[u + P_TILE_END] = end
    s[u + P_FIRST_CHUNK] = written + 1
    if last:
        s[u + P_TILE_NUMBER] = 0
        s[u + P_X] += s[row + A_STEP]
        s[u + P_PIXELS] -= 1
    else:
        s[u + P_TILE_NUMBER] = number + 1
    if not s[u + P_CONVERT] or s[u + P_CONVERT_END] <= written:
        set_timer(s, u, T_TAKE, written + 1)
    if last and end:
        s[u + P_MORE] = 0
        return written
    return 0


@cold
def gathered(s: Table, u: int, now: int) -> None:
    """The last chunk of a firing, or later, of one that gives weights back, the cycle after they were used last."""
    port = s[actor_row(s, u, s[u + P_ISSUE_CTX]) + A_LOADED]
    gives = port and s[s[u + P_ISSUE_AT] + I_FREE + port] != 0 and not s[u + P_KEEPS] >> port & 1
    if gives and not s[u + P_HELD]:
        s[u + P_HELD] = 1
    else:
        s[u + P_HELD] = 0
        done(s, u, now)


@cold
def accept(s: Table, u: int, row: int, at: int, now: int) -> None:
    """The gather accepts a firing in cycle `now`, which is the next one."""
    s[u + P_MORE] = 1
    s[u + P_FIRST_CHUNK] = now + 3
    s[u + P_PIXELS] = s[at + I_PIXELS]
    s[u + P_X] = s[at + I_X0]
    s[u + P_TOP] = s[at + I_TOP]
    s[u + P_ROWS] = s[at + I_ROWS]
    s[u + P_TILE_NUMBER] = 0
    if not s[u + P_TILE]:
        written = gather(s, u, now)
        if written:
            set_timer(s, u, T_DONE, written)


@cold
def take(s: Table, u: int, now: int) -> None:
    """The array takes the tile, unless the accumulator bank of its pixel is still full."""
    bank = s[u + P_BANK]
    if s[u + P_TILE_FIRST] and s[u + P_EMPTY_FROM_0 + bank] > now:
        s[u + P_BLOCKED] = 1
        return
    ctx = s[u + P_TILE_CTX]
    account(s, u, now + 1)
    row = actor_row(s, u, ctx)
    reads = s[row + A_LAST_READS] if s[u + P_TILE_LAST] else s[row + A_READS]
    end = now + reads * s[row + A_CONVERT_CYCLES]
    s[u + P_CONVERT] = 1
    s[u + P_CONVERT_CTX] = ctx
    s[u + P_CONVERT_END] = end
    s[u + P_CONVERT_LAST] = s[u + P_TILE_LAST]
    s[u + P_CONVERT_PIXEL_END] = s[u + P_TILE_END]
    s[u + P_TILE] = 0
    set_timer(s, u, T_FINISH, end)
    if s[u + P_MORE]:
        written = gather(s, u, now)
        if written > now:
            set_timer(s, u, T_DONE, written)
        elif written:
            gathered(s, u, now)


@cold
def finish(s: Table, u: int, now: int) -> None:
    """The last conversion of a tile."""
    if s[u + P_CONVERT_LAST]:
        bank = s[u + P_BANK]
        s[u + P_FULL_FROM_0 + bank] = now + 2  # the drain looks its tables up in between
        s[u + P_EMPTY_FROM_0 + bank] = NEVER
        s[u + P_PIXEL_0 + bank] = s[u + P_CONVERT_CTX] << CTX_AT | s[u + P_CONVERT_PIXEL_END] * MARK_LAST
        s[u + P_BANK] = 1 - bank
        wake_output(s, u)
    account(s, u, now + 1)
    s[u + P_CONVERT] = 0
    if s[u + P_TILE] and s[u + P_WRITTEN] < now:
        take(s, u, now)
    if s[u + P_HELD] and not s[u + P_TILE] and not s[u + P_CONVERT]:
        set_timer(s, u, T_DONE, now + 1)

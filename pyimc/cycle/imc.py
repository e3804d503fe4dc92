# SPDX-License-Identifier: Apache-2.0
"""Gather and converter of rtl/imc_engine.v, tile by tile, as `pyimc.timing_imc` says; counters, timers and log.

Between two tiles nothing can disturb them: the gather only waits for the array to take the tile before, the array only
for a tile and for a free accumulator bank. So both are events in a timer wheel; the rest of the engine is `output`.
"""

from __future__ import annotations

from numba import njit

from pyimc.cycle.state import *  # noqa: F403


@njit(cache=True)
def log(s, now, n, kind, value):
    """Appends to the event log while there is space; without a log there is none."""
    at = s.g[G_EVENTS]
    if at < s.events.shape[0]:
        s.events[at, 0] = now
        s.events[at, 1] = n
        s.events[at, 2] = kind
        s.events[at, 3] = value
        s.g[G_EVENTS] = at + 1


@njit(cache=True)
def account(s, n, now):
    """Counts the cycles before `now` for what the unit was doing; it may do something else from then on."""
    span = now - s.pu[n, P_SINCE]
    s.pu[n, P_SINCE] = now
    if s.pu[n, P_CONVERT] or s.pu[n, P_FRONT]:
        ctx = s.pu[n, P_CONVERT_CTX] if s.pu[n, P_CONVERT] else s.pu[n, P_ISSUE_CTX]
        s.pu[n, P_BUSY] += span
        s.actor[n * s.g[G_CONTEXTS] + ctx, A_BUSY] += span
    elif s.pu[n, P_ROOM_WAIT]:
        s.pu[n, P_ROOM_CYCLES] += span
    elif s.pu[n, P_ACTIVE]:
        s.pu[n, P_INPUT_CYCLES] += span
    else:
        s.pu[n, P_IDLE_CYCLES] += span


@njit(cache=True)
def set_timer(s, n, kind, at):
    """`at` lies in the future; a timer is never set twice."""
    index = 4 * n + kind
    bucket = at & (WHEEL - 1)
    s.due[index] = at
    s.after[index] = s.wheel[bucket]
    s.wheel[bucket] = index
    s.g[G_TIMERS] += 1


@njit(cache=True)
def wake_output(s, n):
    """Drain, packer or egress of node n have something to do in the next cycle."""
    if not s.pu[n, P_OUT_LISTED]:
        s.pu[n, P_OUT_LISTED] = 1
        s.outs[1 - s.g[G_HALF], s.g[G_OUTS]] = n
        s.g[G_OUTS] += 1


@njit(cache=True)
def up(size, step):
    """size / step, rounded up."""
    return (size + step - 1) // step


@njit(cache=True)
def chunks(s, n, row):
    """Cycles to gather the next tile: `pyimc.timing_imc.window_chunks` for one of them."""
    lanes, run = s.g[G_LANES], s.actor[row, A_RUN]
    row_bytes, top = s.actor[row, A_ROW_BYTES], s.pu[n, P_TOP]
    below, x = top + s.pu[n, P_ROWS], s.pu[n, P_X]
    start = s.pu[n, P_TILE_NUMBER] * s.g[G_TILE_ROWS]
    end = start + s.g[G_TILE_ROWS]
    if s.pu[n, P_TILE_NUMBER] + 1 == s.actor[row, A_ROW_TILES]:
        end = start + s.actor[row, A_LAST_ROWS]
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


@njit(cache=True)
def gather(s, n, now):
    """The next tile is gathered, as nothing is in its way any more; `now` is when its first chunk may be written."""
    ctx = s.pu[n, P_ISSUE_CTX]
    row = n * s.g[G_CONTEXTS] + ctx
    number = s.pu[n, P_TILE_NUMBER]
    written = max(s.pu[n, P_FIRST_CHUNK], now) + chunks(s, n, row) - 1
    last = number + 1 == s.actor[row, A_ROW_TILES]
    end = s.pu[n, P_PIXELS] == 1
    s.pu[n, P_TILE] = 1
    s.pu[n, P_WRITTEN] = written
    s.pu[n, P_TILE_CTX] = ctx
    s.pu[n, P_TILE_FIRST] = number == 0
    s.pu[n, P_TILE_LAST] = last
    s.pu[n, P_TILE_END] = end
    s.pu[n, P_FIRST_CHUNK] = written + 1
    if last:
        s.pu[n, P_TILE_NUMBER] = 0
        s.pu[n, P_X] += s.actor[row, A_STEP]
        s.pu[n, P_PIXELS] -= 1
    else:
        s.pu[n, P_TILE_NUMBER] = number + 1
    if not s.pu[n, P_CONVERT] or s.pu[n, P_CONVERT_END] <= written:
        set_timer(s, n, T_TAKE, written + 1)
    if last and end:
        s.pu[n, P_MORE] = 0
        return written
    return 0


@njit(cache=True)
def accept(s, n, row, at, now):
    """The gather accepts a firing in cycle `now`, which is the next one."""
    s.pu[n, P_MORE] = 1
    s.pu[n, P_FIRST_CHUNK] = now + 3
    s.pu[n, P_PIXELS] = s.instruction[at, I_PIXELS]
    s.pu[n, P_X] = s.instruction[at, I_X0]
    s.pu[n, P_TOP] = s.instruction[at, I_TOP]
    s.pu[n, P_ROWS] = s.instruction[at, I_ROWS]
    s.pu[n, P_TILE_NUMBER] = 0
    if not s.pu[n, P_TILE]:
        done = gather(s, n, now)
        if done:
            set_timer(s, n, T_DONE, done)


@njit(cache=True)
def done(s, n, now):
    """The firing has read its inputs: the front is free in the next cycle, the credits are offered then."""
    ctx = s.pu[n, P_ISSUE_CTX]
    row = n * s.g[G_CONTEXTS] + ctx
    free = s.pu[n, P_ISSUE_FREE]
    account(s, n, now + 1)
    s.pu[n, P_FRONT] = 0
    s.pu[n, P_FREE_FROM] = now + 1
    if free:
        s.pu[n, P_CREDIT] = 1
        s.pu[n, P_CREDIT_FROM] = now + 1
        s.pu[n, P_SECOND] = 0
        s.pu[n, P_CREDIT_CTX] = ctx
        s.pu[n, P_FREE] = free
    s.actor[row, A_FIRINGS] += 1
    s.actor[row, A_LAST] = now
    log(s, now, n, EVENT_DONE, ctx)
    if not s.pu[n, P_SEQ_LISTED]:
        s.pu[n, P_SEQ_LISTED] = 1
        s.seqs[1 - s.g[G_HALF], s.g[G_SEQS]] = n
        s.g[G_SEQS] += 1


@njit(cache=True)
def take(s, n, now):
    """The array takes the tile, unless the accumulator bank of its pixel is still full."""
    bank = s.pu[n, P_BANK]
    if s.pu[n, P_TILE_FIRST] and s.pu[n, P_EMPTY_FROM_0 + bank] > now:
        s.pu[n, P_BLOCKED] = 1
        return
    ctx = s.pu[n, P_TILE_CTX]
    account(s, n, now + 1)
    end = now + s.actor[n * s.g[G_CONTEXTS] + ctx, A_CONVERT_CYCLES]
    s.pu[n, P_CONVERT] = 1
    s.pu[n, P_CONVERT_CTX] = ctx
    s.pu[n, P_CONVERT_END] = end
    s.pu[n, P_CONVERT_LAST] = s.pu[n, P_TILE_LAST]
    s.pu[n, P_CONVERT_PIXEL_END] = s.pu[n, P_TILE_END]
    s.pu[n, P_TILE] = 0
    set_timer(s, n, T_FINISH, end)
    if s.pu[n, P_MORE]:
        written = gather(s, n, now)
        if written > now:
            set_timer(s, n, T_DONE, written)
        elif written:
            done(s, n, now)


@njit(cache=True)
def finish(s, n, now):
    """The last conversion of a tile."""
    if s.pu[n, P_CONVERT_LAST]:
        bank = s.pu[n, P_BANK]
        s.pu[n, P_FULL_FROM_0 + bank] = now + 1
        s.pu[n, P_EMPTY_FROM_0 + bank] = NEVER
        s.pu[n, P_PIXEL_0 + bank] = s.pu[n, P_CONVERT_CTX] << CTX_AT | s.pu[n, P_CONVERT_PIXEL_END] * MARK_LAST
        s.pu[n, P_BANK] = 1 - bank
        wake_output(s, n)
    account(s, n, now + 1)
    s.pu[n, P_CONVERT] = 0
    if s.pu[n, P_TILE] and s.pu[n, P_WRITTEN] < now:
        take(s, n, now)

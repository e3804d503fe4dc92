# SPDX-License-Identifier: Apache-2.0
"""Who is to be looked at when: lists for the next cycle, a timer wheel for later ones; counters and the event log."""

# ruff: noqa: F403, F405
from __future__ import annotations

from pyimc.cycle.jit import cold, hot
from pyimc.cycle.state import *


@hot
def actor_row(s: Table, u: int, ctx: int) -> int:
    """The row of a unit's context."""
    return s[u + P_ACTORS] + ctx * ACTOR_COLUMNS


@hot
def wake_output(s: Table, u: int) -> None:
    """Drain, packer or egress have something to do in the next cycle."""
    if not s[u + P_OUT_LISTED]:
        s[u + P_OUT_LISTED] = 1
        s[s[G_OUTS_NEXT] + s[G_OUTS]] = u
        s[G_OUTS] += 1


@hot
def wake_sequencer(s: Table, u: int) -> None:
    """The sequencer has something to do in the next cycle."""
    if not s[u + P_SEQ_LISTED]:
        s[u + P_SEQ_LISTED] = 1
        s[s[G_SEQS_NEXT] + s[G_SEQS]] = u
        s[G_SEQS] += 1


@cold
def set_timer(s: Table, u: int, kind: int, at: int) -> None:
    """`at` lies in the future; a timer is not set again before it has run out."""
    timer = u + P_TIMERS + kind
    bucket = s[G_WHEEL] + (at & (WHEEL - 1))
    s[timer] = at
    s[timer + 1] = s[bucket]
    s[bucket] = timer
    s[G_TIMERS] += 1


@cold
def account(s: Table, u: int, now: int) -> None:
    """Counts the cycles before `now` for what the unit was doing; it may do something else from then on."""
    span = now - s[u + P_SINCE]
    s[u + P_SINCE] = now
    if s[u + P_CONVERT] or s[u + P_FRONT]:
        ctx = s[u + P_CONVERT_CTX] if s[u + P_CONVERT] else s[u + P_ISSUE_CTX]
        s[u + P_BUSY] += span
        s[actor_row(s, u, ctx) + A_BUSY] += span
    elif s[u + P_ROOM_WAIT]:
        s[u + P_ROOM_CYCLES] += span
    elif s[u + P_ACTIVE]:
        s[u + P_INPUT_CYCLES] += span
    else:
        s[u + P_IDLE_CYCLES] += span


@cold
def log(s: Table, u: int, now: int, kind: int, value: int) -> None:
    """Appends to the event log while there is space."""
    at = s[G_EVENT]
    if at < s[G_EVENTS_END]:
        s[at + E_CYCLE] = now
        s[at + E_NODE] = s[u + P_NODE]
        s[at + E_KIND] = kind
        s[at + E_VALUE] = value
        s[G_EVENT] = at + EVENT_COLUMNS


@cold
def done(s: Table, u: int, now: int) -> None:
    """The firing has read its inputs: the front is free in the next cycle, the credits are offered then."""
    ctx, at = s[u + P_ISSUE_CTX], s[u + P_ISSUE_AT]
    row = actor_row(s, u, ctx)
    account(s, u, now + 1)
    s[u + P_FRONT] = 0
    s[u + P_FREE_FROM] = now + 1
    channel = s[u + P_CHANNELS] + ctx * INPUTS_STEP * CHANNEL_COLUMNS
    for port in range(s[row + A_PORTS]):
        if s[at + I_FREE + port] and not s[channel + C_LATE] and not s[u + P_KEEPS] >> port & 1:
            s[u + P_CREDIT] |= 1 << port
        channel += CHANNEL_COLUMNS
    s[u + P_CREDIT_FROM] = now + 1
    s[u + P_CREDIT_CTX] = ctx
    s[u + P_CREDIT_AT] = at
    s[row + A_FIRINGS] += 1
    s[row + A_LAST] = now
    log(s, u, now, EVENT_DONE, ctx)
    wake_sequencer(s, u)

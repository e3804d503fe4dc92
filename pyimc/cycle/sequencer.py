# SPDX-License-Identifier: Apache-2.0
"""rtl/sequencer.v and rtl/fetch.v of one processing unit, and its counters."""

from __future__ import annotations

from numba import njit

from pyimc.cycle import imc, vector
from pyimc.cycle.network import has_room, push
from pyimc.cycle.state import *  # noqa: F403


@njit(cache=True)
def wake(s, n):
    """The sequencer of node n has something to do in the next cycle."""
    if not s.pu[n, P_SEQ_LISTED]:
        s.pu[n, P_SEQ_LISTED] = 1
        s.seqs[1 - s.g[G_HALF], s.g[G_SEQS]] = n
        s.g[G_SEQS] += 1


@njit(cache=True)
def lowest(mask):
    """Index of the lowest set bit."""
    index = 0
    while not mask >> index & 1:
        index += 1
    return index


@njit(cache=True)
def scan(s, n, now):
    """Looks at the lowest changed context."""
    ctx = lowest(s.pu[n, P_DIRTY])
    s.pu[n, P_DIRTY] &= ~(1 << ctx)
    row = n * s.g[G_CONTEXTS] + ctx
    if not s.actor[row, A_ARMED]:
        return
    at = s.actor[row, A_INSTRUCTION]
    need, produce = s.instruction[at, I_NEED], s.instruction[at, I_PRODUCE]
    inputs = s.channel[2 * row, C_ARRIVED] - s.channel[2 * row, C_CONSUMED] >= need
    if s.actor[row, A_TWO_PORTS]:
        inputs = inputs and s.channel[2 * row + 1, C_ARRIVED] - s.channel[2 * row + 1, C_CONSUMED] >= need
    room = True
    first = row * s.g[G_DESTINATIONS]
    for index in range(s.actor[row, A_DESTINATIONS]):
        if s.slot[first + index, S_GRANTED] - s.slot[first + index, S_SENT] < produce:
            room = False
    if inputs and room:
        s.pu[n, P_READY] |= 1 << ctx
    waiting = s.pu[n, P_ROOM_WAIT] & ~(1 << ctx)
    if inputs and not room:
        waiting |= 1 << ctx
    if waiting != s.pu[n, P_ROOM_WAIT]:
        imc.account(s, n, now + 1)
        s.pu[n, P_ROOM_WAIT] = waiting


@njit(cache=True)
def decode(s, n, ctx, now):
    """Executes a fetched instruction."""
    row = n * s.g[G_CONTEXTS] + ctx
    pc = s.actor[row, A_PC]
    at = n * s.g[G_INSTRUCTIONS] + pc
    opcode = s.instruction[at, I_OPCODE]
    s.actor[row, A_PC] = pc + 1
    if opcode == LOOP:
        column = A_TURNS_1 if s.instruction[at, I_LEVEL] else A_TURNS_0
        turns = s.actor[row, column] + 1 & 0xFFFF
        if s.instruction[at, I_COUNT] == 0 or turns < s.instruction[at, I_COUNT]:
            s.actor[row, column] = turns
            s.actor[row, A_PC] = s.instruction[at, I_TARGET]
        else:
            s.actor[row, column] = 0
        return
    s.pu[n, P_DUE] &= ~(1 << ctx)
    if opcode == FIRE:
        s.actor[row, A_INSTRUCTION] = at
        s.actor[row, A_ARMED] = 1
        s.pu[n, P_DIRTY] |= 1 << ctx
    else:
        imc.account(s, n, now + 1)
        s.pu[n, P_ACTIVE] &= ~(1 << ctx)


@njit(cache=True)
def issue(s, n, ctx, now):
    """A context fires: the engine accepts it in the next cycle."""
    row = n * s.g[G_CONTEXTS] + ctx
    at = s.actor[row, A_INSTRUCTION]
    s.channel[2 * row, C_CONSUMED] += s.instruction[at, I_FREE]
    if s.actor[row, A_TWO_PORTS]:
        s.channel[2 * row + 1, C_CONSUMED] += s.instruction[at, I_FREE]
    first = row * s.g[G_DESTINATIONS]
    for index in range(s.actor[row, A_DESTINATIONS]):
        s.slot[first + index, S_SENT] += s.instruction[at, I_PRODUCE]
    s.actor[row, A_ARMED] = 0
    s.pu[n, P_READY] &= ~(1 << ctx)
    s.pu[n, P_DUE] |= 1 << ctx
    imc.account(s, n, now + 1)
    s.pu[n, P_FRONT] = 1
    s.pu[n, P_ISSUE_CTX] = ctx
    s.pu[n, P_ISSUE_FREE] = s.instruction[at, I_FREE]
    s.pu[n, P_FREE_FROM] = NEVER
    if s.actor[row, A_FIRINGS] == 0:
        s.actor[row, A_FIRST] = now + 1
    imc.log(s, now + 1, n, EVENT_ISSUE, ctx)
    if s.pu[n, P_KIND] == IMC:
        imc.accept(s, n, row, at, now + 1)
    else:
        vector.accept(s, n, row, at, now + 1)


@njit(cache=True)
def step(s, n, now):
    """One cycle; False if nothing is left to do until something comes in."""
    # what the end of this cycle is decided on
    sent_last = False
    offered = s.pu[n, P_CREDIT] != 0 and s.pu[n, P_CREDIT_FROM] <= now
    if offered:
        row = n * s.g[G_CONTEXTS] + s.pu[n, P_CREDIT_CTX]
        fifo = (s.g[G_NODES] + n) * 5
        if has_room(s, fifo, now):
            channel = 2 * row + s.pu[n, P_SECOND]
            flit = s.channel[channel, C_NODE] | s.channel[channel, C_SLOT] << SLOT_AT
            push(s, fifo, flit | s.pu[n, P_FREE] << WORDS_AT | LAST, now)
            sent_last = s.pu[n, P_SECOND] != 0 or s.actor[row, A_TWO_PORTS] == 0
            s.pu[n, P_CREDIT] = not sent_last
            s.pu[n, P_SECOND] = 1
    chosen = -1
    if s.pu[n, P_READY] and s.pu[n, P_FREE_FROM] <= now and (not offered or sent_last):
        chosen = lowest(s.pu[n, P_READY])
    decoding = s.pu[n, P_DECODE]
    s.pu[n, P_DECODE] = 1 + lowest(s.pu[n, P_DUE]) if not decoding and s.pu[n, P_DUE] else 0
    # the end of the cycle: of two that write the same bit, the later one counts, as in the RTL
    if s.pu[n, P_DIRTY]:
        scan(s, n, now)
    if decoding:
        decode(s, n, decoding - 1, now)
    if chosen >= 0:
        issue(s, n, chosen, now)
    return (
        s.pu[n, P_DIRTY] != 0
        or s.pu[n, P_DUE] != 0
        or s.pu[n, P_DECODE] != 0
        or s.pu[n, P_CREDIT] != 0
        or (s.pu[n, P_READY] != 0 and s.pu[n, P_FREE_FROM] != NEVER)
    )

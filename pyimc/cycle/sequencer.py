# SPDX-License-Identifier: Apache-2.0
"""rtl/sequencer.v and rtl/fetch.v of one processing unit, and its counters."""

# ruff: noqa: F403, F405
from __future__ import annotations

from pyimc.cycle import further
from pyimc.cycle.agenda import account, actor_row, log
from pyimc.cycle.jit import cold
from pyimc.cycle.network import has_room, push
from pyimc.cycle.state import *
from pyimc.engines.dpu import cycle as vector
from pyimc.engines.imc import cycle as imc


@cold
def lowest(mask: int) -> int:
    """Index of the lowest set bit."""
    index = 0
    while not mask >> index & 1:
        index += 1
    return index


@cold
def scan(s: Table, u: int, now: int) -> None:
    """Looks at the lowest changed context."""
    ctx = lowest(s[u + P_DIRTY])
    s[u + P_DIRTY] &= ~(1 << ctx)
    row = actor_row(s, u, ctx)
    if not s[row + A_ARMED]:
        return
    at = s[row + A_INSTRUCTION]
    produce = s[at + I_PRODUCE]
    channel = s[u + P_CHANNELS] + ctx * INPUTS_STEP * CHANNEL_COLUMNS
    inputs = True
    for port in range(s[row + A_PORTS]):
        if s[channel + C_ARRIVED] - s[channel + C_CONSUMED] < s[at + I_NEED + port]:
            inputs = False
        channel += CHANNEL_COLUMNS
    room = True
    slot = s[u + P_SLOTS] + ctx * s[G_DESTINATIONS] * SLOT_COLUMNS
    for _ in range(s[row + A_DESTINATIONS]):
        if s[slot + S_GRANTED] - s[slot + S_SENT] < produce:
            room = False
        slot += SLOT_COLUMNS
    if inputs and room:
        s[u + P_READY] |= 1 << ctx
    waiting = s[u + P_ROOM_WAIT] & ~(1 << ctx)
    if inputs and not room:
        waiting |= 1 << ctx
    if waiting != s[u + P_ROOM_WAIT]:
        account(s, u, now + 1)
        s[u + P_ROOM_WAIT] = waiting


@cold
def decode(s: Table, u: int, ctx: int, now: int) -> None:
    """Executes a fetched instruction."""
    row = actor_row(s, u, ctx)
    pc = s[row + A_PC]
    at = s[u + P_STREAM] + pc * INSTRUCTION_COLUMNS
    opcode = s[at + I_OPCODE]
    s[row + A_PC] = pc + 1
    if opcode == LOOP:
        column = A_TURNS_1 if s[at + I_LEVEL] else A_TURNS_0
        turns = s[row + column] + 1 & 0xFFFF
        if s[at + I_COUNT] == 0:
            s[row + A_PC] = s[at + I_TARGET]
        elif turns < s[at + I_COUNT]:
            s[row + column] = turns
            s[row + A_PC] = s[at + I_TARGET]
        else:
            s[row + column] = 0
        return
    s[u + P_DUE] &= ~(1 << ctx)
    if opcode == FIRE:
        s[row + A_INSTRUCTION] = at
        s[row + A_ARMED] = 1
        s[u + P_DIRTY] |= 1 << ctx
    else:
        account(s, u, now + 1)
        s[u + P_ACTIVE] &= ~(1 << ctx)


@cold
def issue(s: Table, u: int, ctx: int, now: int) -> None:
    """A context fires: the engine accepts it in the next cycle."""
    row = actor_row(s, u, ctx)
    at = s[row + A_INSTRUCTION]
    channel = s[u + P_CHANNELS] + ctx * INPUTS_STEP * CHANNEL_COLUMNS
    s[u + P_KEEPS] = 0
    for port in range(s[row + A_PORTS]):
        if s[at + I_FREE + port] and s[channel + C_TIMES] != s[channel + C_KEPT]:
            s[channel + C_TIMES] += 1
            s[u + P_KEEPS] |= 1 << port
        elif s[at + I_FREE + port]:
            s[channel + C_TIMES] = 0
            s[channel + C_CONSUMED] += s[at + I_FREE + port]
        channel += CHANNEL_COLUMNS
    slot = s[u + P_SLOTS] + ctx * s[G_DESTINATIONS] * SLOT_COLUMNS
    for _ in range(s[row + A_DESTINATIONS]):
        s[slot + S_SENT] += s[at + I_PRODUCE]
        slot += SLOT_COLUMNS
    s[row + A_ARMED] = 0
    s[u + P_READY] &= ~(1 << ctx)
    s[u + P_DUE] |= 1 << ctx
    account(s, u, now + 1)
    s[u + P_FRONT] = 1
    s[u + P_ISSUE_CTX] = ctx
    s[u + P_ISSUE_AT] = at
    s[u + P_FREE_FROM] = NEVER
    if s[row + A_FIRINGS] == 0:
        s[row + A_FIRST] = now + 1
    log(s, u, now + 1, EVENT_ISSUE, ctx)
    if s[u + P_KIND] == IMC:
        imc.accept(s, u, row, at, now + 1)
    elif s[u + P_KIND] == DPU:
        vector.accept(s, u, row, at, now + 1)
    else:
        further.accept(s, u, row, at, now + 1)


@cold
def send_credit(s: Table, u: int, number: int, words: int, now: int) -> None:
    """Words of an input channel are given back to its producer."""
    channel = s[u + P_CHANNELS] + number * CHANNEL_COLUMNS
    flit = s[channel + C_NODE] | s[channel + C_SLOT] << SLOT_AT
    push(s, s[u + P_CREDIT_FIFO], flit | words << WORDS_AT | LAST, now)


@cold
def step(s: Table, u: int, now: int) -> bool:
    """One cycle; False if nothing is left to do until something comes in."""
    # what the end of this cycle is decided on
    sent_last = False
    offered = s[u + P_CREDIT] != 0 and s[u + P_CREDIT_FROM] <= now
    late = s[u + P_FREED] != 0 and s[u + P_FREED_FROM] <= now and (s[u + P_LATE] != 0 or not offered)
    if offered or late:
        s[u + P_LATE] = late
        if has_room(s, s[u + P_CREDIT_FIFO], now):
            if late:
                send_credit(s, u, s[u + P_FREED_CHANNEL], s[u + P_FREED], now)
                s[u + P_FREED] = 0
                s[u + P_LATE] = 0
            else:
                port = lowest(s[u + P_CREDIT])
                words = s[s[u + P_CREDIT_AT] + I_FREE + port]
                send_credit(s, u, s[u + P_CREDIT_CTX] * INPUTS_STEP + port, words, now)
                s[u + P_CREDIT] &= ~(1 << port)
                sent_last = s[u + P_CREDIT] == 0
    chosen = -1
    if s[u + P_READY] and s[u + P_FREE_FROM] <= now and (not offered or sent_last):
        chosen = lowest(s[u + P_READY])
    decoding = s[u + P_DECODE]
    s[u + P_DECODE] = 1 + lowest(s[u + P_DUE]) if not decoding and s[u + P_DUE] else 0
    # the end of the cycle: of two that write the same bit, the later one counts, as in the RTL
    if s[u + P_DIRTY]:
        scan(s, u, now)
    if decoding:
        decode(s, u, decoding - 1, now)
    if chosen >= 0:
        issue(s, u, chosen, now)
    return (
        s[u + P_DIRTY] != 0
        or s[u + P_DUE] != 0
        or s[u + P_DECODE] != 0
        or s[u + P_CREDIT] != 0
        or s[u + P_FREED] != 0
        or (s[u + P_READY] != 0 and s[u + P_FREE_FROM] != NEVER)
    )

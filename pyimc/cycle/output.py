# SPDX-License-Identifier: Apache-2.0
"""From results to packets, cycle by cycle while there are any: drain or vector pipeline, packer, egress.

What cannot be sent stops everything before it in the same cycle, so this part is one component. Both engines end in
P_STAGE_8; the drain begins at P_STAGE_3, the memory's output, the vector engine at P_STAGE_1, the slot.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from pyimc.cycle import further
from pyimc.cycle.agenda import actor_row, done, log, set_timer, wake_sequencer
from pyimc.cycle.jit import cold, hot
from pyimc.cycle.network import has_room, push
from pyimc.cycle.state import *
from pyimc.engines.dpu import cycle as vector


@hot
def pack(s: Table, u: int, item: int) -> None:
    """One cycle of rtl/packer.v that is offered `item`; its output register is free after this cycle."""
    if s[u + P_FLUSH]:
        s[u + P_PACKED] = s[u + P_FLUSH_CTX] | MARK_LAST | 1
        s[u + P_FILL] = 0
        s[u + P_FLUSH] = 0
        return
    s[u + P_PACKED] = 0
    if not item:
        return
    lanes = s[G_LANES]
    total = s[u + P_FILL] + (item & SIZE_MASK)
    last = item & MARK_LAST
    ctx = item & ~(MARK_LAST | SIZE_MASK)
    if total < lanes:
        s[u + P_FILL] = 0 if last else total
        if last:
            s[u + P_PACKED] = ctx | last | 1
        return
    s[u + P_FILL] = total - lanes
    if last and total > lanes:
        s[u + P_FLUSH] = 1
        s[u + P_FLUSH_CTX] = ctx
        last = 0
    s[u + P_PACKED] = ctx | last | 1


@hot
def read(s: Table, u: int, pixel: int, now: int) -> int:
    """Reads columns of a pixel; returns the bytes they become, 0 if the firing's last ones must wait for `freed`."""
    row = actor_row(s, u, pixel >> CTX_AT)
    columns, left = s[row + A_DRAIN_COLUMNS], s[row + A_COLUMNS] - s[u + P_COLUMN]
    last = left <= columns
    if s[row + A_PARTIAL_IN]:
        ends = last and pixel & MARK_LAST
        if ends and s[u + P_FREED]:
            return 0
        s[u + P_WORDS_READ] += 1
        if ends:
            s[u + P_FREED] = s[u + P_WORDS_READ]
            s[u + P_FREED_FROM] = now + 1
            s[u + P_FREED_CHANNEL] = (pixel >> CTX_AT) * INPUTS_STEP + s[row + A_PARTIAL_PORT]
            s[u + P_WORDS_READ] = 0
            wake_sequencer(s, u)
    s[u + P_COLUMN] = 0 if last else s[u + P_COLUMN] + columns
    return (pixel if last else pixel & ~MARK_LAST) | min(left, columns) * s[row + A_COLUMN_BYTES]


@hot
def release(s: Table, u: int, now: int) -> None:
    """The last columns of a bank, the one read before, leave its memory."""
    bank = 1 - s[u + P_READ_BANK]
    s[u + P_STAGE_3] &= ~MARK_PIXEL
    s[u + P_EMPTY_FROM_0 + bank] = now + 1
    if s[u + P_BLOCKED]:
        s[u + P_BLOCKED] = 0
        set_timer(s, u, T_TAKE, now + 1)


@hot
def drain(s: Table, u: int, taken: bool, now: int) -> None:
    """One cycle of rtl/drain.v; `taken`: the packer takes what is offered."""
    if s[u + P_STAGE_8] and not taken:
        return
    bank = s[u + P_READ_BANK]
    if s[u + P_STAGE_3] & MARK_PIXEL:
        release(s, u, now)
    item = 0
    if s[u + P_FULL_FROM_0 + bank] <= now:
        item = read(s, u, s[u + P_PIXEL_0 + bank], now)
        if item and s[u + P_COLUMN] == 0:
            item |= MARK_PIXEL
            s[u + P_READ_BANK] = 1 - bank
            s[u + P_FULL_FROM_0 + bank] = NEVER
    for stage in range(P_STAGE_8, P_STAGE_3, -1):
        s[u + stage] = s[u + stage - 1]
    s[u + P_STAGE_3] = item


@hot
def compute(s: Table, u: int, taken: bool, now: int) -> None:
    """One cycle of rtl/vector_fetch.v and rtl/vector_unit.v."""
    if s[u + P_STAGE_8] and not taken:
        return
    for stage in range(P_STAGE_8, P_STAGE_1, -1):
        s[u + stage] = s[u + stage - 1]
    s[u + P_STAGE_1] = 0
    if s[u + P_FETCH] and s[u + P_FETCH_FROM] <= now:
        s[u + P_SLOTS_LEFT] -= 1
        if s[u + P_SLOTS_LEFT] == 0:
            s[u + P_STAGE_1] = vector.advance(s, u)
            if not s[u + P_FETCH]:
                done(s, u, now)


@hot
def send(s: Table, u: int, now: int) -> None:
    """One cycle of the sending half of rtl/egress.v."""
    bank = s[u + P_SEND_BANK]
    packet = s[u + P_PACKET_0 + bank]
    state = s[u + P_SEND_STATE]
    if state == SEND_IDLE:
        if packet:
            s[u + P_SEND_STATE] = SEND_HEAD
        return
    fifo = s[u + P_FIFO]
    if not has_room(s, fifo, now):
        return
    s[u + P_OUT] += 1
    if state == SEND_HEAD:
        number = (packet >> CTX_AT) * s[G_DESTINATIONS] + s[u + P_DESTINATION]
        slot = s[u + P_SLOTS] + number * SLOT_COLUMNS
        flit = s[slot + S_NODE] | s[slot + S_CHANNEL] << CHANNEL_AT | (packet & SIZE_MASK) << WORDS_AT
        flit |= s[u + P_NODE] << SOURCE_AT | number << SLOT_AT
        s[u + P_FLIT] = flit
        s[u + P_LEFT] = packet & SIZE_MASK
        s[u + P_SEND_STATE] = SEND_PAYLOAD
        push(s, fifo, flit, now)
        return
    s[u + P_LEFT] -= 1
    if s[u + P_LEFT]:
        push(s, fifo, s[u + P_FLIT], now)
        return
    push(s, fifo, s[u + P_FLIT] | LAST, now)
    s[u + P_DESTINATION] += 1
    if s[u + P_DESTINATION] < s[actor_row(s, u, packet >> CTX_AT) + A_DESTINATIONS]:
        s[u + P_SEND_STATE] = SEND_HEAD
        return
    s[u + P_DESTINATION] = 0
    s[u + P_PACKET_0 + bank] = 0
    s[u + P_SEND_BANK] = 1 - bank
    s[u + P_SEND_STATE] = SEND_HEAD if s[u + P_PACKET_1 - bank] else SEND_IDLE


@cold
def fill(s: Table, u: int, word: int, now: int) -> None:
    """The filling half of rtl/egress.v takes a word."""
    s[actor_row(s, u, word >> CTX_AT) + A_LAST_WORD] = now
    if s[G_LOG_WORDS]:
        log(s, u, now, EVENT_WORD, word >> CTX_AT)
    s[u + P_FILLED] += 1
    if word & MARK_LAST or s[u + P_FILLED] == s[G_PACKET]:
        bank = s[u + P_FILL_BANK]
        s[u + P_PACKET_0 + bank] = (word >> CTX_AT) << CTX_AT | s[u + P_FILLED]
        s[u + P_FILL_BANK] = 1 - bank
        s[u + P_FILLED] = 0


@hot
def step(s: Table, u: int, now: int) -> bool:
    """One cycle; False if nothing is left to do until the engine has something."""
    packed, item = s[u + P_PACKED], s[u + P_STAGE_8]
    room = not packed or not s[u + P_PACKET_0 + s[u + P_FILL_BANK]]
    if s[u + P_SEND_STATE] or s[u + P_PACKET_0] or s[u + P_PACKET_1]:
        send(s, u, now)
    taken = room and not s[u + P_FLUSH]
    if s[u + P_KIND] == IMC:
        drain(s, u, taken, now)
    elif s[u + P_KIND] == DPU:
        compute(s, u, taken, now)
    else:
        further.step(s, u, taken, now)
    if room and (packed or item or s[u + P_FLUSH]):
        pack(s, u, item)
        if packed:
            fill(s, u, packed, now)
    return stays(s, u, now)


@hot
def stays(s: Table, u: int, now: int) -> bool:
    """Something happens in the next cycle. A vector fetch alone in the pipeline sleeps until its chunk's last slot."""
    moving = 0
    for stage in range(P_STAGE_1, P_STAGE_8 + 1):
        moving |= s[u + stage]
    rest = s[u + P_PACKED] | s[u + P_FLUSH] | s[u + P_SEND_STATE] | s[u + P_PACKET_0] | s[u + P_PACKET_1]
    if s[u + P_KIND] == IMC:
        return (moving | rest) != 0 or s[u + P_FULL_FROM_0 + s[u + P_READ_BANK]] != NEVER
    if s[u + P_KIND] != DPU:
        return rest != 0 or further.stays(s, u, now)
    if s[u + P_FETCH] and s[u + P_FETCH_FROM] <= now + 1:
        if moving or s[u + P_SLOTS_LEFT] == 1:
            return True
        s[u + P_FETCH_FROM] = now + s[u + P_SLOTS_LEFT]
        s[u + P_SLOTS_LEFT] = 1
        set_timer(s, u, T_FETCH, s[u + P_FETCH_FROM] - 1)
    return (moving | rest) != 0

# SPDX-License-Identifier: Apache-2.0
"""From results to packets, cycle by cycle while there are any: drain or vector pipeline, packer, egress.

What cannot be sent stops everything before it in the same cycle, so this part is one component.
"""

from __future__ import annotations

from numba import njit

from pyimc.cycle import imc, vector
from pyimc.cycle.network import has_room, push
from pyimc.cycle.state import *  # noqa: F403


@njit(cache=True)
def pack(s, n, item, room):
    """One cycle of rtl/packer.v that is offered `item`; `room`: its output register is free after this cycle."""
    if not room:
        return
    if s.pu[n, P_FLUSH]:
        s.pu[n, P_PACKED] = s.pu[n, P_FLUSH_CTX] | MARK_LAST | 1
        s.pu[n, P_FILL] = 0
        s.pu[n, P_FLUSH] = 0
        return
    s.pu[n, P_PACKED] = 0
    if not item:
        return
    lanes = s.g[G_LANES]
    total = s.pu[n, P_FILL] + (item & SIZE_MASK)
    last = item & MARK_LAST
    ctx = item & ~(MARK_LAST | SIZE_MASK)
    if total < lanes:
        s.pu[n, P_FILL] = 0 if last else total
        if last:
            s.pu[n, P_PACKED] = ctx | last | 1
        return
    s.pu[n, P_FILL] = total - lanes
    if last and total > lanes:
        s.pu[n, P_FLUSH] = 1
        s.pu[n, P_FLUSH_CTX] = ctx
        last = 0
    s.pu[n, P_PACKED] = ctx | last | 1


@njit(cache=True)
def drain(s, n, taken, now):
    """One cycle of rtl/drain.v; `taken`: the packer takes what is offered."""
    if s.pu[n, P_STAGE_3] and not taken:
        return
    bank = s.pu[n, P_READ_BANK]
    item = 0
    if s.pu[n, P_FULL_FROM_0 + bank] <= now:
        pixel = s.pu[n, P_PIXEL_0 + bank]
        lanes = s.g[G_LANES]
        left = s.actor[n * s.g[G_CONTEXTS] + (pixel >> CTX_AT), A_COLUMNS] - s.pu[n, P_WORD] * lanes
        if left <= lanes:
            item = pixel | left
            s.pu[n, P_WORD] = 0
            s.pu[n, P_READ_BANK] = 1 - bank
            s.pu[n, P_FULL_FROM_0 + bank] = NEVER
            s.pu[n, P_EMPTY_FROM_0 + bank] = now + 1
            if s.pu[n, P_BLOCKED]:
                s.pu[n, P_BLOCKED] = 0
                imc.set_timer(s, n, T_TAKE, now + 1)
        else:
            item = (pixel & ~MARK_LAST) | lanes
            s.pu[n, P_WORD] += 1
    s.pu[n, P_STAGE_3] = s.pu[n, P_STAGE_2]
    s.pu[n, P_STAGE_2] = s.pu[n, P_STAGE_1]
    s.pu[n, P_STAGE_1] = item


@njit(cache=True)
def compute(s, n, taken, now):
    """One cycle of rtl/vector_fetch.v and rtl/vector_unit.v."""
    if s.pu[n, P_STAGE_3] and not taken:
        return
    s.pu[n, P_STAGE_3] = s.pu[n, P_STAGE_2]
    s.pu[n, P_STAGE_2] = s.pu[n, P_STAGE_1]
    s.pu[n, P_STAGE_1] = s.pu[n, P_SLOT_STAGE]
    s.pu[n, P_SLOT_STAGE] = 0
    if s.pu[n, P_FETCH] and s.pu[n, P_FETCH_FROM] <= now:
        s.pu[n, P_SLOTS] -= 1
        if s.pu[n, P_SLOTS] == 0:
            s.pu[n, P_SLOT_STAGE] = vector.advance(s, n)
            if not s.pu[n, P_FETCH]:
                imc.done(s, n, now)


@njit(cache=True)
def send(s, n, now):
    """One cycle of the sending half of rtl/egress.v."""
    bank = s.pu[n, P_SEND_BANK]
    packet = s.pu[n, P_PACKET_0 + bank]
    state = s.pu[n, P_SEND_STATE]
    if state == SEND_IDLE:
        if packet:
            s.pu[n, P_SEND_STATE] = SEND_HEAD
        return
    fifo = n * 5
    if not has_room(s, fifo, now):
        return
    s.pu[n, P_OUT] += 1
    length = packet & SIZE_MASK
    row = n * s.g[G_CONTEXTS] + (packet >> CTX_AT)
    index = s.pu[n, P_DESTINATION]
    slot = row * s.g[G_DESTINATIONS] + index
    flit = s.slot[slot, S_NODE] | s.slot[slot, S_CHANNEL] << CHANNEL_AT | length << WORDS_AT | n << SOURCE_AT
    flit |= ((packet >> CTX_AT) * s.g[G_DESTINATIONS] + index) << SLOT_AT
    if state == SEND_HEAD:
        push(s, fifo, flit, now)
        s.pu[n, P_SEND_STATE] = SEND_PAYLOAD
        s.pu[n, P_SENT] = 0
        return
    s.pu[n, P_SENT] += 1
    if s.pu[n, P_SENT] < length:
        push(s, fifo, flit, now)
        return
    push(s, fifo, flit | LAST, now)
    if index + 1 < s.actor[row, A_DESTINATIONS]:
        s.pu[n, P_DESTINATION] = index + 1
        s.pu[n, P_SEND_STATE] = SEND_HEAD
        return
    s.pu[n, P_DESTINATION] = 0
    s.pu[n, P_PACKET_0 + bank] = 0
    s.pu[n, P_SEND_BANK] = 1 - bank
    s.pu[n, P_SEND_STATE] = SEND_HEAD if s.pu[n, P_PACKET_1 - bank] else SEND_IDLE


@njit(cache=True)
def step(s, n, now):
    """One cycle; False if nothing is left to do until the engine has something."""
    free = not s.pu[n, P_PACKET_0 + s.pu[n, P_FILL_BANK]]
    word = s.pu[n, P_PACKED] if free else 0
    if s.pu[n, P_SEND_STATE] != SEND_IDLE or s.pu[n, P_PACKET_0] or s.pu[n, P_PACKET_1]:
        send(s, n, now)
    room = free or not s.pu[n, P_PACKED]
    taken = room and not s.pu[n, P_FLUSH]
    item = s.pu[n, P_STAGE_3]
    if s.pu[n, P_KIND] == IMC:
        drain(s, n, taken, now)
    else:
        compute(s, n, taken, now)
    pack(s, n, item, room)
    if word:
        s.pu[n, P_FILLED] += 1
        if word & MARK_LAST or s.pu[n, P_FILLED] == s.g[G_PACKET]:
            bank = s.pu[n, P_FILL_BANK]
            s.pu[n, P_PACKET_0 + bank] = (word >> CTX_AT) << CTX_AT | s.pu[n, P_FILLED]
            s.pu[n, P_FILL_BANK] = 1 - bank
            s.pu[n, P_FILLED] = 0
    return stays(s, n, now)


@njit(cache=True)
def stays(s, n, now):
    """Something happens in the next cycle. A vector fetch alone in the pipeline sleeps until its chunk's last slot."""
    moving = s.pu[n, P_STAGE_1] | s.pu[n, P_STAGE_2] | s.pu[n, P_STAGE_3] | s.pu[n, P_SLOT_STAGE]
    rest = s.pu[n, P_PACKED] | s.pu[n, P_FLUSH] | s.pu[n, P_SEND_STATE] | s.pu[n, P_PACKET_0] | s.pu[n, P_PACKET_1]
    if s.pu[n, P_KIND] == IMC:
        return (
            (moving | rest) != 0 or s.pu[n, P_FULL_FROM_0 + s.pu[n, P_READ_BANK]] != NEVER
        )
    if s.pu[n, P_FETCH] and s.pu[n, P_FETCH_FROM] <= now + 1:
        if moving or s.pu[n, P_SLOTS] == 1:
            return True
        s.pu[n, P_FETCH_FROM] = now + s.pu[n, P_SLOTS]
        s.pu[n, P_SLOTS] = 1
        imc.set_timer(s, n, T_FETCH, s.pu[n, P_FETCH_FROM] - 1)
    return (moving | rest) != 0

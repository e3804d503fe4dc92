# SPDX-License-Identifier: Apache-2.0
"""rtl/host_port.v with the bench around it: images streamed back to back in, results taken at once."""

from __future__ import annotations

from numba import njit

from pyimc.cycle.network import has_room, push
from pyimc.cycle.state import *  # noqa: F403


@njit(cache=True)
def feed(s, now, run):
    """One cycle towards the chip: the next flit of the images, if its packet has room; False if it has not."""
    if s.g[G_IN_IMAGE] == s.g[G_IMAGES]:
        return False
    slot = s.g[G_IN_SLOT]
    head = s.g[G_IN_LEFT] == 0
    if head:
        length = min(s.g[G_PACKET], s.source[slot, H_ROW_WORDS] - s.g[G_IN_WORD])
        room = s.source[slot, H_GRANTED] - s.source[slot, H_SENT] >= length
        if not s.g[G_IN_OFFERED] and not (run and room):
            return False
        flit = s.source[slot, H_NODE] | s.source[slot, H_CHANNEL] << CHANNEL_AT | length << WORDS_AT
        s.g[G_IN_PACKET] = flit | s.g[G_HOST] << SOURCE_AT | slot << SLOT_AT
    fifo = s.g[G_HOST] * 5
    s.g[G_IN_OFFERED] = 0
    if not has_room(s, fifo, now):
        s.g[G_IN_OFFERED] = head
        return True
    s.g[G_IN_FLITS] += 1
    if head:
        length = s.g[G_IN_PACKET] >> WORDS_AT & 255
        if slot == 0 and s.g[G_IN_ROW] == 0 and s.g[G_IN_WORD] == 0:
            s.first[s.g[G_IN_IMAGE]] = now
        s.source[slot, H_SENT] += length
        s.g[G_IN_LEFT] = length
        push(s, fifo, s.g[G_IN_PACKET], now)
        return True
    s.g[G_IN_LEFT] -= 1
    if s.g[G_IN_LEFT]:
        push(s, fifo, s.g[G_IN_PACKET], now)
        return True
    push(s, fifo, s.g[G_IN_PACKET] | LAST, now)
    s.g[G_IN_WORD] += s.g[G_IN_PACKET] >> WORDS_AT & 255
    if s.g[G_IN_WORD] == s.source[slot, H_ROW_WORDS]:
        s.g[G_IN_WORD] = 0
        s.g[G_IN_SLOT] = slot + 1
        if slot + 1 == s.g[G_SOURCES]:
            s.g[G_IN_SLOT] = 0
            s.g[G_IN_ROW] += 1
            if s.g[G_IN_ROW] == s.source[0, H_ROWS]:
                s.g[G_IN_ROW] = 0
                s.g[G_IN_IMAGE] += 1
    return True


@njit(cache=True)
def collect(s, now):
    """One cycle towards the host; the run ends with its last word."""
    free = True
    if s.g[G_OUT_CREDIT]:
        fifo = (s.g[G_NODES] + s.g[G_HOST]) * 5
        free = has_room(s, fifo, now)
        if free:
            push(s, fifo, s.g[G_OUT_CREDIT], now)
            s.g[G_OUT_CREDIT] = 0
    waiting = s.g[G_OUT_WRITE] - s.g[G_OUT_READ] - (s.g[G_OUT_PUSHED] == now)
    if not free or waiting == 0:
        return
    flit = s.results[s.g[G_OUT_READ] & (s.results.size - 1)]
    s.g[G_OUT_READ] += 1
    if s.g[G_OUT_BODY]:
        s.g[G_OUT_WORDS] += 1
        s.g[G_ENDED] = s.g[G_OUT_WORDS] == s.g[G_STOP_WORDS]
    s.g[G_OUT_BODY] = 1
    if flit & LAST:
        s.g[G_OUT_BODY] = 0
        s.g[G_HEARD] = now
        words = flit >> WORDS_AT & 255
        s.g[G_OUT_CREDIT] = flit >> SOURCE_AT & 255 | words << WORDS_AT | (flit >> SLOT_AT & 255) << SLOT_AT | LAST
        count(s, flit >> CHANNEL_AT & 255, words, now)


@njit(cache=True)
def count(s, output, words, now):
    """Words of an output have come: its image may be complete."""
    s.output[output, O_WORDS] += words
    while s.output[output, O_WORDS] >= s.output_size[output]:
        s.output[output, O_WORDS] -= s.output_size[output]
        image = s.output[output, O_IMAGES]
        s.output[output, O_IMAGES] = image + 1
        s.finished[image, output] = now

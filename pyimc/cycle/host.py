# SPDX-License-Identifier: Apache-2.0
"""rtl/host_port.v with the bench around it: images streamed back to back in, results taken at once."""

# ruff: noqa: F403, F405
from __future__ import annotations

from pyimc.cycle.jit import cold
from pyimc.cycle.network import has_room, push
from pyimc.cycle.state import *


@cold
def feed(s: Table, now: int) -> bool:
    """One cycle towards the chip: the next flit of the images, if its packet has room; False if it has not."""
    if s[G_IN_IMAGE] == s[G_IMAGES]:
        return False
    source = s[G_IN_SOURCE]
    head = s[G_IN_LEFT] == 0
    if head:
        length = min(s[G_PACKET], s[source + H_ROW_WORDS] - s[G_IN_WORD])
        room = s[source + H_GRANTED] - s[source + H_SENT] >= length
        if not room:
            return False
        flit = s[source + H_NODE] | s[source + H_CHANNEL] << CHANNEL_AT | length << WORDS_AT
        s[G_IN_PACKET] = flit | s[G_NODE] << SOURCE_AT | s[source + H_SLOT] << SLOT_AT
    fifo = s[G_HOST_FIFO]
    if not has_room(s, fifo, now):
        return True
    s[G_IN_FLITS] += 1
    if head:
        length = s[G_IN_PACKET] >> WORDS_AT & 255
        if source == s[G_SOURCES] and s[G_IN_ROW] == 0 and s[G_IN_WORD] == 0:
            s[s[G_FIRST] + s[G_IN_IMAGE]] = now
        s[source + H_SENT] += length
        s[G_IN_LEFT] = length
        push(s, fifo, s[G_IN_PACKET], now)
        return True
    s[G_IN_LEFT] -= 1
    if s[G_IN_LEFT]:
        push(s, fifo, s[G_IN_PACKET], now)
        return True
    push(s, fifo, s[G_IN_PACKET] | LAST, now)
    s[G_IN_WORD] += s[G_IN_PACKET] >> WORDS_AT & 255
    if s[G_IN_WORD] == s[source + H_ROW_WORDS]:
        s[G_IN_WORD] = 0
        s[G_IN_SOURCE] = source + SOURCE_COLUMNS
        if s[G_IN_SOURCE] == s[G_SOURCES_END]:
            s[G_IN_SOURCE] = s[G_SOURCES]
            s[G_IN_ROW] += 1
            if s[G_IN_ROW] == s[source + H_ROWS]:
                s[G_IN_ROW] = 0
                s[G_IN_IMAGE] += 1
    return True


@cold
def collect(s: Table, now: int) -> None:
    """One cycle towards the host; the run ends with its last word."""
    free = True
    if s[G_OUT_CREDIT]:
        fifo = s[G_HOST_CREDIT_FIFO]
        free = has_room(s, fifo, now)
        if free:
            push(s, fifo, s[G_OUT_CREDIT], now)
            s[G_OUT_CREDIT] = 0
    waiting = s[G_OUT_WRITE] - s[G_OUT_READ] - (s[G_OUT_PUSHED] == now)
    if not free or waiting == 0:
        return
    flit = s[s[G_RESULTS] + (s[G_OUT_READ] & s[G_RESULTS_MASK])]
    s[G_OUT_READ] += 1
    if s[G_OUT_BODY]:
        s[G_OUT_WORDS] += 1
        s[G_ENDED] = s[G_OUT_WORDS] == s[G_STOP_WORDS]
    s[G_OUT_BODY] = 1
    if flit & LAST:
        s[G_OUT_BODY] = 0
        s[G_HEARD] = now
        words = flit >> WORDS_AT & 255
        s[G_OUT_CREDIT] = flit >> SOURCE_AT & 255 | words << WORDS_AT | (flit >> SLOT_AT & 255) << SLOT_AT | LAST
        count(s, flit >> CHANNEL_AT & 255, words, now)


@cold
def count(s: Table, output: int, words: int, now: int) -> None:
    """Words of an output have come: its image may be complete."""
    row = s[G_OUTPUTS] + output * OUTPUT_COLUMNS
    s[row + O_WORDS] += words
    while s[row + O_WORDS] >= s[row + O_SIZE]:
        s[row + O_WORDS] -= s[row + O_SIZE]
        s[s[row + O_FINISHED] + s[row + O_IMAGES]] = now
        s[row + O_IMAGES] += 1

"""Random packets for the router and mesh tests, and a check of their delivery that knows nothing of cycles."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

from tests.rtl.bench import Beat

Packet = list[Beat]
"""Beats (data, last); the first one's data has the destination in bits [7:0] and the source from bit 8 on."""


def packet(rng: random.Random, width: int, source: int, destination: int, length: int) -> Packet:
    """A packet of `length` flits; what is not destination and source is random."""
    used = 8 + source.bit_length()
    assert used <= width, f"source {source} does not fit a head of {width} bits"
    spare = max(width - 13, 0)  # the source gets bits [12:8]
    data = [rng.getrandbits(spare) << 13 | source << 8 | destination]
    data += [rng.getrandbits(width) for _ in range(length - 1)]
    return [(value, int(index == length - 1)) for index, value in enumerate(data)]


def split(beats: Sequence[Beat]) -> list[Packet]:
    """Cut what one stream delivered at `last`; the end has to be complete."""
    packets: list[Packet] = [[]]
    for beat in beats:
        packets[-1].append(beat)
        if beat[1]:
            packets.append([])
    assert not packets[-1], f"a packet without its end: {packets[-1]}"
    return packets[:-1]


def check_delivery(sent: Mapping[int, Sequence[Packet]], received: Mapping[int, Sequence[Beat]]) -> None:
    """Nothing lost, made up, mixed, misled or overtaken.

    Args:
        sent: packets by source, in order.
        received: beats by destination.
    """
    expected: dict[tuple[int, int], deque[Packet]] = defaultdict(deque)
    for source, packets in sent.items():
        for one in packets:
            expected[source, one[0][0] & 0xFF].append(one)
    for destination, beats in received.items():
        for one in split(beats):
            source = one[0][0] >> 8 & 0x1F
            queue = expected[source, destination]
            assert queue, f"{destination} received a packet that {source} did not send: {one}"
            assert one == queue[0], f"{source} -> {destination}: got {one}, expected {queue[0]}"
            queue.popleft()
    lost = {pair: len(queue) for pair, queue in expected.items() if queue}
    assert not lost, f"packets lost, by (source, destination): {lost}"

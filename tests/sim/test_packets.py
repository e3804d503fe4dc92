# SPDX-License-Identifier: Apache-2.0
"""Packets of the host: nothing too long, nothing lost, in the order in which the chip needs it."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from mapping.compile import compile_network
from pyimc import isa
from pyimc.program import table_writes
from sim.run.packets import (
    MAX_PAYLOAD,
    Packet,
    image_packets,
    output_words,
    read_packet,
    table_packets,
    to_words,
    weight_packets,
    write_packets,
)
from tests.mapping.networks import Builder, small_arch
from tests.sim import small


def heads(packet: Packet) -> dict[str, int]:
    """The fields of a packet's head, whose length must be the payload's."""
    fields = isa.decode_head(packet.head)
    if fields["kind"] != isa.KINDS["READ"]:
        assert fields["length"] == len(packet.payload) <= MAX_PAYLOAD
    assert packet.flits() == (packet.head, *packet.payload)
    return fields


def unpacked(packets: list[Packet], node: int) -> list[tuple[int, int, int]]:
    """The table writes in WRITE packets to a node."""
    writes = []
    for packet in packets:
        fields = heads(packet)
        if fields["node"] == node:
            assert fields["kind"] == isa.KINDS["WRITE"]
            writes += [(fields["space"], fields["address"] + at, value) for at, value in enumerate(packet.payload)]
    return writes


def test_neighbours_share_a_packet_and_nothing_else_does() -> None:
    writes = [(1, 5, 50), (1, 6, 60), (1, 8, 80), (2, 9, 90), (2, 8, 81)]
    packets = list(write_packets(3, 0, writes))
    assert [packet.payload for packet in packets] == [(50, 60), (80,), (90,), (81,)]
    assert unpacked(packets, 3) == writes


@pytest.mark.parametrize("count", [0, 1, 254, 255, 256, 511])
def test_a_long_batch_is_cut(count: int) -> None:
    writes = [(4, entry, entry * 3) for entry in range(count)]
    packets = list(write_packets(3, 0, writes))
    assert len(packets) == -(-count // MAX_PAYLOAD)
    assert unpacked(packets, 3) == writes


def test_every_table_of_every_node_is_sent_and_the_hosts_room_first() -> None:
    program = small.program()
    packets = list(table_packets(program))
    for node in program.pus:
        assert unpacked(packets, node) == table_writes(program, node)
    host = unpacked(packets, program.arch.host)
    assert host == [write for write in program.host_tables if write[0] == isa.SPACES["DESTINATION"]] != []
    assert heads(packets[0])["node"] == program.arch.host


def test_the_front_door_brings_every_weight_to_its_plane() -> None:
    program = small.program()
    planes: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    selected: dict[int, int] = {}
    for packet in weight_packets(program):
        fields = heads(packet)
        if fields["space"] == isa.SPACES["CONTROL"]:
            assert fields["address"] == 1
            (selected[fields["node"]],) = packet.payload
        else:
            assert fields["space"] == isa.SPACES["WEIGHT"]
            place = planes[fields["node"], selected[fields["node"]]]
            place.update({fields["address"] + at: word for at, word in enumerate(packet.payload)})
    expected = {
        (node, plane): dict(enumerate(to_words(matrix.reshape(-1), program.arch)))
        for node, image in program.pus.items()
        for plane, matrix in enumerate(image.weights)
    }
    assert planes == expected and len(expected) >= 3


@pytest.mark.parametrize("word_bits", [64, 128])
def test_bytes_become_words_lowest_first(word_bits: int) -> None:
    arch = small_arch(word_bits=word_bits)
    data = np.arange(1, arch.lanes + 4, dtype=np.uint8)
    one, two = to_words(data, arch)
    assert one & 0xFFFF == 0x0201 and one >> word_bits - 8 == arch.lanes
    assert two == int.from_bytes(bytes(data[arch.lanes :]), "little")


@pytest.mark.parametrize("packet_words", [1, 2, 3, 64])
def test_an_image_goes_row_by_row_to_every_consumer(packet_words: int) -> None:
    net = Builder(4, 7, 5)
    left, right = net.conv("left", "x", 8), net.conv("right", "x", 8)
    program = compile_network(net.finish(net.add("sum", left, right)), small_arch(packet_words=packet_words))
    image = np.random.default_rng(0).integers(0, 256, (4, 7, 5), dtype=np.uint8)
    got: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    rows: Counter[int] = Counter()
    for packet in image_packets(program, image):
        fields = heads(packet)
        assert fields["kind"] == isa.KINDS["DATA"] and 1 <= len(packet.payload) <= packet_words
        got[fields["node"], fields["channel"], fields["slot"]] += packet.payload
        rows[fields["slot"]] += len(packet.payload)
        assert max(rows.values()) - min(rows[slot] for slot in (0, 1)) <= 5, "consumers take turns, row by row"
    expected = [word for row in image for word in to_words(row.reshape(-1), program.arch)]
    sources = program.host_sources()
    assert len(sources) == 2
    targets = {
        (channel.node, isa.channel_entry(program.actor(channel.consumer).context, channel.port)) for channel in sources
    }
    assert {key[:2] for key in got} == targets
    assert all(words == expected for words in got.values())


def test_a_read_asks_for_what_it_says() -> None:
    fields = heads(read_packet(5, 2, "COUNTER", 7, 3))
    assert (fields["node"], fields["source"], fields["address"], fields["length"]) == (5, 2, 7, 3)
    assert (fields["kind"], fields["space"]) == (isa.KINDS["READ"], isa.SPACES["COUNTER"])


def test_words_of_an_output() -> None:
    program = small.program()
    (output,) = program.network.outputs
    assert output_words(program, output) == 2  # ten channels of one pixel, eight a word

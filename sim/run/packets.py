"""Packets of the data network, as lists of flits: what the host port sends and understands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mapping.actors.firing import row_words
from pyimc import isa
from pyimc.arch import Arch
from pyimc.program import Program, TableWrite, table_writes

MAX_PAYLOAD = 255  # words: the length field of a head


@dataclass(frozen=True, slots=True)
class Packet:
    """A head and its payload words, each an integer of the link's width."""

    head: int
    payload: tuple[int, ...] = ()

    def flits(self) -> tuple[int, ...]:
        """Head first."""
        return (self.head, *self.payload)


def write_packets(node: int, host: int, writes: Iterable[TableWrite]) -> Iterator[Packet]:
    """WRITE packets for table entries; neighbouring entries of one space share a packet."""
    batch: list[TableWrite] = []
    for write in writes:
        if batch and (write[:2] != (batch[-1][0], batch[-1][1] + 1) or len(batch) == MAX_PAYLOAD):
            yield _write_packet(node, host, batch)
            batch = []
        batch.append(write)
    if batch:
        yield _write_packet(node, host, batch)


def _write_packet(node: int, host: int, batch: list[TableWrite]) -> Packet:
    space, address, _ = batch[0]
    head = isa.head("WRITE", node=node, length=len(batch), source=host, space=space, address=address)
    return Packet(head, tuple(value for _, _, value in batch))


def read_packet(node: int, host: int, space: str, address: int, length: int) -> Packet:
    """A READ of `length` entries; the node answers with a REPLY packet."""
    return Packet(isa.head("READ", node=node, length=length, source=host, space=isa.SPACES[space], address=address))


def table_packets(program: Program) -> Iterator[Packet]:
    """Everything but the weights: streams, tables and parameters of every PU in use, rooms of the host's slots."""
    host = program.arch.host
    rooms = [write for write in program.host_tables if write[0] == isa.SPACES["DESTINATION"]]
    yield from write_packets(host, host, rooms)
    for node in program.pus:
        yield from write_packets(node, host, table_writes(program, node))


def weight_packets(program: Program) -> Iterator[Packet]:
    """The front door of the crossbars: every plane in use, row by row."""
    arch = program.arch
    for node, image in program.pus.items():
        for plane, matrix in enumerate(image.weights):
            yield from write_packets(node, arch.host, [_plane(plane)])
            words = to_words(matrix.reshape(-1), arch)
            yield from write_packets(
                node, arch.host, [(isa.SPACES["WEIGHT"], entry, word) for entry, word in enumerate(words)]
            )


def _plane(number: int) -> TableWrite:
    return isa.SPACES["CONTROL"], isa.ENTRIES["CONTROL"]["PLANE"], isa.CONTROL.encode(plane=number)


def to_words(data: NDArray[np.uint8], arch: Arch) -> list[int]:
    """Bytes as link words, the first byte lowest; the last word is padded with zeros."""
    padded = np.zeros(arch.words(data.size) * arch.lanes, np.uint8)
    padded[: data.size] = data
    raw = padded.tobytes()
    return [int.from_bytes(raw[at : at + arch.lanes], "little") for at in range(0, len(raw), arch.lanes)]


def image_packets(program: Program, image: NDArray[np.uint8]) -> Iterator[Packet]:
    """DATA packets of one image, uint8 [height, width, channels]: row by row, each row to every consumer."""
    arch = program.arch
    sources = program.host_sources()
    numbers = [_destination(program, slot) for slot in range(len(sources))]
    for row in image.reshape(image.shape[0], -1):
        words = to_words(row, arch)
        cuts = [*range(0, len(words), arch.packet_words), len(words)]
        for slot, (node, channel) in enumerate(numbers):
            for start, end in pairwise(cuts):
                head = isa.head("DATA", node=node, channel=channel, length=end - start, source=arch.host, slot=slot)
                yield Packet(head, tuple(words[start:end]))


def _destination(program: Program, slot: int) -> tuple[int, int]:
    for space, entry, value in program.host_tables:
        if space == isa.SPACES["DESTINATION"] and entry == slot:
            fields = isa.DESTINATION.decode(value)
            return fields["node"], fields["channel"]
    raise AssertionError(f"the host has no slot {slot}")


def output_words(program: Program, output: str) -> int:
    """Words of one image of a network output."""
    kind = program.network.tensors[output]
    return row_words(kind, program.arch) * kind.height

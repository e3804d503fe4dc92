"""What the chip does for one image, counted from a Program: the firings of its streams times what a firing does.

A stream does the same for every image, so the events of a run are those of one image times the images. Events have no
units of energy yet; `pyimc.energy.account` multiplies them by a table of costs.

    row_drives      a row of a crossbar is driven for one bit step
    cell_reads      a cell adds to its column for one bit step
    conversions     a column is converted: all ADCs of a group convert, whether the layer uses their columns or not
    selected        a cell that begins to face its column, because another plane is selected
    gathered        bytes into the input register of the crossbar
    drained         accumulators read
    multiplications of the requantisation
    additions       operands that the digital engine adds or compares
    products        of two bytes, which the digital engine multiplies: a pixel by its weight, or two maps
    reads, writes   words of activation, partial and weight memories
    loads           words of weights that travel, read beside the chip
    programmed      words of weights that travel, written into cells of a crossbar
    fetches         instructions
    hops            flits x routers of the data mesh
    credit_hops     flits x routers of the credit mesh
    host_words      words of images and results through the host port
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pyimc import isa
from pyimc.arch import Arch
from pyimc.energy.model import Events, energy_model
from pyimc.engines import ENGINES
from pyimc.engines.entries import entries
from pyimc.errors import EncodingError
from pyimc.program import HOST, Actor, Channel, Program
from pyimc.routing import hops

EVENTS = (
    "row_drives", "cell_reads", "conversions", "selected", "gathered", "drained", "multiplications", "additions",
    "products", "reads", "writes", "loads", "programmed", "fetches", "hops", "credit_hops", "host_words",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one image.

    Attributes:
        operators: Events by actor. A word on its way belongs to its producer, its write to its consumer.
        host: What the host port sends.
        firings: By actor.
        flits_in: By processing unit, from the data mesh.
        flits_out: By processing unit, into the data mesh.
        host_flits: From the host.
    """

    operators: dict[str, Events]
    host: Events
    firings: dict[str, int]
    flits_in: dict[int, int]
    flits_out: dict[int, int]
    host_flits: int

    @property
    def chip(self) -> Events:
        """Of all operators and the host."""
        return sum(self.operators.values(), start=Counter(self.host))


def count(program: Program) -> Counts:
    """Counts the events of one image.

    Raises:
        EncodingError: A stream that is not what the compiler writes.
    """
    arch = program.arch
    operators: dict[str, Events] = {actor.name: Events() for actor in program.actors}
    firings: dict[str, int] = {}
    flits_in, flits_out = Counter[int](), Counter[int]()
    for actor in program.actors:
        events, tables = operators[actor.name], entries(program, actor)
        engine, model = ENGINES[actor.kind], energy_model(actor.kind)
        fired, fetches = _stream(program, actor)
        firings[actor.name] = sum(fired.values())
        events["fetches"] += fetches
        images = program.served(actor)
        for word, times in fired.items():
            firing = isa.FIRE.decode(word)
            for name, number in model.events(arch, tables, firing).items():
                events[name] += -(-times * number // images)
            for channel in (program.channel(name) for name in actor.destinations):
                words = -(-engine.sent_words(tables, firing) // images)
                _send(arch, channel, actor.node, words, times, operators, events)
                flits = times * _flits(words, arch)
                flits_out[actor.node] += flits
                if channel.consumer != HOST:
                    flits_in[channel.node] += flits
        for channel in (program.channel(name) for name in actor.inputs):
            source = arch.host if channel.producer == HOST else program.actor(channel.producer).node
            credits = 1 if channel.memory == "plane" else firings[actor.name]  # weights are given back once
            events["credit_hops"] += credits * _routers(arch, actor.node, source)
    host, host_flits = Events(), 0
    kind = program.network.tensors[program.network.input]
    words = arch.words(kind.row_bytes)
    for channel in program.host_sources():
        _send(arch, channel, arch.host, words, kind.height, operators, host)
        host["host_words"] += words * kind.height
        host_flits += kind.height * _flits(words, arch)
        flits_in[channel.node] += kind.height * _flits(words, arch)
    return Counts(operators, host, firings, dict(flits_in), dict(flits_out), host_flits)


def _send(
    arch: Arch, channel: Channel, node: int, words: int, times: int, operators: dict[str, Events], events: Events
) -> None:
    """Words of a firing to one destination."""
    events["hops"] += times * _flits(words, arch) * _routers(arch, node, channel.node)
    if channel.consumer == HOST:
        events["host_words"] += times * words
        packets = -(-words // arch.packet_words)
        events["credit_hops"] += times * packets * _routers(arch, channel.node, node)
    else:
        operators[channel.consumer]["programmed" if channel.memory == "plane" else "writes"] += times * words


def _flits(words: int, arch: Arch) -> int:
    return words + -(-words // arch.packet_words)


def _routers(arch: Arch, source: int, destination: int) -> int:
    return hops(arch.mesh.columns, source, destination) + 1


def _stream(program: Program, actor: Actor) -> tuple[Counter[int], int]:
    """How often each FIRE word is executed for one image, and the instructions fetched meanwhile."""
    stream, address, fetches = program.pus[actor.node].stream, actor.start, 0
    fired: Counter[int] = Counter()
    left: dict[int, int] = {}  # by the address of a LOOP: rounds that are still to come
    while actor.start <= address < actor.start + actor.length:
        word = stream[address]
        layout = isa.INSTRUCTIONS.get(isa.OPCODE_LAYOUT.decode(word)["opcode"])
        fetches += 1
        if layout is isa.FIRE:
            fired[word] += 1
        elif layout is isa.LOOP:
            loop = isa.LOOP.decode(word)
            if loop["count"] == 0:
                return fired, fetches
            left[address] = left.get(address, loop["count"]) - 1
            if left[address]:
                address = loop["target"]
                continue
            del left[address]
        else:
            break
        address += 1
    raise EncodingError(f"stream of {actor.name}: it leaves its part of the memory or halts; compile it again")

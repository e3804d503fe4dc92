"""The Program: what the compiler hands to the golden model, the cycle model and the RTL, and their only contract.

A Program holds one image per processing unit (instruction streams, tables, requantisation parameters, crossbar
weights), the tables of the host port, the network that it computes and the architecture that it is for. It does
not depend on the number of images: the streams repeat for ever. `pyimc.program_file` keeps it on disk.

Numbering:
    channel of an actor: `pyimc.isa.CHANNEL_ADDRESS`; of the host: position of the tensor in the network's outputs
    slot of an actor: context * destinations + index; slot of the host: index among the consumers of the input
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pyimc import isa
from pyimc.arch import Arch
from pyimc.errors import ConfigError
from pyimc.network import Network

HOST = "host"
HOST_SLOTS = 8  # of rtl/host_port.v

Kind = str
Memory = Literal["activation", "partial", "plane"]
TableWrite = tuple[int, int, int]  # space, entry, 64-bit value


@dataclass(frozen=True, slots=True)
class Actor:
    """One node of the network on its processing unit.

    Attributes:
        name: Name of the network's node.
        kind: Which engine computes it.
        node: The processing unit's node id.
        context: Its number on the unit, which is its priority: 0 goes first.
        inputs: Channel names, in the order of the ports.
        destinations: Channel names, in the order of the slots.
        start: Address of its first instruction.
        length: Instructions of its stream.
        plane: Its first crossbar plane (imc).
        planes: Its crossbar planes (0 for dpu).
        parameter: Its first entry in the unit's parameters, in channels.
        parameters: Its parameter entries, in channels.
        weight: Its first word of the weight memory (dpu).
        weights: Its words there, which depthwise layers have.
        cycles: What the compiler expects its engine to take per image, in cycles.
        row: In its planes, first row of its last row tile (imc).
        column: In its planes, first column of its last column tile (imc).
    """

    name: str
    kind: Kind
    node: int
    context: int
    inputs: tuple[str, ...]
    destinations: tuple[str, ...]
    start: int
    length: int
    plane: int
    planes: int
    parameter: int
    parameters: int
    cycles: int
    weight: int = 0
    weights: int = 0
    row: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Channel:
    """One edge: a ring of words in a memory of its consumer (the result buffer, for the host).

    Attributes:
        name: Unique, `tensor->consumer.port`.
        tensor: The tensor that travels through it.
        producer: Actor, or "host" for the network's input.
        consumer: Actor, or "host" for a network output.
        port: Input port of the consumer (the host: position among the network's outputs).
        node: Node id of the consumer.
        base: First word of the ring.
        size: Length of the ring in words.
        memory: Which memory of its consumer's processing unit the ring is in.
        heir: The channel that gets the room which its words leave; itself if empty. Rings with heirs share their place.
        room: Of its words, those that its producer may send at the start; all if None.
        windows: Places in which it and those that it shares them with have their words, one load in each.
        batch: Images that each word serves: the room is given back with the last one.
    """

    name: str
    tensor: str
    producer: str
    consumer: str
    port: int
    node: int
    base: int
    size: int
    memory: Memory = "activation"
    heir: str = ""
    room: int | None = None
    windows: int = 1
    batch: int = 1

    @property
    def first_room(self) -> int:
        """Words that its producer may send at the start."""
        return self.size if self.room is None else self.room

    @property
    def late(self) -> bool:
        """Its words are given back when the engine has read them, which is after the firing's `done`."""
        return self.memory == "partial"


@dataclass(frozen=True, slots=True, eq=False)
class PuImage:
    """What one processing unit holds before it starts.

    Attributes:
        stream: Instructions of all its actors, 128 bits each.
        tables: CONTEXT, CHANNEL, DESTINATION and ENGINE entries, LUT and WEIGHT of a dpu.
        parameters: uint64 [channels, 2], PARAM_0 and PARAM_1.
        weights: uint8 [planes, rows, weights of a row], as `pyimc.crossbar.stored`; no planes on a dpu.
        cells: uint16 [planes, rows, columns]: what the cells of these weights really hold, in the order of their
            conversion; None if they are ideal.
        noise: uint32 [contexts, 3]: of every actor, the seed, its number in the network and the amplitude of its noise;
            None if there is none.
    """

    stream: tuple[int, ...]
    tables: tuple[TableWrite, ...]
    parameters: NDArray[np.uint64]
    weights: NDArray[np.uint8]
    cells: NDArray[np.uint16] | None = None
    noise: NDArray[np.uint32] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """How a Program came about: goes into its manifest.

    Attributes:
        model: Name of the network.
        strategy: Name of the placement strategy.
        options: Options of the strategy and the compiler.
        seed: Seed of everything random in the compiler.
        moved: Nodes that had to be placed before all others to find room.
        bounds: What no placement can beat, in cycles: "load" of a processing unit, "interval", "latency"; and
            "proven_load" if the strategy has proven one.
        limit: What sets the bound of the interval.
    """

    model: str
    strategy: str
    options: dict[str, int | str]
    seed: int
    moved: list[str] = field(default_factory=list)
    bounds: dict[str, int] = field(default_factory=dict)
    limit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A compiled network.

    Attributes:
        network: What it computes.
        arch: The chip that it is for.
        actors: In the network's order.
        channels: In the order of their tensors, then their consumers.
        pus: Image of every processing unit that hosts an actor, by node id, ascending.
        host_tables: CHANNEL and DESTINATION entries of the host port, numbered as the host's channels and slots.
        origin: How it came about.
    """

    network: Network
    arch: Arch
    actors: tuple[Actor, ...]
    channels: tuple[Channel, ...]
    pus: dict[int, PuImage]
    host_tables: tuple[TableWrite, ...]
    origin: Origin

    def actor(self, name: str) -> Actor:
        """The actor of a network node; raises ConfigError if there is none."""
        for actor in self.actors:
            if actor.name == name:
                return actor
        raise ConfigError(f"program of {self.network.name}: no actor '{name}'")

    def channel(self, name: str) -> Channel:
        """The channel of that name; raises ConfigError if there is none."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise ConfigError(f"program of {self.network.name}: no channel '{name}'")

    @property
    def batch(self) -> int:
        """Images that weights which travel are loaded for at a time; 1 if none do."""
        return max(channel.batch for channel in self.channels)

    def served(self, actor: Actor) -> int:
        """Images that a round of an actor's stream serves: those that its words are kept for."""
        return max((self.channel(name).batch for name in actor.destinations), default=1)

    def patience_cycles(self, images: int) -> int:
        """A chip that is busy, but sends no result for so long, never will: even node by node all had been done."""
        return 20_000 + (images + 4) * sum(actor.cycles for actor in self.actors)

    def host_sources(self) -> tuple[Channel, ...]:
        """Channels that carry the network's input, in the order of the host's slots."""
        return tuple(channel for channel in self.channels if channel.producer == HOST)

    def host_sinks(self) -> tuple[Channel, ...]:
        """Channels that carry the network's outputs, in the order of the host's channels."""
        sinks = (channel for channel in self.channels if channel.consumer == HOST)
        return tuple(sorted(sinks, key=lambda channel: channel.port))


def table_writes(program: Program, node: int) -> list[TableWrite]:
    """Every table entry that configures one node, planes excepted: instructions, tables, parameters.

    Args:
        program: A Program.
        node: A processing unit that hosts an actor, or the host.

    Returns:
        (space, entry, 64-bit value) in the order in which they are to be written.

    Raises:
        ConfigError: The node hosts no actor.
    """
    if node == program.arch.host:
        return list(program.host_tables)
    if node not in program.pus:
        used = ", ".join(str(used) for used in sorted(program.pus))
        raise ConfigError(f"program of {program.network.name}: node {node} hosts no actor; nodes in use: {used}")
    image = program.pus[node]
    return [*_instructions(image.stream), *image.tables, *_parameters(image.parameters)]


def _instructions(stream: tuple[int, ...]) -> Iterator[TableWrite]:
    for address, word in enumerate(stream):
        for part in range(isa.INSTRUCTION_ENTRIES):
            value = word >> part * isa.ENTRY_BITS & (1 << isa.ENTRY_BITS) - 1
            yield isa.SPACES["INSTRUCTION"], isa.INSTRUCTION_ADDRESS.encode(pc=address, part=part), value


def _parameters(table: NDArray[np.uint64]) -> Iterator[TableWrite]:
    for channel, pair in enumerate(table.tolist()):
        for name, value in zip(("PARAM_0", "PARAM_1"), pair, strict=True):
            entry = isa.PARAMETER_ADDRESS.encode(channel=channel, entry=isa.ENTRIES["PARAMETER"][name])
            yield isa.SPACES["PARAMETER"], entry, value

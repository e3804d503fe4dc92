"""Code generation: streams, tables, parameters and weights of every processing unit."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mapping.actors.firing import Firing, runs, stream_runs
from mapping.actors.graph import Graph, GraphNode
from mapping.placement.ledger import Placement, Priority
from mapping.placement.room import Refusal, Room, demand
from mapping.placement.sharing import packed
from pyimc import isa
from pyimc.arch import Arch
from pyimc.errors import CapacityError, EncodingError
from pyimc.operators.load import Load, LoadedMvm
from pyimc.program import HOST, Actor, Channel, Origin, Program, PuImage, TableWrite

FOR_EVER = 0


def priority(nodes: Sequence[GraphNode], rule: Priority) -> tuple[str, ...]:
    """The actors of one unit from first to last context, given in topological order.

    The sequencer prefers low contexts. "output": nodes nearer to the output come first; what is under way drains
    before more is started, which keeps buffers empty and the latency low. "short": those with shorter firings come
    first; as a firing is not interrupted, they wait for no more than one long one. Parts of a layer that share weights
    are in their own order: another unit waits for the sums of the earlier ones, and the rings keep those from running
    far ahead. So are weights that travel: a layer waits for those of the layers before it.
    """
    if all(isinstance(node.operator, Load) for node in nodes):
        return tuple(node.name for node in nodes)
    groups = [list(group) for _, group in groupby(nodes, key=lambda node: node.weights or node.name)][::-1]
    if rule == "short":
        groups.sort(key=lambda group: group[0].cycles // len(group[0].firings))
    return tuple(node.name for group in groups for node in group)


def generate(graph: Graph, arch: Arch, placement: Placement, channels: tuple[Channel, ...], origin: Origin) -> Program:
    """Turns a validated schedule into a Program.

    Raises:
        CapacityError: A quantity that its instruction or table field cannot hold.
    """
    actors = _actors(graph, arch, placement, channels)
    channels = tuple(_in_planes(channel, graph, arch, actors) for channel in channels)
    try:
        pus = {node: _image(graph, arch, actors, channels, node) for node in sorted(set(placement.nodes.values()))}
        host_tables = tuple(_host_tables(arch, actors, channels))
    except EncodingError as error:
        raise CapacityError(f"network {graph.network.name} on architecture {arch.name}: {error}") from None
    return Program(graph.network, arch, tuple(actors.values()), channels, pus, host_tables, origin)


def _actors(graph: Graph, arch: Arch, placement: Placement, channels: tuple[Channel, ...]) -> dict[str, Actor]:
    """All actors in the graph's order, with their contexts and memories; contexts decide the order of streams."""
    actors: dict[str, Actor] = {}
    for unit in sorted(set(placement.nodes.values())):
        names = priority(
            [node for name, node in graph.nodes.items() if placement.nodes[name] == unit], placement.priority
        )
        room = Room(arch, arch.kinds[unit], packed(graph, arch, placement.windows, names))
        for name in names:
            if isinstance(graph.nodes[name].operator, LoadedMvm):
                room.reserve(graph.nodes[name])
        for context, name in enumerate(names):
            node = graph.nodes[name]
            windows = room.try_add(node, demand(graph, name))
            if isinstance(windows, Refusal):
                raise CapacityError(f"node {name} on PU {unit}: {windows}")
            actors[name] = Actor(
                name=name,
                kind=node.kind,
                node=unit,
                context=context,
                inputs=tuple(edge.name for edge in graph.inputs(name)),
                destinations=tuple(channel.name for channel in channels if channel.producer == name),
                start=windows.instruction,
                length=node.instructions,
                plane=windows.plane,
                planes=windows.planes,
                parameter=windows.parameter,
                parameters=node.parameters,
                weight=windows.weight,
                weights=node.weight_words,
                row=windows.row,
                column=windows.column,
                cycles=node.cycles,
            )
    return {name: actors[name] for name in graph.nodes}


def _in_planes(channel: Channel, graph: Graph, arch: Arch, actors: dict[str, Actor]) -> Channel:
    """A ring of weights starts where the planes of its consumer do; the others are where they are."""
    if channel.memory != "plane":
        return channel
    loaded, window = actors[channel.consumer], graph.nodes[channel.consumer].weights
    for other in actors.values():
        apart = other.plane + other.planes <= loaded.plane or loaded.plane + loaded.planes <= other.plane
        if graph.nodes[other.name].weights != window and other.node == loaded.node and not apart:
            raise CapacityError(f"node {loaded.name}: its weights travel, {other.name} cannot share its planes")
    if loaded.row or loaded.column:
        raise CapacityError(f"node {loaded.name}: its weights travel, its window must start at row 0, column 0")
    return replace(channel, base=loaded.plane * (arch.plane_words // arch.crossbar.planes))


def _image(graph: Graph, arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...], unit: int) -> PuImage:
    hosted = sorted((actor for actor in actors.values() if actor.node == unit), key=lambda actor: actor.context)
    stream: list[int] = []
    tables: list[TableWrite] = []
    parameters = []
    count = max(actor.plane + actor.planes for actor in hosted)
    planes = np.zeros((count, arch.crossbar.rows, arch.crossbar.outputs), np.uint8)
    for actor in hosted:
        node = graph.nodes[actor.name]
        try:
            stream += _stream(node, actor.start)
            tables += _actor_tables(graph, arch, actors, channels, actor)
            parameters.append(_parameters(node))
        except EncodingError as error:
            raise EncodingError(f"node {actor.name}: {error}") from None
        # Cells of no tile hold 0, and what two actors have in common is equal.
        planes[actor.plane : actor.plane + actor.planes] |= node.task.planes(arch, actor.row, actor.column)
    # Unused contexts are written too, so that no actor of an earlier Program stays active.
    tables += [(isa.SPACES["CONTEXT"], context, 0) for context in range(len(hosted), arch.contexts)]
    order = [isa.SPACES[name] for name in ("ENGINE", "LUT", "WEIGHT", "CHANNEL", "DESTINATION", "CONTEXT")]
    tables.sort(key=lambda entry: (order.index(entry[0]), entry[1]))
    image = PuImage(tuple(stream), tuple(tables), np.concatenate(parameters), planes)
    return _in_real_cells(image, graph, arch, hosted) if arch.crossbar.real and unit in arch.imcs else image


def _in_real_cells(image: PuImage, graph: Graph, arch: Arch, hosted: Sequence[Actor]) -> PuImage:
    """With what cells hold, and the noise of each actor's conversions."""
    crossbar, device = arch.crossbar, arch.crossbar.real
    assert device
    cells = np.zeros((len(image.weights), crossbar.rows, crossbar.outputs * crossbar.cells), np.uint16)
    noise = np.zeros((arch.contexts, 3), np.uint32)
    numbers = {node.name: number for number, node in enumerate(graph.network.nodes)}
    for actor in hosted:
        real, amplitude = graph.nodes[actor.name].task.real_cells(arch, actor.row, actor.column)
        cells[actor.plane : actor.plane + actor.planes] |= real
        noise[actor.context] = device.seed, numbers[actor.name], amplitude
    return replace(image, cells=cells, noise=noise if device.noisy else None)


def _stream(node: GraphNode, start: int) -> Iterator[int]:
    """Runs of equal firings in loops of level 0, runs of equal rows in loops of level 1, all in a loop without end."""
    address = start
    for row in stream_runs(node.firings, node.per_row):
        body = list(_body(row.firings, address))
        if row.count == 2 and len(body) == 1:
            body *= 2
        elif row.count > 1:
            body.append(isa.instruction("LOOP", level=1, count=row.count, target=address))
        yield from body
        address += len(body)
    yield isa.instruction("LOOP", level=0, count=FOR_EVER, target=start)


def _body(firings: tuple[Firing, ...], address: int) -> Iterator[int]:
    for firing, count in runs(firings):
        operands = {**asdict(firing), "produce": firing.claims}  # the field counts room
        del operands["claimed"]
        fire = isa.fire(**operands)
        yield fire
        if count == 2:
            yield fire
        elif count > 2:
            yield isa.instruction("LOOP", level=0, count=count, target=address)
        address += min(count, 2)


def channel_number(channel: Channel, actors: dict[str, Actor]) -> int:
    """A channel's number at its consumer."""
    return (
        channel.port if channel.consumer == HOST else isa.channel_entry(actors[channel.consumer].context, channel.port)
    )


def _source(channel: Channel, arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...]) -> tuple[int, int]:
    """Node id of a channel's producer and its slot there."""
    index = [other.name for other in channels if other.producer == channel.producer].index(channel.name)
    if channel.producer == HOST:
        return arch.host, index
    return actors[channel.producer].node, actors[channel.producer].context * arch.destinations + index


def _ring(channel: Channel, arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...]) -> TableWrite:
    heir = next((other for other in channels if other.name == channel.heir), channel)
    node, slot = _source(heir, arch, actors, channels)
    where = isa.MEMORIES[channel.memory]
    base = 0 if channel.memory == "plane" else channel.base  # the engine knows its planes
    value = isa.CHANNEL.encode(
        base=base, size=channel.size, node=node, slot=slot, memory=where, late=channel.late, kept=channel.batch - 1
    )
    return isa.SPACES["CHANNEL"], channel_number(channel, actors), value


def _destination(channel: Channel, arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...]) -> TableWrite:
    value = isa.DESTINATION.encode(node=channel.node, channel=channel_number(channel, actors), room=channel.first_room)
    return isa.SPACES["DESTINATION"], _source(channel, arch, actors, channels)[1], value


def _host_tables(arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...]) -> Iterator[TableWrite]:
    for channel in channels:
        if channel.consumer == HOST:
            yield _ring(channel, arch, actors, channels)
    for channel in channels:
        if channel.producer == HOST:
            yield _destination(channel, arch, actors, channels)


def _actor_tables(
    graph: Graph, arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...], actor: Actor
) -> Iterator[TableWrite]:
    named = {channel.name: channel for channel in channels}
    context = isa.CONTEXT.encode(
        start=actor.start, active=1, ports=len(actor.inputs), destinations=len(actor.destinations)
    )
    yield isa.SPACES["CONTEXT"], actor.context, context
    for name in actor.inputs:
        yield _ring(named[name], arch, actors, channels)
    for name in actor.destinations:
        yield _destination(named[name], arch, actors, channels)
    task = graph.nodes[actor.name].task
    for layout, value in task.entries(arch, actor):
        yield isa.SPACES["ENGINE"], isa.engine_entry(actor.context, layout), value
    for entry, value in enumerate(_eights(task.table())):
        yield isa.SPACES["LUT"], isa.LUT_ADDRESS.encode(context=actor.context, eight=entry), value
    for entry, value in enumerate(_eights(task.weight_bytes(arch)), actor.weight * arch.lanes // 8):
        yield isa.SPACES["WEIGHT"], entry, value


def _eights(data: bytes) -> Iterator[int]:
    """Table entries of eight bytes each, the first one lowest."""
    return (int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8))


def _parameters(node: GraphNode) -> NDArray[np.uint64]:
    """uint64 [channels, 2]: PARAM_0, PARAM_1; what no channel uses is 0."""
    table = np.zeros((node.parameters, 2), np.uint64)
    entries = node.task.parameters()
    table[: len(entries)] = entries
    return table

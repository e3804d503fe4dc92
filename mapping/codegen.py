"""Code generation: streams, tables, parameters and weights of every processing unit."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from mapping.firing import Firing, row_words, runs, stream_length, stream_runs
from mapping.graph import Graph, GraphNode
from mapping.placement import Placement
from mapping.tiling import matrix, spans, weight_image
from pyimc import isa
from pyimc.arch import Arch
from pyimc.errors import CapacityError, EncodingError
from pyimc.network import Add, Mvm, Part, Pool, part_of
from pyimc.program import HOST, Actor, Channel, Origin, Program, PuImage, TableWrite

FOR_EVER = 0
_POOLS = {"max": 1, "average": 2}


def priority(names: tuple[str, ...]) -> tuple[str, ...]:
    """The actors of one unit from first to last context, given in topological order.

    The sequencer prefers low contexts. Nodes nearer to the output come first: what is under way drains before more
    is started, which keeps buffers empty and the latency low.
    """
    return names[::-1]


def generate(graph: Graph, arch: Arch, placement: Placement, channels: tuple[Channel, ...], origin: Origin) -> Program:
    """Turns a validated schedule into a Program.

    Raises:
        CapacityError: A quantity that its instruction or table field cannot hold.
    """
    actors = _actors(graph, placement, channels)
    try:
        pus = {node: _image(graph, arch, actors, channels, node) for node in sorted(set(placement.nodes.values()))}
        host_tables = tuple(_host_tables(arch, actors, channels))
    except EncodingError as error:
        raise CapacityError(f"network {graph.network.name} on architecture {arch.name}: {error}") from None
    return Program(graph.network, arch, tuple(actors.values()), channels, pus, host_tables, origin)


def _actors(graph: Graph, placement: Placement, channels: tuple[Channel, ...]) -> dict[str, Actor]:
    """All actors in the graph's order, with their contexts and memories; contexts decide the order of streams."""
    actors: dict[str, Actor] = {}
    for unit in sorted(set(placement.nodes.values())):
        names = priority(tuple(name for name in graph.nodes if placement.nodes[name] == unit))
        start = plane = parameter = 0
        first_planes: dict[str, int] = {}  # by weights: equal ones share their planes
        for context, name in enumerate(names):
            node = graph.nodes[name]
            shared = node.weights in first_planes
            first = first_planes.setdefault(node.weights, plane) if node.planes else plane
            actors[name] = Actor(
                name=name,
                kind=node.kind,
                node=unit,
                context=context,
                inputs=tuple(edge.name for edge in graph.inputs(name)),
                destinations=tuple(channel.name for channel in channels if channel.producer == name),
                start=start,
                length=stream_length(node.firings, node.per_row),
                plane=first,
                planes=node.planes,
                parameter=parameter,
                parameters=node.parameters,
                cycles=node.cycles,
            )
            start += actors[name].length
            plane += 0 if shared else node.planes
            parameter += node.parameters
    return {name: actors[name] for name in graph.nodes}


def _image(graph: Graph, arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...], unit: int) -> PuImage:
    hosted = sorted((actor for actor in actors.values() if actor.node == unit), key=lambda actor: actor.context)
    stream: list[int] = []
    tables: list[TableWrite] = []
    parameters = []
    planes = [np.empty((0, arch.crossbar.rows, arch.crossbar.columns), np.uint8)]
    for actor in hosted:
        node = graph.nodes[actor.name]
        try:
            stream += _stream(node, actor.start)
            tables += _actor_tables(graph, arch, actors, channels, actor)
            parameters.append(_parameters(node))
        except EncodingError as error:
            raise EncodingError(f"node {actor.name}: {error}") from None
        if isinstance(node.operator, Mvm) and actor.plane == sum(map(len, planes)):
            planes.append(weight_image(node.operator, arch))
    # Unused contexts are written too, so that no actor of an earlier Program stays active.
    tables += [(isa.SPACES["CONTEXT"], context, 0) for context in range(len(hosted), arch.contexts)]
    order = [isa.SPACES[name] for name in ("ENGINE", "CHANNEL", "DESTINATION", "CONTEXT")]
    tables.sort(key=lambda entry: (order.index(entry[0]), entry[1]))
    return PuImage(tuple(stream), tuple(tables), np.concatenate(parameters), np.concatenate(planes))


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
        fire = isa.instruction("FIRE", **asdict(firing))
        yield fire
        if count == 2:
            yield fire
        elif count > 2:
            yield isa.instruction("LOOP", level=0, count=count, target=address)
        address += min(count, 2)


def channel_number(channel: Channel, actors: dict[str, Actor]) -> int:
    """A channel's number at its consumer."""
    return channel.port if channel.consumer == HOST else actors[channel.consumer].context * 2 + channel.port


def _source(channel: Channel, arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...]) -> tuple[int, int]:
    """Node id of a channel's producer and its slot there."""
    index = [other.name for other in channels if other.producer == channel.producer].index(channel.name)
    if channel.producer == HOST:
        return arch.host, index
    return actors[channel.producer].node, actors[channel.producer].context * arch.destinations + index


def _ring(channel: Channel, arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...]) -> TableWrite:
    node, slot = _source(channel, arch, actors, channels)
    value = isa.CHANNEL.encode(base=channel.base, size=channel.size, node=node, slot=slot)
    return isa.SPACES["CHANNEL"], channel_number(channel, actors), value


def _destination(channel: Channel, arch: Arch, actors: dict[str, Actor], channels: tuple[Channel, ...]) -> TableWrite:
    value = isa.DESTINATION.encode(node=channel.node, channel=channel_number(channel, actors), room=channel.size)
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
    for entry, value in _engine(graph, arch, actor):
        yield isa.SPACES["ENGINE"], actor.context * isa.ENGINE_ENTRIES + entry, value


def _engine(graph: Graph, arch: Arch, actor: Actor) -> Iterator[tuple[int, int]]:
    """The ENGINE entries of an actor as (index, value)."""
    node = graph.nodes[actor.name].operator
    source = graph.network.tensors[node.inputs[0]]
    target = graph.network.tensors[node.output]
    kernel, stride = ((1, 1), 1) if isinstance(node, Add) else (node.kernel, node.stride[1])
    run = source.channels
    if isinstance(node, Mvm):
        first, end = part_of(graph.network, node).run
        run = end - first
    yield (
        0,
        isa.WINDOW.encode(
            run=run,
            step=stride * source.channels,
            row_bytes=source.row_bytes,
            row_words=row_words(source, arch),
        ),
    )
    if isinstance(node, Mvm):
        yield from _crossbar(node, part_of(graph.network, node), arch, actor)
    else:
        zero_points = node.input_zero_points if isinstance(node, Add) else (node.input_zero_point, 0)
        yield (
            1,
            isa.POOL.encode(
                operation=_POOLS[node.mode] if isinstance(node, Pool) else 0,
                kernel_rows=kernel[0],
                kernel_columns=kernel[1],
                zero_point_0=zero_points[0],
                zero_point_1=zero_points[1],
                shift=node.shift,
            ),
        )
    yield (
        3,
        isa.OUTPUT.encode(
            columns=target.channels,
            parameters=actor.parameter,
            zero_point=node.output_zero_point,
            low=node.clamp[0],
            high=node.clamp[1],
        ),
    )


def _crossbar(node: Mvm, part: Part, arch: Arch, actor: Actor) -> Iterator[tuple[int, int]]:
    rows, columns = (spans(size, step) for size, step in zip(matrix(node).shape, _sides(arch), strict=True))
    yield (
        1,
        isa.TILES.encode(
            kernel_rows=part.rows[1] - part.rows[0],
            row_tiles=len(rows),
            last_rows=rows[-1][1],
            plane=actor.plane,
            zero_point=node.input_zero_point,
        ),
    )
    yield (
        2,
        isa.COLUMNS.encode(
            columns=matrix(node).shape[1],
            col_tiles=len(columns),
            last_groups=-(-columns[-1][1] // arch.crossbar.adcs),
        ),
    )


def _sides(arch: Arch) -> tuple[int, int]:
    return arch.crossbar.rows, arch.crossbar.columns


def _parameters(node: GraphNode) -> NDArray[np.uint64]:
    """uint64 [channels, 2]: PARAM_0, PARAM_1; what no channel uses is 0."""
    operator = node.operator
    table = np.zeros((node.parameters, 2), np.uint64)
    if isinstance(operator, Mvm):
        for channel, (bias, shift) in enumerate(zip(operator.bias.tolist(), operator.shift.tolist(), strict=True)):
            table[channel, 0] = isa.PARAM_0.encode(bias=bias, shift=shift)
    multipliers = operator.multiplier if isinstance(operator, Mvm) else operator.multipliers
    for entry, multiplier in enumerate(np.asarray(multipliers).tolist()):
        table[entry, 1] = isa.PARAM_1.encode(multiplier=multiplier)
    return table

"""Code generation: streams, tables, parameters and weights of every processing unit."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mapping.actors.firing import Firing, row_words, runs, stream_length, stream_runs
from mapping.actors.graph import Graph, GraphNode
from mapping.code.tiling import matrix, spans, weight_image
from mapping.code.vector import Task, task
from mapping.placement.ledger import Placement, Priority
from pyimc import isa
from pyimc.arch import Arch
from pyimc.errors import CapacityError, EncodingError
from pyimc.network import Mvm, Pair, part_of
from pyimc.program import HOST, Actor, Channel, Origin, Program, PuImage, TableWrite

FOR_EVER = 0


def priority(nodes: Sequence[GraphNode], rule: Priority) -> tuple[str, ...]:
    """The actors of one unit from first to last context, given in topological order.

    The sequencer prefers low contexts. "output": nodes nearer to the output come first; what is under way drains
    before more is started, which keeps buffers empty and the latency low. "short": those with shorter firings come
    first; as a firing is not interrupted, they wait for no more than one long one. Parts of a layer that share weights
    are in their own order: another unit waits for the sums of the earlier ones, and the rings keep those from running
    far ahead.
    """
    groups = [list(group) for _, group in groupby(nodes, key=lambda node: node.weights or node.name)][::-1]
    if rule == "short":
        groups.sort(key=lambda group: group[0].cycles // len(group[0].firings))
    return tuple(node.name for group in groups for node in group)


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
        names = priority(
            [node for name, node in graph.nodes.items() if placement.nodes[name] == unit], placement.priority
        )
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
            parameters.append(_parameters(graph, arch, node))
        except EncodingError as error:
            raise EncodingError(f"node {actor.name}: {error}") from None
        if isinstance(node.operator, Mvm) and actor.plane == sum(map(len, planes)):
            planes.append(weight_image(node.operator, arch))
    # Unused contexts are written too, so that no actor of an earlier Program stays active.
    tables += [(isa.SPACES["CONTEXT"], context, 0) for context in range(len(hosted), arch.contexts)]
    order = [isa.SPACES[name] for name in ("ENGINE", "LUT", "CHANNEL", "DESTINATION", "CONTEXT")]
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
    node = graph.nodes[actor.name].operator
    if isinstance(node, Mvm):
        entries = _crossbar(graph, node, arch, actor)
    else:
        vector = task(graph.network, node, arch)
        entries = _vector(vector, row_words(graph.network.tensors[node.inputs[0]], arch), actor)
        for entry in range(len(vector.table) // 8):
            value = int.from_bytes(vector.table[8 * entry : 8 * entry + 8], "little")
            yield isa.SPACES["LUT"], actor.context * isa.LUT_ENTRIES + entry, value
    for entry, value in entries:
        yield isa.SPACES["ENGINE"], actor.context * isa.ENGINE_ENTRIES + entry, value


def _vector(vector: Task, row: int, actor: Actor) -> Iterator[tuple[int, int]]:
    """The ENGINE entries of an actor without weights as (index, value); `row`: words of a row of input 0."""
    walk = vector.walk
    yield 0, isa.WINDOW.encode(run=walk.run, step=walk.step, row_bytes=walk.row_bytes, row_words=row)
    yield (
        1,
        isa.VECTOR.encode(
            operation=walk.operation,
            zero_point_0=vector.zero_points[0],
            zero_point_1=vector.zero_points[1],
            shift=vector.shift,
            kernel_rows=vector.kernel_rows,
            kernel_columns=walk.kernel_columns,
            repeat=walk.repeat,
        ),
    )
    yield 3, _output(actor, vector.output_zero_point, vector.clamp)


def _output(actor: Actor, zero_point: int, clamp: Pair, columns: int = 0) -> int:
    low, high = clamp
    return isa.OUTPUT.encode(columns=columns, parameters=actor.parameter, zero_point=zero_point, low=low, high=high)


def _crossbar(graph: Graph, node: Mvm, arch: Arch, actor: Actor) -> Iterator[tuple[int, int]]:
    """The ENGINE entries of a layer as (index, value)."""
    source, part = graph.network.tensors[node.inputs[0]], part_of(graph.network, node)
    yield (
        0,
        isa.WINDOW.encode(
            run=part.run[1] - part.run[0],
            step=node.stride[1] * source.channels,
            row_bytes=source.row_bytes,
            row_words=row_words(source, arch),
        ),
    )
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
            partial_in=len(node.inputs) == 2,
            partial_out=graph.network.tensors[node.output].partial,
        ),
    )
    yield 3, _output(actor, node.output_zero_point, node.clamp, node.bias.size)


def _sides(arch: Arch) -> tuple[int, int]:
    return arch.crossbar.rows, arch.crossbar.columns


def _parameters(graph: Graph, arch: Arch, node: GraphNode) -> NDArray[np.uint64]:
    """uint64 [channels, 2]: PARAM_0, PARAM_1; what no channel uses is 0."""
    operator = node.operator
    table = np.zeros((node.parameters, 2), np.uint64)
    if isinstance(operator, Mvm):
        multipliers = operator.multiplier.tolist()
        for channel, (bias, shift) in enumerate(zip(operator.bias.tolist(), operator.shift.tolist(), strict=True)):
            table[channel, 0] = isa.PARAM_0.encode(bias=bias, shift=shift)
    else:
        multipliers = task(graph.network, operator, arch).multipliers
    for entry, multiplier in enumerate(multipliers):
        table[entry, 1] = isa.PARAM_1.encode(multiplier=multiplier)
    return table

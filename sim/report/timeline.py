"""What happened when: firings, waits with their causes, fills of rings and load of links, from the event log of a run.

The log says when packets arrive and when room comes back, not how many words. The firings of an actor repeat with every
image and its packets leave in their order, so the n-th arrival of a channel is the n-th packet of its producer.

A firing could be issued once its PU's engine had read the inputs of the firing before, its own inputs were there and
its consumers had room. The last of these is the cause of the wait before it: a *wait* is the time in which an engine
reads nothing, and belongs to the firing that ends it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mapping.actors.buffers import smallest_graph
from mapping.actors.graph import Graph
from pyimc.arch import Arch
from pyimc.measurement import (
    ARRIVAL,
    CREDIT,
    CYCLE,
    DONE,
    ISSUE,
    KIND,
    NODE,
    VALUE,
    WORD,
    EventTable,
    Measurement,
    event_divisors,
)
from pyimc.program import HOST, Actor, Channel, Program
from pyimc.routing import route

Cycles = NDArray[np.int64]
WINDOW_EVENTS = 400_000
"""Of a run are looked at, from its start."""
MARGIN_EVENTS = 4_000
"""More than happen in any two neighbouring cycles: a log ends somewhere in a cycle, a window at its end."""


class Wait(NamedTuple):
    """Why a firing was issued no sooner: nothing in particular, or words of a channel, or room in one."""

    kind: str
    channel: str


@dataclass(frozen=True, slots=True, eq=False)
class ActorLine:
    """Firings of an actor, in their order; arrays are int64 [firings].

    Attributes:
        actor: Whose.
        per_image: Firings of an image.
        per_row: Firings of a row.
        issue: First cycle.
        done: Last cycle in which inputs are read; that of the last firing may lie behind the window: -1.
        idle_from: First cycle in which the PU's engine could have read for this firing.
        ready: When the last of all that it needed was there.
        cause: Index into `causes`: what came last of all that it needed.
        causes: What it can wait for.
        fed_by: Per input, the firing of its producer that sent the last word that each firing needed; -1: the host.
    """

    actor: Actor
    per_image: int
    per_row: int
    issue: Cycles
    done: Cycles
    idle_from: Cycles
    ready: Cycles
    cause: Cycles
    causes: tuple[Wait, ...]
    fed_by: tuple[Cycles, ...]

    @property
    def waited(self) -> Cycles:
        """Cycles that the engine was idle before each firing."""
        return self.issue - self.idle_from

    def place(self, firing: int) -> tuple[int, int]:
        """Image, and output row in it."""
        image, index = divmod(firing, self.per_image)
        return image, index // self.per_row


@dataclass(frozen=True, slots=True, eq=False)
class ChannelLine:
    """What went through a channel; arrays are int64.

    Attributes:
        channel: Which.
        least_words: The smallest ring without a deadlock.
        arrivals: Cycle of every packet.
        sizes: Its words.
        fill_cycles: When the fill changed.
        fill_words: Words in the ring from then on.
        peak: The largest fill in the window.
        origin: Firing of the producer that sent each packet; -1: the host.
    """

    channel: Channel
    least_words: int
    arrivals: Cycles
    sizes: Cycles
    fill_cycles: Cycles
    fill_words: Cycles
    peak: int
    origin: Cycles


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """A window of a run, from its start.

    Attributes:
        program: What ran.
        graph: Its actors and edges.
        measured: The whole run.
        end: Last cycle of the window.
        actors: By name, in the Program's order.
        channels: By name, those whose consumer is no host.
    """

    program: Program
    graph: Graph
    measured: Measurement
    end: int
    actors: dict[str, ActorLine]
    channels: dict[str, ChannelLine]

    @property
    def whole(self) -> bool:
        """The window is the run."""
        return self.end >= self.measured.cycles_total


def window(measured: Measurement) -> tuple[EventTable, int]:
    """The first `WINDOW_EVENTS` events, words left out, up to the end of a cycle, and that cycle.

    The window is the same whether a log goes on behind it or ends there.
    """
    log = measured.events[measured.events[:, KIND] != WORD]
    if len(log) <= WINDOW_EVENTS:
        return log, measured.cycles_total
    end = int(log[WINDOW_EVENTS, CYCLE]) - 1
    return log[log[:, CYCLE] <= end], end


def timeline(program: Program, measured: Measurement) -> Timeline:
    """What the event log of a run says."""
    graph = smallest_graph(program)
    log, end = window(measured)
    times = _by_source(program, log)
    channels = {
        channel.name: _channel(program, graph, channel, times)
        for channel in program.channels
        if channel.consumer != HOST
    }
    free = {node: np.sort(_done(program, times, node)) for node in program.pus}
    actors = {actor.name: _actor(program, graph, actor, times, channels, free) for actor in program.actors}
    return Timeline(program, graph, measured, end, actors, channels)


Times = dict[tuple[int, int, int], Cycles]
"""Cycles of the events of a node, kind and value."""


def _by_source(program: Program, log: EventTable) -> Times:
    keys = (log[:, NODE] << 16 | log[:, KIND] << 12) + log[:, VALUE]
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    found: Times = {}
    for part in np.split(order, cuts):
        if len(part):
            _, node, kind, value = log[part[0]].tolist()
            found[node, kind, value] = log[part, CYCLE]
    return found


def _of(times: Times, actor: Actor, kind: int, program: Program, number: int = 0) -> Cycles:
    value = actor.context * event_divisors(program)[kind] + number
    return times.get((actor.node, kind, value), np.zeros(0, np.int64))


def _done(program: Program, times: Times, node: int) -> Cycles:
    """Last reading cycles of all firings of a PU."""
    return np.concatenate([_of(times, actor, DONE, program) for actor in program.actors if actor.node == node])


def packet_sizes(words: Cycles, arch: Arch) -> tuple[Cycles, Cycles]:
    """Words of the packets of bursts of so many words, and the burst that each belongs to."""
    counts = -(-words // arch.packet_words)
    burst = np.repeat(np.arange(len(words)), counts)
    sizes = np.full(len(burst), arch.packet_words, np.int64)
    last = np.cumsum(counts)[counts > 0] - 1
    sizes[last] = (words - (counts - 1) * arch.packet_words)[counts > 0]
    return sizes, burst


def bursts(program: Program, graph: Graph, channel: Channel) -> Cycles:
    """Words that a channel's producer sends at once, in the order of an image: by firings, the host by rows."""
    if channel.producer == HOST:
        edge = next(edge for edge in graph.edges if edge.name == channel.name)
        return np.full(program.network.tensors[channel.tensor].height, edge.row_words, np.int64)
    return np.array([firing.produce for firing in graph.nodes[channel.producer].firings], np.int64)


def periodic(values: Cycles, count: int) -> Cycles:
    """The first `count` of values that repeat for ever."""
    return np.resize(values, count)


def _freed(graph: Graph, channel: Channel) -> Cycles:
    """Words that each firing frees, until they repeat themselves: of an image, or of a batch."""
    freed = np.array([firing.free[channel.port] for firing in graph.nodes[channel.consumer].firings], np.int64)
    return np.concatenate([*[np.zeros_like(freed)] * (channel.batch - 1), freed])


def _channel(program: Program, graph: Graph, channel: Channel, times: Times) -> ChannelLine:
    consumer = program.actor(channel.consumer)
    arrivals = _of(times, consumer, ARRIVAL, program, channel.port)
    of_image, burst = packet_sizes(bursts(program, graph, channel), program.arch)
    sizes = periodic(of_image, len(arrivals))
    origin = np.full(len(arrivals), -1, np.int64)
    if channel.producer != HOST and len(arrivals):
        image = np.arange(len(arrivals)) // len(of_image)
        origin = image * len(graph.nodes[channel.producer].firings) + periodic(burst, len(arrivals))
    freed_at, freed = _frees(program, graph, channel, times)
    moments = np.concatenate([arrivals, freed_at])
    order = np.argsort(moments, kind="stable")
    fill = np.cumsum(np.concatenate([sizes, -freed])[order])
    edge = next(edge for edge in graph.edges if edge.name == channel.name)
    return ChannelLine(
        channel, edge.least_words, arrivals, sizes, moments[order], fill, int(fill.max(initial=0)), origin
    )


def _frees(program: Program, graph: Graph, channel: Channel, times: Times) -> tuple[Cycles, Cycles]:
    """When words of a ring were given back, and how many: when inputs had been read, one cycle after.

    Partial sums are read later, by the drain: their producer hears of it.
    """
    consumer = program.actor(channel.consumer)
    done = _of(times, consumer, DONE, program) + 1
    freed = periodic(_freed(graph, channel), len(done))
    edge = next(edge for edge in graph.edges if edge.name == channel.name)
    if edge.partial:
        producer = program.actor(channel.producer)
        heard = _of(times, producer, CREDIT, program, producer.destinations.index(channel.name))
        given = _freed(graph, channel)
        return heard, periodic(given[given > 0], len(heard))
    return done[freed > 0], freed[freed > 0]


def _actor(
    program: Program,
    graph: Graph,
    actor: Actor,
    times: Times,
    channels: dict[str, ChannelLine],
    free: dict[int, Cycles],
) -> ActorLine:
    node = graph.nodes[actor.name]
    issue, done = _of(times, actor, ISSUE, program), _of(times, actor, DONE, program)
    done = np.concatenate([done, np.full(len(issue) - len(done), -1, np.int64)])
    before = np.searchsorted(free[actor.node], issue) - 1
    idle_from = np.where(before >= 0, free[actor.node][np.maximum(before, 0)] + 1, 1) if len(free[actor.node]) else 1
    idle_from = np.broadcast_to(np.asarray(idle_from, np.int64), issue.shape)
    idle_from = np.minimum(idle_from, issue)
    causes, ready, fed_by = [Wait("issue", "")], [idle_from], []
    for name in actor.inputs:
        causes.append(Wait("input", name))
        packet = _last_packet(graph, channels[name], len(issue))
        ready.append(_at(channels[name].arrivals, packet))
        fed_by.append(_at(channels[name].origin, packet, -1))
    for slot, name in enumerate(actor.destinations):
        causes.append(Wait("room", name))
        ready.append(_room_ready(program, graph, actor, slot, times, len(issue)))
    moments = np.stack(ready)
    return ActorLine(
        actor, len(node.firings), node.per_row, issue, done, idle_from, moments.max(axis=0), moments.argmax(axis=0),
        tuple(causes), tuple(fed_by),
    )  # fmt: skip


def _at(values: Cycles, index: Cycles, none: int = 0) -> Cycles:
    """The value at every index; `none` at -1, and behind the end: a run that went wrong lacks what was to come."""
    if not len(values):
        return np.full(len(index), none, np.int64)
    return np.where((index < 0) | (index >= len(values)), none, values[np.clip(index, 0, len(values) - 1)])


def _last_packet(graph: Graph, line: ChannelLine, count: int) -> Cycles:
    """The packet that brings the last word that each firing needs of a channel; -1: it needs none."""
    firings = graph.nodes[line.channel.consumer].firings
    freed = periodic(_freed(graph, line.channel), count)
    need = periodic(np.array([firing.need[line.channel.port] for firing in firings], np.int64), count)
    wanted = np.cumsum(freed) - freed + need
    return np.where(need > 0, np.searchsorted(np.cumsum(line.sizes), wanted), -1)


def _room_ready(program: Program, graph: Graph, actor: Actor, slot: int, times: Times, count: int) -> Cycles:
    """When the room that each firing needs in a channel was there."""
    channel = program.channel(actor.destinations[slot])
    credits = _of(times, actor, CREDIT, program, slot)
    if channel.consumer == HOST:
        given, _ = packet_sizes(bursts(program, graph, channel), program.arch)
    else:
        given = _freed(graph, channel)
    if channel.heir:  # the room of one firing comes with each credit
        return _at(credits, np.arange(count) - channel.first_room // graph.nodes[actor.name].firings[0].claims)
    granted = channel.size + np.cumsum(periodic(given[given > 0], len(credits)))
    produced = np.cumsum(periodic(bursts(program, graph, channel), count))
    return _at(credits, np.where(produced <= channel.size, -1, np.searchsorted(granted, produced)))


def link_flits(program: Program, graph: Graph) -> Counter[tuple[int, int]]:
    """Flits that an image sends over every link of the data mesh, by the nodes at its ends; a node's own link towards
    its router is (node, node).
    """
    found: Counter[tuple[int, int]] = Counter()
    nodes = {actor.name: actor.node for actor in program.actors} | {HOST: program.arch.host}
    for channel in program.channels:
        sizes, _ = packet_sizes(bursts(program, graph, channel), program.arch)
        way = route(program.arch.mesh.columns, nodes[channel.producer], channel.node)
        for link in pairwise([way[0], *way]):
            found[link] += int(sizes.sum()) + len(sizes)
    return found

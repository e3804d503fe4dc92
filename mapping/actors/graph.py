"""The deployment graph: the actors and channels of a network on an architecture, before they have a place."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import networkx as nx

from mapping.actors.cost import node_cycles
from mapping.actors.firing import Firing, Grain, row_words, stream_length
from mapping.operators import image_firings, repetition, task
from pyimc.arch import Arch
from pyimc.engines.task import Task
from pyimc.errors import CapacityError, ConfigError, grouped
from pyimc.network import Network, Node
from pyimc.operators.load import Load
from pyimc.program import HOST, HOST_SLOTS, Kind

MOST_DESTINATIONS, CREDIT_SLOTS = 8, 256
"""That an architecture can give an actor, and all actors of a unit together."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphNode:
    """One actor to place.

    Attributes:
        name: Name of the network's node.
        kind: The kind of processing unit that it needs.
        operator: The network's node.
        task: What its engine is told of it.
        firings: Its firings for one image; of a Load, for one batch.
        per_row: How many of them compute one output row; resize: the output rows of one row read.
        cycles: Its engine time per image, in cycles (see `mapping.actors.cost`).
        planes: Crossbar planes that it takes.
        parameters: Parameter entries that it takes, in channels, rounded up to whole words.
        instructions: Length of its stream.
        weight_words: Words that it takes of the weight memory of a vector engine.
        weights: Digest of its weight matrix: nodes with equal ones share their planes on a processing unit.
    """

    name: str
    kind: Kind
    operator: Node
    task: Task
    firings: tuple[Firing, ...]
    per_row: int
    cycles: int
    planes: int
    parameters: int
    instructions: int
    weight_words: int = 0
    weights: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """One channel to size.

    Attributes:
        tensor: What travels through it.
        producer: Node, or "host".
        consumer: Node, or "host".
        port: Input port of the consumer.
        row_words: Words of one row of the tensor.
        least_words: The smallest ring that does not deadlock.
        slack_words: What a row of slack adds to it.
        ahead_words: What lets those before layers whose weights travel work ahead while these wait; all three are 0
            until `mapping.actors.buffers.size_edges` has run.
        partial: The tensor is a partial map: the ring is in the partial memory.
        weights: It is the weights of a layer: the ring is in the planes.
    """

    tensor: str
    producer: str
    consumer: str
    port: int
    row_words: int
    least_words: int = 0
    slack_words: int = 0
    ahead_words: int = 0
    partial: bool = False
    weights: bool = False

    @property
    def name(self) -> str:
        """Unique in the graph; becomes the channel's name."""
        return f"{self.tensor}->{self.consumer}.{self.port}"


Packing = Literal["one_per_plane", "windows"]


class Turn(NamedTuple):
    """Edges that bring weights into the same planes, in their order, and how many windows their loads go through."""

    edges: tuple[Edge, ...]
    windows: int


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order and edges in the order of their tensors, then their consumers (the host last).

    Attributes:
        packing: Whether layers of a unit have crossbar planes of their own or share them.
    """

    network: Network
    nodes: dict[str, GraphNode]
    edges: tuple[Edge, ...]
    packing: Packing = "one_per_plane"

    def cycles(self) -> dict[str, int]:
        """Engine time per image of every node, in cycles."""
        return {name: node.cycles for name, node in self.nodes.items()}

    @cached_property
    def batch(self) -> int:
        """Images that weights which travel are loaded for at a time; 1 if none do."""
        return max((node.operator.batch for node in self.nodes.values() if isinstance(node.operator, Load)), default=1)

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """Edges that bring weights."""
        edges = {edge.tensor: edge for edge in self.edges if edge.weights}
        loads = [node.operator for node in self.nodes.values() if isinstance(node.operator, Load)]
        turns = dict.fromkeys((load.turn, load.windows) for load in loads)
        return tuple(Turn(tuple(edges[tensor] for tensor in turn), windows) for turn, windows in turns)

    def inputs(self, name: str) -> tuple[Edge, ...]:
        """Edges into a node, by port."""
        return self._inputs.get(name, ())

    def outputs(self, name: str) -> tuple[Edge, ...]:
        """Edges out of a node, in the order of its slots."""
        return self._outputs.get(name, ())

    @cached_property
    def _inputs(self) -> dict[str, tuple[Edge, ...]]:
        return _by(sorted(self.edges, key=lambda edge: edge.port), lambda edge: edge.consumer)

    @cached_property
    def _outputs(self) -> dict[str, tuple[Edge, ...]]:
        return _by(self.edges, lambda edge: edge.producer)

    def ancestors(self) -> dict[str, frozenset[str]]:
        """For every node, all nodes that its result depends on.

        Node by node, as each has those of its producers: seven times as fast as `networkx.ancestors` of every node.
        """
        found: dict[str, frozenset[str]] = {}
        for name in self.nodes:
            parents = {edge.producer for edge in self.inputs(name)} - {HOST}
            found[name] = frozenset(parents).union(*(found[parent] for parent in parents))
        return found

    def longest_path(self, transfer: Callable[[Edge], int] = lambda edge: 0) -> tuple[str, ...]:
        """The path with the largest sum of cycles, in order; the first in topological order among equals.

        `networkx.dag_longest_path` knows weights of edges only, and other firsts among equals.

        Args:
            transfer: Cycles that an edge between two nodes adds.
        """
        best: dict[str, tuple[int, tuple[str, ...]]] = {}
        for name, node in self.nodes.items():
            before: tuple[int, tuple[str, ...]] = max(
                (
                    (best[edge.producer][0] + transfer(edge), best[edge.producer][1])
                    for edge in self.inputs(name)
                    if edge.producer != HOST
                ),
                key=lambda path: path[0],
                default=(0, ()),
            )
            best[name] = (before[0] + node.cycles, (*before[1], name))
        return max(best.values(), key=lambda path: path[0])[1]

    def depths(self) -> dict[str, int]:
        """For every node, the largest number of edges between it and the host's input; the host as a sink too."""
        ways = nx.DiGraph((edge.producer, edge.consumer) for edge in self.edges if edge.consumer != HOST)
        depths = {
            name: depth
            for depth, names in enumerate(nx.topological_generations(ways))
            for name in names
            if name != HOST
        }
        return depths | {HOST: 1 + max(depths.values())}


def _by(edges: Iterable[Edge], end: Callable[[Edge], str]) -> dict[str, tuple[Edge, ...]]:
    """The edges of every node at one of their ends, in order."""
    found = defaultdict[str, list[Edge]](list)
    for edge in edges:
        found[end(edge)].append(edge)
    return {name: tuple(edges) for name, edges in found.items()}


def build_graph(network: Network, arch: Arch, grain: Grain = "row") -> Graph:
    """Actors and channels of a network; nodes that no output depends on are left out.

    Raises:
        CapacityError: A layer that no processing unit of this architecture can compute.
        ConfigError: A network that leaves the chip nothing to do.
    """
    live = _live(network)
    tasks = {node.name: task(node, network, arch) for node in live}
    faults: dict[str, list[str]] = {}
    for name, asked in tasks.items():
        for fault in asked.faults(arch):
            faults.setdefault(fault, []).append(name)
    takers = {(node.name, port) for node in live for port in range(len(node.inputs)) if node.takes(port) == "weights"}
    consumers: dict[str, list[tuple[str, int]]] = {network.input: [], **{node.output: [] for node in live}}
    for node in live:
        for port, tensor in enumerate(node.inputs):
            consumers[tensor].append((node.name, port))
    for port, tensor in enumerate(network.outputs):
        consumers[tensor].append((HOST, port))
    producers = {node.output: node.name for node in live}
    for tensor, name in producers.items():
        if len(consumers[tensor]) > arch.destinations:
            faults.setdefault(_too_few_destinations(len(consumers[tensor]), arch), []).append(name)
    if len(consumers[network.input]) > HOST_SLOTS:
        fault = f"has {len(consumers[network.input])} consumers, the host has {HOST_SLOTS} slots"
        faults.setdefault(fault if arch.dpus else f"{fault}; a dpu PU would hand it on", []).append(network.input)
    if faults:
        raise CapacityError(f"network {network.name} on architecture {arch.name}: {grouped(faults)}")
    edges = tuple(
        Edge(
            tensor,
            producers.get(tensor, HOST),
            consumer,
            port,
            row_words(kind, arch),
            partial=kind.partial,
            weights=(consumer, port) in takers,
        )
        for tensor, entries in consumers.items()
        for kind in [network.tensors[tensor]]
        for consumer, port in entries
    )
    nodes = {
        node.name: _graph_node(network, node, tasks[node.name], arch, grain, len(consumers[node.output]))
        for node in live
    }
    return Graph(network, nodes, edges)


def _too_few_destinations(needed: int, arch: Arch) -> str:
    """What is wrong, and what would do."""
    whole = 1 << (needed - 1).bit_length()
    possible = whole <= MOST_DESTINATIONS and arch.contexts * whole <= CREDIT_SLOTS
    levers = [f"destinations of {whole}"] if possible else []
    if not arch.dpus and arch.destinations > 1:
        levers.append("a dpu PU, which would hand it on,")
    todo = f"; {' or '.join(levers)} would do" if levers else ""
    return f"needs {needed} destinations, an actor has {arch.destinations}{todo}"


def _live(network: Network) -> list[Node]:
    if network.input in network.outputs:
        raise ConfigError(f"network {network.name}: output {network.input} is its input; there is nothing to compute")
    if any(node.name == HOST for node in network.nodes):
        raise ConfigError(f"network {network.name}: a node must not be called '{HOST}'; rename it")
    needed = set(network.outputs)
    live = []
    for node in reversed(network.nodes):
        if node.output in needed:
            needed.update(node.inputs)
            live.append(node)
    return live[::-1]


def _graph_node(network: Network, node: Node, asked: Task, arch: Arch, grain: Grain, destinations: int) -> GraphNode:
    firings = image_firings(network, node, arch, grain)
    per_row = len(firings) // repetition(node, network)
    return GraphNode(
        name=node.name,
        kind=asked.engine,
        operator=node,
        task=asked,
        firings=firings,
        per_row=per_row,
        cycles=-(-node_cycles(asked, arch, firings, destinations) // (node.batch if isinstance(node, Load) else 1)),
        planes=asked.plane_count(arch),
        parameters=arch.words(asked.parameter_count) * arch.lanes,
        instructions=stream_length(firings, per_row),
        weight_words=asked.weight_words(arch),
        weights=asked.digest(),
    )

"""What no placement can beat: lower bounds of the largest load, the interval between images and the latency.

load      at least that of the largest node, and the mean over the processing units of a kind
interval  at least the cycles of the largest node, what all nodes of a kind take of their engines, spread evenly, and
          the flits that one actor or the host sends or receives for an image
latency   at least the longest path through the firings of one image: a firing follows the one before it on its actor,
          and the firings of its producers whose rows it needs, over a mesh that nothing else uses. The sum of cycles
          on the longest path of nodes, a bound where a node starts after its producers have finished, is none here:
          rows of one image pipeline from node to node.

Cycles are those of `actors/cost.py`. A node's load is exact for an actor alone. Where a unit hosts several, a firing
may hide a few cycles of another one's start-up that the sum of their loads counts; the bound of the interval leaves
them out (`engine_cycles`), and may thus be a little below that of the load.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from mapping.actors.cost import engine_cycles, packet_flits, tensor_flits
from mapping.actors.graph import Edge, Graph
from pyimc.arch import Arch
from pyimc.engines import ENGINES
from pyimc.program import HOST, Kind

ARRIVAL_CYCLES = 4
"""From the last word of a packet to the issue that it allows, at least, but for the packet's own flits."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds in cycles.

    Attributes:
        load: Of the largest load of a processing unit.
        interval: Of the interval between images.
        limit: What sets the interval: a node, the units of a kind, or the link of a node or the host.
        latency: Of the latency of an image.
    """

    load: int
    interval: int
    limit: str
    latency: int


def bounds(graph: Graph, arch: Arch) -> Bounds:
    """All bounds of a graph on an architecture."""
    load = max(load_bound(graph, arch, kind)[0] for kind in ENGINES)
    largest = max(graph.nodes, key=lambda name: graph.nodes[name].cycles)
    limits = [(graph.nodes[largest].cycles, largest), *(_engine_bound(graph, arch, kind) for kind in ENGINES)]
    limits += [_memory_bound(graph, arch), _link_bound(graph, arch)]
    interval, limit = max(limits, key=lambda found: found[0])
    return Bounds(load, interval, limit, latency_bound(graph, arch))


def load_bound(graph: Graph, arch: Arch, kind: Kind) -> tuple[int, str]:
    """Of the largest load on the units of a kind, and what sets it: the largest node, or all spread evenly."""
    cycles = {name: node.cycles for name, node in graph.nodes.items() if node.kind == kind}
    if not cycles:
        return 0, ""
    largest = max(cycles, key=lambda name: cycles[name])
    mean, unit = _spread(sum(cycles.values()), arch, kind)
    return (mean, unit) if mean > cycles[largest] else (cycles[largest], largest)


def _spread(cycles: int, arch: Arch, kind: Kind) -> tuple[int, str]:
    """The mean over the units of a kind, rounded up, and their name."""
    count = max(1, len(arch.places(kind)))  # without any, the strategy says so
    return -(-cycles // count), f"{count} {kind} PUs"


def _engine_bound(graph: Graph, arch: Arch, kind: Kind) -> tuple[int, str]:
    """What all nodes of a kind take of the fronts, or of the converters, of their engines, spread evenly."""
    taken = [engine_cycles(node.task, arch, node.firings) for node in graph.nodes.values() if node.kind == kind]
    images = graph.batch if kind == "memory" else 1
    return _spread(max((sum(stage) // images for stage in zip(*taken, strict=True)), default=0), arch, kind)


def _memory_bound(graph: Graph, arch: Arch) -> tuple[int, str]:
    """What the weights of an image take of the links of the memories, spread evenly."""
    heights = {edge.tensor: graph.network.tensors[edge.tensor].height for edge in graph.edges if edge.weights}
    flits = sum(packet_flits(edge.row_words * heights[edge.tensor], arch) for edge in graph.edges if edge.weights)
    cycles, units = _spread(flits // graph.batch, arch, "memory")
    return cycles, f"links of {units}"


def _link_bound(graph: Graph, arch: Arch) -> tuple[int, str]:
    """The most flits that an actor or the host sends or receives for an image, and whose link that is."""
    flits: Counter[tuple[str, str]] = Counter()
    for edge in graph.edges:
        kind = graph.network.tensors[edge.tensor]
        words = edge.row_words * kind.height
        size = packet_flits(words, arch) // graph.batch if edge.weights else tensor_flits(kind, arch)
        flits["from", edge.producer] += size
        flits["to", edge.consumer] += size
    (way, name), most = max(flits.items(), key=lambda item: item[1])
    return most, f"link {way} {name}"


def latency_bound(graph: Graph, arch: Arch) -> int:
    """Of the cycles from the first flit of an image to the last one of its results, both included."""
    _, ends = planned_firings(graph, arch)
    return max(
        ends[edge.producer][-1] + _packet_flits(graph.nodes[edge.producer].firings[-1].produce, arch)
        for edge in graph.edges
        if edge.consumer == HOST
    )


def planned_firings(graph: Graph, arch: Arch) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Issue and last word of every firing of one image, by node, if it had the chip and every node a PU for itself."""
    starts: dict[str, list[int]] = {}
    ends: dict[str, list[int]] = {}
    for name, node in graph.nodes.items():
        time = cache(lambda firing, task=node.task: task.firing_time(arch, firing))
        inputs = [_ready(graph, arch, edge, ends) for edge in graph.inputs(name)]
        free, end = 0, 0
        starts[name], ends[name] = [], []
        for firing, *ready in zip(node.firings, *inputs, strict=True):
            front, span, work = time(firing)
            start = max([free, *ready])
            free = start + front + node.task.reissue_cycles
            end = max(start + span, end + work)
            starts[name].append(start)
            ends[name].append(end)
    return starts, ends


def _ready(graph: Graph, arch: Arch, edge: Edge, ends: dict[str, list[int]]) -> Sequence[int]:
    """When the words that each firing of an edge's consumer needs can be there."""
    firings = graph.nodes[edge.consumer].firings
    if edge.weights:  # they may have come before the image
        return [0] * len(firings)
    freed = [0, *accumulate(firing.free[edge.port] for firing in firings)]
    needs = [before + firing.need[edge.port] for before, firing in zip(freed, firings, strict=False)]
    if edge.producer == HOST:
        return [words + -(-words // arch.packet_words) + ARRIVAL_CYCLES for words in needs]
    produced = list(accumulate(firing.produce for firing in graph.nodes[edge.producer].firings))
    sources = [bisect_left(produced, words) for words in needs]
    return [
        ends[edge.producer][source]
        + _packet_flits(graph.nodes[edge.producer].firings[source].produce, arch)
        + ARRIVAL_CYCLES
        for source in sources
    ]


def _packet_flits(words: int, arch: Arch) -> int:
    """Flits of the last packet of so many words."""
    return (words - 1) % arch.packet_words + 2

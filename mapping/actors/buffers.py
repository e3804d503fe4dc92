"""Channel sizes and their rings in the activation memories.

The smallest sizes come from running one image, or one batch, through the token graph on demand: every sink pulls a row
at a time, a node fires only when its consumer needs the row, and each channel gets the largest fill that was seen. That
order is a schedule within these sizes, and in a dataflow graph whose results do not depend on the order of firing,
one such schedule means that none deadlocks. A skip connection thereby gets what its fork-join needs. Of several inputs
the one with the shorter way is asked for first, else what the longer way pulls would pile up before the shorter one;
but partial sums before all, as the parts before read upper kernel rows.

On top comes slack, so that producers and consumers work at the same time: `slack_rows` rows (steps of the consumer,
if it strides further) per actor on the longest way round, as each of them may hold a row back. Where a memory is too
small, every ring gets its first row before any gets a second, short ways before long ones: a skip over half of the
network takes what would serve all others.

A layer whose weights travel computes for a while and then waits for its next load; a product of two maps waits for the
whole of one, which then stays until it has been computed. So that those before it work meanwhile, and that it does not
wait for another part of the layer whose weights come later, the rings of edges out of such nodes, and of those from
before one to behind it, get an image (a batch) more, as far as memories hold them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import gcd
from typing import Any

from mapping.actors.firing import read_grain
from mapping.actors.graph import Edge, Graph, build_graph
from mapping.placement.ledger import Placement
from pyimc.arch import Arch
from pyimc.errors import CapacityError
from pyimc.program import HOST, Channel, Memory, Program

SLACK_ROWS = 2
RING_WORDS_MAX = 2**16 - 1


def size_edges(graph: Graph) -> Graph:
    """The graph with the smallest ring of every edge that does not deadlock."""
    depths = {**graph.depths(), HOST: 0}  # as a producer
    inputs = {
        name: sorted(graph.inputs(name), key=lambda edge: (not edge.partial, depths[edge.producer]))
        for name in graph.nodes
    }
    before = {
        later.producer: first.consumer
        for edges, windows in graph.turns
        for first, later in zip(edges, edges[windows:], strict=False)
    }
    fill: Counter[Edge] = Counter()
    peak: Counter[Edge] = Counter()
    fired: Counter[str] = Counter()

    def push(producer: str, words: int) -> None:
        for edge in graph.outputs(producer):
            fill[edge] += words
            peak[edge] = max(peak[edge], fill[edge])
            if edge.consumer == HOST:
                fill[edge] = 0

    def fire(name: str) -> None:
        if name == HOST:
            push(HOST, graph.outputs(HOST)[0].row_words)
            return
        while name in before and fired[before[name]] < graph.batch * len(graph.nodes[before[name]].firings):
            fire(before[name])  # its weights are where those of this one come
        firings = graph.nodes[name].firings
        firing = firings[fired[name] % len(firings)]
        for edge in inputs[name]:
            while fill[edge] < firing.need[edge.port]:
                fire(edge.producer)
        for edge in inputs[name]:
            if not edge.weights or fired[name] + 1 == graph.batch * len(firings):
                fill[edge] -= firing.free[edge.port]
        fired[name] += 1
        push(name, firing.produce)

    def progress(name: str) -> Fraction:
        return Fraction(fired[name], len(graph.nodes[name].firings))

    sinks = [edge.producer for edge in graph.edges if edge.consumer == HOST]
    while (sink := min(sinks, key=progress)) and progress(sink) < graph.batch:
        fire(sink)

    def row_of_slack(edge: Edge) -> int:
        if edge.consumer == HOST or edge.weights:
            return 0
        return _step(graph, edge) * (depths[edge.consumer] - depths[edge.producer])

    levels = _levels(graph)

    waiting = {edge.consumer for edge in graph.edges if _awaited(graph, edge)}

    def sized(edge: Edge) -> Edge:
        waits = edge.producer in waiting or levels.get(edge.consumer, 0) > levels.get(edge.producer, 0)
        map_words = graph.network.tensors[edge.tensor].height * edge.row_words
        ahead = (
            graph.batch * map_words if waits and edge.consumer != HOST and not edge.weights and not edge.partial else 0
        )
        return replace(edge, least_words=peak[edge], slack_words=row_of_slack(edge), ahead_words=ahead)

    return replace(graph, edges=tuple(sized(edge) for edge in graph.edges))


def _levels(graph: Graph) -> dict[str, int]:
    """Of every node, the most nodes that wait for weights or for a whole map on a way to it, itself included."""
    levels: dict[str, int] = {}
    for name in graph.nodes:
        before = max((levels.get(edge.producer, 0) for edge in graph.inputs(name)), default=0)
        levels[name] = before + any(_awaited(graph, edge) for edge in graph.inputs(name))
    return levels


def _awaited(graph: Graph, edge: Edge) -> bool:
    """Whether an edge brings weights, or a map that its consumer needs whole for all of several firings."""
    if edge.weights or edge.consumer == HOST:
        return edge.weights
    *others, _ = graph.nodes[edge.consumer].firings
    map_words = graph.network.tensors[edge.tensor].height * edge.row_words
    return bool(others) and all(each.need[edge.port] >= map_words and not each.free[edge.port] for each in others)


def smallest_graph(program: Program) -> Graph:
    """The graph of a Program, with the smallest rings that do not deadlock at its grain."""
    grain = read_grain(program.origin.options.get("grain", "row"))
    return size_edges(build_graph(program.network, program.arch, grain))


def smallest_rings(program: Program) -> tuple[Edge, ...]:
    """The edges of `smallest_graph`."""
    return smallest_graph(program).edges


def allocate(graph: Graph, arch: Arch, placement: Placement, slack_rows: int = SLACK_ROWS) -> tuple[Channel, ...]:
    """Sizes all rings and gives each its place.

    A memory that cannot hold all its rings with `slack_rows` is filled with the slack that it can hold.

    Args:
        graph: With the smallest sizes.
        arch: Gives the memories' sizes in words.
        placement: Where every node is.
        slack_rows: Rows on top of the smallest size, per actor that the edge passes by.

    Returns:
        One channel per edge, in the graph's order.

    Raises:
        CapacityError: The smallest rings do not fit a memory or the host's result buffer.
    """
    hosts = {**placement.nodes, HOST: arch.host}
    placed: dict[str, tuple[int, int]] = {}
    for node in sorted(set(placement.nodes.values())):
        for partial, memory in enumerate(("activation", "partial")):
            words = getattr(arch, f"{memory}_words")
            edges = [
                edge for edge in graph.edges
                if hosts[edge.consumer] == node and edge.consumer != HOST
                and edge.partial == bool(partial) and not edge.weights
            ]  # fmt: skip
            least = sum(edge.least_words for edge in edges)
            if least > words:
                raise CapacityError(
                    f"node {node}: its channels need {least} words of {memory} memory, it has {words}; "
                    f"use more PUs or more {memory}_words" + (" or a smaller batch" if graph.batch > 1 else "")
                )
            placed.update(_rings(_with_slack(edges, words - least, slack_rows)))
    placed.update(_rings(_host_sizes(graph, arch)))
    passed = _in_turn(graph)
    return tuple(
        Channel(
            edge.name,
            edge.tensor,
            edge.producer,
            edge.consumer,
            edge.port,
            hosts[edge.consumer],
            **(passed[edge.name] if edge.weights else dict(zip(("base", "size"), placed[edge.name], strict=True))),
            memory=_memory(edge),
            batch=graph.batch if edge.weights else 1,
        )
        for edge in graph.edges
    )


def _in_turn(graph: Graph) -> dict[str, dict[str, Any]]:
    """Of the rings of weights: which load gets the room next, and the room at the start, which is that of the first.

    The loads of a turn go through its windows one after the other. So what a load leaves is the room of the load that
    comes as many later as there are windows. Where base 0 is, is known with the planes of the consumer.
    """
    found: dict[str, dict[str, Any]] = {}
    for turn in graph.turns:
        count, windows = len(turn.edges), turn.windows
        for place, edge in enumerate(turn.edges):
            loads = len(range(place, windows, count))  # that there is room for at the start
            size = edge.least_words * -(-windows // count)
            found[edge.name] = {"base": 0, "size": size}
            if count > 1 or windows > 1:
                found[edge.name] |= {
                    "heir": turn.edges[(place + windows) % count].name,
                    "room": loads * turn.edges[(place - windows) % count].least_words,
                    "windows": windows // gcd(windows, count),
                }
    return found


def _memory(edge: Edge) -> Memory:
    """Which memory of its consumer's unit a ring is in."""
    if edge.consumer == HOST:
        return "activation"
    return "plane" if edge.weights else "partial" if edge.partial else "activation"


def _with_slack(edges: Sequence[Edge], words: int, rows: int) -> dict[str, int]:
    """The sizes of a memory's rings, given the words that the smallest leave of it."""
    sizes = {edge.name: edge.least_words for edge in edges}
    short_first = sorted(edges, key=lambda edge: edge.slack_words)
    step = sum(edge.slack_words for edge in edges)
    whole = min(rows, words // step) if step else 0  # rows for which there is room in every ring
    for edge in edges:
        sizes[edge.name] += whole * edge.slack_words
    words -= whole * step
    if whole < rows:
        for edge in short_first:
            more = min(edge.slack_words, words)
            sizes[edge.name] += more
            words -= more
    for edge in sorted(edges, key=lambda edge: edge.ahead_words):
        more = min(edge.ahead_words, words, max(0, RING_WORDS_MAX - sizes[edge.name]))
        sizes[edge.name] += more
        words -= more
    return sizes


def _step(graph: Graph, edge: Edge) -> int:
    """Words that move at once in the middle of an image: a row of the producer or a step of the consumer."""
    return max([edge.row_words, *(firing.free[edge.port] for firing in graph.nodes[edge.consumer].firings[:-1])])


def _host_sizes(graph: Graph, arch: Arch) -> dict[str, int]:
    edges = [edge for edge in graph.edges if edge.consumer == HOST]
    share = arch.host_words // len(edges)
    widest = max(edge.least_words for edge in edges)
    if widest > share:
        raise CapacityError(
            f"host: {len(edges)} outputs with rows of up to {widest} words need host_words of {widest * len(edges)} "
            f"words, it has {arch.host_words}"
        )
    return {edge.name: share for edge in edges}


def _rings(sizes: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Base and size of every ring, one after the other."""
    rings = {}
    base = 0
    for name, size in sizes.items():
        rings[name] = (base, size)
        base += size
    return rings

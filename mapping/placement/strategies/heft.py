"""HEFT, heterogeneous earliest finish time: a list scheduler for the latency of one image.

Source: H. Topcuoglu, S. Hariri and M.-Y. Wu, "Performance-Effective and Low-Complexity Task Scheduling for
Heterogeneous Computing", IEEE Trans. Parallel Distrib. Syst. 13 (2002):

1. Upward rank of a node: its cycles plus the largest, over its consumers, of mean transfer time plus their rank.
2. Nodes by decreasing rank, each to the feasible unit on which it finishes first; it may fill a gap between two nodes
   that are there already (insertion).

A transfer takes the tensor's flits (words and heads) plus the hops between the two routers, none within a unit; the
mean is over all pairs of nodes. The input starts at the host at time 0. Ties: topological order, the lowest unit.

HEFT takes a node for a task that runs once, after its producers have finished. Our nodes are actors that pipeline rows
and images, so the finish times are only a guide: HEFT is a baseline that looks at latency and not at the load.
"""

from collections.abc import Sequence

from mapping.actors.cost import mean_hops, tensor_flits
from mapping.actors.graph import Edge, Graph
from mapping.placement.ledger import Ledger, Options, Placement, read_options, retry
from pyimc.arch import Arch
from pyimc.program import HOST
from pyimc.routing import hops

Slot = tuple[int, int]  # start and end of a node on its unit


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError, or ConfigError for any option."""
    del seed  # nothing random
    read_options(options, "heft", {})
    inputs = {name: graph.inputs(name) for name in graph.nodes}

    def flits(edge: Edge) -> int:
        return tensor_flits(graph.network.tensors[edge.tensor], arch)

    def attempt(order: Sequence[str]) -> Placement:
        ledger = Ledger(graph, arch)
        finish = {HOST: 0}
        where = {HOST: arch.host}
        slots: dict[int, list[Slot]] = {node: [] for node in ledger.load}

        def slot(name: str, node: int) -> Slot:
            arrivals = [
                finish[edge.producer]
                + (flits(edge) + hops(arch.mesh.columns, where[edge.producer], node)) * (where[edge.producer] != node)
                for edge in inputs[name]
                if edge.producer in where  # but for a node that was moved to the front
            ]
            start = earliest(slots[node], max(arrivals, default=0), graph.nodes[name].cycles)
            return start, start + graph.nodes[name].cycles

        for name in order:
            found = {node: slot(name, node) for node in ledger.feasible(name)}
            node = min(found, key=lambda node: (found[node][1], node))
            slots[node] = sorted([*slots[node], found[node]])
            finish[name], where[name] = found[node][1], node
            ledger.place(name, node)
        return ledger.placement()

    rank = upward_rank(graph, arch)
    return retry(sorted(graph.nodes, key=lambda name: -rank[name]), attempt)


def upward_rank(graph: Graph, arch: Arch) -> dict[str, int]:
    """For every node, the cycles from its start to the end of the image, with mean transfer times."""
    mean = mean_hops(arch)
    ranks: dict[str, int] = {HOST: 0}
    for name in reversed(graph.nodes):
        ranks[name] = graph.nodes[name].cycles + max(
            tensor_flits(graph.network.tensors[edge.tensor], arch) + mean + ranks[edge.consumer]
            for edge in graph.outputs(name)
        )
    return ranks


def earliest(taken: Sequence[Slot], ready: int, cycles: int) -> int:
    """The first time from `ready` on at which a unit with these slots, in order, is free for so many cycles."""
    start = ready
    for begin, end in taken:
        if start + cycles <= begin:
            break
        start = max(start, end)
    return start

"""Placement on the mesh: which unit of a kind takes the part of which, so that no link is crowded."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise

from mapping.actors.cost import tensor_flits
from mapping.actors.graph import Graph
from mapping.placement.ledger import Placement
from pyimc.arch import Arch
from pyimc.engines import ENGINES
from pyimc.program import HOST
from pyimc.routing import route

Pair = tuple[int, int]


def spread_routes(graph: Graph, arch: Arch, placement: Placement) -> Placement:
    """Exchanges all nodes of two units of a kind, unused ones included, while the sum of squared link loads falls.

    A load is the flits of an image; its square makes a crowded link cost more than a longer way round it. Packets that
    meet wait for each other, and the engines behind them with their words. Loads of units and feasibility do not
    change: units of a kind are equal. The best exchange is made first; of equal ones that of the lowest nodes.
    """
    flows = _flows(graph, arch, placement)
    of_unit = {unit: [ends for ends in flows if unit in ends] for unit in range(arch.nodes)}
    place = {unit: unit for unit in range(arch.nodes)}  # where the nodes of a unit go
    links: Counter[Pair] = Counter()
    for (source, target), flits in flows.items():
        for link in _links(arch.mesh.columns, source, target):
            links[link] += flits

    def change(one: int, other: int) -> Counter[Pair]:
        """What an exchange adds to the loads of links."""
        after = {**place, one: place[other], other: place[one]}
        added: Counter[Pair] = Counter()
        for ends in {*of_unit[one], *of_unit[other]}:
            for where, sign in ((place, -1), (after, 1)):
                for link in _links(arch.mesh.columns, where[ends[0]], where[ends[1]]):
                    added[link] += sign * flows[ends]
        return added

    def saved(exchange: Pair) -> int:
        return sum(links[link] ** 2 - (links[link] + more) ** 2 for link, more in change(*exchange).items())

    pairs = [pair for kind in ENGINES for pair in combinations(arch.places(kind), 2)]
    while pairs:
        one, other = best = max(pairs, key=saved)
        if saved(best) <= 0:
            break
        for link, more in change(one, other).items():
            links[link] += more
        place[one], place[other] = place[other], place[one]
    return replace(placement, nodes={name: place[unit] for name, unit in placement.nodes.items()})


def _flows(graph: Graph, arch: Arch, placement: Placement) -> Mapping[Pair, int]:
    """Flits of an image, by source and target."""
    hosts = {**placement.nodes, HOST: arch.host}
    flows: Counter[Pair] = Counter()
    for edge in graph.edges:
        flows[hosts[edge.producer], hosts[edge.consumer]] += tensor_flits(graph.network.tensors[edge.tensor], arch)
    return flows


@cache
def _links(columns: int, source: int, target: int) -> tuple[Pair, ...]:
    """On the way, as pairs of neighbours."""
    return tuple(pairwise(route(columns, source, target)))

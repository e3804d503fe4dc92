"""Placement on the mesh: which unit of a kind takes the part of which, so that flits travel few hops."""

from collections import Counter
from dataclasses import replace

from mapping.cost import tensor_flits
from mapping.graph import Graph
from mapping.placement import Placement, units
from pyimc.arch import Arch
from pyimc.program import HOST


def shorten_routes(graph: Graph, arch: Arch, placement: Placement) -> Placement:
    """Exchanges all nodes of two units of a kind, unused ones included, while that lowers flits times hops.

    Loads and feasibility do not change: units of a kind are equal. The best exchange is made first; equal ones in the
    order of node ids.
    """
    place = {unit: unit for unit in range(arch.nodes)}  # where the nodes of a unit go
    traffic: Counter[tuple[int, int]] = Counter()
    hosts = {**placement.nodes, HOST: arch.host}
    for edge in graph.edges:
        ends = hosts[edge.producer], hosts[edge.consumer]
        traffic[min(ends), max(ends)] += tensor_flits(graph.network.tensors[edge.tensor], arch)
    beside: dict[int, dict[int, int]] = {unit: {} for unit in range(arch.nodes)}
    for (one, other), flits in traffic.items():
        if one != other:
            beside[one][other] = beside[other][one] = flits

    def hops(one: int, other: int) -> int:
        columns = arch.mesh.columns
        return abs(one % columns - other % columns) + abs(one // columns - other // columns)

    def gain(one: int, other: int) -> int:
        """Flits times hops that the exchange saves."""
        saved = 0
        for unit, new in ((one, place[other]), (other, place[one])):
            for peer, flits in beside[unit].items():
                if peer not in (one, other):
                    saved += flits * (hops(place[unit], place[peer]) - hops(new, place[peer]))
        return saved

    pairs = [
        (one, other)
        for kind in ("imc", "dpu")
        for one in units(arch, kind)
        for other in units(arch, kind)
        if one < other
    ]
    while pairs:
        one, other = max(pairs, key=lambda pair: gain(*pair))
        if gain(one, other) <= 0:
            break
        place[one], place[other] = place[other], place[one]
    return replace(placement, nodes={name: place[unit] for name, unit in placement.nodes.items()})

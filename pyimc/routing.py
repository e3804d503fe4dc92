"""Routes of the mesh: XY order, x first. Node = y * mesh_x + x; rtl/router.v and rtl/mesh.v are the hardware."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import networkx as nx

Link = tuple[int, int]
"""From a node to its neighbour."""

LOCAL, NORTH, EAST, SOUTH, WEST = range(5)
"""Router ports; north is towards y = 0."""

OPPOSITE = (LOCAL, SOUTH, WEST, NORTH, EAST)
"""A flit that leaves through port p enters the neighbour through port OPPOSITE[p]."""


def output_port(mesh_x: int, node: int, destination: int) -> int:
    """The port through which the router of `node` sends a packet for `destination`."""
    y, x = divmod(node, mesh_x)
    to_y, to_x = divmod(destination, mesh_x)
    if to_x != x:
        return EAST if to_x > x else WEST
    if to_y != y:
        return SOUTH if to_y > y else NORTH
    return LOCAL


def neighbour(mesh_x: int, node: int, port: int) -> int:
    """The node beyond a port other than `LOCAL`; it has to exist, this function does not know the edge."""
    return node + {NORTH: -mesh_x, EAST: 1, SOUTH: mesh_x, WEST: -1}[port]


def route(mesh_x: int, source: int, destination: int) -> list[int]:
    """Nodes on the way, both ends included; `[source]` alone when they are equal."""
    nodes = [source]
    while nodes[-1] != destination:
        nodes.append(neighbour(mesh_x, nodes[-1], output_port(mesh_x, nodes[-1], destination)))
    return nodes


def hops(mesh_x: int, source: int, destination: int) -> int:
    """Links between routers on the way: |dx| + |dy|."""
    y, x = divmod(source, mesh_x)
    to_y, to_x = divmod(destination, mesh_x)
    return abs(to_x - x) + abs(to_y - y)


def latency_cycles(mesh_x: int, source: int, destination: int) -> int:
    """Cycles from the edge that takes a flit from the source to the edge at which it can leave, when nothing blocks."""
    return hops(mesh_x, source, destination) + 1


def waiting_cycle(routes: Iterable[Sequence[int]]) -> list[Link]:
    """Links that packets on some routes can hold and wait for in a circle; empty if the routes cannot deadlock.

    A packet that holds a link waits for the next one on its route. Wormhole routing is free of deadlock if these
    dependencies have no cycle (W. J. Dally and C. L. Seitz, "Deadlock-Free Message Routing in Multiprocessor
    Interconnection Networks", IEEE Trans. Computers C-36 (1987)).

    Args:
        routes: Nodes on the way of every packet, both ends included.
    """
    dependencies = nx.DiGraph()
    for nodes in routes:
        dependencies.add_edges_from(pairwise(pairwise(nodes)))
    try:
        return [held for held, _ in nx.find_cycle(dependencies)]
    except nx.NetworkXNoCycle:
        return []

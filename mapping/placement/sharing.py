"""Windows that the compiler chooses: layers of a unit side by side in crossbar planes, as `packing=windows` asks for.

The largest first, each in the first planes, and there at the first row and column, at which all of its tiles are free.
Rows and columns that are tried are those at which others end. So what a unit needs follows from which layers it has,
in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from mapping.actors.graph import Graph, GraphNode
from mapping.placement.windows import Packed, Window, given, meet
from pyimc.arch import Arch, Crossbar
from pyimc.engines.imc.task import CrossbarTask
from pyimc.engines.imc.tiling import Corner, Tile, corner_faults, tiles
from pyimc.tensors import Pair


class _Layer(NamedTuple):
    """Equal weights, of one layer or of parts of it, are there once."""

    weights: str
    size: Pair


def shares(node: GraphNode) -> bool:
    """Its weights are in crossbar planes, and stay there."""
    return isinstance(node.task, CrossbarTask) and node.task.ring is None


def shared(nodes: Iterable[GraphNode], arch: Arch) -> Packed:
    """The windows of the layers of one unit, of those among the nodes that have weights which stay."""
    layers = {node.name: _Layer(node.weights, node.task.size) for node in nodes
              if isinstance(node.task, CrossbarTask) and shares(node)}  # fmt: skip
    windows, planes = _windows(tuple(sorted(set(layers.values()))), arch.crossbar)
    return Packed({name: windows[layer] for name, layer in layers.items()}, planes)


def packed(graph: Graph, arch: Arch, windows: Mapping[str, Window], names: Sequence[str]) -> Packed:
    """The windows of the nodes of one unit: by hand, or chosen if that is asked for and none has one by hand."""
    by_hand = given(graph, windows, names)
    chosen = graph.packing == "windows" and not by_hand.windows
    return shared((graph.nodes[name] for name in names), arch) if chosen else by_hand


@lru_cache(maxsize=4096)  # strategies ask for the same units again and again
def _windows(layers: tuple[_Layer, ...], crossbar: Crossbar) -> tuple[dict[_Layer, Window], int]:
    """Of every layer, and the planes that all take."""
    planes: list[list[Tile]] = []
    found = {}
    for layer in sorted(layers, key=lambda layer: (-len(tiles(layer.size, crossbar)), -layer.size[0] * layer.size[1])):
        window = next(_free(layer.size, planes, crossbar))
        found[layer] = window
        for tile in tiles(layer.size, crossbar, Corner(window.row, window.column)):
            at = window.plane + tile.plane
            planes += [[] for _ in range(at + 1 - len(planes))]
            planes[at].append(tile)
    return found, len(planes)


def _free(size: Pair, planes: Sequence[Sequence[Tile]], crossbar: Crossbar) -> Iterator[Window]:
    """Windows whose tiles meet no others, the first planes first; behind all planes there is one always."""
    group, count = crossbar.adcs, len(tiles(size, crossbar))
    for plane in range(len(planes) + 1):
        there = planes[plane : plane + count]
        held = [tile for tiles in there for tile in tiles]
        rows = sorted({0, *(tile.row + tile.rows for tile in held)})
        columns = sorted({0, *(-(-(tile.column + tile.columns) // group) * group for tile in held)})
        for corner in (Corner(*place) for place in product(rows, columns)):
            if not corner_faults(size, crossbar, corner) and not any(
                meet(tile, other, group)
                for tile in tiles(size, crossbar, corner)[: len(there)]
                for other in there[tile.plane]
            ):
                yield Window(plane, corner.row, corner.column)

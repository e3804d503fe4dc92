"""Windows by hand: layers that share crossbar planes, each in cells of its own.

A window is where the last row tile and the last column tile of a layer start; whole tiles fill their planes. Layers
with windows share the first planes of their unit, all others have planes of their own behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from mapping.actors.graph import Graph, GraphNode
from pyimc.arch import Arch
from pyimc.engines.imc.task import CrossbarTask
from pyimc.engines.imc.tiling import Corner, Tile, corner_faults, tiles


class Window(NamedTuple):
    """First plane of a layer, and first row and column of its last tiles; the column is the first of an ADC group."""

    plane: int
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Packed:
    """What layers with windows have of a unit.

    Attributes:
        windows: By the name of the node.
        planes: So many of the unit's first planes are theirs.
    """

    windows: Mapping[str, Window] = field(default_factory=dict)
    planes: int = 0


def given(graph: Graph, windows: Mapping[str, Window], names: Iterable[str]) -> Packed:
    """The windows of the nodes of one unit."""
    found = {name: windows[name] for name in names if name in windows}
    planes = max((window.plane + graph.nodes[name].planes for name, window in found.items()), default=0)
    return Packed(found, planes)


def window_faults(graph: Graph, arch: Arch, found: Packed) -> list[str]:
    """Windows of one unit that leave their planes or have cells in common."""
    held: dict[str, list[Tile]] = {}
    faults = []
    for name, window in found.windows.items():
        task = graph.nodes[name].task
        if not isinstance(task, CrossbarTask):
            faults.append(f"node {name} has a window, but no crossbar plane")
            continue
        corner = Corner(window.row, window.column)
        wrong = corner_faults(task.size, arch.crossbar, corner)
        wrong += [f"plane is {window.plane}, must be 0 or more"] if window.plane < 0 else []
        faults += [f"window of node {name}: {fault}" for fault in wrong]
        held[name] = [] if wrong else list(tiles(task.size, arch.crossbar, corner))
    for one, other in combinations(held, 2):
        first, second = found.windows[one].plane, found.windows[other].plane
        if not _same(graph.nodes[one], graph.nodes[other], found.windows[one] == found.windows[other]) and any(
            first + a.plane == second + b.plane and meet(a, b, arch.crossbar.adcs)
            for a in held[one]
            for b in held[other]
        ):
            faults.append(f"nodes {one} and {other} have windows with cells in common")
    return faults


def _same(one: GraphNode, other: GraphNode, place: bool) -> bool:
    """Parts with equal weights may have one window."""
    return place and one.weights == other.weights


def meet(one: Tile, other: Tile, group: int) -> bool:
    """Whether two tiles of a plane have a row and an ADC group in common."""
    rows = one.row < other.row + other.rows and other.row < one.row + one.rows
    columns = one.column < _end(other, group) and other.column < _end(one, group)
    return rows and columns


def _end(tile: Tile, group: int) -> int:
    """The column behind its last ADC group."""
    return tile.column + -(-tile.columns // group) * group

"""The chip as a picture: PUs by how busy they are, links by their load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyimc.program import Program

STEP, SIDE = 116, 66  # pixels from node to node, and of a node
GAP = 7  # between the two directions of a link


@dataclass(frozen=True, slots=True)
class Node:
    """A square: its corner, two lines of text, its heat (0 to 1) and what is said about it."""

    x: int
    y: int
    title: str
    text: str
    heat: float
    says: str


@dataclass(frozen=True, slots=True)
class Link:
    """A line between two nodes, and its heat."""

    x1: int
    y1: int
    x2: int
    y2: int
    heat: float
    says: str


@dataclass(frozen=True, slots=True)
class ChipMap:
    """All squares and lines, and the size of the picture in pixels."""

    width: int
    height: int
    nodes: list[Node]
    links: list[Link]


def chip_map(program: Program, busy: Mapping[int, float], load: Mapping[tuple[int, int], float]) -> ChipMap:
    """Args:
    program: Whose chip.
    busy: Share of the time, by PU.
    load: Flits per cycle, by the nodes at a link's ends.
    """
    arch = program.arch
    columns, rows = arch.mesh.columns, arch.mesh.rows
    nodes = [_node(program, node, busy) for node in range(arch.nodes)]
    links = []
    for node in range(arch.nodes):
        y, x = divmod(node, columns)
        neighbours = [(node + 1, x + 1 < columns), (node + columns, y + 1 < rows)]
        for other in (other for other, inside in neighbours if inside):
            links += [_link(columns, one, two, load) for one, two in ((node, other), (other, node))]
    return ChipMap(columns * STEP - STEP + SIDE + 20, rows * STEP - STEP + SIDE + 20, nodes, links)


def _corner(columns: int, node: int) -> tuple[int, int]:
    y, x = divmod(node, columns)
    return 10 + x * STEP, 10 + y * STEP


def _node(program: Program, node: int, busy: Mapping[int, float]) -> Node:
    x, y = _corner(program.arch.mesh.columns, node)
    if node == program.arch.host:
        return Node(x, y, "host", "", 0.0, "host port")
    kind = program.arch.kinds[node]
    hosted = [actor.name for actor in program.actors if actor.node == node]
    share = busy.get(node, 0.0)
    says = f"PU {node}, {kind}, busy {share:.1%}: {', '.join(hosted) or 'no actors'}"
    return Node(x, y, f"{kind} {node}", f"{share:.0%}" if hosted else "", share, says)


def _link(columns: int, one: int, two: int, load: Mapping[tuple[int, int], float]) -> Link:
    (x1, y1), (x2, y2) = _corner(columns, one), _corner(columns, two)
    half, share = SIDE // 2, load.get((one, two), 0.0)
    says = f"{one} to {two}: {share:.3f} flits per cycle"
    if y1 == y2:
        left, right, y = min(x1, x2) + SIDE + 2, max(x1, x2) - 2, y1 + half + (-GAP if x1 < x2 else GAP)
        ends = (left, y, right, y) if x1 < x2 else (right, y, left, y)
    else:
        top, bottom, x = min(y1, y2) + SIDE + 2, max(y1, y2) - 2, x1 + half + (GAP if y1 < y2 else -GAP)
        ends = (x, top, x, bottom) if y1 < y2 else (x, bottom, x, top)
    return Link(*ends, share, says)

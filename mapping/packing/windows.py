# SPDX-License-Identifier: Apache-2.0
"""Windows: every tile of a layer is a rectangle of its own, somewhere in some plane.

Nothing is stacked and nothing has to divide: a layer is cut into as few tiles as its matrix needs, which lie beside
those of other layers. Tiles that a macro computes one after another may share a plane; those that are computed at
the same time are in different macros. So fewer planes are needed than with columns of equal tiles, and sometimes fewer
cycles: 12 tiles on 4 macros take 3 steps, however many equal copies of equal stacks they make.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from mapping.packing.rectangles import Place, Size, fullest, solver_for
from mapping.packing.shapes import Layer
from mapping.packing.tiles import Macros

PLANE_EFFORT = 0.05
"""Deterministic seconds for the rectangles of one plane, if more than `SPARE` of it is free."""
SPARE = 0.05
CANDIDATES = 40
"""For a plane; with more, one is found without a search."""
PROOF_EFFORT = 20.0
EXACT_PIECES = 120
"""More rectangles are not tried exactly."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A tile of a layer's matrix.

    Attributes:
        layer: Name.
        index: Among the tiles of its layer, row tiles first to last, column tiles inner.
        size: Rows and columns, these in whole ADC groups.
        matrix_row: Its first row in the layer's matrix (grouped: of the blocks on the diagonal).
        matrix_column: Its first column.
    """

    layer: str
    index: int
    size: Size
    matrix_row: int
    matrix_column: int


@dataclass(frozen=True, slots=True)
class Windows:
    """Where every tile lies.

    Attributes:
        places: Macro and place in it, by tile.
        heights: Planes of every macro.
        bound: No packing of these tiles has a largest macro with fewer planes.
        cycles: MVMs one after another of an image, layer by layer.
    """

    places: dict[Piece, tuple[int, Place]]
    heights: tuple[int, ...]
    bound: int
    cycles: int

    @property
    def proven(self) -> bool:
        """No packing of these tiles has a smaller largest macro."""
        return max(self.heights) == self.bound

    @property
    def planes(self) -> int:
        """Of all macros."""
        return sum(self.heights)


def pack_windows(
    layers: Sequence[Layer], macros: Macros, *, group: int = 1, together: bool = False, exact: bool = True
) -> Windows:
    """Places all tiles, for the smallest largest macro; its planes are not limited by `macros.planes`.

    Tiles of a layer are cut evenly, or as large as they can be and one shorter: what needs fewer planes.

    Args:
        layers: All that shall be resident.
        macros: Where.
        group: Columns that are converted together: windows begin and end with them.
        together: All tiles of a layer are in one macro, as those of an actor are.
        exact: Proves that no smaller height works, or finds one, where there are few enough rectangles.
    """
    found = [_packed(layers, macros, group, together, exact, even) for even in (True, False)]
    return min(found, key=lambda each: (max(each.heights), each.planes))


def _packed(layers: Sequence[Layer], macros: Macros, group: int, together: bool, exact: bool, even: bool) -> Windows:
    plane, count = Size(macros.rows, macros.columns), macros.count
    tiles = {layer.name: pieces(layer, plane, group, even) for layer in layers}
    steps = {name: len(found) if together else -(-len(found) // count) for name, found in tiles.items()}
    spread = _spread(tiles, steps, count)
    filled = [_fill([piece for piece, at in spread.items() if at == macro], plane) for macro in range(count)]
    places = {piece: (macro, place) for macro, found in enumerate(filled) for piece, place in found.items()}
    bound = _bound(list(spread), count, plane)
    while exact and (highest := max(_heights(places, count))) > bound and len(places) <= EXACT_PIECES:
        lower = _exactly(list(spread), steps, together, count, highest - 1, plane)
        if lower is None:
            break
        if not lower:
            bound = highest
        else:
            places = lower
    cycles = sum(layer.pixels * steps[layer.name] for layer in layers)
    return Windows(places, _heights(places, count), bound, cycles)


def pieces(layer: Layer, plane: Size, group: int = 1, even: bool = False) -> tuple[Piece, ...]:
    """A layer's tiles; those of a grouped layer have blocks of groups on their diagonal.

    A group that is larger than a plane is cut as a layer of its own is.
    """
    beside = min(plane.columns // layer.columns, plane.rows // layer.rows) if layer.groups > 1 else 0
    if beside:
        cuts = _spans(layer.groups, beside, even)
        blocks = [((at * layer.rows, n * layer.rows), (at * layer.columns, n * layer.columns)) for at, n in cuts]
    else:
        rows, columns = _spans(layer.rows, plane.rows, even), _spans(layer.columns, plane.columns, even, group)
        blocks = [
            ((at * layer.rows + row, height), (at * layer.columns + column, width))
            for at in range(layer.groups)
            for row, height in rows
            for column, width in columns
        ]
    return tuple(
        Piece(layer.name, index, Size(height, -(-width // group) * group), row, column)
        for index, ((row, height), (column, width)) in enumerate(blocks)
    )


def _spans(length: int, most: int, even: bool, grain: int = 1) -> list[tuple[int, int]]:
    """Start and length of as few pieces as there can be: equal ones up to the grain, or the last one shorter."""
    step = -(-length // -(-length // most) // grain) * grain if even else most
    return [(start, min(step, length - start)) for start in range(0, length, step)]


def _spread(tiles: dict[str, tuple[Piece, ...]], steps: dict[str, int], count: int) -> dict[Piece, int]:
    """A macro for every tile: the emptiest one that has not its share of the layer, the largest layers first."""
    load, spread = [0] * count, {}
    for name in sorted(tiles, key=lambda name: (-sum(piece.size.cells for piece in tiles[name]), name)):
        held = Counter[int]()
        for piece in sorted(tiles[name], key=lambda piece: -piece.size.cells):
            open_ = [macro for macro in range(count) if held[macro] < steps[name]]
            if steps[name] == len(tiles[name]) and held:
                open_ = list(held)  # together
            macro = min(open_, key=lambda at: (load[at], at))
            held[macro] += 1
            load[macro] += piece.size.cells
            spread[piece] = macro
    return spread


def _fill(tiles: Sequence[Piece], plane: Size) -> dict[Piece, Place]:
    """Plane by plane, each as full as it can be with the largest tile that is left."""
    left = sorted(tiles, key=lambda piece: (-piece.size.cells, piece.layer, piece.index))
    places: dict[Piece, Place] = {}
    at = 0
    while left:
        chosen = _beside(left, plane)
        free = plane.cells - sum(piece.size.cells for piece in chosen)
        room = [piece for piece in left[1:] if _together(left[0].size, piece.size, plane)]
        if len(room) >= len(chosen) and free > plane.cells * SPARE and len(room) <= CANDIDATES:
            candidates = [left[0], *room]
            worth = [piece.size.cells for piece in candidates]
            worth[0] += sum(worth)  # always in
            found = fullest(plane, [piece.size for piece in candidates], worth, PLANE_EFFORT)
            if sum(candidates[index].size.cells for index in found) > plane.cells - free:
                chosen = {candidates[index]: place for index, place in found.items()}
        places |= {piece: place._replace(plane=at) for piece, place in chosen.items()}
        left = [piece for piece in left if piece not in chosen]
        at += 1
    return places


def _beside(tiles: Sequence[Piece], plane: Size) -> dict[Piece, Place]:
    """The first tile and what a simple rule puts beside it: every next tile into the tightest free rectangle."""
    free = [(0, 0, plane)]
    chosen: dict[Piece, Place] = {}
    for piece in tiles:
        fitting = [
            (min(size.rows - piece.size.rows, size.columns - piece.size.columns), row, column, size)
            for row, column, size in free
            if size.rows >= piece.size.rows and size.columns >= piece.size.columns
        ]
        if not fitting:
            continue
        _, row, column, size = min(fitting)
        free.remove((row, column, size))
        chosen[piece] = Place(0, row, column)
        below, right = size.rows - piece.size.rows, size.columns - piece.size.columns
        across = below * size.columns >= right * size.rows  # the larger rest stays whole
        if below:
            free.append((row + piece.size.rows, column, Size(below, size.columns if across else piece.size.columns)))
        if right:
            free.append((row, column + piece.size.columns, Size(piece.size.rows if across else size.rows, right)))
        if not free:
            break
    return chosen


def _together(one: Size, other: Size, plane: Size) -> bool:
    return one.columns + other.columns <= plane.columns or one.rows + other.rows <= plane.rows


def _bound(pieces: Sequence[Piece], count: int, plane: Size) -> int:
    """By area, and by the pieces of which no two fit one plane."""
    area = -(-sum(piece.size.cells for piece in pieces) // (plane.cells * count))
    alone = sum(2 * piece.size.rows > plane.rows and 2 * piece.size.columns > plane.columns for piece in pieces)
    return max(1, area, -(-alone // count))


def _heights(places: dict[Piece, tuple[int, Place]], count: int) -> tuple[int, ...]:
    heights = [0] * count
    for macro, place in places.values():
        heights[macro] = max(heights[macro], place.plane + 1)
    return tuple(heights)


def _exactly(
    tiles: Sequence[Piece], steps: dict[str, int], together: bool, count: int, planes: int, plane: Size
) -> dict[Piece, tuple[int, Place]] | None:
    """Places in so many planes of every macro; empty if there are none, None if `PROOF_EFFORT` did not decide it.

    All planes of all macros lie side by side.
    """
    model, width = cp_model.CpModel(), planes * plane.columns
    across, down, corners = [], [], {}
    inside: dict[Piece, list[cp_model.IntVar]] = {}
    for piece in tiles:
        inside[piece] = [model.new_bool_var("") for _ in range(count)]
        model.add_exactly_one(inside[piece])
        macro = sum(at * chosen for at, chosen in enumerate(inside[piece]))
        starts = [[at * plane.columns, (at + 1) * plane.columns - piece.size.columns] for at in range(count * planes)]
        column = model.new_int_var_from_domain(cp_model.Domain.from_intervals(starts), "")
        row = model.new_int_var(0, plane.rows - piece.size.rows, "")
        model.add(column >= width * macro)
        model.add(column < width * (macro + 1))
        across.append(model.new_fixed_size_interval_var(column, piece.size.columns, ""))
        down.append(model.new_fixed_size_interval_var(row, piece.size.rows, ""))
        corners[piece] = (row, column)
    model.add_no_overlap_2d(across, down)
    for name in steps:
        mine = [piece for piece in tiles if piece.layer == name]
        for at in range(count):
            model.add(sum(inside[piece][at] for piece in mine) <= steps[name])
        if together:
            for piece in mine[1:]:
                for one, other in zip(inside[mine[0]], inside[piece], strict=True):
                    model.add(one == other)
    solver = solver_for(PROOF_EFFORT)
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return {}
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    found = {}
    for piece, (row, column) in corners.items():
        at, start = divmod(solver.value(column), plane.columns)
        found[piece] = (at // planes, Place(at % planes, solver.value(row), start))
    return found

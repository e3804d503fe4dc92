# SPDX-License-Identifier: Apache-2.0
"""Supertiles, columns and their allocation to macros: the packing of "Pack my weights and run!" (arXiv 2409.11437).

Tiles of different layers are stacked on a base tile into a supertile. Supertiles without a layer in common stand side
by side in a column of macro planes. A macro is filled with columns, no two of which share a layer, so that the copies
of a layer's tile come to different macros. If there is no room, the layer with the lowest latency is folded once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ortools.sat.python import cp_model

from mapping.packing.rectangles import Place, Size, fullest, solver_for
from mapping.packing.shapes import Layer
from mapping.packing.tiles import Macros, Tiling, can_fold, tiling
from pyimc.errors import CapacityError

COLUMN_EFFORT = 0.1
"""Deterministic seconds for the rectangles of one column."""
ALLOCATION_EFFORT = 10.0


@dataclass(frozen=True, slots=True)
class Supertile:
    """Tiles on top of each other, the largest at the bottom."""

    tiles: tuple[Tiling, ...]

    @property
    def size(self) -> Size:
        """Of the base."""
        return Size(self.tiles[0].depth, self.tiles[0].width)

    @property
    def height(self) -> int:
        """Planes."""
        return sum(tile.folds for tile in self.tiles)

    @property
    def volume(self) -> int:
        """Cells in use."""
        return sum(tile.width * tile.depth * tile.folds for tile in self.tiles)


@dataclass(frozen=True, slots=True)
class Column:
    """Supertiles side by side, with their corners; they begin in the same plane."""

    supertiles: tuple[Supertile, ...]
    places: tuple[Place, ...]

    @property
    def height(self) -> int:
        """Planes."""
        return max(each.height for each in self.supertiles)

    @property
    def layers(self) -> frozenset[str]:
        """Names of its layers."""
        return frozenset(tile.layer.name for each in self.supertiles for tile in each.tiles)


@dataclass(frozen=True, slots=True)
class Packing:
    """Attributes:
    tilings: Of every layer.
    macros: Columns of every macro, in the order of their planes.
    folds: Folds beyond the initial ones, by layer.
    """

    tilings: tuple[Tiling, ...]
    macros: tuple[tuple[Column, ...], ...]
    folds: dict[str, int]

    @property
    def heights(self) -> tuple[int, ...]:
        """Planes of every macro, the most first."""
        return tuple(sorted((sum(column.height for column in macro) for macro in self.macros), reverse=True))

    @property
    def planes(self) -> int:
        """Of all macros."""
        return sum(self.heights)

    @property
    def cycles(self) -> int:
        """MVMs one after another of an image, layer by layer."""
        return sum(each.cycles for each in self.tilings)


def pack(layers: Sequence[Layer], macros: Macros, *, exact: bool = False) -> Packing:
    """Packs layers into macros; folds them until they fit.

    Args:
        layers: All that shall be resident.
        macros: Where.
        exact: Columns are allocated by CP-SAT, for the smallest largest macro; otherwise first fit, the highest first.

    Raises:
        CapacityError: Even folded they do not fit, or a layer alone does not.
    """
    folds = {layer.name: 0 for layer in layers}
    while True:
        tilings = [tiling(layer, macros, folds[layer.name]) for layer in layers]
        placed = allocation(tilings, macros, exact=exact)
        if placed is not None:
            return Packing(tuple(tilings), placed, {name: count for name, count in folds.items() if count})
        open_ = [each for each in tilings if can_fold(each.layer, macros, folds[each.layer.name] + 1)]
        if not open_:
            needed = sum(each.cells for each in tilings)
            there = macros.count * macros.planes * macros.rows * macros.columns
            raise CapacityError(
                f"{len(layers)} layers in {needed} cells do not fit {macros.count} macros of {macros.planes} planes of "
                f"{macros.rows} x {macros.columns} ({there} cells), "
                f"folded as far as they can be; give them more planes or macros, or load weights while they run"
            )
        least = min(open_, key=lambda each: (each.cycles, -each.width * each.depth, each.layer.name))
        folds[least.layer.name] += 1


def least_planes(layers: Sequence[Layer], macros: Macros) -> Packing:
    """The packing, without folds beyond the initial ones, into macros of as few planes as first fit gets by with.

    Args:
        layers: All that shall be resident.
        macros: Where; of its planes only that initial folds fit them is asked.
    """
    tilings = tuple(tiling(layer, macros) for layer in layers)
    cells = macros.count * macros.rows * macros.columns
    planes = max(-(-sum(each.cells for each in tilings) // cells), *(each.folds for each in tilings))
    while (placed := allocation(tilings, replace(macros, planes=planes))) is None:
        planes += 1
    return Packing(tilings, placed, {})


Allocation = tuple[tuple[Column, ...], ...]


def allocation(tilings: Sequence[Tiling], macros: Macros, *, exact: bool = False) -> Allocation | None:
    """Columns of every macro, as `pack` says; None if they do not fit."""
    return (_exactly if exact else _first_fit)(_columns(tilings, macros), macros)


def _columns(tilings: Sequence[Tiling], macros: Macros) -> list[Column]:
    """Columns until all copies of all tiles stand in one."""
    left = {each.layer.name: each.copies for each in tilings}
    columns: list[Column] = []
    while any(left.values()):
        waiting = [each for each in tilings if left[each.layer.name]]
        column = _column(waiting, left, macros)
        times = min(left[name] for name in column.layers)
        columns += [column] * times
        for name in column.layers:
            left[name] -= times
    return columns


def _supertiles(tilings: Sequence[Tiling], height: int) -> list[Supertile]:
    """Every tile once, the largest bases first."""
    waiting = sorted(tilings, key=lambda each: (-each.width * each.depth, -each.folds, -each.copies, each.layer.name))
    found = []
    while waiting:
        found.append(_stack(waiting[0], waiting[1:], height))
        waiting = [tile for tile in waiting if tile not in found[-1].tiles]
    return found


def _stack(base: Tiling, others: Sequence[Tiling], height: int) -> Supertile:
    """The largest tiles that lie on a base, as high as there are planes.

    Of equal tiles those with most copies go first, so that a column can be repeated.
    """
    stack, left = [base], height - base.folds
    for tile in sorted(others, key=lambda each: (-_volume(each), -each.copies, each.layer.name)):
        if tile.folds <= left and tile.width <= base.width and tile.depth <= base.depth:
            stack.append(tile)
            left -= tile.folds
    return Supertile(tuple(stack))


def _column(tilings: Sequence[Tiling], copies: dict[str, int], macros: Macros) -> Column:
    """The densest column: the supertile with the largest volume, and beside it what fits, no higher than it.

    What would fit beside a base is not stacked on it. Beside it, tiles with many copies left count for more, since
    these must come to different macros.
    """
    plane, first = Size(macros.rows, macros.columns), None
    for base in tilings:
        tall = [tile for tile in tilings if tile is not base and not _beside(base, tile, plane)]
        found = _stack(base, tall, macros.planes)
        if first is None or found.volume > first.volume:
            first = found
    assert first is not None
    alone = Column((first,), (Place(0, 0, 0),))
    small = [
        tile
        for tile in tilings
        if tile not in first.tiles and tile.folds <= first.height and _beside(first.tiles[0], tile, plane)
    ]
    if not small:
        return alone
    beside = [first, *_supertiles(small, first.height)]
    worth = [sum(_volume(tile) * copies[tile.layer.name] for tile in each.tiles) for each in beside]
    worth[0] += sum(worth)  # always in
    places = fullest(plane, [each.size for each in beside], worth, COLUMN_EFFORT)
    return Column(tuple(beside[index] for index in places), tuple(places.values())) if places else alone


def _volume(tile: Tiling) -> int:
    return tile.width * tile.depth * tile.folds


def _beside(one: Tiling, other: Tiling, plane: Size) -> bool:
    return one.width + other.width <= plane.columns or one.depth + other.depth <= plane.rows


def _first_fit(columns: Sequence[Column], macros: Macros) -> Allocation | None:
    bins: list[list[Column]] = [[] for _ in range(macros.count)]
    for column in sorted(columns, key=lambda each: -each.height):
        for macro in bins:
            used = sum(each.height for each in macro)
            if used + column.height <= macros.planes and not any(column.layers & each.layers for each in macro):
                macro.append(column)
                break
        else:
            return None
    return tuple(map(tuple, bins))


def _exactly(columns: Sequence[Column], macros: Macros) -> Allocation | None:
    """The allocation with the smallest largest macro; None if there is none (or `ALLOCATION_EFFORT` found none)."""
    model = cp_model.CpModel()
    inside = [[model.new_bool_var("") for _ in range(macros.count)] for _ in columns]
    highest = model.new_int_var(0, macros.planes, "")
    for column in inside:
        model.add_exactly_one(column)
    for macro in range(macros.count):
        model.add(sum(each.height * row[macro] for each, row in zip(columns, inside, strict=True)) <= highest)
        for name in {name for column in columns for name in column.layers}:
            sharing = [row[macro] for each, row in zip(columns, inside, strict=True) if name in each.layers]
            model.add_at_most_one(sharing)
    model.minimize(highest)
    solver = solver_for(ALLOCATION_EFFORT)
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return tuple(
        tuple(column for column, row in zip(columns, inside, strict=True) if solver.value(row[macro]))
        for macro in range(macros.count)
    )

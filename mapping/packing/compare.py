# SPDX-License-Identifier: Apache-2.0
"""The packings of a network beside each other: planes, cells in use, and cycles layer by layer.

one_per_plane   every tile has a plane of its own; a layer's tiles are in all macros at the same planes
flattened       all tiles of a layer in one macro, a plane each, one after another
greedy          supertiles and columns (`mapping.packing.columns`), in as few planes as fit without more folds
windows         rectangles anywhere (`mapping.packing.windows`)
resident        windows of which all tiles of a layer are in one macro, as those of an actor are
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mapping.packing.columns import least_planes
from mapping.packing.shapes import Layer
from mapping.packing.tiles import Macros, tiling
from mapping.packing.windows import Windows, pack_windows

ANY = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One packing.

    Attributes:
        name: Of the packing.
        largest: Planes of the largest macro: D_m must be as large.
        planes: Of all macros.
        use: Share of the cells of these planes that hold weights.
        cycles: MVMs one after another of an image, layer by layer.
        bound: Least planes of the largest macro for these tiles, 0 if there is no proof.
    """

    name: str
    largest: int
    planes: int
    use: float
    cycles: int
    bound: int = 0


def lines(layers: Sequence[Layer], macros: Macros, group: int = 1) -> tuple[list[Line], Windows]:
    """All packings, and the windows of `resident`.

    Args:
        layers: All that shall be resident.
        macros: Where; `planes` is not asked for.
        group: Columns that are converted together, for `resident`.
    """
    room, cells = replace(macros, planes=ANY), macros.rows * macros.columns
    weights = sum(layer.weights for layer in layers)

    def line(name: str, largest: int, planes: int, cycles: int, bound: int = 0) -> Line:
        return Line(name, largest, planes, weights / (planes * cells), cycles, bound)

    tiles = [tiling(layer, room) for layer in layers]
    slots = sum(each.folds * each.copies for each in tiles)
    load = [0] * macros.count
    for each in sorted(tiles, key=lambda each: -each.folds * each.copies):
        load[load.index(min(load))] += each.folds * each.copies
    greedy, windows = least_planes(layers, room), pack_windows(layers, room)
    resident = pack_windows(layers, room, group=group, together=True, exact=False)
    found = [
        line("one_per_plane", sum(each.folds for each in tiles), slots, sum(each.cycles for each in tiles)),
        line("flattened", max(load), slots, sum(each.cycles * each.copies for each in tiles)),
        line("greedy", greedy.heights[0], greedy.planes, greedy.cycles),
        line("windows", max(windows.heights), windows.planes, windows.cycles, windows.bound),
        line("resident", max(resident.heights), resident.planes, resident.cycles),
    ]
    return found, resident

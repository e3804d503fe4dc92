# SPDX-License-Identifier: Apache-2.0
"""Layers as equal tiles of a plane, copies of a tile in different macros, and folds over planes and time.

Houshmand and Verhelst, "Pack my weights and run!" (arXiv 2409.11437), from the authors' description: all sizes are
products of primes, so that tilings divide exactly. A reconstruction: how grouped layers are laid out is ours (their
blocks stand on the diagonal of a tile, and groups are folded first).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import prod

from mapping.packing.shapes import Layer
from pyimc.errors import CapacityError

Primes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Macros:
    """`count` crossbars of `planes` matrices of `rows` x `columns`: D_h, D_m, D_i and D_o of the paper."""

    rows: int
    columns: int
    count: int
    planes: int


@dataclass(frozen=True, slots=True)
class Tiling:
    """A layer in tiles.

    Attributes:
        layer: Which.
        width: Columns of a tile.
        depth: Rows of a tile.
        folds: Tiles that a macro computes one after another, each in a plane of its own: the height of the tile.
        copies: Macros that compute at the same time.
    """

    layer: Layer
    width: int
    depth: int
    folds: int
    copies: int

    @property
    def cycles(self) -> int:
        """MVMs one after another, of an image."""
        return self.layer.pixels * self.folds

    @property
    def cells(self) -> int:
        """That all its tiles take."""
        return self.width * self.depth * self.folds * self.copies


@dataclass(frozen=True, slots=True)
class _Loops:
    """Primes of a layer that are laid out in space; `folds` is what is left to time."""

    outputs: Primes
    inputs: Primes
    kernel_y: Primes
    kernel_x: Primes
    groups: Primes
    folds: int = 1

    @property
    def reduction(self) -> Primes:
        return self.inputs + self.kernel_y + self.kernel_x


def tiling(layer: Layer, macros: Macros, folds: int = 0) -> Tiling:
    """The tiles of a layer after its initial folds and `folds` more.

    Raises:
        CapacityError: It would take more planes than a macro has.
    """
    loops = _initial(_loops(layer), macros)
    found = _tiled(layer, loops, macros)
    while found.copies > macros.count:
        loops = _folded(loops, "outputs")
        found = _tiled(layer, loops, macros)
    for _ in range(folds):
        loops = _folded(loops, "outputs")
        found = _tiled(layer, loops, macros)
    if found.folds > macros.planes:
        raise CapacityError(
            f"layer {layer.name}: {layer.weights} weights need {found.folds} planes "
            f"of {macros.rows} x {macros.columns} in each of {macros.count} macros, which have {macros.planes}; "
            f"give them more planes, or take more macros"
        )
    return found


def can_fold(layer: Layer, macros: Macros, folds: int) -> bool:
    """Whether a layer can be folded `folds` times beyond its initial folds."""
    try:
        before, after = tiling(layer, macros, folds - 1), tiling(layer, macros, folds)
    except CapacityError:
        return False
    return before.folds < after.folds <= macros.planes


def _loops(layer: Layer) -> _Loops:
    return _Loops(
        outputs=factors(layer.columns), inputs=factors(layer.inputs // layer.groups),
        kernel_y=factors(layer.kernel[0]), kernel_x=factors(layer.kernel[1]), groups=factors(layer.groups),
    )  # fmt: skip


def _initial(loops: _Loops, macros: Macros) -> _Loops:
    """Folds until all macros side by side hold the layer in one plane."""
    while prod(loops.reduction) * prod(loops.groups) > macros.rows * macros.count:
        loops = _folded(loops, "groups" if loops.groups else "reduction")
    while prod(loops.outputs) * prod(loops.groups) > macros.columns * macros.count:
        loops = _folded(loops, "outputs")
    return loops


def _folded(loops: _Loops, first: str) -> _Loops:
    """One prime less in space: a group, the smallest of the outputs, or the largest of the sum."""
    if loops.groups:
        return replace(loops, groups=loops.groups[1:], folds=loops.folds * loops.groups[0])
    if first == "outputs" and loops.outputs:
        return replace(loops, outputs=loops.outputs[1:], folds=loops.folds * loops.outputs[0])
    if not loops.reduction:
        return loops
    largest = max(loops.reduction)
    name = next(name for name in ("inputs", "kernel_x", "kernel_y") if largest in getattr(loops, name))
    rest = list(getattr(loops, name))
    rest.remove(largest)
    return replace(loops, folds=loops.folds * largest, **{name: tuple(rest)})


def _tiled(layer: Layer, loops: _Loops, macros: Macros) -> Tiling:
    """The largest tile that fits a plane; the rest are copies."""
    outputs, reduction = prod(loops.outputs), prod(loops.reduction)
    if loops.groups:
        groups, block = prod(loops.groups), min(macros.columns // outputs, macros.rows // reduction)
        beside = largest_product(loops.groups, block) if block else 1
        if block:
            return Tiling(layer, beside * outputs, beside * reduction, loops.folds, groups // beside)
    width = largest_product(loops.outputs, macros.columns)
    depth = largest_product(loops.reduction, macros.rows)
    copies = outputs // width * (reduction // depth) * prod(loops.groups)
    return Tiling(layer, width, depth, loops.folds, copies)


@cache
def factors(number: int) -> Primes:
    """Prime factors, the smallest first."""
    found, divisor = [], 2
    while number > 1:
        if divisor * divisor > number:
            divisor = number
        while number % divisor == 0:
            found.append(divisor)
            number //= divisor
        divisor += 1
    return tuple(found)


def largest_product(primes: Primes, limit: int) -> int:
    """The largest product of some of the primes that is at most `limit`."""
    return max(product for product in _products(primes) if product <= limit)


def _products(primes: Primes) -> Iterator[int]:
    products = {1}
    for prime, count in Counter(primes).items():
        products |= {product * prime**power for product in products for power in range(1, count + 1)}
    yield from products

"""Resize as transposed layers, as layers with strides, or as Slices: a pass like those of `mapping.importer.copying`.

A linear enlargement is a transposed layer whose kernel is the triangle of weights that a pixel has in its
neighbourhood, on a map with its edge repeated, as positions beyond it are clamped.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from mapping.importer.copying import enlarged
from mapping.importer.onnx_model import attributes
from mapping.importer.rewriting import Rewriting, Substitute

Reals = NDArray[np.float64]
_PERIODIC = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric")
"""Ways of placing pixels that are the same for each one, by whole factors."""


@dataclass(frozen=True, slots=True, eq=False)
class _Along:
    """Rows or columns.

    Attributes:
        old: How many there are.
        new: How many there will be.
        at: float64 [new], where each one lies among the old ones.
    """

    old: int
    new: int
    at: Reals

    @property
    def up(self) -> int:
        """By how much they grow; 0 if by no whole factor."""
        return self.new // self.old if self.new % self.old == 0 else 0

    @property
    def down(self) -> int:
        """By how much they shrink; 0 if by no whole factor."""
        return self.old // self.new if self.old % self.new == 0 else 0

    def nearest(self, rounding: str) -> NDArray[np.int64]:
        """For each new one the old one that it is."""
        rounded = {
            "round_prefer_floor": np.ceil(self.at - 0.5),
            "round_prefer_ceil": np.floor(self.at + 0.5),
            "floor": np.floor(self.at),
            "ceil": np.ceil(self.at),
        }[rounding]
        return np.clip(rounded, 0, self.old - 1).astype(np.int64)


def resizes(model: onnx.ModelProto) -> bool:
    """A Resize by whole factors, but for the one that an engine has: nearest, by the same factor in both directions."""
    work = Rewriting(model)
    changed = False
    for node in work.inner("Resize"):
        along = _along(work, node)
        if along is None:
            continue
        mode, parts = attributes(node).get("mode", "nearest"), Substitute(work, node)
        if (mode == "nearest" and _nearest(work, parts, along)) or (mode == "linear" and _linear(work, parts, along)):
            parts.replace()
            changed = True
    return changed


def _along(work: Rewriting, node: onnx.NodeProto) -> tuple[_Along, _Along] | None:
    """Rows and columns of a map, or None."""
    old, new, given = work.shapes.get(node.input[0], ()), work.shapes.get(node.output[0], ()), attributes(node)
    scales = work.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    usual = given.get("antialias", 0) == 0 and given.get("keep_aspect_ratio_policy", "stretch") == "stretch"
    if len(old) != 4 or len(new) != 4 or old[:2] != new[:2] or not usual or "axes" in given:
        return None
    if scales is not None and scales.size and not np.allclose(scales * old, new):
        return None
    place = given.get("coordinate_transformation_mode", "half_pixel")
    if place not in _PERIODIC:
        return None
    shift = 0.0 if place == "asymmetric" else 0.5

    def axis(before: int, after: int) -> _Along:
        at = (np.arange(after) + shift) * before / after - shift
        return _Along(before, after, at * (after > 1 or place != "pytorch_half_pixel"))

    return axis(old[2], new[2]), axis(old[3], new[3])


def _nearest(work: Rewriting, parts: Substitute, along: tuple[_Along, _Along]) -> bool:
    """Repeating by unlike factors, or taking some pixels, at equal distances."""
    source, rounding = parts.node.input[0], attributes(parts.node).get("nearest_mode", "round_prefer_floor")
    taken = [each.nearest(rounding) for each in along]
    factors = [each.up for each in along]
    if all(factors):
        repeats = all(
            np.array_equal(places, np.arange(each.new) // each.up) for places, each in zip(taken, along, strict=True)
        )
        if not repeats or factors[0] == factors[1]:
            return False
        enlarged(parts, source, work.shapes[source][1], [np.ones(factor) for factor in factors], factors)
        return True
    steps = [set(np.diff(places).tolist()) or {1} for places in taken]
    if any(len(each) > 1 or min(each) < 1 for each in steps):
        return False
    for axis, (places, (step,)) in enumerate(zip(taken, steps, strict=True), 2):
        source = parts.sliced(source, axis, int(places[0]), int(places[-1]) + 1, step)
    return True


def _linear(work: Rewriting, parts: Substitute, along: tuple[_Along, _Along]) -> bool:
    """Weighted sums of neighbours."""
    source = parts.node.input[0]
    channels = work.shapes[source][1]
    if all(each.up for each in along):
        border = [int(each.up > 1) for each in along]
        sizes = parts.constant("border", np.array([0, 0, *border, 0, 0, *border]))
        bordered = parts.op("Pad", source, sizes, mode="edge")
        kernels, before, behind = zip(*(_triangle(each) for each in along), strict=True)
        enlarged(parts, bordered, channels, kernels, [each.up for each in along], [*before, *behind])
        return True
    if all(each.down for each in along):
        kernels, starts = zip(*(_two(each) for each in along), strict=True)
        for axis, (start, each) in enumerate(zip(starts, along, strict=True), 2):
            if start:
                source = parts.sliced(source, axis, start, each.old)
        kernel = np.multiply.outer(*kernels)
        weights = np.broadcast_to(kernel, (channels, 1, *kernel.shape)).astype(np.float32)
        steps = [each.down for each in along]
        parts.op("Conv", source, parts.constant("weights", weights), group=channels, strides=steps)
        return True
    return False


def _triangle(along: _Along) -> tuple[Reals, int, int]:
    """Weights of a pixel in the pixels around it, and what is cut off before and behind."""
    factor = along.up
    if factor == 1:
        return np.ones(1), 0, 0
    away = np.arange(-2 * factor, 2 * factor + 1)  # pixels from the first one of its block
    weights = np.maximum(0.0, 1 - np.abs(along.at[0] + away / factor))
    places = np.flatnonzero(weights > 1e-9)
    first, last = int(places[0]), int(places[-1])
    start, size = 2 * factor - first, last - first + 1
    return weights[first : last + 1], start + factor, size - start


def _two(along: _Along) -> tuple[Reals, int]:
    """Weights of the pixels between which the new ones lie, and the first one of these."""
    first = int(np.floor(along.at[0] + 1e-9))
    share = float(along.at[0] - first)
    return (np.array([1 - share, share]) if share > 1e-9 else np.ones(1)), first

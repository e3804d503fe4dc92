"""Matmul: y = clamp(zo + round_shift(s * m[1], shift)), s the sum over k of (a[k] - za) * (b[k] - zb)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pyimc.numerics import UINT8_MAX
from pyimc.operators.operator import Operator, Requantisation
from pyimc.tensors import Map, Pair, Shape, TensorType

INNER_MAX = (2**31 - 1) // UINT8_MAX**2
"""Products whose sum fits 32 bits."""


@dataclass(frozen=True, slots=True)
class Matmul(Operator):
    """Every pixel of the first map, a row of a matrix, times the second, whose pixels are the rows of another.

    With groups (the heads of attention) the channels of the first map are so many rows beside each other, and so are
    those of the output. A group multiplies either pixels of its own, one group's below the other's (the second map has
    as many pixels as the first has channels), or all pixels, of which it takes its share of the channels.

    Attributes:
        groups: Products beside each other, which do not mix.
        multipliers: The first is 0 and without a meaning.
    """

    ports: ClassVar[tuple[int, ...]] = (2,)

    groups: int
    multipliers: Pair
    shift: int
    input_zero_points: Pair
    output_zero_point: int
    clamp: Pair

    def inner(self, sources: Sequence[TensorType]) -> int:
        """Products of an output value."""
        return sources[0].channels // self.groups

    def stacked(self, sources: Sequence[TensorType]) -> bool:
        """Every group has pixels of its own in the second map."""
        return sources[1].height * sources[1].width == sources[0].channels

    def columns(self, sources: Sequence[TensorType]) -> int:
        """Channels of a group of the output."""
        return sources[1].channels // (1 if self.stacked(sources) else self.groups)

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """The pixels of the first map, with the columns of the second."""
        height, width, _ = sources[0].shape
        return height, width, self.groups * self.columns(sources)

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """Channels of the first map are pixels of the second, and their sums fit."""
        del target
        left, right = sources
        if self.groups < 1 or left.channels % self.groups:
            return [f"its first input has {left.channels} channels, which are no {self.groups} groups"]
        if not self.stacked(sources):
            if right.height * right.width != self.inner(sources):
                return [f"its second input has {right.height * right.width} pixels for {left.channels} channels"]
            if right.channels % self.groups:
                return [f"its second input has {right.channels} channels, which are no {self.groups} groups"]
        if self.inner(sources) > INNER_MAX:
            return [f"a sum of {self.inner(sources)} products needs more than 32 bits"]
        return []

    def requantisation(self) -> Requantisation:
        """Of the sums of products."""
        return Requantisation(
            self.multipliers, self.shift, self.input_zero_points, self.output_zero_point, self.clamp
        )  # fmt: skip

    def macs(self, sources: Sequence[TensorType]) -> int:
        """Every channel of every pixel of the first map, times the columns."""
        height, width, channels = sources[0].shape
        return height * width * channels * self.columns(sources)

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Group by group; float64 holds the sums exactly, and is what numpy multiplies fast."""
        left, right = (each - np.float64(zero) for each, zero in zip(inputs, self.input_zero_points, strict=True))
        inner, columns = left.shape[2] // self.groups, target.channels // self.groups
        rows = left.reshape(-1, self.groups, inner).transpose(1, 0, 2)
        if right.shape[0] * right.shape[1] == left.shape[2]:
            matrices = right.reshape(self.groups, inner, columns)
        else:
            matrices = right.reshape(inner, self.groups, columns).transpose(1, 0, 2)
        sums = (rows @ matrices).transpose(1, 0, 2).reshape(target.shape).astype(np.int64)
        return self.requantisation().apply(sums * self.multipliers[1])

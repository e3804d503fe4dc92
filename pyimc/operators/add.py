"""Add: y = clamp(zo + round_shift((a - za) * ma + (b - zb) * mb, shift))."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pyimc.operators.operator import Operator, Requantisation, within
from pyimc.tensors import Map, Pair, Shape, TensorType


@dataclass(frozen=True, slots=True)
class Add(Operator):
    """The sum of two maps of one shape; both multipliers share the shift."""

    ports: ClassVar[tuple[int, ...]] = (2,)

    multipliers: Pair
    shift: int
    input_zero_points: Pair
    output_zero_point: int
    clamp: Pair

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """That of either input."""
        return sources[0].shape

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """The inputs must be alike."""
        del target
        return [] if sources[0].shape == sources[1].shape else ["its two inputs differ in shape"]

    def requantisation(self) -> Requantisation:
        """Of both inputs at once."""
        return Requantisation(
            self.multipliers, self.shift, self.input_zero_points, self.output_zero_point, self.clamp
        )  # fmt: skip

    def clamped(self, limits: Pair) -> "Add":
        """With a narrower clamp."""
        return replace(self, clamp=within(self.clamp, limits))

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Value by value."""
        del target
        (left, right), (za, zb), (ma, mb) = inputs, self.input_zero_points, self.multipliers
        return self.requantisation().apply((left.astype(np.int64) - za) * ma + (right.astype(np.int64) - zb) * mb)

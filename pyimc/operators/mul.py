"""Mul: y = clamp(zo + round_shift((a - za) * (b - zb) * m[1], shift))."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyimc.operators.pairwise import Pairwise
from pyimc.tensors import Map, TensorType


@dataclass(frozen=True, slots=True)
class Mul(Pairwise):
    """The product of two maps; the first multiplier is 0 and without a meaning."""

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Value by value."""
        del target
        (left, right), (za, zb) = inputs, self.input_zero_points
        product = (left.astype(np.int64) - za) * (right.astype(np.int64) - zb)
        return self.requantisation().apply(product * self.multipliers[1])

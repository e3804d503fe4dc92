"""Add: y = clamp(zo + round_shift((a - za) * ma + (b - zb) * mb, shift))."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyimc.operators.pairwise import Pairwise
from pyimc.tensors import Map, TensorType


@dataclass(frozen=True, slots=True)
class Add(Pairwise):
    """The sum of two maps; both multipliers share the shift."""

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Value by value."""
        del target
        (left, right), (za, zb), (ma, mb) = inputs, self.input_zero_points, self.multipliers
        return self.requantisation().apply((left.astype(np.int64) - za) * ma + (right.astype(np.int64) - zb) * mb)

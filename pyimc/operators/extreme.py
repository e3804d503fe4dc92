"""Extreme: y = clamp(zo + round_shift((x - z) * m[1], shift)), x the larger or the smaller of two values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pyimc.operators.pairwise import Pairwise
from pyimc.tensors import Map, TensorType


@dataclass(frozen=True, slots=True)
class Extreme(Pairwise):
    """The larger or the smaller values of two maps of one scale and zero point; the first multiplier is 0 and unused.

    Attributes:
        mode: "max" or "min".
    """

    mode: Literal["max", "min"]

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """Stored values must be comparable."""
        meanings = {(source.scale, source.zero_point) for source in sources}
        return [
            *Pairwise.faults(self, sources, target),
            *(["its two inputs differ in scale or zero point"] if len(meanings) > 1 else []),
        ]

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Value by value."""
        del target
        found = (np.maximum if self.mode == "max" else np.minimum)(*inputs).astype(np.int64)
        return self.requantisation().apply((found - self.input_zero_points[0]) * self.multipliers[1])

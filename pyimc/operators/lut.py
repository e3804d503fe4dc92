"""Lut: y = table[x]."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pyimc.numerics import UINT8_MAX
from pyimc.operators.operator import Operator
from pyimc.tensors import Map, Pair, Shape, TensorType


@dataclass(frozen=True, slots=True, eq=False)
class Lut(Operator):
    """Any function of one value, such as an activation function.

    Attributes:
        table: uint8 [256], the output for every input.
    """

    table: NDArray[np.uint8]

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """That of the input."""
        return sources[0].shape

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """The table must be whole."""
        del sources, target
        fits = self.table.dtype == np.uint8 and self.table.shape == (UINT8_MAX + 1,)
        return [] if fits else [f"table must be uint8 [{UINT8_MAX + 1}]"]

    def clamped(self, limits: Pair) -> "Lut":
        """With the results clamped."""
        return replace(self, table=np.clip(self.table, *limits).astype(np.uint8))

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Value by value."""
        del target
        found: Map = self.table[inputs[0]]
        return found

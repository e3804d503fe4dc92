"""Stored: y = what is stored; a source, which needs no input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimc.operators.operator import Operator
from pyimc.tensors import Map, Shape, TensorType


@dataclass(frozen=True, slots=True, eq=False)
class Stored(Operator):
    """A pixel that is the same for every image.

    Attributes:
        values: uint8 [channels].
    """

    ports: ClassVar[tuple[int, ...]] = (0,)

    values: NDArray[np.uint8]

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """A pixel."""
        del sources
        return 1, 1, self.values.size

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """The array."""
        del sources, target
        return [] if self.values.dtype == np.uint8 and self.values.ndim == 1 else ["values must be uint8 [channels]"]

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """The same for every image."""
        del inputs
        return self.values.reshape(target.shape)

"""Transpose: y[c, 0, p] = x of pixel p and channel c."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyimc.operators.operator import Operator, changed_meaning
from pyimc.tensors import Map, Shape, TensorType


@dataclass(frozen=True, slots=True)
class Transpose(Operator):
    """Pixels become channels and channels pixels, one below the other; scale and zero point stay."""

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """A row of one pixel for every channel."""
        height, width, channels = sources[0].shape
        return channels, 1, height * width

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """It must keep what values mean."""
        return changed_meaning(sources[0], target)

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """All pixels, in order of rows."""
        (image,) = inputs
        return np.ascontiguousarray(image.reshape(-1, image.shape[2]).T).reshape(target.shape)

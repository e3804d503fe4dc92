"""Column: y = x, the pixels of all rows one below the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyimc.operators.operator import Operator, changed_meaning
from pyimc.tensors import Map, Shape, TensorType


@dataclass(frozen=True, slots=True)
class Column(Operator):
    """The same map with a row for every pixel; scale and zero point stay."""

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """One column of all pixels."""
        height, width, channels = sources[0].shape
        return height * width, 1, channels

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """It must keep what values mean."""
        return changed_meaning(sources[0], target)

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """In order of rows."""
        return inputs[0].reshape(target.shape)

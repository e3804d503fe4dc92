"""Resize: y = x, every pixel repeated in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyimc.operators.operator import Operator, changed_meaning
from pyimc.tensors import Map, Shape, TensorType


@dataclass(frozen=True, slots=True)
class Resize(Operator):
    """A larger map: each pixel becomes `factor` rows of `factor` pixels; scale and zero point stay."""

    factor: int

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """The input's, each side times the factor."""
        height, width, channels = sources[0].shape
        return height * self.factor, width * self.factor, channels

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """It must grow, and keep what values mean."""
        faults = [] if self.factor >= 2 else [f"factor {self.factor} must be 2 or more"]
        return faults + changed_meaning(sources[0], target)

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Rows, then pixels."""
        del target
        return inputs[0].repeat(self.factor, axis=0).repeat(self.factor, axis=1)

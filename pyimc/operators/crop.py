"""Crop: y = x, some of the rows and columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyimc.operators.operator import Operator, changed_meaning
from pyimc.tensors import Map, Pair, Shape, TensorType


@dataclass(frozen=True, slots=True)
class Crop(Operator):
    """A part of a map; scale and zero point stay.

    Attributes:
        start: First row and column.
        step: From one row, or column, to the next one that is kept.
        size: Rows and columns that are kept.
    """

    start: Pair
    step: Pair
    size: Pair

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """As many as are kept, with all channels."""
        return *self.size, sources[0].channels

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """It must lie inside the map, and keep what values mean."""
        if min(*self.size, *self.step) < 1 or min(self.start) < 0:
            return [f"start {self.start}, step {self.step} and size {self.size} are not possible"]
        ends = [start + step * (size - 1) for start, step, size in zip(self.start, self.step, self.size, strict=True)]
        faults = []
        if ends[0] >= sources[0].height or ends[1] >= sources[0].width:
            faults.append(f"row {ends[0]} or column {ends[1]} is outside the map {sources[0].shape}")
        return faults + changed_meaning(sources[0], target)

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Rows, then columns."""
        del target
        rows, columns = (
            slice(start, start + step * size, step)
            for start, step, size in zip(self.start, self.step, self.size, strict=True)
        )
        return inputs[0][rows, columns]

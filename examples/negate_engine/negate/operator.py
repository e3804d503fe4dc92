"""Negate: y = 255 - x."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyimc.operators.operator import Operator
from pyimc.tensors import Map, Shape, TensorType


@dataclass(frozen=True, slots=True)
class Negate(Operator):
    """A map with the order of its values reversed."""

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """That of the input."""
        return sources[0].shape

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """Rows fill whole words, or what pads them would not be zero."""
        del sources, target
        return []

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Value by value."""
        del target
        return 255 - inputs[0]

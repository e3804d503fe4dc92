"""What kinds of nodes have in common that compute a map from two, value by value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pyimc.operators.operator import Operator, Requantisation
from pyimc.tensors import Pair, Shape, TensorType


@dataclass(frozen=True, slots=True)
class Pairwise(Operator):
    """Two maps of one shape, or the second a pixel with as many channels, which every pixel of the first meets."""

    ports: ClassVar[tuple[int, ...]] = (2,)

    multipliers: Pair
    shift: int
    input_zero_points: Pair
    output_zero_point: int
    clamp: Pair

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """That of the first input."""
        return sources[0].shape

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """The inputs must be alike, or the second a pixel."""
        del target
        fits = sources[1].shape in (sources[0].shape, (1, 1, sources[0].channels))
        return [] if fits else ["its two inputs differ in shape"]

    def requantisation(self) -> Requantisation:
        """Of both inputs at once."""
        return Requantisation(
            self.multipliers, self.shift, self.input_zero_points, self.output_zero_point, self.clamp
        )  # fmt: skip

"""Concat: y = clamp(zo + round_shift((x - zi) * mi, shift)), i the input that holds x."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from pyimc.operators.operator import Operator, Requantisation
from pyimc.tensors import Map, Pair, Shape, TensorType


@dataclass(frozen=True, slots=True)
class Concat(Operator):
    """Two maps as one; both multipliers share the shift.

    Attributes:
        axis: "channels": each pixel has the channels of the first input, then those of the second.
            "columns": each row has the pixels of the first input, then those of the second.
    """

    ports: ClassVar[tuple[int, ...]] = (2,)

    axis: Literal["channels", "columns"]
    multipliers: Pair
    shift: int
    input_zero_points: Pair
    output_zero_point: int
    clamp: Pair

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """The first input, grown by the second along the axis."""
        (height, width, channels), other = sources[0].shape, sources[1]
        if self.axis == "channels":
            return height, width, channels + other.channels
        return height, width + other.width, channels

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """The inputs may differ along the axis only."""
        del target
        kept = [source.shape[:2] if self.axis == "channels" else source.shape[::2] for source in sources]
        return [] if kept[0] == kept[1] else [f"its two inputs differ in more than {self.axis}"]

    def requantisation(self) -> Requantisation:
        """Of each input with its own multiplier."""
        return Requantisation(
            self.multipliers, self.shift, self.input_zero_points, self.output_zero_point, self.clamp
        )  # fmt: skip

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Both inputs, each at the output's scale."""
        del target
        scaled = [
            (image.astype(np.int64) - zero_point) * multiplier
            for image, zero_point, multiplier in zip(inputs, self.input_zero_points, self.multipliers, strict=True)
        ]
        return self.requantisation().apply(np.concatenate(scaled, axis=2 if self.axis == "channels" else 1))

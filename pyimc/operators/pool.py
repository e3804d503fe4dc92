"""Pool: y = clamp(zo + round_shift((s - n * zi) * m[n], shift)).

average: s is the sum and n the number of pixels of the window that lie inside the map; max: s is the largest of them
and n = 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pyimc.numerics import UINT8_MAX
from pyimc.operators.operator import Operator, Requantisation
from pyimc.operators.window import Pads, valid_counts, window_faults, window_shape, windows
from pyimc.tensors import Map, Pair, Shape, TensorType

WINDOW_MAX = (2**31 - 1) // UINT8_MAX
"""Pixels of a window whose sum fits 32 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool(Operator):
    """Max or average pooling, channel by channel; a 1x1 window rescales or clamps a map.

    Attributes:
        pads: Top, left, bottom, right; padded pixels take no part.
        multipliers: int32 [Kh*Kw + 1], indexed by the number of pixels of the window inside the map (average)
            or read at 1 (max). Counts that no window has are 0.
        shift: One for all multipliers.
    """

    mode: Literal["max", "average"]
    kernel: Pair
    stride: Pair
    pads: Pads
    multipliers: NDArray[np.int32]
    shift: int
    input_zero_point: int
    output_zero_point: int
    clamp: Pair

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """A pixel per window."""
        height, width, channels = sources[0].shape
        return *window_shape((height, width), self.kernel, self.stride, self.pads), channels

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """Windows, each with a pixel of the map, and their multipliers."""
        del target
        faults = window_faults(sources[0], self.kernel, self.stride, self.pads)
        if faults:
            return faults
        window = self.kernel[0] * self.kernel[1]
        if self.multipliers.dtype != np.int32 or self.multipliers.shape != (window + 1,):
            return [f"multipliers must be int32 [{window + 1}]"]
        if window > WINDOW_MAX:
            return [f"a window of {window} pixels needs more than 32 bits"]
        if not self._counts(sources[0].shape).all():
            return ["a window lies wholly in the padding"]
        return []

    def requantisation(self) -> Requantisation:
        """Of centred sums, with the multiplier of their count."""
        return Requantisation(
            self.multipliers, self.shift, (self.input_zero_point,), self.output_zero_point, self.clamp
        )  # fmt: skip

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Window by window."""
        del target
        (image,) = inputs
        pixels = windows(image, self.kernel, self.stride, self.pads, 0)  # 0 is neutral for both max and sum
        if self.mode == "max":
            centred = pixels.max(axis=(2, 3)).astype(np.int64) - self.input_zero_point
            return self.requantisation().apply(centred * self.multipliers[1])
        count = self._counts(image.shape)[:, :, np.newaxis]
        centred = pixels.sum(axis=(2, 3), dtype=np.int64) - count * self.input_zero_point
        return self.requantisation().apply(centred * self.multipliers[count])

    def _counts(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        return valid_counts((shape[0], shape[1]), self.kernel, self.stride, self.pads)

"""Depthwise: a convolution of every channel with a kernel of its own.

    y = clamp(zo + round_shift(a * m, shift)), a = sum(x * w) + bias      m, shift, bias per channel

That is an Mvm with as many groups as channels, to the bit, without the zeros between the groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimc.numerics import UINT8_MAX
from pyimc.operators.operator import Operator, Range, Requantisation
from pyimc.operators.window import Pads, valid_counts, window_faults, window_shape, windows
from pyimc.tensors import Map, Pair, Shape, TensorType

_ARRAYS = {"weights": np.int8, "bias": np.int32, "multiplier": np.int32, "shift": np.uint8}


@dataclass(frozen=True, slots=True, eq=False)
class Depthwise(Operator):
    """One kernel per channel; as many channels come out as go in.

    Attributes:
        kernel: Height, width.
        pads: Top, left, bottom, right; padded pixels hold the input's zero point.
        weights: int8 [channels, Kh, Kw].
        bias: int32 [channels], with the input's zero point folded in: the accumulator is `sum(x * w) + bias`.
        multiplier: int32 [channels], 0..2**31-1.
        shift: uint8 [channels], 1..62.
    """

    kernel: Pair
    stride: Pair
    pads: Pads
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.uint8]
    input_zero_point: int
    output_zero_point: int
    clamp: Pair

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """A pixel per window."""
        height, width, channels = sources[0].shape
        return *window_shape((height, width), self.kernel, self.stride, self.pads), channels

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """Windows, each with a pixel of the map, and arrays."""
        del target
        faults = window_faults(sources[0], self.kernel, self.stride, self.pads)
        if faults:
            return faults
        height, width, channels = sources[0].shape
        faults = [f"{name} must be {kind.__name__}" for name, kind in _ARRAYS.items()
                  if getattr(self, name).dtype != kind]  # fmt: skip
        if self.weights.shape != (channels, *self.kernel):
            faults.append(f"weights are {self.weights.shape}, must be {(channels, *self.kernel)}")
        if not self.bias.shape == self.multiplier.shape == self.shift.shape == (channels,):
            faults.append("bias, multiplier and shift must have one value per channel")
        if not valid_counts((height, width), self.kernel, self.stride, self.pads).all():
            faults.append("a window lies wholly in the padding")
        return faults

    def requantisation(self) -> Requantisation:
        """Of sums that have been multiplied, per channel."""
        return Requantisation(
            self.multiplier, self.shift, (self.input_zero_point,), self.output_zero_point, self.clamp
        )  # fmt: skip

    def accumulators(self) -> Range:
        """What it adds up; every sum on the way, from what padding alone gives, is what some window gives."""
        weights = self.weights.reshape(self.bias.size, -1)
        low, high = (
            UINT8_MAX * limit(weights, 0).sum(axis=1, dtype=np.int64) + limit(self.bias, 0)
            for limit in (np.minimum, np.maximum)
        )
        return low, high

    def macs(self, sources: Sequence[TensorType]) -> int:
        """Every weight at every output pixel."""
        height, width, _ = self.shape(sources)
        return height * width * self.weights.size

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Window by window."""
        del target
        patches = windows(inputs[0], self.kernel, self.stride, self.pads, self.input_zero_point)
        sums = np.einsum("yxijc,cij->yxc", patches, self.weights, dtype=np.int64) + self.bias
        return self.requantisation().apply(sums * self.multiplier)

    def unpadded_bias(self) -> NDArray[np.int64]:
        """int64 [channels]: the accumulator is `sum((x - zero point) * w)` over pixels inside the map, plus this."""
        return self.bias + self.input_zero_point * self.weights.sum(axis=(1, 2), dtype=np.int64)

"""Mvm: a matrix-vector multiplication per output pixel, which is a convolution or a fully connected layer.

    y = clamp(zo + round_shift(a * m, shift)), a = sum(x * w) + bias      m, shift, bias per output channel

A layer may be cut into a chain of Mvms: every one but the last gives its accumulators a as they are, an int32 map
called partial, and every one but the first adds its predecessor's to its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimc.numerics import SHIFT_MIN, UINT8_MAX
from pyimc.operators.operator import Content, Operator, Range, Requantisation
from pyimc.operators.window import Pads, window_faults, window_shape, windows
from pyimc.tensors import Map, Pair, Shape, TensorType

BLOCK = 2**24 // (UINT8_MAX * 128)  # products of a uint8 and an int8 whose sum float32 holds
_ARRAYS = {"weights": np.int8, "bias": np.int32, "multiplier": np.int32, "shift": np.uint8}


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a layer an Mvm computes; every range is (first, end).

    Attributes:
        rows: Rows of the kernel.
        run: Bytes of a kernel row, within 0..Kw*Cin.
        columns: Columns of the layer's output map.
    """

    rows: Pair
    run: Pair
    columns: Pair


@dataclass(frozen=True, slots=True, eq=False)
class Mvm(Operator):
    """A convolution, or a fully connected layer (its kernel is the whole map), or a part of one.

    A part computes some output columns from some rows of the kernel and some bytes of each of these (a kernel row is
    Kw * Cin contiguous bytes of the map); kernel, stride and pads stay those of the layer.

    Attributes:
        inputs: The input tensor; then, if it continues another Mvm, the partial map that it adds to.
        kernel: Height, width.
        pads: Top, left, bottom, right; padded pixels hold the input's zero point.
        weights: int8 [Cout, kernel rows, bytes of a kernel row]; of the whole layer [Cout, Kh, Kw*Cin].
        bias: int32 [Cout], with the input's zero point folded in: the accumulator is `sum(x * w) + bias`.
        multiplier: int32 [Cout], 0..2**31-1; 0 if the output is partial.
        shift: uint8 [Cout], 1..62; 1 if the output is partial.
        clamp: Lowest and highest output (a fused Relu has the output's zero point as the lowest); 0 and 255 if it is
            partial.
        part: None for the whole layer.
        groups: Of output channels, each of which reads its share of the input channels only: the weights of all
            others are 0.
        adc_shift: What calibration has found for the converters of a crossbar (`pyimc.crossbar.converter_of`); None if
            there was none. What the layer computes ideally does not depend on it.
    """

    ports: ClassVar[tuple[int, ...]] = (1, 2)
    gives_partial: ClassVar[bool] = True

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
    part: Part | None = None
    groups: int = 1
    adc_shift: int | None = None

    def takes(self, port: int) -> Content:
        """The second input is a partial map."""
        return "partial" if port == 1 else "map"

    def extent(self, source: TensorType) -> Part:
        """The part of its layer that it computes; all of it for a whole layer."""
        if self.part:
            return self.part
        width = window_shape((source.height, source.width), self.kernel, self.stride, self.pads)[1]
        return Part((0, self.kernel[0]), (0, self.kernel[1] * source.channels), (0, width))

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """Of the layer, or of the columns that the part computes."""
        size = sources[0].height, sources[0].width
        columns = self.extent(sources[0]).columns
        height, _ = window_shape(size, self.kernel, self.stride, self.pads)
        return height, columns[1] - columns[0], self.bias.size

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """Windows, part, arrays; a partial output has neutral values in what requantises."""
        source = sources[0]
        faults = window_faults(source, self.kernel, self.stride, self.pads) or self._part_faults(source)
        if faults:
            return faults
        rows, run, _ = (end - first for first, end in self._ranges(source))
        expected = (self.bias.size, rows, run)
        faults = [f"{name} must be {kind.__name__}" for name, kind in _ARRAYS.items()
                  if getattr(self, name).dtype != kind]  # fmt: skip
        if self.weights.shape != expected:
            faults.append(f"weights are {self.weights.shape}, must be {expected}")
        if not self.bias.shape == self.multiplier.shape == self.shift.shape == expected[:1]:
            faults.append("bias, multiplier and shift must have one value per output channel")
        faults += self._group_faults(source.channels) if not faults else []
        neutral = not self.multiplier.any() and (self.shift == SHIFT_MIN).all() and self.clamp == (0, UINT8_MAX)
        if target.partial and not neutral:
            faults.append(
                f"its output is partial: multiplier, shift and clamp must be 0, {SHIFT_MIN}, (0, {UINT8_MAX})"
            )
        return faults

    def _group_faults(self, channels: int) -> list[str]:
        if self.groups < 1 or self.bias.size % self.groups or channels % self.groups:
            return [f"{self.groups} groups do not divide {channels} input and {self.bias.size} output channels"]
        if self.groups == 1:
            return []
        if self.part:
            return ["a part of a layer has one group"]
        blocks = self.weights.reshape(
            self.groups, self.bias.size // self.groups, -1, self.groups, channels // self.groups
        )
        outside = ~np.eye(self.groups, dtype=bool)[:, np.newaxis, np.newaxis, :, np.newaxis]
        return ["a weight between groups is not 0"] if (blocks.astype(bool) & outside).any() else []

    def _ranges(self, source: TensorType) -> tuple[Pair, Pair, Pair]:
        part = self.extent(source)
        return part.rows, part.run, part.columns

    def _part_faults(self, source: TensorType) -> list[str]:
        width = window_shape((source.height, source.width), self.kernel, self.stride, self.pads)[1]
        limits = {"rows": self.kernel[0], "run": self.kernel[1] * source.channels, "columns": width}
        return [
            f"part.{name} {given} must be a range within 0..{limit}"
            for (name, limit), given in zip(limits.items(), self._ranges(source), strict=True)
            if not 0 <= given[0] < given[1] <= limit
        ]

    def requantisation(self) -> Requantisation:
        """Of sums that have been multiplied, per output channel."""
        return Requantisation(
            self.multiplier, self.shift, (self.input_zero_point,), self.output_zero_point, self.clamp
        )  # fmt: skip

    def accumulators(self) -> Range:
        """What it adds up itself."""
        weights = self.weights.reshape(self.bias.size, -1)
        low, high = (
            UINT8_MAX * limit(weights, 0).sum(axis=1, dtype=np.int64) + limit(self.bias, 0)
            for limit in (np.minimum, np.maximum)
        )
        return low, high

    def macs(self, sources: Sequence[TensorType]) -> int:
        """Every weight at every output pixel, those between groups left out."""
        height, width, _ = self.shape(sources)
        return height * width * self.weights.size // self.groups

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Accumulators, or what they become."""
        sums = self.accumulate(inputs[0])
        for partial in inputs[1:]:
            sums += partial
        if target.partial:
            return sums
        return self.requantisation().apply(np.multiply(sums, self.multiplier, dtype=np.int64))

    def accumulate(self, image: Map) -> NDArray[np.int32]:
        """What it adds up itself: sum(x * w) + bias, int32 [height, width, Cout].

        The matrix product runs in float32 for speed and is still exact: operands are integers, and it is cut into
        blocks of BLOCK products each, so that every partial sum, in whatever order, is an integer within 2**24, up to
        which float32 holds every integer. Blocks add up in int32 (`pyimc.network_rules.verify`).
        """
        patches = self.patches(image)
        vectors = patches.reshape(-1, patches.shape[2]).astype(np.float32)
        weights = self.matrix().astype(np.float32)
        sums = np.tile(self.bias, (len(vectors), 1))
        for first in range(0, len(weights), BLOCK):
            block = slice(first, first + BLOCK)
            sums += (vectors[:, block] @ weights[block]).astype(np.int32)
        return sums.reshape(*patches.shape[:2], -1)

    def patches(self, image: Map) -> NDArray[np.uint8]:
        """What its matrix is multiplied with: uint8 [height, width, rows of the matrix]."""
        patches = windows(image, self.kernel, self.stride, self.pads, self.input_zero_point)
        if self.part:
            rows, run, columns = (slice(*limits) for limits in (self.part.rows, self.part.run, self.part.columns))
            patches = patches[:, columns, rows].reshape(*patches[:, columns, rows].shape[:3], -1)[..., run]
        return patches.reshape(*patches.shape[:2], -1)

    def matrix(self) -> NDArray[np.int8]:
        """Its weights as a crossbar has them: int8 [kernel bytes in the order (ky, kx, c), Cout]."""
        return self.weights.reshape(self.bias.size, -1).T

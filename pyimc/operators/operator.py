"""What every kind of node says about itself: one class per kind, each in a file of this package."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pyimc.numerics import MULTIPLIER_BITS, SHIFT_MAX, SHIFT_MIN, UINT8_MAX, clamp, round_shift
from pyimc.tensors import Map, Pair, Shape, TensorType

Content = Literal["map", "partial", "weights"]
"""Of an input: activations, accumulators of another part of the layer, or what crossbars are to hold."""
Range = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Lowest and highest values, int64 [Cout] each."""


@dataclass(frozen=True, slots=True)
class Operator(ABC):
    """A node of a network: its shape, its faults, its meaning.

    Attributes:
        name: Unique in the network.
        inputs: Tensors that it reads, by port.
        output: Tensor that it computes.
        ports: Of this kind: how many inputs it may have.
        gives_partial: Of this kind: whether its output may be a partial map.
    """

    ports: ClassVar[tuple[int, ...]] = (1,)
    gives_partial: ClassVar[bool] = False

    name: str
    inputs: tuple[str, ...]
    output: str

    def takes(self, port: int) -> Content:
        """What comes in through a port."""
        del port
        return "map"

    @abstractmethod
    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """Height, width and channels of the output, from the types of the inputs."""

    @abstractmethod
    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """What makes the node impossible on inputs and an output of these types; `shape` holds if there is none."""

    @abstractmethod
    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """The output, [height, width, channels], from inputs of the types that the node was verified with."""

    def requantisation(self) -> "Requantisation | None":
        """How sums become outputs; None if the kind has no such step."""
        return None

    def accumulators(self) -> Range | None:
        """The accumulators that any input can cause, over any prefix of products; None if there are none to bound."""
        return None

    def clamped(self, limits: Pair) -> Self | None:
        """The same node with its output clamped to (lowest, highest), too; None if the kind cannot.

        A kind that requantises has `clamp` among its fields.
        """
        step = self.requantisation()
        return replace(self, **{"clamp": within(step.clamp, limits)}) if step else None  # type: ignore[arg-type]

    def macs(self, sources: Sequence[TensorType]) -> int:
        """Multiply-accumulates for one image; padded pixels count."""
        del sources
        return 0


@dataclass(frozen=True, slots=True, eq=False)
class Requantisation:
    """y = clamp(zero point + round_shift(sum, shift)), the sum with its multipliers already.

    Attributes:
        multipliers: All that the node has, int.
        shifts: One, or one per multiplier.
        input_zero_points: By port.
        output_zero_point: Of the output.
        clamp: Lowest and highest output.
    """

    multipliers: NDArray[np.int32] | Pair
    shifts: NDArray[np.uint8] | int
    input_zero_points: tuple[int, ...]
    output_zero_point: int
    clamp: Pair

    def apply(self, sums: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Outputs from sums, of one shape."""
        return clamp(round_shift(sums, self.shifts) + self.output_zero_point, self.clamp)

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """What is out of range, or not that of the tensors."""
        faults = []
        if self.input_zero_points != tuple(source.zero_point for source in sources[: len(self.input_zero_points)]):
            faults.append(f"input zero points {self.input_zero_points} are not those of its inputs")
        if self.output_zero_point != target.zero_point:
            faults.append(f"output zero point {self.output_zero_point} is not that of its output")
        if not 0 <= self.clamp[0] <= self.clamp[1] <= UINT8_MAX:
            faults.append(f"clamp {self.clamp} must be ordered and within 0..{UINT8_MAX}")
        multipliers, shifts = np.asarray(self.multipliers, np.int64), np.asarray(self.shifts, np.int64)
        if multipliers.min() < 0 or multipliers.max() >= 1 << MULTIPLIER_BITS:
            faults.append(f"a multiplier is outside 0..2**{MULTIPLIER_BITS}-1")
        if shifts.min() < SHIFT_MIN or shifts.max() > SHIFT_MAX:
            faults.append(f"a shift is outside {SHIFT_MIN}..{SHIFT_MAX}")
        return faults


def within(clamp: Pair, limits: Pair) -> Pair:
    """A clamp followed by another one, as one."""
    low, high = (int(np.clip(limit, *limits)) for limit in clamp)
    return low, high


def changed_meaning(source: TensorType, target: TensorType) -> list[str]:
    """The fault of an operator that moves values and gives them another scale or zero point; none if it does not."""
    same = (target.scale, target.zero_point) == (source.scale, source.zero_point)
    return [] if same else ["its input and output differ in scale or zero point"]

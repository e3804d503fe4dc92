"""What the vector engine is told of an actor: its entries of ENGINE, its parameters, weights and table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimc import isa
from pyimc.arch import Arch
from pyimc.engines.dpu.timing import Timeline, Walk, timeline
from pyimc.engines.task import FiringTime, Room, Step, Task
from pyimc.layout import Layout
from pyimc.numerics import UINT8_MAX
from pyimc.tensors import Pair

ALL: Pair = (0, UINT8_MAX)


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """What depthwise multiplies by, and how each channel's sum becomes a byte.

    Attributes:
        weights: int8 [Kh, Kw, channels].
        bias: int [channels], of sums over pixels less the zero point.
        shift: uint8 [channels].
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    shift: NDArray[np.uint8]

    def pixel_words(self, arch: Arch) -> int:
        """Words of a pixel of the kernel."""
        return arch.words(self.weights.shape[2])

    def words(self, arch: Arch) -> int:
        """Words of all weights."""
        height, width, _ = self.weights.shape
        return height * width * self.pixel_words(arch)

    def packed(self, arch: Arch) -> bytes:
        """All weights, pixel by pixel; the last word of each is padded with zeros."""
        height, width, channels = self.weights.shape
        padded = np.zeros((height, width, self.pixel_words(arch) * arch.lanes), np.int8)
        padded[..., :channels] = self.weights
        return padded.tobytes()


COPY = (0, 2)
"""Multipliers that leave the largest of one value what it is: 2 * x / 2."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorTask(Task):
    """One actor's; units as in `pyimc.isa`.

    Attributes:
        walk: How it walks over its rows.
        row_words: Words of a row of its first input.
        multipliers: What its parameters hold, in order; depthwise: a channel each.
        inputs: How many it reads.
        shift: Of all multipliers.
        zero_points: Of its inputs.
        output_zero_point: Of its output.
        clamp: Lowest and highest output.
        lookup: What lut looks up; empty for all others.
        kernels: What depthwise has besides; None for all others.
        exponent: Of softmax, as its node says.
        epsilon: Of normalise, likewise.
        refusals: Why the engine cannot compute it.
    """

    engine: ClassVar[str] = "dpu"

    walk: Walk
    row_words: int
    multipliers: tuple[int, ...]
    inputs: int = 1
    shift: int = 1
    zero_points: Pair = (0, 0)
    output_zero_point: int = 0
    clamp: Pair = ALL
    lookup: bytes = b""
    kernels: Kernels | None = None
    exponent: int = 0
    epsilon: int = 0
    refusals: tuple[str, ...] = ()

    def faults(self, arch: Arch) -> list[str]:
        """What was found when it was made; what does not fit a field is found when it is encoded."""
        del arch
        return list(self.refusals)

    def entries(self, arch: Arch, room: Room) -> Iterator[tuple[Layout, int]]:
        """WINDOW, VECTOR, KERNEL if there are weights, MATRIX of matmul, ROW of what reads twice, and OUTPUT."""
        walk = self.walk
        window = isa.WINDOW.encode(run=walk.run, step=walk.step, row_bytes=walk.row_bytes, row_words=self.row_words)
        yield isa.WINDOW, window
        yield (
            isa.VECTOR,
            isa.VECTOR.encode(
                operation=walk.operation,
                zero_point_0=self.zero_points[0],
                zero_point_1=self.zero_points[1],
                shift=self.shift,
                kernel_columns=walk.kernel_columns,
                repeat=walk.repeat,
                broadcast=walk.broadcast,
            ),
        )
        if self.kernels:
            pixel = self.kernels.pixel_words(arch)
            yield isa.KERNEL, isa.KERNEL.encode(weights=room.weight, row=walk.kernel_columns * pixel, pixel=pixel)
        if walk.inner:
            yield isa.MATRIX, isa.MATRIX.encode(inner=walk.inner, pitch=walk.pitch)
        if walk.pause:
            yield isa.ROW, isa.ROW.encode(exponent=self.exponent, pause=walk.pause, epsilon=self.epsilon)
        low, high = self.clamp
        output = isa.OUTPUT.encode(
            columns=0, parameters=room.parameter, zero_point=self.output_zero_point, low=low, high=high
        )
        yield isa.OUTPUT, output

    def parameters(self) -> NDArray[np.uint64]:
        """A multiplier each, and what a channel has besides."""
        table = np.zeros((self.parameter_count, 2), np.uint64)
        if self.kernels:
            channels = zip(self.kernels.bias.tolist(), self.kernels.shift.tolist(), strict=True)
            table[:, 0] = [isa.PARAM_0.encode(bias=bias, shift=shift) for bias, shift in channels]
        table[:, 1] = [isa.PARAM_1.encode(multiplier=multiplier) for multiplier in self.multipliers]
        return table

    @property
    def parameter_count(self) -> int:
        """Multipliers."""
        return len(self.multipliers)

    def table(self) -> bytes:
        """Of lut."""
        return self.lookup

    def weight_words(self, arch: Arch) -> int:
        """Of depthwise."""
        return self.kernels.words(arch) if self.kernels else 0

    def weight_bytes(self, arch: Arch) -> bytes:
        """Of depthwise."""
        return self.kernels.packed(arch) if self.kernels else b""

    @property
    def reissue_cycles(self) -> int:
        """A cycle for every input."""
        return 1 + self.inputs

    def firing_time(self, arch: Arch, step: Step) -> FiringTime:
        """Reads; words a fixed time later."""
        found = self._timeline(arch, step)
        return FiringTime(found.slots, found.words[-1], found.slots)

    def image_cycles(self, arch: Arch, steps: Sequence[tuple[Step, int]]) -> int:
        """Reads, and the way to the next firing."""
        return sum(count * (self._timeline(arch, step).slots + self.reissue_cycles) for step, count in steps)

    def _timeline(self, arch: Arch, step: Step) -> Timeline:
        return timeline(self.walk, arch.lanes, pixels=step.pixels, x0=step.x0, rows=step.rows)

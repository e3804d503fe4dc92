"""What the vector engine is told of an actor: the fields of WINDOW, VECTOR and OUTPUT, its parameters and its table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimc import isa
from pyimc.arch import Arch
from pyimc.engines.task import FiringTime, Room, Step, Task
from pyimc.layout import Layout
from pyimc.numerics import UINT8_MAX
from pyimc.tensors import Pair
from pyimc.timing_dpu import Timeline, Walk, timeline

ALL: Pair = (0, UINT8_MAX)


@dataclass(frozen=True, slots=True, eq=False)
class VectorTask(Task):
    """One actor's; units as in `pyimc.isa`.

    Attributes:
        walk: How it walks over its rows.
        row_words: Words of a row of its first input.
        multipliers: What its parameters hold, in order.
        inputs: How many it reads.
        shift: Of all multipliers.
        zero_points: Of its inputs.
        output_zero_point: Of its output.
        clamp: Lowest and highest output.
        lookup: What lut looks up; empty for all others.
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

    def faults(self, arch: Arch) -> list[str]:
        """None: what does not fit a field is found when it is encoded."""
        del arch
        return []

    def entries(self, arch: Arch, room: Room) -> Iterator[tuple[Layout, int]]:
        """WINDOW, VECTOR and OUTPUT."""
        del arch
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
            ),
        )
        low, high = self.clamp
        output = isa.OUTPUT.encode(
            columns=0, parameters=room.parameter, zero_point=self.output_zero_point, low=low, high=high
        )
        yield isa.OUTPUT, output

    def parameters(self) -> NDArray[np.uint64]:
        """A multiplier each."""
        table = np.zeros((self.parameter_count, 2), np.uint64)
        table[:, 1] = [isa.PARAM_1.encode(multiplier=multiplier) for multiplier in self.multipliers]
        return table

    @property
    def parameter_count(self) -> int:
        """Multipliers."""
        return len(self.multipliers)

    def table(self) -> bytes:
        """Of lut."""
        return self.lookup

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

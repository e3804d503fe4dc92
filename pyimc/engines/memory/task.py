"""What the memory is told of the weights that it sends: where they are, and how fast they leave."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimc import isa
from pyimc.arch import Arch
from pyimc.engines.task import FiringTime, Room, Step, Task
from pyimc.layout import Layout

OUTPUT_LATENCY_CYCLES = 2
"""From the read of a word to the cycle in which it is on the output."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamTask(Task):
    """All words of a layer's planes in one firing.

    Attributes:
        image: uint8 [rows, columns]: the rows of the planes, one plane after the other.
    """

    engine: ClassVar[str] = "memory"

    image: NDArray[np.uint8]

    def faults(self, arch: Arch) -> list[str]:
        """None: the memory PUs say what they hold."""
        del arch
        return []

    def entries(self, arch: Arch, room: Room) -> Iterator[tuple[Layout, int]]:
        """STREAM and PACE."""
        memory = arch.memory
        yield isa.STREAM, isa.STREAM.encode(start=room.plane * self._plane_words(arch), words=self._words(arch))
        yield (
            isa.PACE,
            isa.PACE.encode(
                latency=memory.latency,
                interval=memory.interval,
                row_words=self._row_words(arch),
                row_wait=self._row_wait(arch),
            ),
        )

    def parameters(self) -> NDArray[np.uint64]:
        """None."""
        return np.zeros((0, 2), np.uint64)

    @property
    def parameter_count(self) -> int:
        """None."""
        return 0

    def plane_count(self, arch: Arch) -> int:
        """As many as in the crossbars."""
        return -(-len(self.image) // arch.crossbar.rows)

    def planes(self, arch: Arch, row: int = 0, column: int = 0) -> NDArray[np.uint8]:
        """As in the crossbars, where they start at the first row and column."""
        del row, column
        contents = np.zeros((self.plane_count(arch), arch.crossbar.rows, arch.crossbar.outputs), np.uint8)
        contents.reshape(-1, arch.crossbar.outputs)[: len(self.image)] = self.image
        return contents

    def _words(self, arch: Arch) -> int:
        """Rows fill whole words."""
        return self.image.size // arch.lanes

    def _plane_words(self, arch: Arch) -> int:
        return arch.words(arch.crossbar.rows * arch.crossbar.outputs)

    @property
    def reissue_cycles(self) -> int:
        """No input is given back."""
        return 1

    def _row_words(self, arch: Arch) -> int:
        return self.image.shape[1] // arch.lanes

    def _row_wait(self, arch: Arch) -> int:
        return max(0, arch.memory.row_cycles - self._row_words(arch) * arch.memory.interval)

    def _cycles(self, arch: Arch) -> int:
        rows, words = len(self.image), self._words(arch)
        return arch.memory.latency + 1 + (words - 1) * arch.memory.interval + rows * self._row_wait(arch)

    def firing_time(self, arch: Arch, step: Step) -> FiringTime:
        """The latency, then row by row."""
        del step
        cycles = self._cycles(arch)
        return FiringTime(cycles, cycles + OUTPUT_LATENCY_CYCLES, cycles - arch.memory.latency)

    def image_cycles(self, arch: Arch, steps: Sequence[tuple[Step, int]]) -> int:
        """Firings, and the way to the next one."""
        return sum(count * (self._cycles(arch) + self.reissue_cycles) for _, count in steps)

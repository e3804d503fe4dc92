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
        """Words of its image."""
        words, most = self.weight_words(arch), arch.weight_words
        return [f"sends {words} words of weights, a memory holds {most} (weight_words)"] if words > most else []

    def entries(self, arch: Arch, room: Room) -> Iterator[tuple[Layout, int]]:
        """STREAM."""
        yield (
            isa.STREAM,
            isa.STREAM.encode(
                start=room.weight,
                words=self.weight_words(arch),
                latency=arch.memory_latency,
                interval=arch.memory_interval,
            ),
        )

    def parameters(self) -> NDArray[np.uint64]:
        """None."""
        return np.zeros((0, 2), np.uint64)

    @property
    def parameter_count(self) -> int:
        """None."""
        return 0

    def weight_words(self, arch: Arch) -> int:
        """Rows fill whole words."""
        return self.image.size // arch.lanes

    def weight_bytes(self, arch: Arch) -> bytes:
        """Row by row."""
        del arch
        return self.image.tobytes()

    @property
    def reissue_cycles(self) -> int:
        """No input is given back."""
        return 1

    def _cycles(self, arch: Arch) -> int:
        return arch.memory_latency + 1 + (self.weight_words(arch) - 1) * arch.memory_interval

    def firing_time(self, arch: Arch, step: Step) -> FiringTime:
        """The latency, then a word every interval."""
        del step
        cycles = self._cycles(arch)
        return FiringTime(cycles, cycles + OUTPUT_LATENCY_CYCLES, cycles - arch.memory_latency)

    def image_cycles(self, arch: Arch, steps: Sequence[tuple[Step, int]]) -> int:
        """Firings, and the way to the next one."""
        return sum(count * (self._cycles(arch) + self.reissue_cycles) for _, count in steps)

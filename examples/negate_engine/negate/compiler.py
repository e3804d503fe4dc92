"""Negate on its engine, word by word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pyimc.mapping.actors.firing import Firing, Pixels
from pyimc.mapping.operators.contract import firings, task
from pyimc.mapping.operators.rows import pixel_runs

from negate.operator import Negate
from pyimc.arch import Arch
from pyimc.engines.task import FiringTime, Room, Step, Task
from pyimc.layout import Layout
from pyimc.network import Network

LATENCY_CYCLES = 2
"""From the read of a word to the cycle in which it is on the output."""


@dataclass(frozen=True, slots=True, eq=False)
class NegateTask(Task):
    """Nothing but the FIRE instruction; no tables."""

    engine: ClassVar[str] = "negate"

    def faults(self, arch: Arch) -> list[str]:
        """None."""
        del arch
        return []

    def entries(self, arch: Arch, room: Room) -> Iterator[tuple[Layout, int]]:
        """None."""
        del arch, room
        yield from ()

    def parameters(self) -> NDArray[np.uint64]:
        """None."""
        return np.zeros((0, 2), np.uint64)

    @property
    def parameter_count(self) -> int:
        """None."""
        return 0

    @property
    def reissue_cycles(self) -> int:
        """A cycle for its input."""
        return 2

    def firing_time(self, arch: Arch, step: Step) -> FiringTime:
        """A word a cycle."""
        del arch
        return FiringTime(step.pixels, step.pixels + LATENCY_CYCLES, step.pixels)

    def image_cycles(self, arch: Arch, steps: Sequence[tuple[Step, int]]) -> int:
        """Words, and the way to the next firing."""
        del arch
        return sum(count * (step.pixels + self.reissue_cycles) for step, count in steps)


@firings.register
def _(node: Negate, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    return pixel_runs(network, node, arch, grain, as_words=True)


@task.register
def _(node: Negate, network: Network, arch: Arch) -> NegateTask:
    del node, network, arch
    return NegateTask()

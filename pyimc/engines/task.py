"""What one actor asks of the engine of its processing unit, whatever kind that is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pyimc.arch import Arch
from pyimc.layout import Layout


class Step(Protocol):
    """The operands of a firing that concern an engine; units as in `pyimc.isa.FIRE`."""

    @property
    def pixels(self) -> int:
        """Output pixels."""

    @property
    def x0(self) -> int:
        """Byte at which the first window starts in its row."""

    @property
    def top(self) -> int:
        """Kernel rows above the image."""

    @property
    def rows(self) -> int:
        """Kernel rows inside the image."""


class FiringTime(NamedTuple):
    """What one firing takes on an empty engine, in cycles.

    Attributes:
        front: From its issue to its `done`.
        span: From its issue to its last word.
        work: Between its last word and that of the firing before, at least.
    """

    front: int
    span: int
    work: int


class Room(Protocol):
    """Where an actor is on its processing unit."""

    @property
    def plane(self) -> int:
        """First crossbar plane."""

    @property
    def row(self) -> int:
        """In it, first row of the last row tile."""

    @property
    def column(self) -> int:
        """In it, first column of the last column tile."""

    @property
    def parameter(self) -> int:
        """First entry in the parameters."""

    @property
    def weight(self) -> int:
        """First word in the weight memory of a vector engine."""


@dataclass(frozen=True, slots=True, eq=False)
class Task(ABC):
    """An operator as its engine sees it: the contents of tables, and how long firings take.

    Attributes:
        engine: Of this kind of task: the kind of processing unit that does it.
    """

    engine: ClassVar[str]

    @abstractmethod
    def faults(self, arch: Arch) -> list[str]:
        """Why no processing unit of an architecture can do it, however empty."""

    @abstractmethod
    def entries(self, arch: Arch, room: Room) -> Iterator[tuple[Layout, int]]:
        """Its ENGINE entries as (layout, 64-bit value)."""

    @abstractmethod
    def parameters(self) -> NDArray[np.uint64]:
        """Its parameters, uint64 [entries, 2]: PARAM_0, PARAM_1."""

    @property
    @abstractmethod
    def parameter_count(self) -> int:
        """Entries of its parameters."""

    def table(self) -> bytes:
        """What its firings look up, 256 bytes; empty if nothing."""
        return b""

    def weight_words(self, arch: Arch) -> int:
        """Words that it takes of the weight memory of a vector engine."""
        del arch
        return 0

    def weight_bytes(self, arch: Arch) -> bytes:
        """Their contents."""
        del arch
        return b""

    def plane_count(self, arch: Arch) -> int:
        """Crossbar planes that it takes."""
        del arch
        return 0

    def planes(self, arch: Arch, row: int = 0, column: int = 0) -> NDArray[np.uint8]:
        """Their contents, uint8 [planes, rows, columns]; the last tiles start at a row and a column, others hold 0."""
        del row, column
        return np.empty((0, arch.crossbar.rows, arch.crossbar.outputs), np.uint8)

    def real_cells(self, arch: Arch, row: int = 0, column: int = 0) -> tuple[NDArray[np.uint16], int]:
        """What the cells of its planes really hold, and the amplitude of the noise of its conversions.

        uint16 [planes, rows, columns of cells] in the order of their conversion; those not used hold 0.
        """
        del row, column
        return np.empty((0, arch.crossbar.rows, arch.crossbar.outputs * arch.crossbar.cells), np.uint16), 0

    def digest(self) -> str:
        """Names the contents of its planes: tasks with equal ones can share them; empty if it has none."""
        return ""

    @property
    @abstractmethod
    def reissue_cycles(self) -> int:
        """From the `done` of a firing to the next issue: the sequencer first offers a credit for every input read."""

    @abstractmethod
    def firing_time(self, arch: Arch, step: Step) -> FiringTime:
        """A firing when nothing holds it up."""

    @abstractmethod
    def image_cycles(self, arch: Arch, steps: Sequence[tuple[Step, int]]) -> int:
        """Cycles that it keeps an engine of its own per image, whose firings are given with their repetitions."""

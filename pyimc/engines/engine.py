"""A kind of processing unit: what shell, compiler, cycle model, bench and reports know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pyimc.layout import Layout

if TYPE_CHECKING:  # architectures name kinds
    from pyimc.arch import Arch


@dataclass(frozen=True, slots=True)
class Resource:
    """What an engine has a limited amount of, besides what every processing unit has.

    Attributes:
        name: In the plural.
        amount: Of one processing unit.
        lever: The key of an architecture that gives more.
    """

    name: str
    amount: Callable[[Arch], int]
    lever: str


Fields = Mapping[str, int]
"""A table entry or an instruction, decoded."""


def _produced(tables: Mapping[str, Fields], firing: Fields) -> int:
    del tables
    return firing["produce"]


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything else about a kind is in the folder that has this.

    Attributes:
        kind: Its name in architectures, Programs and reports.
        number: What stands for it in hardware and in the cycle model; unlike all others.
        rtl: The file of its module, which is called as the file; the ports are those of `rtl/engine.v` that it needs.
        parameters: Of its module, besides those that every processing unit has: what an architecture sets them to.
        black_boxes: Files of modules below it that stand for a circuit or for a memory beside the chip.
        layouts: Its ENGINE entries.
        resources: What an actor takes some of.
        cycle: The module of its part of the cycle model, for those that `pyimc.cycle` does not have itself.
        energy: The module that says what it costs: `events` of a firing, `area_um2`, `leakage_mw`, as
            `pyimc.energy.model.EnergyModel`. Without one it costs what any digital unit does that does nothing.
        sent_words: Of a firing, by its actor's ENGINE entries (by the name of their layout) and its instruction.
        partial_memory: Its processing unit has a second memory; the engine says when it has read what is there.
    """

    kind: str
    number: int
    rtl: Path
    parameters: Mapping[str, Callable[[Arch], int]] = field(default_factory=dict)
    black_boxes: tuple[Path, ...] = ()
    layouts: tuple[Layout, ...] = ()
    resources: tuple[Resource, ...] = ()
    cycle: str = ""
    energy: str = ""
    sent_words: Callable[[Mapping[str, Fields], Fields], int] = _produced
    partial_memory: bool = False

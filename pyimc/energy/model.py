"""What a kind of engine says of its energy and area."""

import importlib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Protocol, cast

from pyimc.arch import Arch
from pyimc.energy.costs import Costs
from pyimc.engines import ENGINES
from pyimc.engines.engine import Fields

Events = Counter[str]
"""By a name of `pyimc.energy.events.EVENTS`."""

ACCUMULATOR_BITS = 32


class EnergyModel(Protocol):
    """What the module of an engine's energy has."""

    def events(self, arch: Arch, tables: Mapping[str, Fields], firing: Fields) -> Events:
        """Of a firing, besides instructions and words sent: by its actor's ENGINE entries and its instruction."""

    def area_um2(self, arch: Arch, costs: Costs) -> dict[str, float]:
        """Of the engine, by component: `logic` is that of the whole unit."""

    def leakage_mw(self, costs: Costs) -> float:
        """Of the whole unit."""


class _Unknown:
    """An engine that says nothing: no events, and the logic of a digital unit."""

    def events(self, arch: Arch, tables: Mapping[str, Fields], firing: Fields) -> Events:
        del arch, tables, firing
        return Events()

    def area_um2(self, arch: Arch, costs: Costs) -> dict[str, float]:
        del arch
        return {"logic": costs.area.dpu.value}

    def leakage_mw(self, costs: Costs) -> float:
        return costs.leakage.dpu.value


@cache
def energy_model(kind: str) -> EnergyModel:
    """That of a kind of engine."""
    module = ENGINES[kind].energy
    return cast(EnergyModel, importlib.import_module(module)) if module else _Unknown()


def touched_words(start: int, end: int, lanes: int) -> int:
    """Memory words that the bytes of a range lie in."""
    return (end - 1) // lanes - start // lanes + 1 if start < end else 0

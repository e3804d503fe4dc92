"""What sending weights costs: a `pyimc.energy.model.EnergyModel`. The memory itself is beside the chip."""

from collections.abc import Mapping

from pyimc.arch import Arch
from pyimc.energy.costs import Costs
from pyimc.energy.model import Events
from pyimc.engines.engine import Fields


def events(arch: Arch, tables: Mapping[str, Fields], firing: Fields) -> Events:
    """All words of a layer's planes, read once."""
    del arch, firing
    return Events(loads=tables["STREAM"]["words"])


def area_um2(arch: Arch, costs: Costs) -> dict[str, float]:
    """The logic of a digital unit."""
    del arch
    return {"logic": costs.area.dpu.value}


def leakage_mw(costs: Costs) -> float:
    """Of a digital unit."""
    return costs.leakage.dpu.value

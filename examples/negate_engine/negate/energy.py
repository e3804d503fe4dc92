"""What Negate costs: a word read, and a byte complemented, which is counted as an addition."""

from collections.abc import Mapping

from pyimc.arch import Arch
from pyimc.energy.costs import Costs
from pyimc.energy.model import Events
from pyimc.engines.engine import Fields


def events(arch: Arch, tables: Mapping[str, Fields], firing: Fields) -> Events:
    """Of a firing: its words."""
    del tables
    return Events(reads=firing["pixels"], additions=firing["pixels"] * arch.lanes)


def area_um2(arch: Arch, costs: Costs) -> dict[str, float]:
    """The logic of a digital unit, of which it has hardly any."""
    del arch
    return {"logic": costs.area.dpu.value}


def leakage_mw(costs: Costs) -> float:
    """Of a digital unit."""
    return costs.leakage.dpu.value

"""Area of a chip and of its processing units, from their sizes and a table of costs."""

from __future__ import annotations

from pyimc.arch import Arch
from pyimc.energy.costs import Costs
from pyimc.energy.model import energy_model
from pyimc.isa import INSTRUCTION_BITS, PARAM_0, PARAM_1

COMPONENTS = ("cells", "rows", "adcs", "accumulation", "memories", "mesh", "logic")


def unit_um2(arch: Arch, costs: Costs, node: int) -> dict[str, float]:
    """Of a processing unit with its router, by component."""
    engine = energy_model(arch.kinds[node]).area_um2(arch, costs)
    bits = arch.activation_words * arch.word_bits + arch.instructions * INSTRUCTION_BITS
    bits += arch.parameters * (PARAM_0.bits + PARAM_1.bits)
    shell = {"memories": bits * costs.area.memory.value, "mesh": costs.area.router.value}
    return {name: shell.get(name, 0.0) + engine.get(name, 0.0) for name in COMPONENTS}


def chip_um2(arch: Arch, costs: Costs) -> dict[str, float]:
    """Of all processing units, the host port's buffer and its router."""
    units = [unit_um2(arch, costs, node) for node in range(arch.nodes) if node != arch.host]
    total = {name: sum(unit[name] for unit in units) for name in COMPONENTS}
    total["memories"] += arch.host_words * arch.word_bits * costs.area.memory.value
    total["mesh"] += costs.area.router.value
    return total

"""Area of a chip and of its processing units, from their sizes and a table of costs."""

from __future__ import annotations

from pyimc.arch import Arch
from pyimc.energy.costs import Costs
from pyimc.energy.events import ACCUMULATOR_BITS
from pyimc.isa import INSTRUCTION_BITS, PARAM_0, PARAM_1

ACCUMULATOR_BANKS = 2


def unit_um2(arch: Arch, costs: Costs, node: int) -> dict[str, float]:
    """Of a processing unit with its router, by component."""
    area, crossbar, crossed = costs.area, arch.crossbar, arch.kinds[node] == "imc"
    sites = crossbar.rows * crossbar.columns * costs.slices(arch)
    adcs = crossbar.adcs * costs.slices(arch)
    bits = arch.activation_words * arch.word_bits + arch.instructions * INSTRUCTION_BITS
    bits += arch.parameters * (PARAM_0.bits + PARAM_1.bits)
    if crossed:
        bits += arch.partial_words * arch.word_bits + ACCUMULATOR_BANKS * arch.output_columns * ACCUMULATOR_BITS
    elif arch.kinds[node] == "dpu":
        bits += arch.weight_words * arch.word_bits
    return {
        "cells": crossed * sites * (crossbar.planes * area.cell.value + area.site.value),
        "rows": crossed * crossbar.rows * area.row.value,
        "adcs": crossed * adcs * costs.adc_um2,
        "accumulation": crossed * adcs * area.column.value,
        "memories": bits * area.memory.value,
        "mesh": area.router.value,
        "logic": (area.imc if crossed else area.dpu).value,
    }


def chip_um2(arch: Arch, costs: Costs) -> dict[str, float]:
    """Of all processing units, the host port's buffer and its router."""
    units = [unit_um2(arch, costs, node) for node in range(arch.nodes) if node != arch.host]
    total = {name: sum(unit[name] for unit in units) for name in units[0]}
    total["memories"] += arch.host_words * arch.word_bits * costs.area.memory.value
    total["mesh"] += costs.area.router.value
    return total

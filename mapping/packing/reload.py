# SPDX-License-Identifier: Apache-2.0
"""Resident weights against weights that are loaded again for every image: energy, delay and their product.

A model of macros and memory alone, in the manner of the packing paper: the macros are digital SRAM in 28 nm
(`pyimc.energy.macro`), layers run one after another, all macros are written at once, a row a cycle, and a bit of weight
costs what the memory outside and the cell take. No network on the chip, no activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapping.packing.tiles import Macros, Tiling
from pyimc.energy.macro import Macro

WEIGHT_BITS = 8
CELL_WRITE_PJ = 0.095 / 8
"""Of a bit; ZigZag-IMC, its example of an IMC core."""
DRAM_PJ = (3.7, 50.0)
"""Of a bit: memory near the chip and far from it, the two cases of the paper."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of an image."""

    energy_pj: float
    delay_ns: float

    @property
    def edp(self) -> float:
        """Energy times delay, in pJ ns."""
        return self.energy_pj * self.delay_ns


def resident(tilings: Sequence[Tiling], macros: Macros) -> Cost:
    """All weights stay where they are.

    Raises:
        ConfigError: Rows or columns that are no power of two.
    """
    macro = Macro(analog=False, rows=macros.rows, words=macros.columns)
    energy = sum(each.cycles * each.copies * sum(macro.mvm_pj(each.depth, each.width).values()) for each in tilings)
    return Cost(energy, sum(each.cycles for each in tilings) * macro.steps * macro.clock_ns())


def edp_factors(tilings: Sequence[Tiling], macros: Macros) -> tuple[float, ...]:
    """How many times the energy-delay product grows if weights are loaded for every image, by `DRAM_PJ`."""
    at_rest = resident(tilings, macros)
    return tuple(reloaded(tilings, macros, dram_pj).edp / at_rest.edp for dram_pj in DRAM_PJ)


def reloaded(tilings: Sequence[Tiling], macros: Macros, dram_pj: float) -> Cost:
    """Every layer is loaded before it runs; every tile a row a cycle, those of different macros at once."""
    at_rest = resident(tilings, macros)
    clock_ns = Macro(analog=False, rows=macros.rows, words=macros.columns).clock_ns()
    bits = WEIGHT_BITS * sum(each.layer.weights for each in tilings)
    rows = sum(each.folds * each.depth for each in tilings)
    return Cost(at_rest.energy_pj + bits * (dram_pj + CELL_WRITE_PJ), at_rest.delay_ns + rows * clock_ns)

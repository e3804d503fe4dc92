"""Energy, power and efficiency of a run: events times costs, for every operator, every processing unit and the chip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pyimc.arch import Arch
from pyimc.energy.area import chip_um2, unit_um2
from pyimc.energy.costs import Costs
from pyimc.energy.events import count
from pyimc.energy.model import ACCUMULATOR_BITS, Events, energy_model
from pyimc.isa import CREDIT, INSTRUCTION_BITS
from pyimc.network import Depthwise, Mvm
from pyimc.program import Program

PRODUCT = 1 / 16
"""Of a multiplication of 32 bits: what a product of two bytes is taken to cost, as it has a sixteenth of the adders."""
COMPONENTS = (
    "rows", "cells", "adcs", "accumulation", "planes", "registers", "digital", "memories", "loads", "mesh", "host",
    "leakage",
)  # fmt: skip
Energies = dict[str, float]
"""pJ by component."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one image in a stream of them.

    Attributes:
        components: Energy.
        macs: Multiply-accumulates.
        delay_s: Of an operator, what it takes of its engine; of a processing unit, the interval between images; of
            the chip, the latency of an image.
        interval_s: Between images.
        area_mm2: 0 if it has none of its own.
    """

    components: Energies
    macs: int
    delay_s: float
    interval_s: float
    area_mm2: float = 0.0

    @property
    def pj(self) -> float:
        """Energy."""
        return sum(self.components.values())

    @property
    def power_w(self) -> float:
        """Mean power."""
        return 1e-12 * self.pj / self.interval_s

    @property
    def edp_pj_s(self) -> float:
        """Energy times delay."""
        return self.pj * self.delay_s

    @property
    def tops(self) -> float:
        """10^12 operations a second, two for each multiply-accumulate."""
        return 2e-12 * self.macs / self.interval_s

    @property
    def tops_per_w(self) -> float:
        """10^12 operations a joule."""
        return 2 * self.macs / self.pj if self.pj else 0.0

    @property
    def tops_per_mm2(self) -> float:
        """Throughput by area."""
        return self.tops / self.area_mm2 if self.area_mm2 else 0.0

    def report(self) -> dict[str, object]:
        """Plain data for a file."""
        figures: dict[str, object] = {
            "pj": round(self.pj, 3), "power_w": _short(self.power_w), "edp_pj_s": _short(self.edp_pj_s),
            "tops": _short(self.tops), "tops_per_w": _short(self.tops_per_w),
        }  # fmt: skip
        if self.area_mm2:
            figures |= {"area_mm2": _short(self.area_mm2), "tops_per_mm2": _short(self.tops_per_mm2)}
        return figures | {"components_pj": {name: round(pj, 3) for name, pj in self.components.items() if pj}}


@dataclass(frozen=True, slots=True)
class Account:
    """What a run costs.

    Attributes:
        costs: Name of the table.
        clock_ns: The cycle.
        operators: By actor; without leakage.
        units: By processing unit in use; with leakage.
        chip: All units, the host's words and the leakage of idle units.
        load_pj: Once, before the first image: all weights fetched and programmed.
    """

    costs: str
    clock_ns: float
    operators: dict[str, Figures]
    units: dict[int, Figures]
    chip: Figures
    load_pj: float

    def summary(self) -> str:
        """The chip's figures on one line."""
        chip = self.chip
        largest = sorted(chip.components.items(), key=lambda item: -item[1])[:3]
        shares = ", ".join(f"{name} {pj / chip.pj:.0%}" for name, pj in largest) if chip.pj else "nothing"
        return (
            f"energy by {self.costs} at {1e3 / self.clock_ns:.4g} MHz: {chip.pj / 1e6:.4g} uJ an image ({shares}), "
            f"{chip.power_w:.4g} W, {1 / chip.interval_s:.4g} images/s, EDP {chip.edp_pj_s:.4g} pJ s, "
            f"{chip.tops:.4g} TOPS, {chip.tops_per_w:.4g} TOPS/W, {chip.tops_per_mm2:.4g} TOPS/mm2"
        )

    def report(self) -> dict[str, object]:
        """Plain data for `result.json`."""
        return {
            "costs": self.costs,
            "clock_ns": _short(self.clock_ns),
            "images_per_second": _short(1 / self.chip.interval_s),
            "load_pj": round(self.load_pj, 3),
            "chip": self.chip.report(),
            "pus": {str(node): figures.report() for node, figures in self.units.items()},
            "operators": {name: figures.report() for name, figures in self.operators.items()},
        }


def account(program: Program, costs: Costs, interval_cycles: int, latency_cycles: int) -> Account:
    """Accounts for an image of a stream.

    Args:
        program: What runs.
        costs: What events cost.
        interval_cycles: Between images; of a single image, its latency.
        latency_cycles: Of an image.

    Raises:
        ConfigError: The table has no cost for the DAC of the architecture.
    """
    arch, counts, clock_ns = program.arch, count(program), costs.clock_ns(program.arch)
    interval_s = 1e-9 * interval_cycles * clock_ns
    network = {node.name: node for node in program.network.nodes}
    operators = {
        actor.name: Figures(
            components=_dynamic(counts.operators[actor.name], arch, costs),
            macs=network[actor.name].macs(program.network.sources(network[actor.name])),
            delay_s=1e-9 * actor.cycles * clock_ns,
            interval_s=interval_s,
        )
        for actor in program.actors
    }
    units = {}
    for node in program.pus:
        hosted = [operators[actor.name] for actor in program.actors if actor.node == node]
        leakage = {"leakage": _leakage_mw(arch, costs, node) * interval_s * 1e9}
        units[node] = Figures(
            components=_total([*(figures.components for figures in hosted), leakage]),
            macs=sum(figures.macs for figures in hosted),
            delay_s=interval_s,
            interval_s=interval_s,
            area_mm2=sum(unit_um2(arch, costs, node).values()) / 1e6,
        )
    idle = [node for node in range(arch.nodes) if node != arch.host and node not in units]
    rest = {"leakage": sum(_leakage_mw(arch, costs, node) for node in idle) * interval_s * 1e9}
    chip = Figures(
        components=_total(
            [*(figures.components for figures in units.values()), _dynamic(counts.host, arch, costs), rest]
        ),
        macs=sum(figures.macs for figures in operators.values()),
        delay_s=1e-9 * latency_cycles * clock_ns,
        interval_s=interval_s,
        area_mm2=sum(chip_um2(arch, costs).values()) / 1e6,
    )
    crossed = sum(node.weights.size for node in network.values() if isinstance(node, Mvm))
    beside = sum(node.weights.size for node in network.values() if isinstance(node, Depthwise))
    load_pj = crossed * arch.crossbar.cells * costs.slices(arch) * costs.energy.cell_write.value + 8 * (
        beside * costs.energy.memory_write.value + (crossed + beside) * costs.energy.weight_fetch.value
    )
    return Account(costs.name, clock_ns, operators, units, chip, load_pj)


def _dynamic(events: Events, arch: Arch, costs: Costs) -> Energies:
    each, word = costs.energy, arch.word_bits
    select = each.select.value + each.select_per_plane.value * arch.crossbar.planes
    return {
        "rows": events["row_drives"] * costs.row_drive_pj(arch),
        "cells": events["cell_reads"] * costs.slices(arch) * each.cell.value,
        "adcs": events["conversions"] * costs.slices(arch) * costs.conversion_pj,
        "accumulation": events["conversions"] * costs.slices(arch) * each.shift_add.value,
        "planes": events["selected"] * costs.slices(arch) * select,
        "registers": (8 * events["gathered"] + ACCUMULATOR_BITS * events["drained"]) * each.register_bit.value,
        "digital": (events["multiplications"] + events["products"] * PRODUCT) * each.multiplication.value
        + events["additions"] * each.addition.value,
        "memories": (word * events["reads"] + INSTRUCTION_BITS * events["fetches"]) * each.memory_read.value
        + word * events["writes"] * each.memory_write.value,
        "loads": word * events["loads"] * each.weight_fetch.value
        + arch.lanes * events["programmed"] * costs.slices(arch) * each.cell_write.value,
        "mesh": (word * events["hops"] + CREDIT.bits * events["credit_hops"]) * each.hop.value,
        "host": word * events["host_words"] * each.host.value,
    }


def _leakage_mw(arch: Arch, costs: Costs, node: int) -> float:
    return energy_model(arch.kinds[node]).leakage_mw(costs)


def _total(parts: Iterable[Energies]) -> Energies:
    total = Counter[str]()
    for part in parts:
        total.update(part)
    return {name: float(total[name]) for name in COMPONENTS}


def _short(value: float) -> float:
    return float(f"{value:.6g}")

# SPDX-License-Identifier: Apache-2.0
"""The MLPerf Tiny networks on the packing paper's macros: weights that share planes and stay against all that travel.

Macros are crossbar PUs of 256 rows and 16 columns, D_h of them with D_m planes each, beside vector engines and one
memory that sends a word of 16 weights a cycle (arXiv 2409.11437 has D_i 256, D_o 16). Three ways to run a network:

packed   `packing=windows`: layers of a unit share planes; what does not fit travels
apart    every tile has a plane of its own; what does not fit travels
reload   every layer is loaded before it runs, for every image, through one window, one layer after the other
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mapping.compile import compile_network
from mapping.cuts.depthwise import on_engines
from mapping.cuts.residency import travelling_cuts
from mapping.cuts.split import split_network
from pyimc.arch import Arch, arch_from_dict, load_arch
from pyimc.cycle.model import simulate
from pyimc.energy.account import account
from pyimc.energy.costs import COSTS, Costs, load_costs
from pyimc.errors import CapacityError, DeadlockError
from pyimc.network import Mvm, Network
from pyimc.program import Program
from sim.lab.rows import Experiment, key_of
from sim.lab.sources import hashed
from sim.lab.studies.page import table
from sim.lab.workers import Workers
from sim.run.folder import BUILD
from sim.run.prepare import prepare
from sim.run.residency import residency

MODELS = ("resnet8", "ds_cnn", "mobilenet_v1_025", "deep_autoencoder")
MACROS = 4
PLANES = (4, 8, 20, 32)
WAYS = ("packed", "apart", "reload")
DRAM_PJ = (3.7, 50.0)
"""A bit of weight from outside: memory near the chip and far from it, the two cases of the paper."""
IMAGES = 6
MOST_PLANES = 128


@dataclass(frozen=True, slots=True)
class Point:
    """A network on so many macros of so many planes, in one of `WAYS`."""

    model: str
    macros: int
    planes: int
    way: str

    def key(self) -> str:
        """sha256 of all that decides the figures, the sources included."""
        return key_of(self.said() | {"sources": hashed("sim/lab/studies/packing.py", "mapping/models")})

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Figures:
    """Loads and words of weights an image, cycles, and energy times latency in pJ s, by `DRAM_PJ`."""

    loads: int
    words: int
    latency: int
    interval: int
    edp: tuple[float, ...]


def chip(macros: int, planes: int) -> Arch:
    """The architecture `default` with such macros."""
    columns = 3 if macros < 5 else 4
    rows = -(-(macros + 5) // columns)
    spare = columns * rows - macros - 2
    data = load_arch("default").model_dump(mode="json")
    return arch_from_dict(
        data
        | {
            "name": f"macros{macros}x{planes}", "mesh": {"columns": columns, "rows": rows, "fifo_depth": 4},
            "host": 0, "dpus": list(range(1, 1 + spare)), "pus": {"memory": [1 + spare]},
            "contexts": 64, "destinations": 4,
            "memory": {"planes": 4 * MOST_PLANES, "interval": 1, "latency": 100},
            "crossbar": {**data["crossbar"], "columns": 16, "adcs": 16, "planes": planes},
        },
        "packing study",
    )  # fmt: skip


def compiled(point: Point) -> Program:
    """The Program of a point; raises CapacityError."""
    network, arch = _network(point.model), chip(point.macros, point.planes)
    if point.way != "reload":
        return compile_network(
            network, arch, options={"packing": "windows" if point.way == "packed" else "one_per_plane"}
        )
    kept, _ = on_engines(network, arch, "auto", "row")
    cut = split_network(kept, travelling_cuts(kept, arch))
    names = [node.name for node in cut.nodes if isinstance(node, Mvm)]
    return compile_network(cut, arch, options={"grain": "map", "reload": ",".join(names)})


def measure(point: Point, folder: Path) -> Figures | str:
    """Compiles and runs a point; what is lacking, if it does not fit. Raises DeadlockError."""
    del folder
    try:
        program = compiled(point)
    except CapacityError as refusal:
        return str(refusal)
    run = simulate(program, IMAGES)
    if run.deadlock or run.latency is None or run.steady is None:
        raise DeadlockError(f"{point}: deadlock")
    travels = residency(program)
    return Figures(
        loads=travels.loads_per_batch if travels else 0,
        words=travels.words_per_image if travels else 0,
        latency=run.latency,
        interval=run.steady.interval,
        edp=tuple(
            account(program, costs, run.steady.interval, run.latency).chip.edp_pj_s for costs in map(_costs, DRAM_PJ)
        ),
    )


EXPERIMENT = Experiment(measure, Figures, BUILD / "study")


def study(
    jobs: Workers, folder: Path, models: Sequence[str] = MODELS, planes: Sequence[int] = PLANES, macros: int = MACROS
) -> str:
    """Measures everything; the text of its section."""
    del folder
    points = [Point(model, macros, count, way) for model in models for count in planes for way in WAYS]
    found = {row.case: row.figures for row in EXPERIMENT.rows(points, jobs)}
    titles = [
        "network", "planes", "way", "loads", "words of weights", "latency", "interval",
        *(f"EDP at {pj:g} pJ/bit, reload / this" for pj in DRAM_PJ),
    ]  # fmt: skip
    return "\n".join(table(titles, [_row(point, found) for point in points]))


def _row(point: Point, found: Mapping[Point, Figures | None]) -> list[str]:
    figures, other = found[point], found[replace(point, way="reload")]
    named = [point.model, str(point.planes), point.way]
    if figures is None:
        return [*named, "does not fit", "", "", "", *("" for _ in DRAM_PJ)]
    ratios = [
        f"{far / near:.1f}" if other else "" for near, far in zip(figures.edp, (other or figures).edp, strict=True)
    ]
    return [*named, *map(str, (figures.loads, figures.words, figures.latency, figures.interval)), *ratios]


def _costs(fetch_pj: float) -> Costs:
    """The default table, with another cost of a bit of weight from outside."""
    costs = load_costs(COSTS)
    fetch = costs.energy.weight_fetch.model_copy(update={"value": fetch_pj, "source": "arXiv 2409.11437"})
    return costs.model_copy(update={"energy": costs.energy.model_copy(update={"weight_fetch": fetch})})


@lru_cache(maxsize=1)
def _network(model: str) -> Network:
    return prepare(model, 1, None).network

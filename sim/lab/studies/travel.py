# SPDX-License-Identifier: Apache-2.0
"""Networks larger than the chip: cycles against the share of the weights that fit and what a memory sends.

ResNet-18 on `default` and on the chips of `examples/`; MobileNetV2 on `depthwise` with fewer and smaller crossbar PUs,
all of them beside one memory PU. The roofline: an image takes no less than the words of its weights take of the
memory's link, heads of packets included, and no less than its layers compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mapping.actors.graph import build_graph
from mapping.compile import compile_network
from pyimc.arch import Arch, arch_from_dict, load_arch
from pyimc.cycle.model import simulate
from pyimc.errors import DeadlockError
from pyimc.network import Network
from pyimc.places import place
from sim.lab.rows import Experiment, key_of
from sim.lab.sources import hashed
from sim.lab.studies.page import percent, plot, table
from sim.lab.workers import Workers
from sim.run.folder import BUILD
from sim.run.prepare import prepare
from sim.run.residency import residency

SHARES = ("1", "1/2", "1/4", "1/16")
RESNET18 = {
    "1": "default", "1/2": "examples/half.yaml", "1/4": "examples/quarter.yaml", "1/16": "examples/sixteenth.yaml",
}  # fmt: skip
MOBILENET_V2 = dict(zip(SHARES, ((9, 12), (5, 11), (2, 13), (1, 7)), strict=True))
"""Crossbar PUs and planes of each; the network takes 106 of 256 x 256."""
MODELS = ("resnet18", "mobilenet_v2")
INTERVALS = (1, 4)
"""Cycles from one word of 16 weights to the next."""
IMAGES = 8


@dataclass(frozen=True, slots=True)
class Point:
    """A network on the chip that holds a share of its weights, beside a memory with such an interval."""

    model: str
    share: str
    interval: int

    def key(self) -> str:
        """sha256 of all that decides the figures, the sources included."""
        sources = hashed("sim/lab/studies/travel.py", "mapping/models")
        return key_of(self.said() | {"arch": chip(self).model_dump(mode="json"), "sources": sources})

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Figures:
    """Words of weights an image, cycles, and what the interval cannot be below: of loads, of computing."""

    words: int
    latency: int
    interval: int
    load_bound: int
    compute_bound: int

    @property
    def over(self) -> float:
        """The interval over the larger bound."""
        return self.interval / max(self.load_bound, self.compute_bound) - 1


def chip(point: Point) -> Arch:
    """The chip of a point."""
    if point.model == "resnet18":
        name = RESNET18[point.share]
        data = load_arch(str(place(name)) if "/" in name else name).model_dump(mode="json")
    else:
        units, planes = MOBILENET_V2[point.share]
        data = load_arch("depthwise").model_dump(mode="json")
        dpus = len(data["dpus"])
        columns = next(count for count in range(3, 9) if count * (count - 1) >= units + dpus + 2)
        rows = -(-(units + dpus + 2) // columns)
        left = columns * rows - units - 2  # what the mesh has beside them are vector engines, too
        data |= {
            "name": f"mobilenet{units}x{planes}", "mesh": {**data["mesh"], "columns": columns, "rows": rows},
            "dpus": list(range(1, 1 + left)), "pus": {"memory": [1 + left]}, "contexts": 64, "instructions": 1024,
            "parameters": 16384, "activation_words": 65535, "memory": {"planes": 256, "latency": 100},
            "crossbar": {**data["crossbar"], "planes": planes},
        }  # fmt: skip
    if data["pus"]:
        data |= {"memory": {**data["memory"], "interval": point.interval}}
    return arch_from_dict(data, "travel study")


def measure(point: Point, folder: Path) -> Figures:
    """Compiles and runs a point; raises DeadlockError, and what the compiler raises."""
    del folder
    program = compile_network(_network(point.model), chip(point))
    run = simulate(program, IMAGES)
    if run.deadlock or run.latency is None or run.steady is None:
        raise DeadlockError(f"{point}: deadlock")
    travels, arch = residency(program), program.arch
    words = travels.words_per_image if travels else 0
    graph = build_graph(program.network, arch)
    crossbars = [node.cycles for node in graph.nodes.values() if node.kind == "imc"]
    return Figures(
        words=words,
        latency=run.latency,
        interval=run.steady.interval,
        load_bound=max(words * arch.memory.interval, words + -(-words // arch.packet_words)),
        compute_bound=max(*crossbars, -(-sum(crossbars) // len(arch.imcs))),
    )


EXPERIMENT = Experiment(measure, Figures, BUILD / "study")


def study(
    jobs: Workers, folder: Path, models: Sequence[str] = MODELS, intervals: Sequence[int] = INTERVALS
) -> str:  # fmt: skip
    """Measures everything; the text of its section. Writes `travel.svg` into `folder`."""
    points = [
        Point(model, share, interval)
        for model in models for share in SHARES for interval in (intervals if share != "1" else intervals[:1])
    ]  # fmt: skip
    found = {row.case: row.figures for row in EXPERIMENT.rows(points, jobs) if row.figures}
    _plot(found, models, folder / "travel.svg")
    titles = [
        "network", "weights that fit", "cycles a word", "words an image", "load bound", "compute bound", "latency",
        "interval", "over the larger",
    ]  # fmt: skip
    rows = [
        [point.model, point.share, str(point.interval) if each.words else "",
         *map(str, (each.words, each.load_bound, each.compute_bound, each.latency, each.interval)), percent(each.over)]
        for point, each in found.items()
    ]  # fmt: skip
    return "\n".join([*table(titles, rows), "", "![roofline of weights that travel](plots/travel.svg)"])


def _plot(found: dict[Point, Figures], models: Sequence[str], path: Path) -> None:
    with plot(path, (len(models), 1)) as axes:
        for at, model in zip(axes, models, strict=True):
            for share in SHARES:
                rows = sorted(
                    (each for point, each in found.items() if (point.model, point.share) == (model, share)),
                    key=lambda each: each.load_bound,
                )
                (line,) = at.plot(
                    [each.load_bound / 1e3 for each in rows], [each.interval / 1e3 for each in rows], "o", label=share
                )
                ends = [0, *(each.load_bound for each in rows), max(each.load_bound for each in found.values())]
                roof = [max(end, rows[0].compute_bound) / 1e3 for end in ends]
                at.plot([end / 1e3 for end in ends], roof, "-", color=line.get_color(), alpha=0.5, linewidth=1)
            at.set_title(model)
            at.set_xlabel("weights of an image at the memory's rate (thousand cycles)")
            at.set_ylabel("interval (thousand cycles)")
            at.legend(title="weights that fit", fontsize=7)


@lru_cache(maxsize=1)
def _network(model: str) -> Network:
    return prepare(model, 1, None).network

"""A network on a chip, at cycle level: one point of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mapping.compile import compile_network
from pyimc.arch import Arch, arch_from_dict, load_arch
from pyimc.cycle.model import simulate
from pyimc.errors import DeadlockError
from pyimc.network import Network
from pyimc.places import place
from pyimc.program import HOST
from sim.lab.rows import Experiment, key_of
from sim.lab.sources import hashed
from sim.lab.workers import Workers
from sim.run.folder import BUILD
from sim.run.prepare import prepare

LARGE = str(place("examples/large.yaml"))
"""More crossbar PUs than any network here has layers."""
IMAGES = 24
KEPT = BUILD / "study"


@dataclass(frozen=True, slots=True)
class Point:
    """What to run: `grain` and `slack_rows` as the options of these names."""

    model: str
    arch: str
    strategy: str
    grain: int | str
    slack_rows: int

    def key(self) -> str:
        """sha256 of all that decides the figures, the sources included."""
        sources = (
            "sim/lab/studies/point.py", "mapping/models", "mapping/importer/operators",
            f"mapping/placement/strategies/{self.strategy}.py",
        )  # fmt: skip
        return key_of(self.said() | {"arch": load_arch(self.arch).model_dump(mode="json"), "sources": hashed(*sources)})

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out: cycles, words of all rings, and the mean share of the interval that a used crossbar PU is busy."""

    latency: int
    interval: int
    bound: int
    words: int
    imcs: int
    busy: float


def roomy(arch: Arch) -> Arch:
    """With room for whole maps, and for the streams of small grains."""
    room = {"activation_words": 65535, "partial_words": 65535, "host_words": 8192, "instructions": 4096}
    return arch_from_dict(arch.model_dump(mode="json") | room, arch.name)


def measure(point: Point, folder: Path) -> Figures:
    """Compiles and runs a point; raises DeadlockError, and what the compiler raises."""
    options: dict[str, int | str] = {"grain": point.grain, "slack_rows": point.slack_rows}
    program = compile_network(_network(point.model), roomy(load_arch(point.arch)), point.strategy, options)
    run = simulate(program, IMAGES)
    if run.deadlock:
        raise DeadlockError(f"{point}: deadlock")
    steady = run.steady
    assert steady is not None and run.latency is not None
    imcs = [node for node in program.pus if node in program.arch.imcs]
    return Figures(
        latency=run.latency,
        interval=steady.interval,
        bound=program.origin.bounds["interval"],
        words=sum(channel.size for channel in program.channels if channel.consumer != HOST),
        imcs=len(imcs),
        busy=run.busy_share(imcs),
    )


def measure_all(points: Sequence[Point], jobs: Workers) -> dict[Point, Figures]:
    """All points; finished ones are kept."""
    return {row.case: row.figures for row in EXPERIMENT.rows(points, jobs) if row.figures}


EXPERIMENT = Experiment(measure, Figures, KEPT)


@lru_cache(maxsize=2)
def _network(model: str) -> Network:
    return prepare(model, 1, None).network

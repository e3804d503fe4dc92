"""A network on a chip, at cycle level: one point of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mapping.compile import compile_network
from pyimc.arch import Arch, arch_from_dict, load_arch
from pyimc.cycle.model import simulate
from pyimc.errors import DeadlockError
from pyimc.network import Network
from pyimc.program import HOST
from sim.lab.workers import workers
from sim.run.prepare import prepare

LARGE = str(Path(__file__).resolve().parents[3] / "examples" / "large.yaml")
"""More crossbar PUs than any network here has layers."""
IMAGES = 24


@dataclass(frozen=True, slots=True)
class Point:
    """What to run: `grain` and `slack_rows` as the options of these names."""

    model: str
    arch: str
    strategy: str
    grain: int | str
    slack_rows: int


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


def measure(point: Point) -> Figures:
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


def measure_all(points: Sequence[Point], jobs: int) -> dict[Point, Figures]:
    """All points, in processes of their own."""
    with workers(jobs) as pool:
        return dict(zip(points, pool.map(measure, points), strict=True))


@lru_cache(maxsize=2)
def _network(model: str) -> Network:
    return prepare(model, 1, None).network

"""Compiles and runs one case: the figures of its row."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from mapping.actors.buffers import smallest_rings
from mapping.compile import compile_network
from pyimc import network_file
from pyimc.cycle.model import simulate as predict
from pyimc.energy.account import account
from pyimc.energy.costs import COSTS, load_costs
from pyimc.errors import CapacityError, DeadlockError, ScheduleError, UnsupportedOperator
from pyimc.measurement import Measurement
from pyimc.network import Network
from pyimc.program import HOST, Program
from pyimc.program_file import program_hash
from sim.lab.compare.case import Case
from sim.run.flow import Request, simulate
from sim.run.result import largest_load

REFUSALS = (CapacityError, UnsupportedOperator, ScheduleError, DeadlockError)
"""What becomes a row with its reason; everything else ends the comparison."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a case gave; cycles, words and planes are those of the whole chip unless it says otherwise.

    Attributes:
        latency: Of the first image, into an empty chip.
        steady_latency: Of an image, on average, in the steady state.
        interval: Between images, in the steady state.
        used_imcs: Crossbar PUs that host a layer.
        busy: Mean share of the interval in which a used crossbar PU is busy.
        load: What the compiler expects of the busiest PU, in cycles per image.
        bound: What no placement of these nodes can beat, of the interval.
        limit: What sets it.
        latency_bound: Of the latency.
        ring_words: Buffers.
        least_words: The smallest buffers without a deadlock.
        planes: That hold weights.
        compile_seconds: Wall time of the compiler.
        program: Its hash.
        picojoules: Energy of an image in the steady state.
        tops_per_w: 10^12 operations a joule.
    """

    latency: int
    steady_latency: int
    interval: int
    used_imcs: int
    busy: float
    load: int
    bound: int
    limit: str
    latency_bound: int
    ring_words: int
    least_words: int
    planes: int
    compile_seconds: float
    program: str
    picojoules: float
    tops_per_w: float


def measure(case: Case, folder: Path) -> Figures | str:
    """The figures of a case, or on one line why there are none.

    Args:
        case: What to run.
        folder: For what a run on RTL leaves.

    Raises:
        ConfigError: A mistake of the user's: an unknown strategy, a wrong option.
        MismatchError: A value on RTL differs from the golden model's.
    """
    try:
        return _run_rtl(case, folder) if case.level == "rtl" else _run_cycle(case)
    except REFUSALS as error:
        return str(error)


def _run_cycle(case: Case) -> Figures:
    start = time.monotonic()
    program = compile_network(_network(case.network), case.arch, case.strategy, case.options, case.seed)
    seconds = time.monotonic() - start
    return _figures(program, predict(program, case.images), seconds)


def _run_rtl(case: Case, folder: Path) -> Figures:
    folder.mkdir(parents=True, exist_ok=True)
    arch = folder / "arch.yaml"
    arch.write_text(yaml.safe_dump(case.arch.model_dump(mode="json"), sort_keys=False))
    request = Request(
        model=case.model, arch=str(arch), strategy=case.strategy, level="rtl", images=case.images, input=None,
        seed=case.seed, sim=case.sim, array="verilog", front_door=False, options=case.options, folder=folder / "run",
    )  # fmt: skip
    run = simulate(request, lambda line: None, lambda progress: None)
    assert run.measured is not None
    return _figures(run.program, run.measured, run.seconds["compile"])


def _figures(program: Program, measured: Measurement, compile_seconds: float) -> Figures:
    if measured.deadlock:
        raise DeadlockError("deadlock")
    steady = measured.steady
    assert steady is not None and measured.latency is not None
    imcs = [node for node in program.pus if node in program.arch.imcs]
    channels = [channel for channel in program.channels if channel.consumer != HOST]
    chip = account(program, load_costs(COSTS), steady.interval, steady.latency).chip
    return Figures(
        latency=measured.latency,
        steady_latency=steady.latency,
        interval=steady.interval,
        used_imcs=len(imcs),
        busy=measured.busy_share(imcs),
        load=largest_load(program),
        bound=program.origin.bounds["interval"],
        limit=program.origin.limit,
        latency_bound=program.origin.bounds["latency"],
        ring_words=sum(channel.size for channel in channels),
        least_words=sum(edge.least_words for edge in smallest_rings(program) if edge.consumer != HOST),
        planes=sum(len(program.pus[node].weights) for node in imcs),
        compile_seconds=round(compile_seconds, 3),
        program=program_hash(program),
        picojoules=chip.pj,
        tops_per_w=chip.tops_per_w,
    )


@lru_cache(maxsize=2)
def _network(folder: Path) -> Network:
    return network_file.load(folder)

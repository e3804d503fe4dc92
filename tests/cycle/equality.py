# SPDX-License-Identifier: Apache-2.0
"""Compares what the cycle model says of a run with what the RTL did, figure by figure and word by word."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyimc.cycle import CycleResult, simulate
from pyimc.program import Program
from sim.run.job import Job, Outcome
from sim.run.validation import COMPARED, rtl_events
from sim.toolchain import simulator
from tests.sim.runs import images_for, store

EVENTS = 1 << 22


class Word(NamedTuple):
    """A word that has left an engine: when, where and whose."""

    cycle: int
    node: int
    actor: str


class Comparison(NamedTuple):
    """What was compared, and every difference, the earliest event first; none if the model is right."""

    events: int
    words: int
    cycles: int
    found: list[str]


def run_rtl(program: Program, images: NDArray[np.uint8], folder: Path, chips: Path) -> Outcome:
    """Runs a Program on the RTL in `folder`; values are not looked at. Compiled chips are kept in `chips`."""
    store(program, images, folder)
    build_dir = simulator.build("icarus", program.arch, "verilog", chips)
    job = Job(str((folder / "program").resolve()), "verilog", False)
    return simulator.run("icarus", build_dir, folder.resolve(), job, 0, lambda progress: None)


def compare(program: Program, images: int, chips: Path = Path("build/simulator")) -> Comparison:
    """Runs a Program on the RTL and on the cycle model."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_rtl(program, images_for(program, images), Path(folder), chips)
        return differences(program, images, outcome, Path(folder))


def rtl_words(program: Program, folder: Path, begin: int) -> Iterator[Word]:
    """What the capture files of a run say, PU by PU."""
    names = {(actor.node, actor.context): actor.name for actor in program.actors}
    for path in sorted(folder.glob("capture_*.bin")):
        node = int(path.stem.removeprefix("capture_"))
        records = np.frombuffer(path.read_bytes(), np.uint32).reshape(-1, 2 + program.arch.word_bits // 32)
        for cycle, context in records[:, :2].tolist():
            yield Word(cycle - begin, node, names[node, context])


def model_words(result: CycleResult) -> list[Word]:
    """The same of the model."""
    return [Word(event.cycle, event.node, event.actor) for event in result.events if event.kind == "word"]


def differences(program: Program, images: int, outcome: Outcome, folder: Path) -> Comparison:
    """Compares a run on the RTL, in `folder`, with the cycle model."""
    result = simulate(program, images, events=EVENTS)
    assert len(result.events) < EVENTS, "the event log is too short for this run"
    begin = outcome.begin_cycle
    found = []
    # The RTL may still be sending what nobody waits for when the run ends; the model stops there.
    rtl = sorted(word for word in rtl_words(program, folder, begin) if word.cycle <= result.cycles_total)
    model = sorted(model_words(result))
    if rtl != model:
        only_rtl, only_model = sorted(set(rtl) - set(model)), sorted(set(model) - set(rtl))
        found += [f"first word that only the RTL sent: {word}" for word in only_rtl[:1]]
        found += [f"first word that only the model sent: {word}" for word in only_model[:1]]
    events = rtl_events(program, folder, begin)
    predicted = sorted(event for event in result.events if event.kind in COMPARED)
    if events != predicted:
        found += [f"first event that only the RTL has: {event}" for event in sorted(set(events) - set(predicted))[:1]]
        found += [f"first event that only the model has: {event}" for event in sorted(set(predicted) - set(events))[:1]]
        found += ["events: an RTL event happened twice"] * (set(events) == set(predicted))
    pairs = {
        "deadlock": (outcome.deadlock, result.deadlock),
        "first cycles": ([cycle - begin for cycle in outcome.first_cycles], result.first_cycles),
        "last cycles": ([cycle - begin for cycle in outcome.last_cycles], result.last_cycles),
        "host flits": (outcome.host_flits, result.host_flits),
    }
    if not outcome.deadlock:
        pairs["cycles in all"] = (outcome.end_cycle - begin - 1, result.cycles_total)
        for node, counts in outcome.counters.items():
            pairs |= {f"PU {node} {name}": (count, result.counters[node][name]) for name, count in counts.items()}
        for name, counts in outcome.actors.items():
            shift = {"first": begin, "last": begin}
            for what, count in counts.items():
                figure = result.actors[name][what]
                pairs[f"{name} {what}"] = (count - shift.get(what, 0) if counts["firings"] else count, figure)
    found += [f"{name}: RTL {said}, model {figure}" for name, (said, figure) in pairs.items() if said != figure]
    return Comparison(len(events), len(rtl), result.cycles_total, found)

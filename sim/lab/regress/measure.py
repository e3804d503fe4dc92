"""Runs one case and sums up its cycles and values, small enough for a file that people review."""

from __future__ import annotations

import base64
import hashlib
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyimc.errors import ImcError
from pyimc.measurement import EventTable, Measurement, event_divisors, no_events
from pyimc.program import Program
from pyimc.program_file import program_hash
from sim.lab.regress.case import Case
from sim.run.flow import Request, simulate
from sim.run.result import Run
from sim.run.validation import compare_with_model

KEPT_EVENTS = 4000  # of the log; the first difference is hardly ever behind them


@dataclass(frozen=True, slots=True)
class Figures:
    """What must stay.

    Attributes:
        program: sha256 of the Program.
        values: sha256, by actor, of the words that left it in RTL, in their order; by output of what reached the host.
        cycles: Latency, interval and all cycles; first input and last output flit of every image.
        pus: Counters, by PU.
        actors: Counters, by actor.
        places: Actors by "PU:context", to name events by.
        divisors: By kind of event: its value is the context times this, and a number.
        events: How many there are.
        events_sha256: Of all of them.
        first_events: The first of them: base64 of zlib of the differences along the columns, int32.
        model: The first difference between RTL and cycle model, "" if there is none.
    """

    program: str
    values: dict[str, str]
    cycles: dict[str, int | list[int] | None]
    pus: dict[str, dict[str, int]]
    actors: dict[str, dict[str, int]]
    places: dict[str, str]
    divisors: list[int]
    events: int
    events_sha256: str
    first_events: str
    model: str


def measure(case: Case, folder: Path) -> Figures | str:
    """The figures of a case, or on one line why there are none; the folder stays only in the latter case."""
    request = Request(
        model=case.model, arch=case.arch, strategy=case.strategy, level=case.level, images=case.images, input=None,
        seed=0, sim=case.sim or "icarus", array=case.array or "verilog", front_door=False, folder=folder,
    )  # fmt: skip
    try:
        run = simulate(request, lambda line: None, lambda progress: None)
    except ImcError as error:
        return str(error)
    figures = _figures(case, run, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return figures


def _figures(case: Case, run: Run, folder: Path) -> Figures:
    measured = run.measured or Measurement(False, 0, [], [], 0, {}, {}, [])
    model = ""
    if case.level == "rtl":
        model = next(iter(compare_with_model(run.program, case.images, measured).differences), "")
    steady = measured.steady
    return Figures(
        program=program_hash(run.program),
        values=_values(run, folder if case.level == "rtl" else None),
        cycles={
            "latency": measured.latency,
            "interval": steady.interval if steady else None,
            "total": measured.cycles_total,
            "first_input": measured.first_cycles,
            "last_output": measured.last_cycles,
        },
        pus=measured.counters,
        actors=measured.actors,
        places={f"{actor.node}:{actor.context}": actor.name for actor in run.program.actors},
        divisors=list(event_divisors(run.program)),
        events=len(measured.events),
        events_sha256=hashlib.sha256(measured.events.astype("<i8").tobytes()).hexdigest(),
        first_events=packed(measured.events[:KEPT_EVENTS]),
        model=model,
    )


def packed(events: EventTable) -> str:
    """Events as a short text."""
    steps = np.diff(events, axis=0, prepend=np.zeros((1, 4), np.int64))
    return base64.b64encode(zlib.compress(steps.T.astype("<i4").tobytes(), 9)).decode()


def unpacked(text: str) -> EventTable:
    """The events that were `packed`.

    Raises:
        ValueError: It is no such text.
    """
    try:
        steps = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), "<i4")
    except zlib.error as error:
        raise ValueError(str(error)) from None
    return np.cumsum(steps.reshape(4, -1).T, axis=0, dtype=np.int64) if len(steps) else no_events()


def _values(run: Run, folder: Path | None) -> dict[str, str]:
    """Hashes of values, by actor and output."""
    found = {}
    outputs = run.rtl_outputs or run.golden_outputs
    for name, values in zip(run.program.network.outputs, outputs, strict=False):
        found[f"output {name}"] = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    if folder is not None:
        for node in run.program.pus:
            words = np.fromfile(folder / f"capture_{node:02d}.bin", np.uint32)
            found |= _words(run.program, node, words.reshape(-1, 2 + run.program.arch.word_bits // 32))
    return found


def _words(program: Program, node: int, words: np.ndarray[tuple[int, ...], np.dtype[np.uint32]]) -> dict[str, str]:
    """Hashes of the words of one PU's actors, cycles left out."""
    hosted = [actor for actor in program.actors if actor.node == node]
    return {
        actor.name: hashlib.sha256(words[words[:, 1] == actor.context, 2:].tobytes()).hexdigest() for actor in hosted
    }

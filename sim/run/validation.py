"""Schedule-to-RTL validation: every event and every figure of the cycle model against those of an RTL run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyimc.cycle.model import KINDS, CycleResult, Event, simulate
from pyimc.errors import MismatchError
from pyimc.program import Program
from sim.run.job import Outcome
from sim.run.result import Run

AROUND = 4  # events shown on either side of the first difference
COMPARED = ("issue", "done", "arrival", "credit")


def validate(run: Run) -> int:
    """Compares a finished RTL run with the cycle model; returns how many events were compared.

    Raises:
        MismatchError: They differ; the message has the first difference (PU, actor, event, cycle) and, if it is an
            event, what both logs say around it.
    """
    outcome = run.outcome
    if outcome is None:
        raise AssertionError("a run without RTL has nothing to validate")
    measured = rtl_events(run.program, run.folder, outcome.begin_cycle)
    # Words are in the model's log, too: room for one per word of every firing.
    words = sum(path.stat().st_size for path in run.folder.glob("capture_*.bin")) // 8
    model = simulate(run.program, len(run.images), events=len(measured) + words + 1000)
    predicted = sorted(event for event in model.events if event.kind in COMPARED)
    compare_events(measured, predicted)
    compare_figures(outcome, model)
    return len(measured)


def rtl_events(program: Program, folder: Path, begin_cycle: int) -> list[Event]:
    """The event log of an RTL run, in order; cycles count from the start of the run."""
    names = {(actor.node, actor.context): actor.name for actor in program.actors}
    per_context = {"issue": 1, "done": 1, "arrival": 2, "credit": program.arch.destinations}
    found = []
    for node in program.pus:
        records = np.fromfile(folder / f"events_{node:02d}.bin", np.uint32).reshape(-1, 3)
        for cycle, kind, value in records.tolist():
            context, index = divmod(value, per_context[KINDS[kind]])
            found.append(Event(cycle - begin_cycle, node, KINDS[kind], names[node, context], index))
    return sorted(found)


def compare_events(measured: list[Event], predicted: list[Event]) -> None:
    """Raises MismatchError at the first event that only one of the logs has."""
    for at in range(max(len(measured), len(predicted))):
        ours, theirs = (log[at] if at < len(log) else None for log in (predicted, measured))
        if ours != theirs:
            event = min(event for event in (ours, theirs) if event)
            raise MismatchError(
                f"PU {event.node}, actor {event.actor}, {event.kind}, cycle {event.cycle}: RTL has {_show(theirs)}, "
                f"the cycle model {_show(ours)}; around it, RTL: {_around(measured, event)}; "
                f"model: {_around(predicted, event)}"
            )


def _show(event: Event | None) -> str:
    return f"{event.kind} of {event.actor} at PU {event.node} in cycle {event.cycle}" if event else "nothing more"


def _around(log: list[Event], event: Event) -> str:
    """The events of the same PU next to it."""
    there = [other for other in log if other.node == event.node]
    at = sum(other < event for other in there)
    near = there[max(0, at - AROUND) : at + AROUND]
    return ", ".join(f"{other.cycle} {other.kind} {other.actor}" for other in near) or "none"


def compare_figures(outcome: Outcome, model: CycleResult) -> None:
    """Raises MismatchError at the first figure that differs."""
    begin = outcome.begin_cycle
    pairs: list[tuple[str, object, object]] = [
        ("deadlock", outcome.deadlock, model.deadlock),
        ("cycles_total", outcome.end_cycle - begin - 1, model.cycles_total),
        ("first input flits", [cycle - begin for cycle in outcome.first_cycles], model.first_cycles),
        ("last output flits", [cycle - begin for cycle in outcome.last_cycles], model.last_cycles),
        ("host flits", outcome.host_flits, model.host_flits),
    ]
    pairs += [(f"PU {node}", counts, model.counters[node]) for node, counts in outcome.counters.items()]
    for name, counts in outcome.actors.items():
        relative = counts | {"first": counts["first"] - begin, "last": counts["last"] - begin}
        pairs.append((f"actor {name}", relative, model.actors[name]))
    for what, measured, predicted in pairs:
        if measured != predicted:
            raise MismatchError(f"{what}: RTL {measured}, cycle model {predicted}")

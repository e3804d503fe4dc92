"""The one comparison of two runs: every event, words included, and every figure.

`pyimc validate`, `make equality` and the tests hold the cycle model's record against that of an RTL run with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pyimc.cycle.model import simulate
from pyimc.errors import MismatchError
from pyimc.measurement import CYCLE, KIND, NODE, WORD, Event, EventTable, Measurement, named_events
from pyimc.program import Program
from sim.run.result import Run
from sim.run.waves import around, recorded

AROUND = 4  # events shown on either side of the first difference


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, and every difference, the earliest event first; none if the runs are equal.

    Attributes:
        events: How many of the first run, words not included.
        words: How many of the first run.
        cycles: Of the first run.
        differences: One line each.
        first: The first event that only one of them has.
    """

    events: int
    words: int
    cycles: int
    differences: list[str]
    first: Event | None = None


def validate(run: Run) -> Comparison:
    """Compares a finished RTL run with the cycle model.

    Raises:
        MismatchError: They differ; the message has the first difference (PU, actor, event, cycle) and, if it is an
            event, what both logs say around it.
    """
    if run.measured is None:
        raise AssertionError("a run without RTL has nothing to validate")
    compared = compare_with_model(run.program, len(run.images), run.measured)
    if compared.differences:
        event = compared.first
        waves = recorded(run.folder, run.program, run.array, around(event.cycle, event.node)) if event else ""
        raise MismatchError(compared.differences[0] + waves)
    return compared


def compare_with_model(program: Program, images: int, measured: Measurement) -> Comparison:
    """An RTL run against the cycle model's."""
    model = simulate(program, images, events=len(measured.events) + 1000)
    return compare(program, measured, model, ("RTL", "the cycle model"))


def compare(program: Program, first: Measurement, second: Measurement, names: tuple[str, str]) -> Comparison:
    """Compares two records of a Program's run.

    Args:
        program: Names the actors.
        first: One record, with its events.
        second: The other, with its events.
        names: What the differences call them.
    """
    words = int((first.events[:, KIND] == WORD).sum())
    event, said = _events(program, first.events, second.events, names)
    differences = [*said, *_figures(first, second, names)]
    return Comparison(len(first.events) - words, words, first.cycles_total, differences, event)


def _events(
    program: Program, first: EventTable, second: EventTable, names: tuple[str, str]
) -> tuple[Event | None, list[str]]:
    """The first event that only one of the logs has, and what is to be said of it."""
    shared = min(len(first), len(second))
    unequal = (first[:shared] != second[:shared]).any(axis=1)
    at = int(unequal.argmax()) if unequal.any() else shared
    found = [next(iter(named_events(program, log[at : at + 1])), None) for log in (first, second)]
    both = [event for event in found if event]
    if not both:
        return None, []
    event = min(both)
    says = [f"{name} has {each or 'nothing more'}" for name, each in zip(names, found, strict=True)]
    near = [f"{name}: {_around(program, log, event)}" for name, log in zip(names, (first, second), strict=True)]
    return event, [
        f"PU {event.node}, actor {event.actor}, {event.kind}, cycle {event.cycle}: {', '.join(says)}; around it, "
        f"{'; '.join(near)}"
    ]


def _around(program: Program, log: EventTable, event: Event) -> str:
    """The events of the same PU next to it."""
    there = log[log[:, NODE] == event.node]
    at = int(np.searchsorted(there[:, CYCLE], event.cycle))
    near = named_events(program, there[max(0, at - AROUND) : at + AROUND])
    return ", ".join(f"{other.cycle} {other.kind} {other.actor}" for other in near) or "none"


def _figures(first: Measurement, second: Measurement, names: tuple[str, str]) -> Iterator[str]:
    """Every figure that differs. What a run counts is complete only if it came to its end."""
    pairs: list[tuple[str, object, object]] = [
        ("deadlock", first.deadlock, second.deadlock),
        ("first input flits", first.first_cycles, second.first_cycles),
        ("last output flits", first.last_cycles, second.last_cycles),
        ("host flits", first.host_flits, second.host_flits),
    ]
    if not first.deadlock and not second.deadlock:
        pairs.append(("cycles_total", first.cycles_total, second.cycles_total))
        for what, ours, theirs in (
            ("PU", first.counters, second.counters),
            ("actor", first.actors, second.actors),
        ):
            pairs += [(f"{what} {name}", ours.get(name), theirs.get(name)) for name in {**ours, **theirs}]
    for what, one, other in pairs:
        if one != other:
            yield f"{what}: {names[0]} {one}, {names[1]} {other}"

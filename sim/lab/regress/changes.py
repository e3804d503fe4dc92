"""What differs between a row and its baseline, the first event that does included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyimc.measurement import EVENT_KINDS
from sim.lab.regress.measure import Figures, unpacked


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that is not what it was; `kind` is "cycles", "values", "program" or "run"."""

    kind: str
    what: str
    was: str
    now: str

    @property
    def by(self) -> str:
        """How much, of two numbers."""
        if not (self.was.isdecimal() and self.now.isdecimal()):
            return ""
        difference = int(self.now) - int(self.was)
        return f"{difference:+d}" + (f" ({difference / int(self.was):+.2%})" if int(self.was) else "")


def changes(was: Figures, now: Figures) -> list[Change]:
    """All of them, those that tell most first; none if the two are equal."""
    found = [*_differing("program", "Program", {"sha256": was.program}, {"sha256": now.program})]
    found += _differing("cycles", "", was.cycles, now.cycles)
    if event := _first_event(was, now):
        found.append(event)
    if was.model != now.model:
        found.append(Change("cycles", "RTL against cycle model", was.model or "equal", now.model or "equal"))
    found += _differing("values", "", was.values, now.values)
    for what, before, after in (("PU", was.pus, now.pus), ("actor", was.actors, now.actors)):
        for name in {**before, **after}:
            found += _differing("cycles", f"{what} {name}", before.get(name, {}), after.get(name, {}))
    return found


def _differing(kind: str, prefix: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for name in {**was, **now}:
        if was.get(name) != now.get(name):
            sides = [_short(kind, side.get(name)) for side in (was, now)]
            yield Change(kind, f"{prefix} {name}".strip(), *sides)


def _short(kind: str, value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text[:12] if kind in ("values", "program") else text


def _first_event(was: Figures, now: Figures) -> Change | None:
    """The first event that only one of the two has."""
    if (was.events, was.events_sha256) == (now.events, now.events_sha256):
        return None
    before, after = unpacked(was.first_events), unpacked(now.first_events)
    shared = min(len(before), len(after))
    unequal = (before[:shared] != after[:shared]).any(axis=1)
    if not unequal.any() and len(before) == len(after):
        what = f"first differing event is behind the first {shared} of"
        return Change("cycles", what, str(was.events), str(now.events))
    at = int(unequal.argmax()) if unequal.any() else shared
    sides = [_named(events[at : at + 1], figures) for events, figures in ((before, was), (after, now))]
    return Change("cycles", "first differing event", *sides)


def _named(event: np.ndarray[Any, np.dtype[np.int64]], figures: Figures) -> str:
    """An event in words; its context is the value over what its kind multiplies it with."""
    if not len(event):
        return "no event"
    cycle, node, kind, value = event[0].tolist()
    context = value // figures.divisors[kind]
    actor = figures.places.get(f"{node}:{context}", f"context {context}")
    return f"cycle {cycle}: {EVENT_KINDS[kind]} of {actor} at PU {node}"

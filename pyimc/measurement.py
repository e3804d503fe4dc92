# SPDX-License-Identifier: Apache-2.0
"""What a run is measured to take: one record that RTL and cycle model both fill, and all that follows from it.

Cycles count from the start of the run: cycle 1 is its first. A firing has three moments:

issue        first cycle of the engine on it
inputs read  event `done`: last cycle in which the engine reads its inputs; the next firing may be issued
last word    its last word has left the engine, some cycles after the inputs were read
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyimc import isa
from pyimc.program import Program
from pyimc.steady import Steady, steady_state

PU_STATES = ("busy", "input_wait", "room_wait", "idle")
"""Every cycle of a processing unit is in exactly one of them."""
PU_COUNTERS = (*PU_STATES, "flits_in", "flits_out")
ACTOR_COUNTERS = ("firings", "busy", "first_issue", "inputs_read", "last_word")
"""Firings; cycles of the engine; when the first was issued, the last had read its inputs, the last word left."""
EVENT_KINDS = ("issue", "done", "arrival", "credit", "word")
ISSUE, DONE, ARRIVAL, CREDIT, WORD = range(len(EVENT_KINDS))
CYCLE, NODE, KIND, VALUE = range(4)
"""Columns of an event: value is the context (issue, done, word), its channel (arrival) or its slot (credit)."""

EventTable = NDArray[np.int64]
"""int64 [events, 4], sorted."""


def no_events() -> EventTable:
    """An empty table."""
    return np.zeros((0, 4), np.int64)


class Event(NamedTuple):
    """Something that happens at a processing unit.

    Attributes:
        cycle: When.
        node: At which processing unit.
        kind: "issue": first cycle of a firing; "done": last one that reads its inputs; "arrival": a packet is
            complete; "credit": room has come back; "word": a word has left the engine.
        actor: Whose.
        number: Port of an arrival, destination of a credit, 0 otherwise.
    """

    cycle: int
    node: int
    kind: str
    actor: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind} of {self.actor} at PU {self.node} in cycle {self.cycle}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a run takes.

    Attributes:
        deadlock: Nothing can happen any more, or only without any result, and the run is not at its end.
        cycles_total: Cycles of the run.
        first_cycles: Per image, when its first input flit was taken.
        last_cycles: Per finished image, when its last output flit was taken.
        host_flits: Flits that the host sent.
        counters: Of every PU, by node id: `PU_COUNTERS`. The RTL has none after a deadlock.
        actors: By name: `ACTOR_COUNTERS`. The RTL has none after a deadlock.
        waiting: At a deadlock, every actor: active, fetched, ready, room_wait, pc, fills, need.
        batch: Images that weights which travel are loaded for at a time.
        events: The event log, as far as it was asked for.
    """

    deadlock: bool
    cycles_total: int
    first_cycles: list[int]
    last_cycles: list[int]
    host_flits: int
    counters: dict[str, dict[str, int]]
    actors: dict[str, dict[str, int]]
    waiting: list[dict[str, int | str]]
    batch: int = 1
    events: EventTable = field(default_factory=no_events, compare=False, repr=False)

    @property
    def network_flits(self) -> int:
        """Flits that entered the data network."""
        return self.host_flits + sum(counts["flits_out"] for counts in self.counters.values())

    @property
    def latencies(self) -> list[int]:
        """Per finished image: cycles from its first input flit to its last output flit, both included."""
        return [last - first + 1 for first, last in zip(self.first_cycles, self.last_cycles, strict=False)]

    @property
    def latency(self) -> int | None:
        """Of the first image, into an empty chip."""
        return next(iter(self.latencies), None)

    @property
    def intervals(self) -> list[int]:
        """Cycles between the last output flits of neighbouring images."""
        return np.diff(self.last_cycles).tolist()

    @property
    def steady(self) -> Steady | None:
        """Interval and latency in the steady state; None for fewer than two images."""
        return steady_state(self.first_cycles, self.last_cycles, self.batch)

    def busy_share(self, nodes: Collection[int]) -> float:
        """Mean share of the steady interval in which these PUs are busy; 0 for none of them, or for one image."""
        steady = self.steady
        if not nodes or steady is None:
            return 0.0
        busy = sum(self.counters[str(node)]["busy"] for node in nodes)
        return busy / (len(self.last_cycles) * steady.interval * len(nodes))

    def figures(self) -> dict[str, Any]:
        """All fields but the event log, for JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "events"}


def sorted_events(table: EventTable) -> EventTable:
    """By cycle, then by the other columns from left to right."""
    order = np.lexsort((table[:, VALUE], table[:, KIND], table[:, NODE], table[:, CYCLE]))
    return table[order]


def named_events(program: Program, table: EventTable) -> list[Event]:
    """Events with the names of their actors, in the order of the table."""
    names = {(actor.node, actor.context): actor.name for actor in program.actors}
    divisors = event_divisors(program)
    found = []
    for cycle, node, kind, value in table.tolist():
        context, number = divmod(value, divisors[kind])
        found.append(Event(cycle, node, EVENT_KINDS[kind], names[node, context], number))
    return found


def event_divisors(program: Program) -> tuple[int, ...]:
    """By kind: an event's value is context * divisor + number."""
    return (1, 1, 1 << isa.PORT_BITS, program.arch.destinations, 1)

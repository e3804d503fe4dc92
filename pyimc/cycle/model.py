# SPDX-License-Identifier: Apache-2.0
"""Runs the kernel on a Program and puts its counters into words."""

# ruff: noqa: F403, F405
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pyimc.cycle.build import Chip, build
from pyimc.cycle.kernel import run
from pyimc.cycle.state import *
from pyimc.program import Actor, Program

KINDS = ("issue", "done", "arrival", "credit", "word")
PU_COUNTERS = {
    "busy": P_BUSY, "input_wait": P_INPUT_CYCLES, "room_wait": P_ROOM_CYCLES, "idle": P_IDLE_CYCLES,
    "flits_in": P_IN, "flits_out": P_OUT,
}  # fmt: skip
ACTOR_COUNTERS = {"firings": A_FIRINGS, "busy": A_BUSY, "first": A_FIRST, "last": A_LAST}


class Event(NamedTuple):
    """Something that happens at a processing unit.

    Attributes:
        cycle: When, from the start of the run.
        node: At which processing unit.
        kind: "issue": first cycle of a firing; "done": last one; "arrival": a packet is complete; "credit": room has
            come back; "word": a word has left the engine.
        actor: Whose.
        number: Port of an arrival, destination of a credit, 0 otherwise.
    """

    cycle: int
    node: int
    kind: str
    actor: str
    number: int


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What a run takes. Cycles count from the start of the run: cycle 1 is its first.

    Attributes:
        deadlock: Nothing can happen any more, or only without any result, and the run is not at its end.
        cycles_total: Cycles of the run.
        first_cycles: Per image, when its first input flit was taken.
        last_cycles: Per image, when its last output flit was taken.
        host_flits: Flits that the host sent.
        counters: Of every PU, by node id: busy, input_wait, room_wait, idle, flits_in, flits_out.
        actors: By name: firings, busy, first, last.
        waiting: At a deadlock, every actor: active, fetched, ready, room_wait, pc, fill_0, fill_1, need.
        events: The event log, if asked for.
    """

    deadlock: bool
    cycles_total: int
    first_cycles: list[int]
    last_cycles: list[int]
    host_flits: int
    counters: dict[str, dict[str, int]]
    actors: dict[str, dict[str, int]]
    waiting: list[dict[str, int | str]]
    events: list[Event]

    @property
    def network_flits(self) -> int:
        """Flits that entered the data network."""
        return self.host_flits + sum(counts["flits_out"] for counts in self.counters.values())


class Run:
    """A run of a Program without values, that stops for a look.

    Args:
        program: A Program.
        images: How many the host streams.
        events: How many events to log, from the start of the run.
    """

    def __init__(self, program: Program, images: int, events: int = 0) -> None:
        self._program = program
        self._chip = build(program, images, events)

    def until(self, images: int) -> CycleResult:
        """Goes on until as many words have left the chip as so many images have; more than before, all at most."""
        program, chip = self._program, self._chip
        chip.write(0, G_STOP_WORDS=images * int(chip.view("output")[:, O_SIZE].sum()), G_ENDED=0)
        run(chip.state)
        ended, sent = bool(chip.state[G_ENDED]), int(chip.state[G_IN_IMAGE])
        whole = int(chip.view("output")[:, O_IMAGES].min())
        return CycleResult(
            deadlock=not ended,
            cycles_total=int(chip.state[G_TIME]),
            first_cycles=chip.view("first")[0, :sent].tolist(),
            last_cycles=chip.view("finished")[:, :whole].max(axis=0).tolist(),
            host_flits=int(chip.state[G_IN_FLITS]),
            counters={str(node): _named(chip, u, PU_COUNTERS) for node, u in chip.units.items()},
            actors={actor.name: _named(chip, _row(program, chip, actor), ACTOR_COUNTERS) for actor in program.actors},
            waiting=[] if ended else [_status(program, chip, actor) for actor in program.actors],
            events=_events(program, chip),
        )


def simulate(program: Program, images: int, events: int = 0) -> CycleResult:
    """Runs a Program without values; see `Run`."""
    return Run(program, images, events).until(images)


def _row(program: Program, chip: Chip, actor: Actor) -> int:
    return int(chip.state[chip.units[actor.node] + P_ACTORS]) + actor.context * ACTOR_COLUMNS


def _named(chip: Chip, row: int, columns: dict[str, int]) -> dict[str, int]:
    return {name: int(chip.state[row + column]) for name, column in columns.items()}


def _status(program: Program, chip: Chip, actor: Actor) -> dict[str, int | str]:
    state, u, row = chip.state, chip.units[actor.node], _row(program, chip, actor)
    channel = int(state[u + P_CHANNELS]) + 2 * actor.context * CHANNEL_COLUMNS
    masks = {"active": P_ACTIVE, "ready": P_READY, "room_wait": P_ROOM_WAIT}
    return {
        "actor": actor.name, **{name: int(state[u + column]) >> actor.context & 1 for name, column in masks.items()},
        "fetched": int(state[row + A_ARMED]), "pc": int(state[row + A_PC]),
        "fill_0": int(state[channel + C_ARRIVED] - state[channel + C_CONSUMED]),
        "fill_1": int(state[channel + CHANNEL_COLUMNS + C_ARRIVED] - state[channel + CHANNEL_COLUMNS + C_CONSUMED]),
        "need": int(state[state[row + A_INSTRUCTION] + I_NEED]) if state[row + A_INSTRUCTION] else 0,
    }  # fmt: skip


def _events(program: Program, chip: Chip) -> list[Event]:
    names = {(actor.node, actor.context): actor.name for actor in program.actors}
    divisor = {EVENT_ISSUE: 1, EVENT_DONE: 1, EVENT_ARRIVAL: 2, EVENT_CREDIT: program.arch.destinations, EVENT_WORD: 1}
    found = []
    count = (int(chip.state[G_EVENT]) - chip.offset("event")) // EVENT_COLUMNS
    for cycle, node, kind, value in chip.view("event")[:count].tolist():
        context, number = divmod(value, divisor[kind])
        if cycle <= chip.state[G_TIME]:  # a firing may be due in the cycle after the last
            found.append(Event(cycle, node, KINDS[kind], names[node, context], number))
    return found

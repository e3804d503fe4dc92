# SPDX-License-Identifier: Apache-2.0
"""Runs the kernel on a Program and puts its counters into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from pyimc.cycle.build import build
from pyimc.cycle.kernel import run
from pyimc.cycle.state import *  # noqa: F403
from pyimc.program import Program

KINDS: tuple[Literal["issue", "done", "arrival", "credit"], ...] = ("issue", "done", "arrival", "credit")


class Event(NamedTuple):
    """Something that a sequencer sees.

    Attributes:
        cycle: When, from the start of the run.
        node: At which processing unit.
        kind: "issue": first cycle of a firing; "done": last one; "arrival": a packet is complete; "credit": room.
        actor: Whose.
        index: Port of an arrival, destination of a credit, 0 otherwise.
    """

    cycle: int
    node: int
    kind: str
    actor: str
    index: int


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


def simulate(program: Program, images: int, events: int = 0) -> CycleResult:
    """Runs a Program without values.

    Args:
        program: A Program.
        images: How many the host streams.
        events: How many events to log, from the start of the run.
    """
    chip = build(program, images, events)
    run(chip)
    ended = bool(chip.g[G_ENDED])
    sent, whole = int(chip.g[G_IN_IMAGE]), int(chip.output[:, O_IMAGES].min())
    return CycleResult(
        deadlock=not ended,
        cycles_total=int(chip.g[G_TIME]),
        first_cycles=chip.first[:sent].tolist(),
        last_cycles=chip.finished[:whole].max(axis=1).tolist(),
        host_flits=int(chip.g[G_IN_FLITS]),
        counters={str(node): _counters(chip, node) for node in sorted((*program.arch.imcs, *program.arch.dpus))},
        actors={actor.name: _actor(chip, actor.node * program.arch.contexts + actor.context) for actor in program.actors},
        waiting=[] if ended else [_status(program, chip, name) for name in (actor.name for actor in program.actors)],
        events=_events(program, chip),
    )


def _counters(chip: Chip, node: int) -> dict[str, int]:
    columns = {
        "busy": P_BUSY, "input_wait": P_INPUT_CYCLES, "room_wait": P_ROOM_CYCLES, "idle": P_IDLE_CYCLES,
        "flits_in": P_IN, "flits_out": P_OUT,
    }  # fmt: skip
    return {name: int(chip.pu[node, column]) for name, column in columns.items()}


def _actor(chip: Chip, row: int) -> dict[str, int]:
    columns = {"firings": A_FIRINGS, "busy": A_BUSY, "first": A_FIRST, "last": A_LAST}
    return {name: int(chip.actor[row, column]) for name, column in columns.items()}


def _status(program: Program, chip: Chip, name: str) -> dict[str, int | str]:
    actor = program.actor(name)
    pu, row = chip.pu[actor.node], actor.node * program.arch.contexts + actor.context
    fills = chip.channel[2 * row : 2 * row + 2, C_ARRIVED] - chip.channel[2 * row : 2 * row + 2, C_CONSUMED]
    bit = {"active": P_ACTIVE, "ready": P_READY, "room_wait": P_ROOM_WAIT}
    return {
        "actor": name, **{key: int(pu[column]) >> actor.context & 1 for key, column in bit.items()},
        "fetched": int(chip.actor[row, A_ARMED]), "pc": int(chip.actor[row, A_PC]),
        "fill_0": int(fills[0]), "fill_1": int(fills[1]),
        "need": int(chip.instruction[chip.actor[row, A_INSTRUCTION], I_NEED]),
    }  # fmt: skip


def _events(program: Program, chip: Chip) -> list[Event]:
    names = {(actor.node, actor.context): actor.name for actor in program.actors}
    divisor = {EVENT_ISSUE: 1, EVENT_DONE: 1, EVENT_ARRIVAL: 2, EVENT_CREDIT: program.arch.destinations}
    found = []
    for cycle, node, kind, value in np.asarray(chip.events[: chip.g[G_EVENTS]]).tolist():
        context, index = divmod(value, divisor[kind])
        found.append(Event(cycle, node, KINDS[kind], names[node, context], index))
    return found

# SPDX-License-Identifier: Apache-2.0
"""Runs the kernel on a Program and puts its counters into words."""

# ruff: noqa: F403, F405
from __future__ import annotations

import numpy as np

from pyimc.cycle.build import Chip, build
from pyimc.cycle.kernel import run
from pyimc.cycle.state import *
from pyimc.measurement import (
    ACTOR_COUNTERS,
    CYCLE,
    PU_COUNTERS,
    EventTable,
    Measurement,
    sorted_events,
)
from pyimc.program import Actor, Program

PU_COLUMNS = dict(zip(PU_COUNTERS, (P_BUSY, P_INPUT_CYCLES, P_ROOM_CYCLES, P_IDLE_CYCLES, P_IN, P_OUT), strict=True))
ACTOR_NAMES = dict(zip(ACTOR_COUNTERS, (A_FIRINGS, A_BUSY, A_FIRST, A_LAST, A_LAST_WORD), strict=True))


class Run:
    """A run of a Program without values, that stops for a look.

    Args:
        program: A Program.
        images: How many the host streams.
        events: How many events to log, from the start of the run.
        words: Words that leave engines are events, too: most of them.
    """

    def __init__(self, program: Program, images: int, events: int = 0, words: bool = True) -> None:
        self._program = program
        self._chip = build(program, images, events)
        self._chip.write(0, G_LOG_WORDS=int(words))

    def until(self, images: int) -> Measurement:
        """Goes on until as many words have left the chip as so many images have; more than before, all at most."""
        program, chip = self._program, self._chip
        chip.write(0, G_STOP_WORDS=images * int(chip.view("output")[:, O_SIZE].sum()), G_ENDED=0)
        run(chip.state)
        ended, sent = bool(chip.state[G_ENDED]), int(chip.state[G_IN_IMAGE])
        whole = int(chip.view("output")[:, O_IMAGES].min())
        return Measurement(
            deadlock=not ended,
            cycles_total=int(chip.state[G_TIME]),
            first_cycles=chip.view("first")[0, :sent].tolist(),
            last_cycles=chip.view("finished")[:, :whole].max(axis=0).tolist(),
            host_flits=int(chip.state[G_IN_FLITS]),
            counters={str(node): _named(chip, u, PU_COLUMNS) for node, u in chip.units.items()},
            actors={actor.name: _named(chip, _row(program, chip, actor), ACTOR_NAMES) for actor in program.actors},
            waiting=[] if ended else [_status(program, chip, actor) for actor in program.actors],
            batch=program.batch,
            events=_events(chip),
        )


def simulate(program: Program, images: int, events: int = 0, words: bool = True) -> Measurement:
    """Runs a Program without values; see `Run`."""
    return Run(program, images, events, words).until(images)


def _row(program: Program, chip: Chip, actor: Actor) -> int:
    return int(chip.state[chip.units[actor.node] + P_ACTORS]) + actor.context * ACTOR_COLUMNS


def _named(chip: Chip, row: int, columns: dict[str, int]) -> dict[str, int]:
    return {name: int(chip.state[row + column]) for name, column in columns.items()}


def _status(program: Program, chip: Chip, actor: Actor) -> dict[str, int | str]:
    state, u, row = chip.state, chip.units[actor.node], _row(program, chip, actor)
    first = int(state[u + P_CHANNELS]) + actor.context * INPUTS_STEP * CHANNEL_COLUMNS
    fires = int(state[row + A_INSTRUCTION])
    ports: dict[str, int | str] = {}
    for port in range(len(actor.inputs)):
        channel = first + port * CHANNEL_COLUMNS
        ports[f"fill_{port}"] = int(state[channel + C_ARRIVED] - state[channel + C_CONSUMED])
        ports[f"need_{port}"] = int(state[fires + I_NEED + port]) if fires else 0
    masks = {"active": P_ACTIVE, "ready": P_READY, "room_wait": P_ROOM_WAIT}
    return {
        "actor": actor.name, **{name: int(state[u + column]) >> actor.context & 1 for name, column in masks.items()},
        "fetched": int(state[row + A_ARMED]), "pc": int(state[row + A_PC]), "refused": 0,
        **ports,
    }  # fmt: skip


def _events(chip: Chip) -> EventTable:
    count = (int(chip.state[G_EVENT]) - chip.offset("event")) // EVENT_COLUMNS
    table = chip.view("event")[:count]
    happened = table[:, CYCLE] <= chip.state[G_TIME]  # a firing may be due in the cycle after the last
    return sorted_events(np.array(table[happened]))

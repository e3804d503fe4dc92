"""The record of an RTL run, complete: what the bench saw, the event log, and the words that left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pyimc.measurement import CYCLE, EVENT_KINDS, KIND, NODE, VALUE, WORD, EventTable, Measurement, sorted_events
from pyimc.program import Program
from sim.run.job import Outcome


def rtl_measurement(program: Program, folder: Path) -> Measurement:
    """What an RTL run took, its events, and the cycle of every actor's last word."""
    outcome = Outcome.read(folder)
    events = rtl_events(program, folder, outcome)
    words = events[events[:, KIND] == WORD]
    actors = {}
    for actor in program.actors:
        if actor.name in outcome.measured.actors:
            own = words[(words[:, NODE] == actor.node) & (words[:, VALUE] == actor.context), CYCLE]
            actors[actor.name] = outcome.measured.actors[actor.name] | {"last_word": int(own.max(initial=0))}
    return replace(outcome.measured, actors=actors, events=events)


def rtl_events(program: Program, folder: Path, outcome: Outcome) -> EventTable:
    """The event log of an RTL run, words included; cycles count from the start of the run, and end with it.

    Words that nobody waits for may still leave their engines when the run has ended.
    """
    found = []
    for node in program.pus:
        events = np.fromfile(folder / f"events_{node:02d}.bin", np.uint32).reshape(-1, 3)
        words = np.fromfile(folder / f"capture_{node:02d}.bin", np.uint32).reshape(-1, 2 + program.arch.word_bits // 32)
        for cycles, kinds, values in (
            (events[:, 0], events[:, 1], events[:, 2]),
            (words[:, 0], np.full(len(words), WORD), words[:, 1]),
        ):
            table = np.empty((len(cycles), 4), np.int64)
            table[:, CYCLE] = cycles.astype(np.int64) - outcome.begin_cycle
            table[:, NODE], table[:, KIND], table[:, VALUE] = node, kinds, values
            found.append(table)
    log = np.concatenate(found)
    assert log[:, KIND].max(initial=0) < len(EVENT_KINDS), "rtl/tb.v numbers events as pyimc.measurement does"
    return sorted_events(log[(log[:, CYCLE] > 0) & (log[:, CYCLE] <= outcome.measured.cycles_total)])

# SPDX-License-Identifier: Apache-2.0
"""The loop over cycles: looks at what can do something, and stops when nothing can."""

# ruff: noqa: F403, F405
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyimc.cycle import further, host, network, output, sequencer
from pyimc.cycle.agenda import account, log, wake_output, wake_sequencer
from pyimc.cycle.jit import cold, compiled, hot, sources_hash
from pyimc.cycle.state import *
from pyimc.engines.dpu import cycle as vector
from pyimc.engines.imc import cycle as imc


@cold
def timers(s: Table, now: int) -> None:
    """What the engines do at this time."""
    bucket = s[G_WHEEL] + (now & (WHEEL - 1))
    timer = s[bucket]
    s[bucket] = 0
    while timer:
        following = s[timer + 1]
        if s[timer] != now:
            s[timer + 1] = s[bucket]
            s[bucket] = timer
        else:
            s[G_TIMERS] -= 1
            column = (timer - s[G_UNITS]) & (UNIT_COLUMNS - 1)
            u, kind = timer - column, column - P_TIMERS
            if kind == T_FINISH:
                imc.finish(s, u, now)
            elif kind == T_TAKE:
                imc.take(s, u, now)
            elif kind == T_DONE:
                imc.gathered(s, u, now)
            else:
                wake_output(s, u)
        timer = following


@hot
def deliver(s: Table, link: int, flit: int, now: int) -> None:
    """A flit leaves a mesh into its node."""
    u, sink = s[link + L_UNIT], s[link + L_SINK]
    if sink == SINK_UNIT:
        s[u + P_IN] += 1
        if flit & LAST:
            at = s[G_ARRIVAL_LIST] + 2 * s[G_ARRIVALS]
            s[at] = u
            s[at + 1] = flit
            s[G_ARRIVALS] += 1
    elif sink == SINK_HOST:
        s[s[G_RESULTS] + (s[G_OUT_WRITE] & s[G_RESULTS_MASK])] = flit
        s[G_OUT_WRITE] += 1
        s[G_OUT_PUSHED] = now
    elif sink == SINK_UNIT_CREDIT:
        slot = flit >> SLOT_AT & 255
        s[s[u + P_SLOTS] + slot * SLOT_COLUMNS + S_GRANTED] += flit >> WORDS_AT & 0xFFFF
        s[u + P_DIRTY] |= 1 << slot // s[G_DESTINATIONS]
        log(s, u, now, EVENT_CREDIT, slot)
        wake_sequencer(s, u)
    else:
        slot = flit >> SLOT_AT & 255
        s[s[G_SOURCES] + slot * SOURCE_COLUMNS + H_GRANTED] += flit >> WORDS_AT & 0xFFFF
        s[G_IN_ASLEEP] = 0


@cold
def arrive(s: Table, now: int) -> None:
    """Packets that were complete in the last cycle count from the next one on."""
    for index in range(s[G_ARRIVALS]):
        u, flit = s[s[G_ARRIVAL_LIST] + 2 * index], s[s[G_ARRIVAL_LIST] + 2 * index + 1]
        channel = flit >> CHANNEL_AT & 255
        s[s[u + P_CHANNELS] + channel * CHANNEL_COLUMNS + C_ARRIVED] += flit >> WORDS_AT & 255
        s[u + P_DIRTY] |= 1 << channel // INPUTS_STEP
        log(s, u, now, EVENT_ARRIVAL, channel)
        wake_sequencer(s, u)
    s[G_ARRIVALS] = 0


@hot
def move(s: Table, link: int, now: int) -> bool:
    """One cycle of a link; True if some flit will want to pass it."""
    if s[link + L_LOCKED]:
        fifo = s[link + L_OWNER]
        count = s[fifo + F_COUNT]
        if count <= (s[fifo + F_PUSHED] == now):
            return count != 0
    else:
        fifo = network.select(s, link, now)
        if fifo <= 0:
            return fifo != 0
        s[link + L_OWNER] = fifo
        s[link + L_LOCKED] = 1
    behind = s[link + L_NEXT]
    if behind:
        if not network.has_room(s, behind, now):
            return True
        flit = network.pop(s, fifo, now)
        network.push(s, behind, flit, now)
    else:
        flit = network.pop(s, fifo, now)
        deliver(s, link, flit, now)
    if flit & LAST:
        s[link + L_LOCKED] = 0
        return network.next_packet(s, fifo, link)
    if s[fifo + F_COUNT]:
        return True
    s[fifo + F_PORT] = -1
    return False


@hot
def cycle(s: Table, now: int) -> None:
    """One cycle: engines, sequencers, host, then the networks, whose deliveries count afterwards."""
    outs, seqs, links = s[G_OUTS], s[G_SEQS], s[G_LINKS]
    for column in (G_OUTS_NOW, G_SEQS_NOW, G_LINKS_NOW):
        s[column], s[column + 1] = s[column + 1], s[column]
        s[column + 2] = 0
    if s[s[G_WHEEL] + (now & (WHEEL - 1))]:
        timers(s, now)
    for at in range(s[G_OUTS_NOW], s[G_OUTS_NOW] + outs):
        u = s[at]
        s[u + P_OUT_LISTED] = 0
        if output.step(s, u, now):
            wake_output(s, u)
    for at in range(s[G_SEQS_NOW], s[G_SEQS_NOW] + seqs):
        u = s[at]
        s[u + P_SEQ_LISTED] = 0
        if sequencer.step(s, u, now):
            wake_sequencer(s, u)
    if not s[G_IN_ASLEEP]:
        s[G_IN_ASLEEP] = not host.feed(s, now)
    if s[G_OUT_CREDIT] or s[G_OUT_WRITE] > s[G_OUT_READ]:
        host.collect(s, now)
    if s[G_ARRIVALS]:
        arrive(s, now)
    for at in range(s[G_LINKS_NOW], s[G_LINKS_NOW] + links):
        link = s[at]
        s[link + L_LISTED] = 0
        if move(s, link, now):
            network.wake_link(s, link)


@hot
def loop(s: Table) -> None:
    """From where the run stands to the last word asked for, or to the cycle after which nothing happens any more."""
    now = s[G_TIME]
    while not s[G_ENDED]:
        now += 1
        cycle(s, now)
        busy = s[G_OUTS] + s[G_SEQS] + s[G_LINKS] + s[G_TIMERS] + s[G_ARRIVALS] + s[G_OUT_CREDIT]
        idle = busy == 0 and s[G_IN_ASLEEP] and s[G_OUT_WRITE] == s[G_OUT_READ]
        if not s[G_ENDED] and (idle or now - s[G_HEARD] > s[G_PATIENCE]):
            break
    for u in range(s[G_UNITS], s[G_UNITS_END], UNIT_COLUMNS):
        account(s, u, now + 1)
    s[G_TIME] = now


def _compile(version: int) -> Callable[[Table], int]:
    @compiled
    def run(s: Table) -> int:
        """Runs the chip; returns what it was compiled from."""
        loop(s)
        return version

    return run


run = _compile(sources_hash([Path(imc.__file__), Path(vector.__file__), *further.FILES]))

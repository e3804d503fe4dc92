# SPDX-License-Identifier: Apache-2.0
"""The loop over cycles: looks at what can do something, and stops when nothing can."""

from __future__ import annotations

from numba import njit

from pyimc.cycle import host, imc, network, output, sequencer
from pyimc.cycle.state import *  # noqa: F403


@njit(cache=True)
def timers(s, now):
    """What the crossbar engines do in this cycle."""
    bucket = now & (WHEEL - 1)
    index = s.wheel[bucket]
    s.wheel[bucket] = -1
    while index >= 0:
        following = s.after[index]
        if s.due[index] != now:
            s.after[index] = s.wheel[bucket]
            s.wheel[bucket] = index
        else:
            s.g[G_TIMERS] -= 1
            n, kind = index >> 2, index & 3
            if kind == T_FINISH:
                imc.finish(s, n, now)
            elif kind == T_TAKE:
                imc.take(s, n, now)
            elif kind == T_DONE:
                imc.done(s, n, now)
            else:
                imc.wake_output(s, n)
        index = following


@njit(cache=True)
def deliver(s, router, flit, now):
    """A flit leaves the mesh into its node."""
    nodes, home = s.g[G_NODES], s.g[G_HOST]
    if router < nodes:
        if router == home:
            s.results[s.g[G_OUT_WRITE] & (s.results.size - 1)] = flit
            s.g[G_OUT_WRITE] += 1
            s.g[G_OUT_PUSHED] = now
            return
        s.pu[router, P_IN] += 1
        if flit & LAST:
            s.arrivals[s.g[G_ARRIVALS], 0] = router
            s.arrivals[s.g[G_ARRIVALS], 1] = flit
            s.g[G_ARRIVALS] += 1
        return
    n, slot, words = router - nodes, flit >> SLOT_AT & 255, flit >> WORDS_AT & 0xFFFF
    if n == home:
        s.source[slot, H_GRANTED] += words
        s.g[G_IN_ASLEEP] = 0
        return
    s.slot[n * s.g[G_CONTEXTS] * s.g[G_DESTINATIONS] + slot, S_GRANTED] += words
    s.pu[n, P_DIRTY] |= 1 << slot // s.g[G_DESTINATIONS]
    imc.log(s, now, n, EVENT_CREDIT, slot)
    sequencer.wake(s, n)


@njit(cache=True)
def arrive(s, now):
    """Packets that were complete in the last cycle count from the next one on."""
    for index in range(s.g[G_ARRIVALS]):
        n, flit = s.arrivals[index, 0], s.arrivals[index, 1]
        channel = flit >> CHANNEL_AT & 255
        s.channel[n * s.g[G_CONTEXTS] * 2 + channel, C_ARRIVED] += flit >> WORDS_AT & 255
        s.pu[n, P_DIRTY] |= 1 << channel // 2
        imc.log(s, now, n, EVENT_ARRIVAL, channel)
        sequencer.wake(s, n)
    s.g[G_ARRIVALS] = 0


@njit(cache=True)
def move(s, link, now):
    """One cycle of a link; False if nothing wants to pass it."""
    fifo = network.select(s, link, now)
    if fifo < 0:
        return fifo == -2
    s.link[link, L_OWNER] = fifo - link // 5 * 5
    behind = s.link[link, L_NEXT]
    if behind >= 0 and not network.has_room(s, behind, now):
        s.link[link, L_LOCKED] = 1
        return True
    flit = network.pop(s, fifo, link, now)
    s.link[link, L_LOCKED] = 0 if flit & LAST else 1
    if behind >= 0:
        network.push(s, behind, flit, now)
    else:
        deliver(s, link // 5, flit, now)
    return network.wanted(s, link)


@njit(cache=True)
def cycle(s, now):
    """One cycle: engines, sequencers, host, then the networks, whose deliveries count afterwards."""
    half = s.g[G_HALF]
    outs, seqs, links = s.g[G_OUTS], s.g[G_SEQS], s.g[G_LINKS]
    s.g[G_OUTS] = s.g[G_SEQS] = s.g[G_LINKS] = 0
    timers(s, now)
    for index in range(outs):
        n = s.outs[half, index]
        s.pu[n, P_OUT_LISTED] = 0
        if output.step(s, n, now):
            imc.wake_output(s, n)
    for index in range(seqs):
        n = s.seqs[half, index]
        s.pu[n, P_SEQ_LISTED] = 0
        if sequencer.step(s, n, now):
            sequencer.wake(s, n)
    if not s.g[G_IN_ASLEEP]:
        s.g[G_IN_ASLEEP] = not host.feed(s, now, True)
    if s.g[G_OUT_CREDIT] or s.g[G_OUT_WRITE] > s.g[G_OUT_READ]:
        host.collect(s, now)
    arrive(s, now)
    for index in range(links):
        link = s.links[half, index]
        s.link[link, L_LISTED] = 0
        if move(s, link, now):
            network.wake_link(s, link)
    s.g[G_HALF] = 1 - half


@njit(cache=True)
def run(s):
    """From the start of a run to its last result, or to the cycle after which nothing happens any more."""
    now = 0
    while not s.g[G_ENDED]:
        now += 1
        cycle(s, now)
        idle = s.g[G_OUTS] + s.g[G_SEQS] + s.g[G_LINKS] + s.g[G_TIMERS] + s.g[G_ARRIVALS] == 0
        idle = idle and s.g[G_IN_ASLEEP] and s.g[G_OUT_CREDIT] == 0 and s.g[G_OUT_WRITE] == s.g[G_OUT_READ]
        if not s.g[G_ENDED] and (idle or now - s.g[G_HEARD] > s.g[G_PATIENCE]):
            break
    for n in range(s.g[G_NODES]):
        if s.pu[n, P_KIND] != NO_PU:
            imc.account(s, n, now + 1)
    s.g[G_TIME] = now
    if s.g[G_ENDED]:
        host.feed(s, now + 1, False)

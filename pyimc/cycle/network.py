# SPDX-License-Identifier: Apache-2.0
"""Both meshes, flit by flit: rtl/router.v's cycle rules, evaluated only where a flit stands.

The unit of work is a link: an output of a router at which some fifo's oldest flit wants to leave. A fifo has one
writer and one reader, so the cycle of its last push and pop tells everybody, in any order of evaluation, what it held
when the cycle began.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from pyimc.cycle.jit import cold, hot
from pyimc.cycle.state import *


@hot
def has_room(s: Table, fifo: int, now: int) -> bool:
    """s_ready of a router's input."""
    return s[fifo + F_COUNT] + (s[fifo + F_POPPED] == now) < s[G_DEPTH]


@hot
def wake_link(s: Table, link: int) -> None:
    """A flit wants to pass this link from the next cycle on."""
    if not s[link + L_LISTED]:
        s[link + L_LISTED] = 1
        s[s[G_LINKS_NEXT] + s[G_LINKS]] = link
        s[G_LINKS] += 1


@hot
def push(s: Table, fifo: int, flit: int, now: int) -> None:
    """Writes a flit into a router's input at the end of the cycle; there is room."""
    count = s[fifo + F_COUNT]
    at = s[fifo + F_READ] + count
    s[s[fifo + F_FLITS] + (at if at < s[G_DEPTH] else at - s[G_DEPTH])] = flit
    s[fifo + F_COUNT] = count + 1
    s[fifo + F_PUSHED] = now
    if count == 0:
        port = s[s[fifo + F_ROUTES] + (flit & 255)]
        s[fifo + F_PORT] = port
        wake_link(s, s[fifo + F_LINKS] + port * LINK_COLUMNS)


@hot
def select(s: Table, link: int, now: int) -> int:
    """The fifo whose flit is at a free output: 0 if there is none, -1 if there will be one in the next cycle."""
    port, fifo, first = s[link + L_PORT], s[link + L_OWNER], s[link + L_FIRST]
    none = 0
    for _ in range(PORTS):
        fifo += FIFO_COLUMNS
        if fifo == first + PORTS * FIFO_COLUMNS:
            fifo = first
        if s[fifo + F_PORT] == port:
            if s[fifo + F_POPPED] != now and s[fifo + F_COUNT] > (s[fifo + F_PUSHED] == now):
                return fifo
            none = -1
    return none


@cold
def next_packet(s: Table, fifo: int, link: int) -> bool:
    """A packet has left `fifo` through `link`; wakes the output of the next one; some flit wants to pass `link`."""
    if s[fifo + F_COUNT]:
        port = s[s[fifo + F_ROUTES] + (s[s[fifo + F_FLITS] + s[fifo + F_READ]] & 255)]
        s[fifo + F_PORT] = port
        if port == s[link + L_PORT]:
            return True
        wake_link(s, s[fifo + F_LINKS] + port * LINK_COLUMNS)
    else:
        s[fifo + F_PORT] = -1
    first, port = s[link + L_FIRST], s[link + L_PORT]
    wanted = False
    for index in range(PORTS):
        wanted = wanted or s[first + index * FIFO_COLUMNS + F_PORT] == port
    return wanted


@hot
def pop(s: Table, fifo: int, now: int) -> int:
    """Takes the oldest flit."""
    read = s[fifo + F_READ]
    flit = s[s[fifo + F_FLITS] + read]
    s[fifo + F_READ] = read + 1 if read + 1 < s[G_DEPTH] else 0
    s[fifo + F_COUNT] -= 1
    s[fifo + F_POPPED] = now
    return flit

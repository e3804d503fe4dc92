# SPDX-License-Identifier: Apache-2.0
"""Both meshes, flit by flit: rtl/router.v's cycle rules, evaluated only where a flit stands.

The unit of work is a link: an output of a router at which some fifo's oldest flit wants to leave. A fifo has one
writer and one reader, so the cycle of its last push and pop tells everybody, in any order of evaluation, what it held
when the cycle began.
"""

from __future__ import annotations

from numba import njit

from pyimc.cycle.state import *  # noqa: F403


@njit(inline="always")
def has_room(s, fifo, now):
    """s_ready of a router's input."""
    return s.fifo[fifo, F_COUNT] + (s.fifo[fifo, F_POPPED] == now) < s.g[G_DEPTH]


@njit(cache=True)
def wake_link(s, link):
    """A flit wants to pass this link from the next cycle on."""
    if not s.link[link, L_LISTED]:
        s.link[link, L_LISTED] = 1
        s.links[1 - s.g[G_HALF], s.g[G_LINKS]] = link
        s.g[G_LINKS] += 1


@njit(cache=True)
def output_of(s, router, flit):
    """The output that a flit takes in a router."""
    nodes = s.g[G_NODES]
    return s.route[router % nodes, flit & 255]


@njit(cache=True)
def push(s, fifo, flit, now):
    """Writes a flit into a router's input at the end of the cycle; there is room."""
    count = s.fifo[fifo, F_COUNT]
    ring = s.g[G_RING]
    s.flits[fifo * ring + ((s.fifo[fifo, F_READ] + count) & (ring - 1))] = flit
    s.fifo[fifo, F_COUNT] = count + 1
    s.fifo[fifo, F_PUSHED] = now
    if count == 0:
        router = fifo // 5
        port = output_of(s, router, flit)
        s.fifo[fifo, F_PORT] = port
        wake_link(s, router * 5 + port)


@njit(cache=True)
def pop(s, fifo, link, now):
    """Takes the oldest flit, which leaves through `link`."""
    ring = s.g[G_RING]
    read = s.fifo[fifo, F_READ]
    flit = s.flits[fifo * ring + read]
    read = (read + 1) & (ring - 1)
    s.fifo[fifo, F_READ] = read
    count = s.fifo[fifo, F_COUNT] - 1
    s.fifo[fifo, F_COUNT] = count
    s.fifo[fifo, F_POPPED] = now
    if count == 0:
        s.fifo[fifo, F_PORT] = -1
    elif flit & LAST:
        router = fifo // 5
        port = output_of(s, router, s.flits[fifo * ring + read])
        s.fifo[fifo, F_PORT] = port
        if router * 5 + port != link:
            wake_link(s, router * 5 + port)
    return flit


@njit(cache=True)
def select(s, link, now):
    """The fifo whose flit is at the output: -1 if there will be none, -2 if there may be one in the next cycle."""
    first = link // 5 * 5
    if s.link[link, L_LOCKED]:
        fifo = first + s.link[link, L_OWNER]
        count = s.fifo[fifo, F_COUNT]
        if count == 0:
            return -1
        return fifo if count > 1 or s.fifo[fifo, F_PUSHED] != now else -2
    output = link - first
    none = -1
    index = s.link[link, L_OWNER]
    for _ in range(5):
        index = index + 1 if index < 4 else 0
        fifo = first + index
        if s.fifo[fifo, F_PORT] == output:
            if s.fifo[fifo, F_POPPED] != now and s.fifo[fifo, F_COUNT] > (s.fifo[fifo, F_PUSHED] == now):
                return fifo
            none = -2
    return none


@njit(cache=True)
def wanted(s, link):
    """Some flit wants to pass the link."""
    first = link // 5 * 5
    if s.link[link, L_LOCKED]:
        return s.fifo[first + s.link[link, L_OWNER], F_COUNT] > 0
    output = link - first
    for index in range(5):
        if s.fifo[first + index, F_PORT] == output:
            return True
    return False

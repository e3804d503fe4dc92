# SPDX-License-Identifier: Apache-2.0
"""negate_engine.v, cycle by cycle."""

# ruff: noqa: F403, F405
from pyimc.cycle.agenda import done, wake_output
from pyimc.cycle.jit import cold
from pyimc.cycle.state import *


@cold
def accept(s: Table, u: int, row: int, at: int, now: int) -> None:
    """A firing is accepted in cycle `now`; its first word is read one cycle later."""
    s[u + P_FETCH] = 1
    s[u + P_FETCH_FROM] = now + 1
    s[u + P_PIXELS] = s[at + I_PIXELS]
    wake_output(s, u)


@cold
def step(s: Table, u: int, taken: bool, now: int) -> None:
    """One cycle; `taken`: the packer takes what is offered."""
    if s[u + P_OFFERED] and not taken:
        return
    s[u + P_OFFERED] = 0
    if s[u + P_FETCH] and s[u + P_FETCH_FROM] <= now:
        s[u + P_PIXELS] -= 1
        s[u + P_OFFERED] = s[u + P_ISSUE_CTX] << CTX_AT | s[G_LANES]
        if s[u + P_PIXELS] == 0:
            s[u + P_OFFERED] |= MARK_LAST
            s[u + P_FETCH] = 0
            done(s, u, now)


@cold
def stays(s: Table, u: int, now: int) -> bool:
    """It has something to do in the next cycle."""
    return s[u + P_FETCH] != 0 or s[u + P_OFFERED] != 0

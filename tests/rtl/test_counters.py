"""rtl/counters.v against a cycle-by-cycle count: the four states part the run, the actors' busy cycles part busy."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc.isa import SPACES
from tests.rtl.bench import STALLS, Corners, seeded, stalls, start
from tests.rtl.runner import assert_refused, simulate

SHAPES = [
    {"CONTEXTS": 3, "CTX_BITS": 2},
    {"CONTEXTS": 16, "CTX_BITS": 4},
    {"CONTEXTS": 1, "CTX_BITS": 1},
]
CYCLES = 400
CORNERS = (
    "owner changes while busy",
    "owner changes while not busy",
    "done after the run",
    "run again",
    "busy and waiting for room",
    "waiting for room and active",
    "both links",
    "fired again",
)
MASK = (1 << 32) - 1


@dataclass
class Counts:
    """What the counters must hold."""

    states: Counter[str] = field(default_factory=Counter)
    worked: Counter[int] = field(default_factory=Counter)
    firings: Counter[int] = field(default_factory=Counter)
    first: Counter[int] = field(default_factory=Counter)
    last: Counter[int] = field(default_factory=Counter)
    flits_in: int = 0
    flits_out: int = 0
    run_cycles: int = 0


class World:
    """Drives a PU's signals, one choice a cycle, and counts them."""

    def __init__(self, dut: Any, rng: random.Random, busy: str, waiting: str, corners: Corners) -> None:
        self.dut, self.rng, self.corners = dut, rng, corners
        self.contexts = int(dut.CONTEXTS.value)
        self.idle, self.waits = stalls(busy, rng), stalls(waiting, rng)
        self.counts = Counts()
        self.now = rng.choice((0, MASK - 100))  # wraps in mid-run
        self.ctx = 0
        self.firing = 0  # cycles until done
        self.owner = 0
        self.was_busy = False
        for name in ("run", "busy", "room_waiting", "active", "fired", "done", "flit_in", "flit_out"):
            getattr(dut, name).value = 0
        for name in ("owner", "ctx", "read_space", "read_addr", "status"):
            getattr(dut, name).value = 0
        dut.now.value = self.now

    async def cycle(self, run: bool) -> None:
        """One cycle of random activity; firings follow each other as the sequencer makes them."""
        rng, dut, counts = self.rng, self.dut, self.counts
        fired = self.firing == 0 and rng.random() < 0.3
        if fired:
            self.ctx = rng.randrange(self.contexts)
            self.firing = rng.randint(2, 6)
        done = self.firing == 1
        self.firing = max(0, self.firing - 1)
        busy, room, active = not next(self.idle), not next(self.waits), rng.random() < 0.7
        owner = rng.randrange(self.contexts) if rng.random() < 0.2 else self.owner
        flit_in, flit_out = rng.random() < 0.3, rng.random() < 0.3
        dut.run.value, dut.busy.value, dut.owner.value = int(run), int(busy), owner
        dut.room_waiting.value, dut.active.value = int(room), int(active)
        dut.fired.value, dut.done.value, dut.ctx.value = int(fired), int(done), self.ctx
        dut.flit_in.value, dut.flit_out.value = int(flit_in), int(flit_out)
        dut.now.value = self.now
        await RisingEdge(dut.clk)
        if fired and counts.firings[self.ctx] == 0:
            counts.first[self.ctx] = self.now
        self.corners.hit("fired again", fired and counts.firings[self.ctx] > 0)
        self.corners.hit("done after the run", done and not run)
        if run:
            state = "busy" if busy else "room" if room else "input" if active else "idle"
            counts.run_cycles += 1
            counts.states[state] += 1
            counts.worked[owner] += busy
            counts.flits_in += flit_in
            counts.flits_out += flit_out
            if done:
                counts.firings[self.ctx] += 1
                counts.last[self.ctx] = self.now
            self.corners.hit("owner changes while busy", busy and self.was_busy and owner != self.owner)
            self.corners.hit("owner changes while not busy", not busy and owner != self.owner)
            self.corners.hit("busy and waiting for room", busy and room)
            self.corners.hit("waiting for room and active", not busy and room and active)
            self.corners.hit("both links", flit_in and flit_out)
        self.was_busy = run and busy
        self.owner = owner
        self.now = (self.now + 1) & MASK

    async def read(self, space: str, address: int) -> tuple[int, int]:
        """Low and high half of a table entry, one quiet cycle."""
        dut = self.dut
        dut.read_space.value, dut.read_addr.value = SPACES[space], address
        await self.quiet()
        word = int(dut.read_data.value)
        return word & MASK, word >> 32

    async def quiet(self) -> None:
        """A cycle outside the run in which nothing happens."""
        dut = self.dut
        for name in ("run", "fired", "done", "flit_in", "flit_out"):
            getattr(dut, name).value = 0
        dut.now.value = self.now
        await RisingEdge(dut.clk)
        self.now = (self.now + 1) & MASK

    async def check(self) -> None:
        """Everything that can be read, from 2 cycles after the run on."""
        await self.quiet()
        counts, states = self.counts, self.counts.states
        busy, waited = await self.read("COUNTER", 0)
        room, idle = await self.read("COUNTER", 1)
        assert (busy, waited, room, idle) == (states["busy"], states["input"], states["room"], states["idle"])
        assert busy + waited + room + idle == counts.run_cycles, "the states do not part the run"
        assert await self.read("COUNTER", 2) == (counts.flits_in, counts.flits_out)
        total = 0
        for ctx in range(self.contexts):
            firings, worked = await self.read("ACTOR", 2 * ctx)
            assert (firings, worked) == (counts.firings[ctx], counts.worked[ctx]), f"actor {ctx}"
            total += worked
            assert await self.read("ACTOR", 2 * ctx + 1) == (counts.first[ctx], counts.last[ctx]), f"actor {ctx}"
        assert total == busy, "the actors' busy cycles are not the PU's"
        status = self.rng.getrandbits(64)
        self.dut.status.value = status
        assert await self.read("STATUS", 0) == (status & MASK, status >> 32)


@cocotb.test
@cocotb.parametrize(busy=STALLS, waiting=STALLS)
async def equals_count(dut: Any, busy: str, waiting: str) -> None:
    """Two runs in a row add up; `busy` and `waiting` are idle in the patterns of a stall."""
    rng = seeded("equals_count", busy, waiting)
    required = [name for name in CORNERS if int(dut.CONTEXTS.value) > 1 or "owner" not in name]
    corners = Corners(*(required if (busy, waiting) == ("30%", "30%") else ()))
    world = World(dut, rng, busy, waiting, corners)
    await start(dut)
    for run in range(2):
        corners.hit("run again", run > 0)
        for _ in range(rng.randint(CYCLES // 2, CYCLES)):
            await world.cycle(run=True)
        for _ in range(8):
            await world.cycle(run=False)
        await world.check()
    corners.check()


@cocotb.test
async def smallest(dut: Any) -> None:
    """One cycle of each state."""
    world = World(dut, seeded("smallest"), "none", "none", Corners())
    await start(dut)
    dut.run.value = 1
    for busy, room, active in ((1, 1, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0)):
        dut.busy.value, dut.room_waiting.value, dut.active.value = busy, room, active
        dut.now.value = world.now
        await RisingEdge(dut.clk)
        world.now = (world.now + 1) & MASK
    await world.quiet()
    assert await world.read("COUNTER", 0) == (1, 1)
    assert await world.read("COUNTER", 1) == (1, 1)


@cocotb.test
async def reset_in_mid_run(dut: Any) -> None:
    """Reset makes everything 0, also with `run` high and a firing under way."""
    rng = seeded("reset")
    corners = Corners("firing at reset", "busy at reset")
    world = World(dut, rng, "30%", "30%", corners)
    await start(dut)
    for _ in range(10):
        for _ in range(rng.randint(20, 60)):
            await world.cycle(run=True)
        corners.hit("firing at reset", world.firing > 0)
        corners.hit("busy at reset", world.was_busy)
        for name in ("fired", "done"):
            getattr(dut, name).value = 0
        dut.run.value = rng.randint(0, 1)
        running = int(dut.run.value)
        dut.rst.value = 1
        dut.now.value = world.now
        await RisingEdge(dut.clk)
        dut.rst.value = 0
        world.now = (world.now + 1) & MASK
        world.counts, world.firing = Counts(), 0
        if running or rng.random() < 0.5:
            for _ in range(rng.randint(1, 60)):
                await world.cycle(run=True)
        await world.check()
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"contexts{shape['CONTEXTS']}")
def test_counters(shape: dict[str, int]) -> None:
    simulate("counters", __name__, shape)


def test_illegal_parameters_are_refused() -> None:
    for shape in ({"CONTEXTS": 0}, {"CONTEXTS": 17}, {"CONTEXTS": 1, "CTX_BITS": 0}, {"CTX_BITS": 16}):
        assert_refused("counters", shape, "counters_CONTEXTS_must_fit_CTX_BITS_of_1_to_15")

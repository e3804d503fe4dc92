"""rtl/memory_engine.v: words in their order, each in the cycle that its header says; stalls lose none."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc import isa
from tests.rtl.bench import STALLS, Corners, Sink, cycles, seeded, start
from tests.rtl.runner import assert_lint_clean, simulate

WORDS = 48
SHAPE = {"CONTEXTS": 4, "CTX_BITS": 2, "ROWS": 16, "COLS": 8, "STORED": 6}
SHAPES = [64, 128]
PACES = [  # latency, interval, words of a row, wait of its last one, words
    (0, 1, 4, 0, 9), (0, 4, 2, 0, 5), (13, 1, 3, 5, 7), (30, 7, 1, 2, 3), (2, 255, 255, 9, 2), (0, 1, 1, 0, 1),
    (65535, 1, 1, 2, 1),
]  # fmt: skip


async def load(dut: Any, rng: Any) -> list[int]:
    """Fills the planes with random words."""
    words = [rng.getrandbits(len(dut.m_data)) for _ in range(WORDS)]
    plane = 16 * 8 * 8 // len(dut.m_data)
    dut.cfg_valid.value = 1
    for number, word in enumerate(words):
        if number % plane == 0:
            dut.cfg_space.value = isa.SPACES["CONTROL"]
            dut.cfg_addr.value = isa.ENTRIES["CONTROL"]["PLANE"]
            dut.cfg_data.value = isa.CONTROL.encode(plane=number // plane)
            await RisingEdge(dut.clk)
        dut.cfg_space.value = isa.SPACES["WEIGHT"]
        dut.cfg_addr.value = number % plane
        dut.cfg_data.value = word
        await RisingEdge(dut.clk)
    dut.cfg_valid.value = 0
    return words


async def fire(dut: Any, context: int, **fields: int) -> int:
    """Writes an actor's entry and fires it; returns how many cycles later `done` came."""
    dut.cfg_space.value = isa.SPACES["ENGINE"]
    dut.cfg_valid.value = 1
    for layout in isa.ENGINE_MEMORY:
        dut.cfg_addr.value = isa.engine_entry(context, layout)
        dut.cfg_data.value = layout.encode(**{each.name: fields[each.name] for each in layout.fields})
        await RisingEdge(dut.clk)
    dut.cfg_valid.value = 0
    dut.issue_ctx.value = context
    dut.issue_valid.value = 1
    while True:
        await RisingEdge(dut.clk)
        if int(dut.issue_valid.value) and int(dut.issue_ready.value):
            break
    dut.issue_valid.value = 0
    waited = 1
    await RisingEdge(dut.clk)
    while not int(dut.done.value):
        await RisingEdge(dut.clk)
        waited += 1
    return waited


async def begin(dut: Any) -> None:
    """Reset with quiet inputs."""
    dut.cfg_valid.value = 0
    dut.issue_valid.value = 0
    dut.node.value = 0
    await start(dut)


@cocotb.test
async def cycles_are_those_of_the_header(dut: Any) -> None:
    rng = seeded("header")
    await begin(dut)
    words = await load(dut, rng)
    m = Sink(dut, "m", ("data", "ctx", "last"), rng=rng)
    dones, taken = [], []

    async def watch() -> None:
        cycle = 0
        while True:
            await RisingEdge(dut.clk)
            cycle += 1
            if int(dut.done.value):
                dones.append(cycle)
            if int(dut.m_valid.value) and int(dut.m_ready.value):
                taken.append(cycle)

    cocotb.start_soon(watch())
    sent = 0
    for latency, interval, row, wait, count in PACES:
        first, context = rng.randrange(WORDS - count), rng.randrange(4)
        reads = [1 + latency + n * interval + (n + 1) // row * wait for n in range(count)]
        pace = {"latency": latency, "interval": interval, "row_words": row, "row_wait": wait}
        waited = await fire(dut, context, start=first, words=count, **pace)
        assert waited == reads[-1]
        await m.wait_for(sent + count, timeout_cycles=20)
        assert m.beats()[sent:] == [(words[first + n], context, int(n == count - 1)) for n in range(count)]
        assert taken[sent:] == [dones[-1] + 2 - reads[-1] + read for read in reads]
        sent += count
        await cycles(dut, 3)
        assert not int(dut.busy.value)


@cocotb.test
@cocotb.parametrize(sink=STALLS)
async def stalls_lose_nothing(dut: Any, sink: str) -> None:
    rng = seeded("stalls", sink)
    await begin(dut)
    corners = Corners("fires while words are under way", *([] if sink == "none" else ["a word waits"]))
    words = await load(dut, rng)
    m = Sink(dut, "m", ("data", "ctx", "last"), stall=sink, rng=rng)
    expected = []

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk)
            corners.hit("a word waits", bool(int(dut.m_valid.value)) and not int(dut.m_ready.value))

    cocotb.start_soon(watch())
    for _ in range(30):
        count, context = rng.randint(1, 12), rng.randrange(4)
        first = rng.randrange(WORDS - count)
        corners.hit("fires while words are under way", bool(int(dut.busy.value)))
        pace = {
            "latency": rng.randrange(4),
            "interval": rng.randint(1, 3),
            "row_words": 4,
            "row_wait": rng.randrange(3),
        }
        await fire(dut, context, start=first, words=count, **pace)
        expected += [(words[first + n], context, int(n == count - 1)) for n in range(count)]
    await m.wait_for(len(expected), timeout_cycles=5000)
    assert m.beats() == expected
    corners.check()


@pytest.mark.parametrize("word", SHAPES)
def test_memory_engine(word: int) -> None:
    simulate("memory_engine", __name__, SHAPE | {"WORD": word})


@pytest.mark.parametrize("word", SHAPES)
def test_lint(word: int) -> None:
    assert_lint_clean("memory_engine", SHAPE | {"WORD": word})

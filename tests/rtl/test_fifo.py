"""rtl/fifo.v against a deque: values, order, handshake registers, latency and throughput."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from tests.rtl.bench import STALLS, Corners, Sink, Source, cycles, reset, seeded, start
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate

SHAPES = [(8, 2), (13, 3), (1, 8)]
BEATS = 150


async def compare(dut: Any, corners: Corners) -> None:
    """Compare s_ready, m_valid and m_data with a deque at every edge."""
    depth = int(dut.DEPTH.value)
    model: deque[int] = deque()
    while True:
        await RisingEdge(dut.clk)
        if int(dut.rst.value):
            corners.hit("reset while full", len(model) == depth)
            model.clear()
            continue
        assert int(dut.s_ready.value) == (len(model) < depth)
        assert int(dut.m_valid.value) == (len(model) > 0)
        push = bool(int(dut.s_valid.value)) and len(model) < depth
        pop = bool(int(dut.m_ready.value)) and len(model) > 0
        if model:
            assert int(dut.m_data.value) == model[0]
        corners.hit("full", len(model) == depth)
        corners.hit("empty", len(model) == 0)
        corners.hit("refused when full", bool(int(dut.s_valid.value)) and len(model) == depth)
        corners.hit("push and pop", push and pop)
        if pop:
            model.popleft()
        if push:
            model.append(int(dut.s_data.value))


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_deque(dut: Any, source: str, sink: str) -> None:
    rng = seeded("equals_deque", source, sink)
    await start(dut)
    corners = Corners("empty", "push and pop")
    if source == "none" and sink != "none":
        corners = Corners("empty", "push and pop", "full", "refused when full")
    cocotb.start_soon(compare(dut, corners))
    s = Source(dut, "s", ("data",), stall=source, rng=rng)
    m = Sink(dut, "m", ("data",), stall=sink, rng=rng)
    sent = [(rng.getrandbits(len(dut.s_data)),) for _ in range(BEATS)]
    s.send(sent)
    await m.wait_for(BEATS, timeout_cycles=40 * BEATS)
    assert m.beats() == sent
    corners.check()


@cocotb.test
async def full_rate_and_latency(dut: Any) -> None:
    rng = seeded("full_rate")
    await start(dut)
    s = Source(dut, "s", ("data",), rng=rng)
    m = Sink(dut, "m", ("data",), rng=rng)
    s.send((n & 1,) for n in range(50))
    await m.wait_for(50, timeout_cycles=60)
    assert s.sent_at[0] == list(range(s.sent_at[0][0], s.sent_at[0][0] + 50)), "a bubble"
    assert m.received_at[0] == [at + 1 for at in s.sent_at[0]], "latency is not 1"


@cocotb.test
async def valid_does_not_wait_for_ready(dut: Any) -> None:
    rng = seeded("after_valid")
    await start(dut)
    s = Source(dut, "s", ("data",), rng=rng)
    m = Sink(dut, "m", ("data",), rng=rng, after_valid=True)
    s.send((n & 1,) for n in range(20))
    await m.wait_for(20, timeout_cycles=60)


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    rng = seeded("reset")
    await start(dut)
    corners = Corners("reset while full", "full")
    cocotb.start_soon(compare(dut, corners))
    s = Source(dut, "s", ("data",), rng=rng)
    m = Sink(dut, "m", ("data",), stall="90%", rng=rng)
    for _ in range(4):
        s.send((rng.getrandbits(1),) for _ in range(30))
        await cycles(dut, 25)
        dut.rst.value = 1
        s.clear()
        await reset(dut)
        assert int(dut.m_valid.value) == 0 and int(dut.s_ready.value) == 1
        m.clear()
        sent = [(rng.getrandbits(len(dut.s_data)),) for _ in range(20)]
        s.send(sent)
        await m.wait_for(20, timeout_cycles=1000)
        assert m.beats() == sent
    corners.check()


@pytest.mark.parametrize(("width", "depth"), SHAPES)
def test_fifo(width: int, depth: int) -> None:
    simulate("fifo", __name__, {"WIDTH": width, "DEPTH": depth})


@pytest.mark.parametrize(("width", "depth"), SHAPES)
def test_lint(width: int, depth: int) -> None:
    assert_lint_clean("fifo", {"WIDTH": width, "DEPTH": depth})


def test_illegal_parameters_are_refused() -> None:
    assert_refused("fifo", {"DEPTH": 1}, "fifo_DEPTH_must_be_at_least_2")
    assert_refused("fifo", {"WIDTH": 0}, "fifo_WIDTH_must_be_at_least_1")

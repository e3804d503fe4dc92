"""rtl/ram.v against a list: values, the read register, both ports at once."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.rtl.bench import STALLS, Corners, seeded, stalls
from tests.rtl.runner import assert_refused, simulate

SHAPES = [
    {"WIDTH": 64, "DEPTH": 5, "ADDR_BITS": 16},
    {"WIDTH": 13, "DEPTH": 2, "ADDR_BITS": 1},
    {"WIDTH": 128, "DEPTH": 64, "ADDR_BITS": 6},
]
CYCLES = 300


@cocotb.test
@cocotb.parametrize(write=STALLS, read=STALLS)
async def equals_list(dut: Any, write: str, read: str) -> None:
    """Every cycle: a read shows the old word one cycle later and keeps it."""
    rng = seeded("equals_list", write, read)
    depth, width = int(dut.DEPTH.value), int(dut.WIDTH.value)
    writes, reads = stalls(write, rng), stalls(read, rng)
    corners = Corners("both ports, same word", "both ports, other words", "read again", "last word", "held")
    words: list[int | None] = [None] * depth
    shown: int | None = None  # what rdata must be
    last_read = -1
    Clock(dut.clk, 10, unit="ns", impl="gpi").start()
    dut.wen.value = dut.ren.value = 0
    await RisingEdge(dut.clk)
    for cycle in range(depth + CYCLES):
        fill = cycle < depth
        wen = fill or not next(writes)
        ren = not fill and not next(reads)
        waddr = cycle if fill else rng.randrange(depth)
        raddr = rng.choice((waddr, max(last_read, 0), rng.randrange(depth), rng.randrange(depth), depth - 1))
        wdata = rng.getrandbits(width)
        dut.wen.value, dut.waddr.value, dut.wdata.value = int(wen), waddr, wdata
        dut.ren.value, dut.raddr.value = int(ren), raddr
        await RisingEdge(dut.clk)
        if shown is not None:
            assert int(dut.rdata.value) == shown
        corners.hit("both ports, same word", wen and ren and waddr == raddr)
        corners.hit("both ports, other words", wen and ren and waddr != raddr)
        corners.hit("read again", ren and raddr == last_read)
        corners.hit("last word", ren and raddr == depth - 1)
        corners.hit("held", shown is not None and not ren and words[last_read] != shown)
        if ren:
            shown, last_read = words[raddr], raddr
        if wen:
            words[waddr] = wdata
    if (write, read) == ("30%", "30%"):
        corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"depth{shape['DEPTH']}")
def test_ram(shape: dict[str, int]) -> None:
    simulate("ram", __name__, shape)


def test_illegal_parameters_are_refused() -> None:
    for shape in ({"DEPTH": 1}, {"DEPTH": 0}, {"DEPTH": 17, "ADDR_BITS": 4}):
        assert_refused("ram", shape, "ram_depth_must_be_2_to_2_power_ADDR_BITS")

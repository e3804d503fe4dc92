"""rtl/multiplier.v against exact integers."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.rtl.bench import Corners, cycles, seeded
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate

SHAPES = [{"LANES": 1, "BITS": 32}, {"LANES": 5, "BITS": 25}, {"LANES": 16, "BITS": 2}]
WORDS = 400
CORNERS = ("held", "more", "lower half waits", "least value", "greatest product", "negative product")


def pack(values: list[int], width: int) -> int:
    mask = (1 << width) - 1
    return sum((value & mask) << lane * width for lane, value in enumerate(values))


@cocotb.test
async def random_words(dut: Any) -> None:
    """Up to a word each cycle, sums of two products now and then; what neither stage takes stays."""
    rng = seeded("random_words")
    lanes, bits = int(dut.LANES.value), int(dut.BITS.value)
    least, most, factor = -(1 << bits - 1), (1 << bits - 1) - 1, (1 << 31) - 1
    corners = Corners(*CORNERS)
    dut.first.value = dut.second.value = 0
    Clock(dut.clk, 10, unit="ns", impl="gpi").start()
    await cycles(dut, 2)
    taken: list[int] | None = None
    product: list[int] | None = None
    once = False  # the product is of one word
    for _ in range(WORDS):
        values = [rng.choice((least, most, 0, rng.randint(least, most))) for _ in range(lanes)]
        factors = [rng.choice((0, 1, 0x8000, 0xFFFF, factor, rng.getrandbits(31))) for _ in range(lanes)]
        first, second = rng.random() < 0.8, rng.random() < 0.8
        more = once and rng.random() < 0.5
        dut.value.value, dut.factor.value = pack(values, bits), pack(factors, 31)
        dut.first.value, dut.second.value, dut.more.value = first, second, more
        await RisingEdge(dut.clk)
        if product is not None:  # of the cycle before
            assert int(dut.product.value) == pack(product, 64)
        corners.hit("lower half waits", taken is not None and not first and not second)
        if second and taken is not None:
            before = product if more and product is not None else [0] * lanes
            product = [new + old for new, old in zip(taken, before, strict=True)]
            once = not more
            corners.hit("more", more)
            corners.hit("greatest product", most * factor in taken)
            corners.hit("negative product", min(product) < 0)
        else:
            corners.hit("held", product is not None)
        if first:
            taken = [value * by for value, by in zip(values, factors, strict=True)]
            corners.hit("least value", least in values)
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"lanes{shape['LANES']}-bits{shape['BITS']}")
def test_multiplier(shape: dict[str, int]) -> None:
    simulate("multiplier", __name__, shape)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"lanes{shape['LANES']}-bits{shape['BITS']}")
def test_lint(shape: dict[str, int]) -> None:
    assert_lint_clean("multiplier", shape)


def test_illegal_bits_are_refused() -> None:
    for bits in (1, 33):
        assert_refused("multiplier", {"BITS": bits}, "multiplier_BITS_must_be_2_to_32")

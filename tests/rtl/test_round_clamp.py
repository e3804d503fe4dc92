"""rtl/round_clamp.v against exact integers and pyimc.numerics."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from pyimc.numerics import clamp, round_shift
from tests.rtl.bench import Corners, cycles, seeded
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate

LANES = [1, 5, 16]
WORDS = 400
CORNERS = (
    "clamped low",
    "clamped high",
    "not clamped",
    "negative",
    "tie",
    "shift 1",
    "shift 62",
    "greatest product",
    "least product",
    "beyond 2**62",
    "held",
)


def requantise(product: int, shift: int, zero_point: int, low: int, high: int) -> int:
    """The definition, in integers of any size."""
    return min(max(zero_point + ((product + (1 << (shift - 1))) >> shift), low), high)


def random_product(rng: random.Random, shift: int) -> int:
    """Anything that fits 64 bits; half of them near the range of a byte after the shift."""
    kind = rng.randrange(6)
    if kind < 3:
        value = rng.randint(-300 << shift, 300 << shift)
    elif kind == 3:
        value = (2 * rng.randint(-300, 300) + 1) << (shift - 1)
    elif kind == 4:
        value = rng.choice((2**63 - 1, -(2**63), 2**62, -(2**62), 2**62 - 1, 0, -1))
    else:
        value = rng.getrandbits(64) - 2**63
    return min(max(value, -(2**63)), 2**63 - 1)


def pack(values: list[int], width: int) -> int:
    mask = (1 << width) - 1
    return sum((value & mask) << lane * width for lane, value in enumerate(values))


async def start(dut: Any) -> None:
    dut.first.value = dut.second.value = 0
    Clock(dut.clk, 10, unit="ns", impl="gpi").start()
    await cycles(dut, 2)


@cocotb.test
async def smallest(dut: Any) -> None:
    """5 / 2 rounds up to 3, -5 / 2 to -2."""
    await start(dut)
    lanes = len(dut.data) // 8
    dut.zero_point.value, dut.low.value, dut.high.value = 10, 0, 255
    dut.first.value = dut.second.value = 1
    dut.shift.value = pack([1] * lanes, 6)
    for product, expected in ((5, 13), (-5, 8), (0, 10), (-21, 0), (-1000, 0), (1000, 255)):
        dut.product.value = pack([product] * lanes, 64)
        await cycles(dut, 3)
        assert int(dut.data.value) == pack([expected] * lanes, 8), product


@cocotb.test
async def random_words(dut: Any) -> None:
    """Every product that 64 bits hold, up to a word each cycle; what neither stage takes stays."""
    rng = seeded("random_words")
    await start(dut)
    lanes = len(dut.data) // 8
    corners = Corners(*CORNERS)
    expected: int | None = None
    shifted: tuple[list[int], list[int]] | None = None
    for _ in range(WORDS):
        shifts = [rng.choice((1, 62, rng.randint(1, 62))) for _ in range(lanes)]
        products = [random_product(rng, shift) for shift in shifts]
        zero_point = rng.randint(0, 255)
        low, high = rng.choice(((0, 255), (zero_point, 255), tuple(sorted((rng.randint(0, 255), rng.randint(0, 255))))))
        first, second = rng.random() < 0.8, rng.random() < 0.8
        dut.product.value, dut.shift.value = pack(products, 64), pack(shifts, 6)
        dut.zero_point.value, dut.low.value, dut.high.value = zero_point, low, high
        dut.first.value, dut.second.value = first, second
        await RisingEdge(dut.clk)
        if expected is not None:  # of the cycle before
            assert int(dut.data.value) == expected
        taken = shifted
        if first:
            shifted = products, shifts
        if not second or taken is None:
            corners.hit("held", expected is not None)
            continue
        products, shifts = taken
        values = [requantise(*lane, zero_point, low, high) for lane in zip(products, shifts, strict=True)]
        expected = pack(values, 8)
        for product, shift, value in zip(products, shifts, values, strict=True):
            exact = requantise(product, shift, zero_point, -(2**70), 2**70)
            corners.hit("clamped low", exact < low)
            corners.hit("clamped high", exact > high)
            corners.hit("not clamped", low <= exact <= high)
            corners.hit("negative", product < 0 and low < value < zero_point)
            corners.hit("tie", product % (1 << shift) == 1 << (shift - 1) and low < value < high)
            corners.hit("shift 1", shift == 1)
            corners.hit("shift 62", shift == 62)
            corners.hit("greatest product", product == 2**63 - 1)
            corners.hit("least product", product == -(2**63))
            corners.hit("beyond 2**62", abs(product) > 2**62)
            if abs(product) <= 2**62:  # the range of pyimc.numerics
                moved = round_shift(np.array([product], np.int64), shift) + zero_point
                assert value == clamp(moved, (low, high))[0]
    corners.check()


@pytest.mark.parametrize("lanes", LANES)
def test_round_clamp(lanes: int) -> None:
    simulate("round_clamp", __name__, {"LANES": lanes})


@pytest.mark.parametrize("lanes", LANES)
def test_lint(lanes: int) -> None:
    assert_lint_clean("round_clamp", {"LANES": lanes})


def test_illegal_parameters_are_refused() -> None:
    assert_refused("round_clamp", {"LANES": 0}, "round_clamp_LANES_must_be_at_least_1")

"""rtl/accumulator.v against one exact integer per column."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.rtl.bench import Corners, cycles, seeded
from tests.rtl.runner import assert_refused, simulate

SHAPES = [
    {"ACCUMULATORS": 64, "ADCS": 4, "WIDTH": 8, "LANE": 17, "SIGNED": 1, "GROUP_BITS": 4},
    {"ACCUMULATORS": 32, "ADCS": 16, "WIDTH": 16, "LANE": 16, "SIGNED": 0, "GROUP_BITS": 1},
    {"ACCUMULATORS": 16, "ADCS": 16, "WIDTH": 16, "LANE": 20, "SIGNED": 0, "GROUP_BITS": 1},
    {"ACCUMULATORS": 48, "ADCS": 2, "WIDTH": 16, "LANE": 18, "SIGNED": 1, "GROUP_BITS": 5},
]
CYCLES = 2000
HIGHEST = 14  # place, of the last slice in the last step; sums of slices are smaller


class Model:
    """Two banks of columns; None is what was never cleared."""

    def __init__(self, dut: Any) -> None:
        self.columns, self.adcs = int(dut.ACCUMULATORS.value), int(dut.ADCS.value)
        self.width, self.lane = int(dut.WIDTH.value), int(dut.LANE.value)
        self.signed = bool(int(dut.SIGNED.value))
        self.banks: list[list[int | None]] = [[None] * self.columns for _ in range(2)]
        self.asked: tuple[int, int] | None = None  # the row that was read in the cycle before
        self.added_to = 0  # the bank of the last `add`

    def add(self, clear: bool, bank: int, group: int, place: int, sums: list[int]) -> None:
        self.added_to = bank
        for n, value in enumerate(sums):
            column = group * self.adcs + n
            old = 0 if clear else self.banks[bank][column]
            assert old is not None
            self.banks[bank][column] = old + (value << place)

    def place(self, column: int) -> int:
        """Lane of a row in which a column is: in its group, the even columns first."""
        group, n = divmod(column % self.width, self.adcs)
        return group * self.adcs + n % 2 * (self.adcs // 2) + n // 2

    def check(self, data: str, bank: int, row: int) -> int:
        """Compares what is defined of one row; returns how many columns are."""
        defined = 0
        for column in range(row * self.width, (row + 1) * self.width):
            value = self.banks[bank][column]
            if value is not None:
                low = self.place(column) * 2 * self.lane
                held = int(data[len(data) - low - 2 * self.lane : len(data) - low], 2)
                assert held == value % (1 << 2 * self.lane), (bank, column)
                defined += 1
        return defined


async def add(
    dut: Any, model: Model, rng: random.Random, bank: int, group: int, place: int, clear: bool, sums: list[int]
) -> None:
    """One cycle of conversion, and mostly a read of the other bank, if its last `add` is two cycles ago."""
    dut.add.value, dut.clear.value, dut.bank.value = 1, clear, bank
    dut.group.value, dut.place.value = group, place
    dut.sums.value = sum(value % (1 << model.lane) << n * model.lane for n, value in enumerate(sums))
    read = bank == model.added_to and rng.random() < 0.8
    await cycle(dut, model, (1 - bank, rng.randrange(model.columns // model.width)) if read else None)
    model.add(clear, bank, group, place, sums)
    dut.add.value = 0


async def cycle(dut: Any, model: Model, row: tuple[int, int] | None) -> int:
    """One cycle that reads a row; checks the one that was read in the cycle before, and returns its defined columns."""
    dut.read.value = row is not None
    if row is not None:
        dut.read_bank.value, dut.read_row.value = row
    await RisingEdge(dut.clk)
    defined = model.check(str(dut.read_data.value), *model.asked) if model.asked else 0
    model.asked = row
    return defined


async def begin(dut: Any) -> Model:
    dut.add.value = dut.read.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns", impl="gpi").start()
    await cycles(dut, 2)
    dut.rst.value = 0
    return Model(dut)


async def check_all(dut: Any, model: Model) -> None:
    await cycle(dut, model, None)
    rows = [(bank, row) for bank in range(2) for row in range(model.columns // model.width)]
    defined = [await cycle(dut, model, row) for row in [*rows, None]]
    assert sum(defined) == 2 * model.columns


@cocotb.test
async def random_adds(dut: Any) -> None:
    """Any group of either bank in any cycle, at any step; every row read is exact."""
    rng = seeded("random_adds")
    model = await begin(dut)
    corners = Corners(
        "clear",
        "add",
        "same group again",
        "both banks",
        "last group",
        "idle",
        "shifted",
        *(["negative"] if model.signed else []),
    )
    banks = set()
    group = before = 0
    rested = True
    for _ in range(CYCLES):
        bank = rng.randrange(2) if rng.random() < 0.3 else model.added_to
        group = group if rng.random() < 0.3 else rng.randrange(model.columns // model.adcs)
        place = rng.randint(0, HIGHEST)
        fresh = model.banks[bank][group * model.adcs] is None
        clear = fresh or rng.random() < 0.1
        again = bank == model.added_to and group == before and not fresh
        corners.hit("same group again", again and not clear and not rested)
        before, rested = group, False
        low = -1 << model.lane - 1 if model.signed else 0
        high = low + (1 << model.lane) - 1
        low, high = (limit >> max(0, place - 7) for limit in (low, high))
        sums = [rng.choice((0, low, high, rng.randint(low, high))) for _ in range(model.adcs)]
        await add(dut, model, rng, bank, group, place, clear, sums)
        if rng.random() < 0.1:
            dut.sums.value = rng.getrandbits(model.adcs * model.lane)
            await cycle(dut, model, None)
            corners.hit("idle")
            rested = True
        banks.add(bank)
        corners.hit("clear", clear and not fresh)
        corners.hit("add", not clear)
        corners.hit("shifted", place > 0)
        corners.hit("negative", min(sums) < 0)
        corners.hit("last group", (group + 1) * model.adcs == model.columns)
        corners.hit("both banks", len(banks) == 2)
    await check_all(dut, model)
    corners.check()


@cocotb.test
async def no_carry_into_the_neighbour(dut: Any) -> None:
    """All columns but one grow to the greatest sum that a lane holds; the one between stays zero."""
    rng = seeded("carry")
    model = await begin(dut)
    most, limit = (1 << model.lane) - 1, (1 << 2 * model.lane) - 1
    if model.signed:
        most, limit = -1 << model.lane - 1, -1 << 2 * model.lane - 1
    times = limit // (most << HIGHEST)
    quiet = rng.randrange(model.adcs)
    sums = [0 if n == quiet else most for n in range(model.adcs)]
    for n in range(times):
        await add(dut, model, rng, 0, 0, HIGHEST, n == 0, sums)
    await add(dut, model, rng, 1, 0, 0, True, sums)
    await cycle(dut, model, (0, 0))
    assert await cycle(dut, model, None) == model.adcs


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"adcs{shape['ADCS']}-width{shape['WIDTH']}")
def test_accumulator(shape: dict[str, int]) -> None:
    simulate("accumulator", __name__, shape)


def test_illegal_parameters_are_refused() -> None:
    error = "accumulator_WIDTH_must_be_a_power_of_two_times_ADCS_of_2_or_more_and_divide_ACCUMULATORS"
    for shape in (
        {"ADCS": 1},
        {"ADCS": 12, "WIDTH": 16},
        {"WIDTH": 32, "ACCUMULATORS": 48},
        {"WIDTH": 48, "ADCS": 16, "ACCUMULATORS": 96},
    ):
        assert_refused("accumulator", shape, error)
    assert_refused("accumulator", {"LANE": 15}, "accumulator_LANE_must_be_16_or_more")

"""rtl/adc.v: the values of a group of columns are what pyimc.crossbar.convert says."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import Timer

from pyimc.crossbar import Converter, convert
from tests.rtl.bench import Corners, seeded
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate

SHAPES = [
    {"COLS": 32, "ADCS": 8, "LANE": 16, "GROUP_BITS": 2, "ADC": 0},
    {"COLS": 24, "ADCS": 6, "LANE": 17, "GROUP_BITS": 3, "ADC": 8},
    {"COLS": 4, "ADCS": 4, "LANE": 26, "GROUP_BITS": 1, "ADC": 1},
    {"COLS": 16, "ADCS": 4, "LANE": 16, "GROUP_BITS": 2, "ADC": 16},
    {"COLS": 32, "ADCS": 8, "LANE": 24, "GROUP_BITS": 2, "ADC": 11},
]


@cocotb.test
async def every_group(dut: Any) -> None:
    rng, lane, adcs, bits = seeded("every_group"), *(int(each.value) for each in (dut.LANE, dut.ADCS, dut.ADC))
    columns = int(dut.COLS.value)
    top, largest_shift = (1 << lane) - 1, lane - bits if bits else 31
    real = ["the largest code, not clipped"] * bool(bits) + ["clipped"] * (0 < bits < lane)
    rounds = ["half a step is rounded up", "less than half is rounded down"] if bits and largest_shift else []
    corners = Corners("zero", "the largest sum", "no shift", "the largest shift", *real, *rounds)
    for turn in range(160):
        shift = (0, largest_shift, rng.randint(0, largest_shift))[turn % 3]
        half, full = (1 << shift) >> 1, ((1 << bits) - 1) << shift
        near = [full, full + half - 1, full + half, half, half - 1, 3 * half, 3 * half - 1]
        sums = [rng.choice((0, top, rng.getrandbits(lane), min(top, max(0, rng.choice(near))))) for _ in range(columns)]
        dut.sums.value = sum(value << lane * column for column, value in enumerate(sums))
        dut.shift.value = shift
        for group in range(columns // adcs):
            dut.group.value = group
            await Timer(1, "ns")
            chosen = sums[group * adcs : (group + 1) * adcs]
            values = convert(np.array(chosen, np.int64), Converter(bits, shift) if bits else None).tolist()
            assert int(dut.values.value) == sum(value << lane * at for at, value in enumerate(values))
            for given, value in zip(chosen, values, strict=True):
                corners.hit("zero", given == 0)
                corners.hit("the largest sum", given == top)
                corners.hit("no shift", shift == 0)
                corners.hit("the largest shift", shift == largest_shift)
                corners.hit("clipped", bool(bits) and given >= full + max(1, half))
                corners.hit("the largest code, not clipped", value == full and given < full + max(1, half))
                corners.hit("half a step is rounded up", half > 0 and given % (2 * half) == half and value > given)
                corners.hit("less than half is rounded down", half > 1 and given % (2 * half) == half - 1)
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"columns{shape['COLS']}-adc{shape['ADC']}")
def test_adc(shape: dict[str, int]) -> None:
    simulate("adc", __name__, shape)
    assert_lint_clean("adc", shape)


def test_illegal_parameters_are_refused() -> None:
    error = "adc_COLS_must_be_a_multiple_of_ADCS_and_its_groups_fit_GROUP_BITS"
    assert_refused("adc", {"COLS": 30}, error)
    assert_refused("adc", {"COLS": 256, "ADCS": 8, "GROUP_BITS": 4}, error)
    assert_refused("adc", {"LANE": 16, "ADC": 17}, "adc_ADC_must_be_at_most_LANE")

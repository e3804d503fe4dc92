"""rtl/adc.v: the codes of a group of columns are what pyimc.crossbar.convert says."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import Timer

from pyimc.crossbar import convert
from tests.rtl.bench import seeded
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate

SHAPES = [
    {"COLS": 32, "ADCS": 8, "LANE": 16, "GROUP_BITS": 2},
    {"COLS": 24, "ADCS": 6, "LANE": 17, "GROUP_BITS": 3},
    {"COLS": 4, "ADCS": 4, "LANE": 24, "GROUP_BITS": 1},
]


@cocotb.test
async def every_group(dut: Any) -> None:
    rng, lane, adcs = seeded("every_group"), int(dut.LANE.value), int(dut.ADCS.value)
    columns = int(dut.COLS.value)
    for _ in range(20):
        sums = [rng.choice((0, (1 << lane) - 1, rng.getrandbits(lane))) for _ in range(columns)]
        dut.sums.value = sum(value << lane * column for column, value in enumerate(sums))
        for group in range(columns // adcs):
            dut.group.value = group
            await Timer(1, "ns")
            codes = convert(np.array(sums[group * adcs : (group + 1) * adcs], np.int64)).tolist()
            assert int(dut.codes.value) == sum(code << lane * at for at, code in enumerate(codes))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"columns{shape['COLS']}")
def test_adc(shape: dict[str, int]) -> None:
    simulate("adc", __name__, shape)
    assert_lint_clean("adc", shape)


def test_illegal_parameters_are_refused() -> None:
    error = "adc_COLS_must_be_a_multiple_of_ADCS_and_its_groups_fit_GROUP_BITS"
    assert_refused("adc", {"COLS": 30}, error)
    assert_refused("adc", {"COLS": 256, "ADCS": 8, "GROUP_BITS": 4}, error)

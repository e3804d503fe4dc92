# SPDX-License-Identifier: Apache-2.0
"""sim/rtl/noise.v draws what pyimc.devices.noise draws."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from pyimc.devices.noise import deviation
from tests.rtl.bench import seeded
from tests.rtl.runner import ROOT, assert_lint_clean, simulate

BENCH = (ROOT / "sim" / "rtl",)

WORDS = (0, 1, 255, 2**31, 2**32 - 1)
DRAWS = 2000


@cocotb.test
async def equals_numpy(dut: Any) -> None:
    rng = seeded()
    draws = [tuple(rng.choice(WORDS) for _ in range(4)) for _ in range(100)]
    draws += [tuple(rng.getrandbits(32) for _ in range(4)) for _ in range(DRAWS)]
    draws += [(7, 3, read, column) for read in range(20) for column in range(16)]
    seen = set()
    for seed, unit, read, column in draws:
        dut.seed.value, dut.unit.value, dut.read.value, dut.column.value = seed, unit, read, column
        await Timer(1, "ns")
        found = dut.deviation.value.to_signed()
        assert found == int(deviation(seed, unit, read, column)), (seed, unit, read, column)
        seen.add(np.sign(found))
    assert seen == {-1, 0, 1} or seen == {-1, 1}, "deviations of one sign only"


def test_equals_numpy() -> None:
    simulate("noise", __name__, rtl_dirs=BENCH)


def test_lint() -> None:
    assert_lint_clean("noise", rtl_dirs=BENCH)
    assert_lint_clean("read_noise", rtl_dirs=BENCH)

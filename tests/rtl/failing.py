"""A cocotb test that fails, for tests/rtl/test_runner.py."""

from __future__ import annotations

from typing import Any

import cocotb

from tests.rtl.bench import cycles, start


@cocotb.test
async def passes(dut: Any) -> None:
    await start(dut)
    await cycles(dut, 4)


@cocotb.test
async def fails(dut: Any) -> None:
    await start(dut)
    depth = int(dut.DEPTH.value)
    assert depth == 7, f"a depth of {depth}"

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
    {"COLS": 32, "ADCS": 8, "LANE": 17, "GROUP_BITS": 2, "ADC": 6, "DIFFERENTIAL": 1},
    {"COLS": 8, "ADCS": 4, "LANE": 20, "GROUP_BITS": 1, "ADC": 0, "DIFFERENTIAL": 1},
    {"COLS": 32, "ADCS": 8, "LANE": 20, "GROUP_BITS": 2, "ADC": 9, "DIFFERENTIAL": 1, "FRACTION": 3},
    {"COLS": 16, "ADCS": 4, "LANE": 17, "GROUP_BITS": 2, "ADC": 5, "FRACTION": 7},
]


@cocotb.test
async def every_pair(dut: Any) -> None:
    """Of two groups side by side, what the first has more: signed, clipped at both ends, half a step rounded up."""
    rng, lane, adcs, bits = seeded("every_pair"), *(int(each.value) for each in (dut.LANE, dut.ADCS, dut.ADC))
    if not int(dut.DIFFERENTIAL.value) or int(dut.FRACTION.value):
        return
    columns, top = int(dut.COLS.value), (1 << lane - 1) - 1
    real = ("clipped above", "clipped below", "half a step is rounded up", "minus half a step is rounded up")
    corners = Corners("negative", "positive", "equal", "the largest", "the smallest", *(real if bits else ()))
    for _ in range(300):
        shift = rng.randint(0, lane - bits) if bits else 0
        half, converter = (1 << shift) >> 1, Converter(bits, shift, signed=True) if bits else None
        pairs = []
        for _ in range(columns):
            plus = rng.choice((0, top, rng.randint(0, top)))
            minus = rng.choice((0, top, plus, max(0, plus - half), min(top, plus + half), rng.randint(0, top)))
            pairs.append((plus, minus))
        lanes = [pair[sign] for at in range(0, columns, adcs) for sign in range(2) for pair in pairs[at : at + adcs]]
        dut.sums.value = sum(value << lane * at for at, value in enumerate(lanes))
        dut.shift.value = shift
        for group in range(columns // adcs):
            dut.group.value = group
            await Timer(1, "ns")
            more = [plus - minus for plus, minus in pairs[group * adcs : (group + 1) * adcs]]
            values = convert(np.array(more, np.int64), converter).tolist()
            found = int(dut.values.value)
            assert found == sum(value % (1 << lane) << lane * at for at, value in enumerate(values)), (more, shift)
            for given, value in zip(more, values, strict=True):
                corners.hit("negative", value < 0)
                corners.hit("positive", value > 0)
                corners.hit("equal", given == value == 0)
                corners.hit("the largest", given == top)
                corners.hit("the smallest", given == -top)
                corners.hit("clipped above", given > value + max(1, half))
                corners.hit("clipped below", given < value - max(1, half))
                corners.hit("half a step is rounded up", half > 0 and given == half and value == 2 * half)
                corners.hit("minus half a step is rounded up", half > 0 and given == -half and value == 0)
    corners.check()


@cocotb.test
async def every_group(dut: Any) -> None:
    rng, lane, adcs, bits = seeded("every_group"), *(int(each.value) for each in (dut.LANE, dut.ADCS, dut.ADC))
    if int(dut.DIFFERENTIAL.value) or int(dut.FRACTION.value):
        return
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


@cocotb.test
async def real_cells(dut: Any) -> None:
    """Sums with a fraction, noise on top: rounded to levels, clipped at both ends, and below 0 if offset."""
    rng, fraction, adcs = seeded("real_cells"), int(dut.FRACTION.value), int(dut.ADCS.value)
    if not fraction:
        return
    lane, bits, signed = int(dut.LANE.value), int(dut.ADC.value), bool(int(dut.DIFFERENTIAL.value))
    columns, most = int(dut.COLS.value), (1 << 19) - 1
    corners = Corners("clipped above", "clipped below", "noise decides", "noise does not", "fraction lost")
    for _ in range(200):
        converter = Converter(bits, rng.randint(0, lane - bits - fraction), signed, fraction)
        noise = [rng.choice((0, most, -most, rng.randint(-99, 99))) for _ in range(adcs)]
        lanes = [
            rng.choice((0, rng.getrandbits(lane), rng.getrandbits(lane // 2))) for _ in range(columns * (1 + signed))
        ]
        dut.sums.value = sum(value << lane * at for at, value in enumerate(lanes))
        dut.noise.value = sum(value % (1 << 20) << 20 * at for at, value in enumerate(noise))
        dut.shift.value = converter.shift
        for group in range(columns // adcs):
            dut.group.value = group
            await Timer(1, "ns")
            at = group * adcs * (1 + signed)
            sums = np.array(lanes[at : at + adcs], np.int64)
            sums = sums - lanes[at + adcs : at + 2 * adcs] if signed else sums
            values = convert(sums + noise, converter)
            found = int(dut.values.value)
            assert found == sum(value % (1 << lane) << lane * i for i, value in enumerate(values.tolist()))
            quiet, top = convert(sums, converter), converter.largest << converter.shift
            corners.hit("clipped above", bool((values == top).any()))
            corners.hit("clipped below", bool((values == (-top if signed else 0)).any()))
            corners.hit("noise decides", bool((values != quiet).any()))
            corners.hit("noise does not", bool(((values == quiet) & (np.array(noise) != 0)).any()))
            corners.hit("fraction lost", bool((sums % (1 << fraction) != 0).any()))
    corners.check()


each_shape = pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda shape: f"columns{shape['COLS']}-adc{shape['ADC']}-lane{shape['LANE']}"
)


@each_shape
def test_adc(shape: dict[str, int]) -> None:
    simulate("adc", __name__, shape)


@each_shape
def test_lint(shape: dict[str, int]) -> None:
    assert_lint_clean("adc", shape)


def test_illegal_parameters_are_refused() -> None:
    error = "adc_COLS_must_be_a_multiple_of_ADCS_and_its_groups_fit_GROUP_BITS"
    assert_refused("adc", {"COLS": 30}, error)
    assert_refused("adc", {"COLS": 256, "ADCS": 8, "GROUP_BITS": 4}, error)
    assert_refused("adc", {"LANE": 16, "ADC": 17}, "adc_ADC_must_be_at_most_LANE")
    assert_refused("adc", {"FRACTION": 1, "ADC": 0}, "adc_ADC_must_not_be_0_with_FRACTION")

"""pyimc/crossbar.py: tile by tile and step by step it comes to what golden multiplies at once."""

from typing import Any

import numpy as np
import pytest

from pyimc.arch import Crossbar
from pyimc.crossbar import (
    Converter,
    bit_slices,
    cells,
    column_sums,
    columns,
    convert,
    largest_sum,
    multiply,
    reads,
    shift_add,
    signed_cells,
    stored,
)
from pyimc.network import Mvm
from tests.mapping.networks import Builder


@pytest.mark.parametrize("dac_bits", [1, 2, 4, 8])
def test_slices_add_up_to_the_input(dac_bits: int) -> None:
    x = np.arange(256, dtype=np.uint8)
    slices = bit_slices(x, dac_bits)
    assert slices.shape == (8 // dac_bits, 256) and slices.max() == (1 << dac_bits) - 1
    crossbar = Crossbar(rows=8, columns=8, planes=1, adcs=8, dac_bits=dac_bits)
    assert np.array_equal(shift_add(slices.astype(np.int64)[:, np.newaxis], crossbar), x)


@pytest.mark.parametrize("dac_bits", [1, 8])
@pytest.mark.parametrize("rows", [16, 4096])
def test_the_largest_sum_is_exact(rows: int, dac_bits: int) -> None:
    """4096 rows of 255 * 255 are above 2**24, which float32 does not hold."""
    cells = np.full((rows, 3), 255, np.uint8)
    cells[0] = (254, 253, 255)
    sums = column_sums(np.full(rows, 255, np.uint8), cells, dac_bits)
    expected = ((1 << dac_bits) - 1) * cells.sum(axis=0, dtype=np.int64)
    assert np.array_equal(sums, np.tile(expected, (8 // dac_bits, 1)))


def sliced(rows: int, dac_bits: int, cell_bits: int, weights: Any, rows_per_read: int | None = None) -> Crossbar:
    return Crossbar(
        rows=rows, columns=128, planes=1, adcs=8, dac_bits=dac_bits, cell_bits=cell_bits, weights=weights,
        rows_per_read=rows_per_read,
    )  # fmt: skip


CELLS = [(bits, weights) for bits in (1, 2, 4, 8) for weights in ("offset", "differential")]


@pytest.mark.parametrize(("cell_bits", "weights"), CELLS)
def test_cells_add_up_to_the_weight(cell_bits: int, weights: str) -> None:
    crossbar, values = sliced(8, 1, cell_bits, weights), np.arange(-128, 128, dtype=np.int8)
    held = cells(stored(values, crossbar), crossbar)
    assert held.shape == (8 // cell_bits, 1 + (weights == "differential"), 256)
    assert held.max() == largest_sum(1, crossbar)
    totals = sum(piece.astype(int) << index * cell_bits for index, piece in enumerate(held))
    assert np.array_equal(totals[0] - totals[1] if weights == "differential" else totals[0] - 128, values)


@pytest.mark.parametrize(("cell_bits", "weights"), CELLS)
def test_columns_are_in_the_order_of_conversion(cell_bits: int, weights: str) -> None:
    """Cell by cell: group of ADCs, slice, sign, weight in the group."""
    crossbar = sliced(8, 1, cell_bits, weights)
    plane = np.random.default_rng(1).integers(0, 256, (8, crossbar.outputs), np.uint8)
    held, found = cells(plane, crossbar), columns(plane, crossbar)
    assert found.shape == (8, 128)
    at = 0
    for group in range(0, crossbar.outputs, 8):
        for index in range(crossbar.slices):
            for sign in range(held.shape[1]):
                for weight in range(group, group + 8):
                    assert np.array_equal(found[:, at], held[index, sign, :, weight])
                    at += 1


@pytest.mark.parametrize(("rows", "driven", "sizes"), [(32, None, 2), (32, 16, 4), (32, 2, 25)])
def test_reads_are_within_row_tiles(rows: int, driven: int | None, sizes: int) -> None:
    crossbar = sliced(rows, 2, 4, "offset", driven)
    held = signed_cells(np.zeros((50, 4), np.int8), crossbar)
    found = list(reads(np.ones((3, 50), np.uint8), held, crossbar))
    assert len(found) == sizes and [row for row, _, _ in found] == list(range(0, 50, crossbar.driven))
    assert [int(sums[0, 0, 1, 0]) for _, _, sums in found] == [
        8 * min(crossbar.driven, 50 - first) for first in range(0, 50, crossbar.driven)
    ]


@pytest.mark.parametrize(
    ("rows", "dac_bits", "cell_bits", "weights", "rows_per_read"),
    [
        (8, 1, 8, "offset", None), (16, 2, 8, "offset", None), (64, 4, 8, "offset", 16),
        (256, 8, 8, "differential", 64), (16, 1, 1, "offset", None), (32, 2, 2, "differential", 8),
        (64, 4, 4, "differential", None), (32, 8, 1, "differential", 1),
    ],
)  # fmt: skip
def test_tiles_and_steps_come_to_what_golden_multiplies(
    rows: int, dac_bits: int, cell_bits: int, weights: str, rows_per_read: int | None
) -> None:
    net = Builder(1, 1, 50)
    network = net.finish(net.dense("fc", "x", 24))
    (node,) = network.nodes
    assert isinstance(node, Mvm)
    x = np.random.default_rng(rows).integers(0, 256, (1, 1, 50), dtype=np.uint8)
    crossbar = sliced(rows, dac_bits, cell_bits, weights, rows_per_read)
    product = multiply(x.reshape(1, -1), node.matrix(), crossbar) + node.bias
    assert np.array_equal(product, node.accumulate(x).reshape(1, -1))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", range(2, 13))
@pytest.mark.parametrize("shift", [0, 1, 5, 9])
def test_values_are_the_nearest_that_codes_stand_for(bits: int, shift: int, signed: bool) -> None:
    converter = Converter(bits, shift, signed)
    top = converter.largest << shift
    sums = np.arange(-2 * top - 9 if signed else 0, 2 * top + 9, max(1, top // 1000))
    values = convert(sums, converter)
    assert (values % (1 << shift) == 0).all() and np.unique(values).size <= 1 << bits
    inside = np.abs(sums) <= top
    assert (np.abs(values - sums)[inside] * 2 <= 1 << shift).all()
    assert (np.abs(values)[~inside] == top).all() and (np.sign(values) == np.sign(sums))[~inside].all()


def test_a_code_by_hand() -> None:
    sums = np.array([0, 1, 2, 5, 6, 59, 61, 62, 1000])
    assert convert(sums, Converter(4, 2)).tolist() == [0, 0, 4, 4, 8, 60, 60, 60, 60]
    assert convert(-sums, Converter(4, 2, signed=True)).tolist() == [0, 0, 0, -4, -4, -28, -28, -28, -28]


@pytest.mark.parametrize("cell_bits", [1, 2, 4, 8])
def test_the_integers_of_analog_cim_sim(cell_bits: int) -> None:
    """Those that its test of I_UINT_W_OFFS asserts, whose ADCs of 20 bits lose nothing of 32 rows, nor do ours."""
    crossbar = sliced(32, 1, cell_bits, "offset")
    weights = np.array([[100, -32], [1, 0], [-12, 1]], np.int8).T
    for x, start, expected in (
        ((120, 55), (1, 1, -1), [10241, 121, -1386]),
        ((0, 10), (0, 0, 0), [-320, 0, 10]),
    ):
        exact_bits = Converter(largest_sum(32, crossbar).bit_length(), 0)
        product = multiply(np.array([x], np.uint8), weights, crossbar, exact_bits)
        assert (np.array(start) + product[0]).tolist() == expected

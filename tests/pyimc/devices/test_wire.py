# SPDX-License-Identifier: Apache-2.0
"""IR drop, noise and sliced MVMs against published integers and independent solutions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimc.devices.noise import MOST, SIGMA, deviation
from pyimc.devices.slices import Crossbar, differential_mvm, offset_mvm
from pyimc.devices.wire import column_conductance, shares
from pyimc.errors import ConfigError


@pytest.mark.parametrize(
    ("cell", "ohm", "left", "limit"),
    [
        (75, 0.1, [0.9896, 0.9605, 0.8623, 0.6310], 27348.7),
        (75, 1, [0.9068, 0.7224, 0.4386, 0.2245], 8622.8),
        (12.5, 1, [0.9829, 0.9362, 0.7931, 0.5227], 3529.3),
        (2.5, 1, [0.9965, 0.9864, 0.9485, 0.8264], 1579.9),
    ],
)
def test_uniform_columns(cell: float, ohm: float, left: list[float], limit: float) -> None:
    found = [column_conductance(np.full(rows, cell), ohm) / (rows * cell) for rows in (64, 128, 256, 512)]
    assert np.array(found) == pytest.approx(left, abs=6e-5)
    assert column_conductance(np.full(100_000, cell), ohm) == pytest.approx(limit, abs=0.06)


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=20).filter(lambda cells: sum(cells) > 1e-3), st.floats(0.01, 100)
)
def test_column_is_the_ladder(cells: list[float], ohm: float) -> None:
    """Nodal analysis of the column as a matrix: rows at one volt, the output at zero."""
    size, wire = len(cells), 1e6 / ohm
    matrix = np.diag(np.array(cells))
    for node in range(size):
        matrix[node, node] += wire
        if node + 1 < size:
            matrix[node, node + 1] -= wire
            matrix[node + 1, node] -= wire
            matrix[node + 1, node + 1] += wire
    potential = np.linalg.solve(matrix, np.array(cells))
    assert column_conductance(np.array(cells), ohm) == pytest.approx(potential[-1] * wire, rel=1e-6)
    assert shares(np.array(cells), ohm) == pytest.approx(1 - potential, rel=1e-6, abs=1e-9)


BADCROSSBAR = {
    "all driven": [[672.84332075, 407.04617647, 564.7959415]],
    "some driven": [[395.3115638, 207.14876414, 312.99051052], [265.71875594, 120.35182447, 262.9536427]],
}
"""Of badcrossbar 1.1.0 (Joksas and Mehonic), nodal analysis of a whole array, in uA at 1 V: compute(x, 1e6 / cells,
r_i_word_line=0, r_i_bit_line=2). No dependency: it needs pycairo, which is built from the headers of cairo."""


def test_column_is_that_of_badcrossbar() -> None:
    """Its rows that are not driven are at 0 V and take current; ours let none through: a little more is left."""
    random = np.random.default_rng(7)
    cells = random.integers(5, 60, (16, 3)).astype(np.float64)
    driven = random.integers(0, 2, (16, 2)).astype(np.float64)
    (whole,) = np.array(BADCROSSBAR["all driven"])
    assert column_conductance(cells, 2.0) == pytest.approx(whole, rel=1e-9)
    for vector, theirs in zip(driven.T, np.array(BADCROSSBAR["some driven"]), strict=True):
        ours = column_conductance(cells * vector[:, np.newaxis], 2.0)
        assert (ours > theirs).all() and ours == pytest.approx(theirs, rel=0.005)


def test_no_resistance_no_drop() -> None:
    cells = np.array([[3.0, 0.0], [4.0, 5.0]])
    assert column_conductance(cells, 0).tolist() == [7, 5]
    assert shares(cells, 0).tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ConfigError, match="segment_ohm is -1"):
        shares(cells, -1)


PUBLISHED = Crossbar(rows=32, splits=(1, 3, 4), low_ua=5, high_ua=30, adc_bits=20, read_v=-0.4, segment_ohm=0.001)


@pytest.mark.parametrize(
    ("x", "start", "expected"),
    [((120, 55), (1, 1, -1), (10241, 121, -1386)), ((0, 10), (0, 0, 0), (-320, 0, 10))],
)
def test_offset_mapping(x: tuple[int, int], start: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    """The integers of analog-cim-sim's test of I_UINT_W_OFFS."""
    weights = np.array([[100, -32], [1, 0], [-12, 1]])
    assert tuple(offset_mvm(PUBLISHED, weights, np.array(x), np.array(start))) == expected


def test_differential_mapping() -> None:
    """The integers of analog-cim-sim's test of I_DIFF_W_DIFF."""
    crossbar = Crossbar(32, (1, 3, 4), 5, 30, 20, -0.4, 0.01)
    weights = np.array([[100, -32], [1, 0], [12, 1]])
    assert tuple(differential_mvm(crossbar, weights, np.array((-120, 55)), np.array((1, 1, -1)))) == (
        -13759, -119, -1386,
    )  # fmt: skip


def test_few_bits_are_not_enough() -> None:
    """The same MVM through ADCs of 4 bits is wrong, so the check can fail."""
    coarse = Crossbar(32, (1, 3, 4), 5, 30, 4, -0.4, 0.001)
    weights = np.array([[100, -32], [1, 0], [-12, 1]])
    assert tuple(offset_mvm(coarse, weights, np.array((120, 55)), np.zeros(3, np.int64))) != (10240, 120, -1385)


def test_noise_is_a_bell_without_memory() -> None:
    drawn = deviation(7, 3, np.arange(2000)[:, None], np.arange(256))
    assert abs(drawn).max() <= MOST
    assert abs(drawn.mean()) < 4 * SIGMA / drawn.size**0.5
    assert drawn.std() == pytest.approx(SIGMA, rel=0.005)
    assert np.mean(np.abs(drawn) > 2 * SIGMA) == pytest.approx(0.0455, abs=0.003)
    for axis in (0, 1):
        shifted = np.roll(drawn, 1, axis)
        assert abs(np.corrcoef(drawn.ravel(), shifted.ravel())[0, 1]) < 0.006
    for other in (deviation(8, 3, 0, np.arange(256)), deviation(7, 4, 0, np.arange(256))):
        assert abs(np.corrcoef(drawn[0], other)[0, 1]) < 0.25

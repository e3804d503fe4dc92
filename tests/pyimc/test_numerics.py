# SPDX-License-Identifier: Apache-2.0
"""Multipliers against exact rational arithmetic, rounding against Python's integers."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimc.numerics import clamp, quantise_multiplier, quantise_multipliers, round_shift

FACTORS = st.floats(min_value=0, max_value=2.0**30 - 1)


@given(FACTORS)
def test_a_multiplier_is_the_nearest_of_31_bits(real: float) -> None:
    m0, shift = quantise_multiplier(real)
    assert 0 <= m0 < 2**31
    assert 1 <= shift <= 62
    assert abs(Fraction(real) * 2**shift - m0) <= Fraction(1, 2)
    assert m0 >= 2**30 or shift == 62 or real == 0, "a bit of precision is given away"


@pytest.mark.parametrize("exponent", range(-62, 30))
def test_a_power_of_two_is_exact(exponent: int) -> None:
    m0, shift = quantise_multiplier(2.0**exponent)
    assert Fraction(m0, 2**shift) == Fraction(2) ** exponent


@pytest.mark.parametrize("exponent", [-20, 0, 29])
def test_rounding_that_carries_into_bit_31_takes_a_smaller_shift(exponent: int) -> None:
    real = math.ldexp(math.nextafter(1.0, 0.0), exponent)
    m0, shift = quantise_multiplier(real)
    assert m0 == 2**30
    assert Fraction(m0, 2**shift) == Fraction(2) ** exponent


@pytest.mark.parametrize("real", [-1.0, math.nan, math.inf, 2.0**30, math.nextafter(2.0**30, 0)])
def test_a_factor_out_of_range_is_refused(real: float) -> None:
    with pytest.raises(ValueError, match="scale factor"):
        quantise_multiplier(real)


@given(st.lists(FACTORS, min_size=1, max_size=5))
def test_common_multipliers_are_nearest_at_the_shift_of_the_largest(reals: list[float]) -> None:
    multipliers, shift = quantise_multipliers(reals)
    assert (max(multipliers), shift) == quantise_multiplier(max(reals))
    for real, m0 in zip(reals, multipliers, strict=True):
        assert abs(Fraction(real) * 2**shift - m0) <= Fraction(1, 2)


@given(st.integers(-(2**62), 2**62), st.integers(1, 62))
def test_round_shift_rounds_half_up_without_overflow(product: int, shift: int) -> None:
    expected = math.floor(Fraction(product, 2**shift) + Fraction(1, 2))
    assert round_shift(np.array([product], np.int64), shift).tolist() == [expected]
    assert round_shift(np.array([product], np.int64), np.array([shift], np.uint8)).tolist() == [expected]


def test_halves_go_up_on_both_sides_of_zero() -> None:
    assert round_shift(np.array([-3, -2, -1, 0, 1, 2, 3], np.int64), 1).tolist() == [-1, -1, 0, 0, 1, 1, 2]


def test_clamp_saturates_to_its_limits() -> None:
    result = clamp(np.array([-(2**40), 2, 3, 7, 8, 2**40], np.int64), (3, 7))
    assert result.dtype == np.uint8
    assert result.tolist() == [3, 3, 3, 7, 7, 7]

"""The integer arithmetic that every level shares: multiplier and shift, rounding, clamp.

A real factor `r > 0` becomes `m0 / 2**shift` with `0 <= m0 < 2**31` and `1 <= shift <= 62`; applying it to an
integer rounds half up, towards plus infinity: `(x * m0 + 2**(shift - 1)) >> shift` with an arithmetic shift.

Why 64 bits suffice: an accumulator is below 2**31 in magnitude and a multiplier below 2**31, so a product is
below 2**62; the rounding term is at most 2**61; the sum stays below 2**63. `pyimc.network_rules.verify` checks the
accumulator bound for every node.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MULTIPLIER_BITS = 31
SHIFT_MIN = 1
SHIFT_MAX = 62
UINT8_MAX = 255


def quantise_multiplier(real: float) -> tuple[int, int]:
    """The multiplier and shift nearest to a real factor, with as many significant bits as fit.

    Args:
        real: The factor, finite, at least 0 and below 2**30 when rounded to 31 bits.

    Returns:
        `(m0, shift)` with `m0 / 2**shift` nearest to `real`. A power of two is exact.

    Raises:
        ValueError: The factor is negative, not finite, or too large.
    """
    (m0,), shift = quantise_multipliers([real])
    return m0, shift


def quantise_multipliers(reals: Sequence[float]) -> tuple[tuple[int, ...], int]:
    """Multipliers with one common shift, which the largest factor decides.

    Args:
        reals: Factors, at least one, each as for `quantise_multiplier`.

    Returns:
        The multipliers in the order of `reals`, and the shift.

    Raises:
        ValueError: A factor is negative, not finite, or too large.
    """
    largest = max(reals)
    if not all(math.isfinite(real) and real >= 0 for real in reals):
        raise ValueError(f"a scale factor must be finite and not negative, got {list(reals)}")
    if largest == 0:
        return (0,) * len(reals), SHIFT_MIN
    shift = min(MULTIPLIER_BITS - math.frexp(largest)[1], SHIFT_MAX)
    if round(math.ldexp(largest, shift)) == 1 << MULTIPLIER_BITS:  # rounding carried into bit 31
        shift -= 1
    if shift < SHIFT_MIN:
        raise ValueError(f"a scale factor must be below 2**{MULTIPLIER_BITS - SHIFT_MIN}, got {largest}")
    return tuple(round(math.ldexp(real, shift)) for real in reals), shift


def round_shift(product: NDArray[np.int64], shift: int | NDArray[np.uint8]) -> NDArray[np.int64]:
    """Divide by `2**shift`, rounding half up.

    Args:
        product: int64, any shape, magnitude at most 2**62.
        shift: 1..62, a number or an array that broadcasts against `product`.

    Returns:
        int64 of the broadcast shape.
    """
    places = np.asarray(shift, np.int64)
    half = np.left_shift(np.int64(1), places - 1)
    return np.right_shift(product + half, places)


def clamp(values: NDArray[np.int64], limits: tuple[int, int]) -> NDArray[np.uint8]:
    """Saturate to `limits`, both included and within 0..255.

    Args:
        values: int64, any shape.
        limits: Lowest and highest result.

    Returns:
        uint8 of the same shape.
    """
    return np.clip(values, limits[0], limits[1]).astype(np.uint8)

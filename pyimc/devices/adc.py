# SPDX-License-Identifier: Apache-2.0
"""An ADC in integers: code = min(2^bits - 1, (multiplier * sum + 2^(shift - 1)) >> shift).

Its range is what the largest code stands for: the largest sum that there can be ("max"), or one that calibration has
found ("calibrated"). The multiplier has as many bits as the product may have, so that rounding it costs no code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimc.errors import ConfigError

Integers = NDArray[np.int64]
MULTIPLIER_BITS = 24


@dataclass(frozen=True, slots=True)
class Adc:
    """Attributes:
    bits: Of a code.
    multiplier: Codes per unit of the sum, times 2^shift.
    shift: 1 or more.
    """

    bits: int
    multiplier: int
    shift: int

    def codes(self, sums: Integers) -> Integers:
        """int64 codes of int64 sums, which are not negative."""
        return np.minimum((1 << self.bits) - 1, (self.multiplier * sums + (1 << self.shift - 1)) >> self.shift)

    def values(self, codes: Integers) -> Integers:
        """The sums that codes stand for, rounded to integers."""
        return ((codes << self.shift + 1) + self.multiplier) // (2 * self.multiplier)


def adc_for(bits: int, largest: int) -> Adc:
    """An ADC whose largest code stands for `largest`; sums that are larger are clipped.

    Raises:
        ConfigError: No bits, or a range of zero.
    """
    if not 1 <= bits <= 16:
        raise ConfigError(f"adc.bits is {bits}, must be 1 to 16")
    if largest < 1:
        raise ConfigError(f"adc.range is {largest}, must be 1 or more")
    shift = max(1, MULTIPLIER_BITS - bits + largest.bit_length())
    return Adc(bits, (((1 << bits) - 1 << shift) + largest // 2) // largest, shift)


def calibrated(bits: int, sums: Integers, candidates: int = 64) -> Adc:
    """The ADC with the smallest squared error on sums that were seen; the widest of equal ones.

    Args:
        bits: Of a code.
        sums: int64, of calibration.
        candidates: Ranges that are tried, evenly up to the largest sum.
    """
    largest = int(sums.max(initial=0))
    ranges = sorted({max(1, largest * part // candidates) for part in range(1, candidates + 1)}, reverse=True)
    adcs = [adc_for(bits, each) for each in ranges]
    return min(adcs, key=lambda adc: int(np.square(adc.values(adc.codes(sums)) - sums).sum()))

# SPDX-License-Identifier: Apache-2.0
"""Noise of a read, drawn by counting: the same integers in numpy and in sim/rtl/noise.v, in any order of asking.

A deviation is a hash of seed, unit, read and column: the sum of its eight bytes, less 1020. That is a bell with mean 0
and a variance of 8 (256^2 - 1) / 12, cut at 1020, 4.9 sigma.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIGMA = (8 * (256**2 - 1) / 12) ** 0.5
"""Of a deviation: 209.02."""
MOST = 8 * 255 // 2


def deviation(seed: int, unit: ArrayLike, read: ArrayLike, column: ArrayLike) -> NDArray[np.int64]:
    """int64 deviations, -1020..1020; arguments are unsigned 32 bits and broadcast."""
    first = _mixed(_mixed(_mixed(np.uint32(seed), unit), read), column)
    second = _mixed(first, 1)
    total = np.zeros(np.shape(first), np.int64)
    for word in (first, second):
        for byte in range(4):
            total += (word >> np.uint32(8 * byte)).astype(np.int64) & 255
    return total - MOST


def _mixed(state: NDArray[np.uint32] | np.uint32, word: ArrayLike) -> NDArray[np.uint32]:
    """MurmurHash3's finaliser over the state and one more word."""
    with np.errstate(over="ignore"):
        x = (np.asarray(state, np.uint32) ^ np.asarray(word, np.uint32)) + np.uint32(0x9E3779B9)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        return np.asarray(x ^ (x >> np.uint32(16)), np.uint32)

# SPDX-License-Identifier: Apache-2.0
"""The crossbar's arithmetic, in integers: tiles, bit steps, column sums, conversion, shift and add.

    y = sum over row tiles of sum over bit steps k of convert(slice_k(x) @ cells) << (k * dac_bits)    - 128 sum(x)

A cell holds w + 128. Conversion is ideal so far: `convert` here, `rtl/adc.v` in hardware. With it, `multiply` is the
exact product, which is why the golden model may multiply whole matrices (`pyimc.operators.mvm`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimc.program import WEIGHT_ZERO

INPUT_BITS = 8

Integers = NDArray[np.int64]


def bit_slices(x: NDArray[np.uint8], dac_bits: int) -> NDArray[np.uint8]:
    """What the DACs drive: uint8 [steps, ...] of inputs uint8 [...], the lowest bits first."""
    shifts = np.arange(0, INPUT_BITS, dac_bits, dtype=np.uint8).reshape(-1, *[1] * x.ndim)
    return x >> shifts & np.uint8((1 << dac_bits) - 1)


def column_sums(x: NDArray[np.uint8], cells: NDArray[Any], dac_bits: int) -> Integers:
    """The sums of every bit step, exact.

    Args:
        x: uint8 [..., rows].
        cells: [rows, columns], uint8, or as `exact_cells` gives them for many calls.
        dac_bits: Input bits of a step.

    Returns:
        int64 [steps, ..., columns].
    """
    cells = exact_cells(cells, dac_bits)
    return (bit_slices(x, dac_bits).astype(cells.dtype) @ cells).astype(np.int64)


def exact_cells(cells: NDArray[Any], dac_bits: int) -> NDArray[np.floating[Any]]:
    """Cells in the smallest float that holds every sum: float32 any integer below 2**24, float64 all others here."""
    if cells.dtype.kind == "f":
        return cells
    largest = cells.shape[0] * 255 * ((1 << dac_bits) - 1)
    return cells.astype(np.float32 if largest < 1 << 24 else np.float64)


def convert(sums: Integers) -> Integers:
    """The value that an ADC gives for a column sum: rtl/adc.v, which is ideal."""
    return sums


def shift_add(codes: Integers, dac_bits: int) -> Integers:
    """Codes int64 [steps, ...] to products int64 [...]."""
    steps = np.arange(len(codes)).reshape(-1, *[1] * (codes.ndim - 1))
    return (codes << steps * dac_bits).sum(axis=0)


def multiply(x: NDArray[np.uint8], weights: NDArray[np.int8], rows: int, dac_bits: int) -> Integers:
    """A matrix on crossbars of `rows` rows, tile by tile, step by step.

    Args:
        x: uint8 [vectors, height].
        weights: int8 [height, width].
        rows: Of a crossbar plane.
        dac_bits: Input bits of a step.

    Returns:
        int64 [vectors, width].
    """
    cells = (weights.astype(np.int16) + WEIGHT_ZERO).astype(np.uint8)
    total = np.zeros((len(x), weights.shape[1]), np.int64)
    for first in range(0, len(weights), rows):
        tile = slice(first, first + rows)
        total += shift_add(convert(column_sums(x[:, tile], cells[tile], dac_bits)), dac_bits)
    return total - WEIGHT_ZERO * x.sum(axis=1, dtype=np.int64)[:, None]

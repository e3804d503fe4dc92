# SPDX-License-Identifier: Apache-2.0
"""The crossbar's arithmetic, in integers: tiles, bit steps, column sums, conversion, shift and add.

    y = sum over row tiles of sum over bit steps k of convert(slice_k(x) @ cells) << (k * dac_bits)    - 128 sum(x)

A cell holds w + 128. Conversion is `convert` here and `rtl/adc.v` in hardware. Where it is ideal, `multiply` is the
exact product, which is why the golden model may multiply whole matrices (`pyimc.operators.mvm`); where it is not, this
is what the physical golden model computes (`pyimc.physical`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimc.arch import Crossbar
from pyimc.program import WEIGHT_ZERO

INPUT_BITS = 8

VECTORS = 2048  # that are multiplied at once: their sums of all steps stay within a cache of some megabytes

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Converter:
    """A converter that rounds and clips.

    Attributes:
        bits: Of a code.
        shift: A step is 2**shift.
    """

    bits: int
    shift: int


def widest_shift(bits: int, height: int, crossbar: Crossbar) -> int:
    """The shift whose codes cover every sum of a matrix of `height` rows, the last half step clipped if need be."""
    return max(0, largest_sum(min(height, crossbar.rows), crossbar.dac_bits).bit_length() - bits)


def converter_of(crossbar: Crossbar, height: int, calibrated: int | None) -> Converter | None:
    """How the sums of a layer are converted.

    Args:
        crossbar: With its `adc`.
        height: Rows of the layer's matrix.
        calibrated: The shift that calibration has found for the layer; None if there was none: the widest.

    Returns:
        None if converters are ideal. Its shift is at most the widest: a value fits what holds a sum.
    """
    if crossbar.adc is None:
        return None
    widest = widest_shift(crossbar.adc.bits, height, crossbar)
    return Converter(crossbar.adc.bits, widest if calibrated is None else min(calibrated, widest))


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
    return cells.astype(np.float32 if largest_sum(len(cells), dac_bits) < 1 << 24 else np.float64)


def largest_sum(rows: int, dac_bits: int) -> int:
    """Of a column: the largest cells, all driven as high as can be."""
    return rows * 255 * ((1 << dac_bits) - 1)


def convert(sums: Integers, converter: Converter | None = None) -> Integers:
    """The values that converters give for column sums, int64 of any shape: rtl/adc.v. Ideal ones give the sums."""
    if converter is None:
        return sums
    half = (1 << converter.shift) >> 1
    return np.minimum((sums + half) >> converter.shift, (1 << converter.bits) - 1) << converter.shift


def shift_add(values: Integers, dac_bits: int) -> Integers:
    """Values int64 [steps, ...] to products int64 [...]."""
    steps = np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1))
    return (values << steps * dac_bits).sum(axis=0)


def row_tiles(x: NDArray[np.uint8], weights: NDArray[np.int8], crossbar: Crossbar) -> Iterator[tuple[slice, Integers]]:
    """The column sums of a matrix, of some vectors and a row tile at a time.

    Args:
        x: uint8 [vectors, height].
        weights: int8 [height, width].
        crossbar: Its rows and DACs.

    Yields:
        Which vectors, and sums int64 [steps, these vectors, width].
    """
    cells = (weights.astype(np.int16) + WEIGHT_ZERO).astype(np.uint8)
    for first in range(0, len(weights), crossbar.rows):
        tile = slice(first, first + crossbar.rows)
        exact = exact_cells(cells[tile], crossbar.dac_bits)
        for start in range(0, len(x), VECTORS):
            some = slice(start, start + VECTORS)
            yield some, column_sums(x[some, tile], exact, crossbar.dac_bits)


def multiply(
    x: NDArray[np.uint8], weights: NDArray[np.int8], crossbar: Crossbar, converter: Converter | None = None
) -> Integers:
    """A matrix on crossbars, tile by tile, step by step.

    Args:
        x: uint8 [vectors, height].
        weights: int8 [height, width].
        crossbar: Its rows and DACs.
        converter: Its ADCs; None if they are ideal.

    Returns:
        int64 [vectors, width].
    """
    total = np.zeros((len(x), weights.shape[1]), np.int64)
    for some, sums in row_tiles(x, weights, crossbar):
        total[some] += shift_add(convert(sums, converter), crossbar.dac_bits)
    return total - WEIGHT_ZERO * x.sum(axis=1, dtype=np.int64)[:, None]

# SPDX-License-Identifier: Apache-2.0
"""The crossbar's arithmetic, in integers: tiles, reads, bit steps, slices, conversion, shift and add.

    y = sum over row tiles, their reads, bit steps k, slices s of
        convert(slice_k(x) @ cells_s) << (k * dac_bits + s * cell_bits)            - 128 sum(x), if weights are offset

The cells of a weight hold w + 128, `cell_bits` in each; or, if differential, the magnitude of w, in cells that count
positive or in cells that count negative. A read drives at most `rows_per_read` rows of a tile. Conversion is `convert`
here and `rtl/adc.v` in hardware. Where it is ideal, `multiply` is the exact product, which is why the golden model may
multiply whole matrices (`pyimc.operators.mvm`); where it is not, this is what the physical golden model computes
(`pyimc.physical`). What real cells hold in the place of these is in `pyimc.devices.layer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimc.arch import Crossbar

INPUT_BITS = 8

WEIGHT_ZERO = 128
"""What a chip with offset weights adds to each before it stores it as a byte."""

VECTORS = 2048  # that are multiplied at once: their sums of all steps stay within a cache of some megabytes

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Converter:
    """A converter that rounds and clips.

    Attributes:
        bits: Of a code.
        shift: A step is 2**shift levels.
        signed: Codes are of both signs.
        fraction: Bits of a sum behind the point.
    """

    bits: int
    shift: int
    signed: bool = False
    fraction: int = 0

    @property
    def largest(self) -> int:
        """Code; the smallest one is its negative, or 0."""
        return (1 << self.bits - self.signed) - 1


def widest_shift(bits: int, height: int, crossbar: Crossbar) -> int:
    """The shift whose codes cover every sum of a matrix of `height` rows, the last half step clipped if need be."""
    largest = largest_sum(min(height, crossbar.driven), crossbar)
    return max(0, largest.bit_length() - (bits - crossbar.differential))


def converter_of(crossbar: Crossbar, height: int, calibrated: int | None) -> Converter | None:
    """How the sums of a layer are converted.

    Args:
        crossbar: With its `adc`.
        height: Rows of the layer's matrix.
        calibrated: The shift that calibration has found for the layer; None if there was none: the widest.

    Returns:
        None if converters are ideal. Its shift is at most the widest: a value fits what holds a sum.
    """
    if crossbar.exact:
        return None
    if crossbar.adc is None:
        return Converter(ample_bits(crossbar), 0, crossbar.differential, crossbar.fraction_bits)
    widest = widest_shift(crossbar.adc.bits, height, crossbar)
    shift = widest if calibrated is None else min(calibrated, widest)
    return Converter(crossbar.adc.bits, shift, crossbar.differential, crossbar.fraction_bits)


def ample_bits(crossbar: Crossbar) -> int:
    """Of a converter that nobody described, of real cells: a code for every level of twice the largest ideal sum."""
    return (2 * largest_sum(crossbar.driven, crossbar)).bit_length() + crossbar.differential


def stored(weights: NDArray[np.int8], crossbar: Crossbar) -> NDArray[np.uint8]:
    """Weights as a chip is given them, a byte each: w + 128, or if differential w itself in two's complement."""
    return weights.view(np.uint8) if crossbar.differential else (weights.view(np.uint8) ^ np.uint8(WEIGHT_ZERO))


def cells(image: NDArray[np.uint8], crossbar: Crossbar) -> NDArray[np.uint8]:
    """What the cells of some weights hold.

    Args:
        image: uint8 [...], as `stored`.
        crossbar: Its cells.

    Returns:
        uint8 [slices, signs, ...]: the slice of the lowest bits first; of two signs the positive first.
    """
    signs = image[np.newaxis]
    if crossbar.differential:
        values = image.view(np.int8).astype(np.int16)
        signs = np.stack([np.maximum(values, 0), np.maximum(-values, 0)]).astype(np.uint8)
    shifts = np.arange(0, 8, crossbar.cell_bits, dtype=np.uint8).reshape(-1, *[1] * signs.ndim)
    return signs >> shifts & np.uint8((1 << crossbar.cell_bits) - 1)


def columns(plane: NDArray[np.uint8], crossbar: Crossbar) -> NDArray[np.uint8]:
    """The cells of a plane, uint8 [rows, columns], as rtl/imc_array.v has them: in the order of their conversion.

    Args:
        plane: uint8 [rows, outputs], as `stored`.
        crossbar: Its cells and how many columns are converted at once.
    """
    return in_columns(cells(plane, crossbar), crossbar)


def in_columns(held: NDArray[Any], crossbar: Crossbar) -> NDArray[Any]:
    """Cells [slices, signs, rows, outputs] of a plane as [rows, columns], in the order of their conversion."""
    slices, signs, rows, outputs = held.shape
    grouped = held.reshape(slices, signs, rows, outputs // crossbar.adcs, crossbar.adcs)
    return grouped.transpose(2, 3, 0, 1, 4).reshape(rows, -1)


def bit_slices(x: NDArray[np.uint8], dac_bits: int) -> NDArray[np.uint8]:
    """What the DACs drive: uint8 [steps, ...] of inputs uint8 [...], the lowest bits first."""
    shifts = np.arange(0, INPUT_BITS, dac_bits, dtype=np.uint8).reshape(-1, *[1] * x.ndim)
    return x >> shifts & np.uint8((1 << dac_bits) - 1)


def column_sums(x: NDArray[np.uint8], conductances: NDArray[Any], dac_bits: int) -> Integers:
    """The sums of every bit step, exact.

    Args:
        x: uint8 [..., rows].
        conductances: [rows, columns], integers, or as `exact` gives them for many calls.
        dac_bits: Input bits of a step.

    Returns:
        int64 [steps, ..., columns].
    """
    conductances = exact(conductances, dac_bits)
    return (bit_slices(x, dac_bits).astype(conductances.dtype) @ conductances).astype(np.int64)


def exact(conductances: NDArray[Any], dac_bits: int) -> NDArray[np.floating[Any]]:
    """In the smallest float that holds every sum: float32 any integer below 2**24, float64 all others here."""
    if conductances.dtype.kind == "f":
        return conductances
    most = len(conductances) * int(np.abs(conductances.astype(np.int32)).max(initial=0)) * ((1 << dac_bits) - 1)
    return conductances.astype(np.float32 if most < 1 << 24 else np.float64)


def largest_level(crossbar: Crossbar) -> int:
    """Of a cell."""
    cell = (1 << crossbar.cell_bits) - 1
    return min(cell, WEIGHT_ZERO) if crossbar.differential else cell


def largest_sum(rows: int, crossbar: Crossbar) -> int:
    """Of a column, or of a differential pair: the largest cells, all driven as high as can be."""
    return rows * largest_level(crossbar) * ((1 << crossbar.dac_bits) - 1)


def convert(sums: Integers, converter: Converter | None = None) -> Integers:
    """The values that converters give for column sums, int64 of any shape: rtl/adc.v. Ideal ones give the sums."""
    if converter is None:
        return sums
    below, largest = converter.shift + converter.fraction, converter.largest
    return (
        np.clip((sums + ((1 << below) >> 1)) >> below, -largest if converter.signed else 0, largest) << converter.shift
    )


def places(crossbar: Crossbar) -> Integers:
    """How far shift-and-add shifts what is converted, in bits: int64 [steps, slices]."""
    steps, slices = np.arange(0, INPUT_BITS, crossbar.dac_bits), np.arange(0, 8, crossbar.cell_bits)
    return steps[:, np.newaxis] + slices


def shift_add(values: Integers, crossbar: Crossbar) -> Integers:
    """Values int64 [steps, slices, ...] to products int64 [...]."""
    shifts = places(crossbar)
    return (values << shifts.reshape(*shifts.shape, *[1] * (values.ndim - 2))).sum(axis=(0, 1))


def signed_cells(weights: NDArray[np.int8], crossbar: Crossbar) -> NDArray[np.int16]:
    """What a converter gets of each cell or pair of ideal ones: int16 [height, slices, width]."""
    signs = cells(stored(weights, crossbar), crossbar).astype(np.int16)
    return of_pairs(signs.transpose(2, 0, 1, 3), crossbar)


def of_pairs(signs: NDArray[Any], crossbar: Crossbar) -> NDArray[Any]:
    """What a converter gets of signed numbers [..., signs, columns], one of each cell: [..., columns]."""
    return signs[..., 0, :] - signs[..., 1, :] if crossbar.differential else signs[..., 0, :]


def reads(x: NDArray[np.uint8], held: NDArray[Any], crossbar: Crossbar) -> Iterator[tuple[int, slice, NDArray[Any]]]:
    """The column sums of a matrix, of a read of a row tile and some vectors at a time.

    Args:
        x: uint8 [vectors, height].
        held: Integers [height, slices, width], as `signed_cells`.
        crossbar: Its rows, cells and DACs.

    Yields:
        The first row that is driven, which vectors, and sums [steps, these vectors, slices, width], floats that are
        integers; of differential columns, differences.
    """
    count = max(1, VECTORS // crossbar.slices)
    for first in range(0, len(held), crossbar.driven):  # they divide a tile's rows
        rows = slice(first, first + crossbar.driven)
        conductances = exact(held[rows].reshape(-1, held.shape[1] * held.shape[2]), crossbar.dac_bits)
        for start in range(0, len(x), count):
            some = slice(start, start + count)
            sums = bit_slices(x[some, rows], crossbar.dac_bits).astype(conductances.dtype) @ conductances
            yield first, some, sums.reshape(*sums.shape[:2], *held.shape[1:])


def multiply(
    x: NDArray[np.uint8], weights: NDArray[np.int8], crossbar: Crossbar, converter: Converter | None = None
) -> Integers:
    """A matrix on crossbars of ideal cells, read by read, step by step, slice by slice.

    Args:
        x: uint8 [vectors, height].
        weights: int8 [height, width].
        crossbar: Its rows, cells and DACs.
        converter: Its ADCs; None if they are ideal.

    Returns:
        int64 [vectors, width].
    """
    total = np.zeros((len(x), weights.shape[1]), np.int64)
    for _, some, sums in reads(x, signed_cells(weights, crossbar), crossbar):
        total[some] += shift_add(convert(sums.astype(np.int64), converter).transpose(0, 2, 1, 3), crossbar)
    return total - offset(x, crossbar)


def offset(x: NDArray[np.uint8], crossbar: Crossbar) -> Integers:
    """What the offset of weights adds to the sums of uint8 [vectors, height]: int64 [vectors, 1]."""
    return (0 if crossbar.differential else WEIGHT_ZERO) * x.sum(axis=1, dtype=np.int64)[:, np.newaxis]

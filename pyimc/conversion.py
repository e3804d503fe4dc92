# SPDX-License-Identifier: Apache-2.0
"""Converters that round and clip, at the speed of a loop: noise, conversion, shift and add of a read in one pass.

What each step does is said by `pyimc.crossbar.convert` and `shift_add` and by `pyimc.devices.noise.deviation`; a test
holds the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pyimc.arch import Crossbar
from pyimc.crossbar import Converter, Integers, places


@dataclass(frozen=True, slots=True)
class Noise:
    """Of the conversions of a layer.

    Attributes:
        seed: Of all that is drawn.
        unit: Number of the layer: another one draws otherwise.
        amplitude: That of `pyimc.devices.layer.Held`.
        first: Number of the first conversion.
    """

    seed: int
    unit: int
    amplitude: int
    first: int = 0


class Order(NamedTuple):
    """When the columns of a read are converted, relative to the first conversion of their pixel.

    Attributes:
        pixel: Conversions of a pixel, all its row tiles and reads.
        start: int64 [width], of the lowest slice in the first step.
        step: int64 [width], from one bit step to the next.
        converter: int64 [width], which one converts it.
    """

    pixel: int
    start: Integers
    step: Integers
    converter: Integers


def order(height: int, width: int, row: int, crossbar: Crossbar) -> Order:
    """As rtl/converter.v goes through a matrix: row tiles, column tiles, reads, bit steps, groups, slices.

    Args:
        height: Rows of the layer's matrix.
        width: Its columns.
        row: Its first row that the read drives.
        crossbar: What it is on.
    """
    columns, steps, slices = np.arange(width), len(places(crossbar)), crossbar.slices
    groups = np.array([-(-min(crossbar.outputs, width - first) // crossbar.adcs)
                       for first in range(0, width, crossbar.outputs)])  # fmt: skip
    each = steps * slices * int(groups.sum())  # conversions of a read of all column tiles
    tile, within = divmod(row, crossbar.rows)
    reads = [crossbar.reads(min(crossbar.rows, height - first)) for first in range(0, height, crossbar.rows)]
    plane = columns // crossbar.outputs
    before = sum(reads[:tile]) * each + reads[tile] * steps * slices * (np.cumsum(groups) - groups)[plane]
    read = within // crossbar.driven * steps * slices * groups[plane]
    start = before + read + columns % crossbar.outputs // crossbar.adcs * slices
    return Order(sum(reads) * each, start, groups[plane] * slices, columns % crossbar.adcs)


def add_read(
    total: Integers, sums: NDArray[Any], converter: Converter, crossbar: Crossbar, noise: Noise | None, when: Order,
    vector: int,
) -> None:  # fmt: skip
    """Converts the sums of a read, shifts them and adds them up.

    Args:
        total: int64 [vectors, width], added to.
        sums: [steps, vectors, slices, width], floats that are integers.
        converter: What they are converted by.
        crossbar: Whose they are.
        noise: None if there is none.
        when: Their conversions.
        vector: Number of the first vector: of pixels, from the first one of the image.
    """
    low = -converter.largest if converter.signed else 0
    seed, unit, amplitude, first = (
        (noise.seed, noise.unit, noise.amplitude, noise.first + vector * when.pixel) if noise else (0, 0, 0, 0)
    )
    _add_read(
        total, sums, places(crossbar), converter.shift, converter.fraction, low, converter.largest, seed, unit,
        amplitude, first & 0xFFFFFFFF, when.pixel, when.start, when.step, when.converter,
    )  # fmt: skip


@njit(inline="always", error_model="numpy")
def _mixed(state: Any, word: Any) -> Any:
    x = ((state ^ word) + 0x9E3779B9) & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return x ^ (x >> 16)


@njit(inline="always", error_model="numpy")
def _bytes(word: Any) -> Any:
    pairs = (word & 0x00FF00FF) + ((word >> 8) & 0x00FF00FF)
    return (pairs + (pairs >> 16)) & 0xFFFF


@njit(cache=True, nogil=True, error_model="numpy")
def _add_read(
    total: Any, sums: Any, place: Any, shift: int, fraction: int, low: int, high: int, seed: int, unit: int,
    amplitude: int, first: int, pixel: int, start: Any, step: Any, lane: Any,
) -> None:  # fmt: skip
    steps, vectors, slices, width = sums.shape
    below = shift + fraction
    half = (1 << below) >> 1
    state = _mixed(seed, unit)
    for v in range(vectors):
        for k in range(steps):
            for s in range(slices):
                up = shift + place[k, s]
                for c in range(width):
                    value = np.int64(sums[k, v, s, c])
                    if amplitude:
                        number = (first + v * pixel + start[c] + k * step[c] + s) & 0xFFFFFFFF
                        word = _mixed(_mixed(state, number), lane[c])
                        drawn = _bytes(word) + _bytes(_mixed(word, 1)) - 1020
                        value += (drawn * amplitude + 32768) >> 16
                    code = (value + half) >> below
                    total[v, c] += min(max(code, low), high) << up

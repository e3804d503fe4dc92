# SPDX-License-Identifier: Apache-2.0
"""A layer's cells: what a matrix of weights becomes in real cells, wherever a chip puts it.

Draws are seeded with the weights, so that equal layers have equal cells and may share them. Row tile by row tile; the
first row of a tile counts as next to the converters.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimc.arch import Crossbar
from pyimc.crossbar import Integers, cells, largest_level, stored
from pyimc.devices.cells import Cells, conductances, dropped, fixed
from pyimc.devices.model import Floats
from pyimc.devices.noise import SIGMA
from pyimc.devices.wire import column_conductance

AMPLITUDE_BITS = 16
"""Behind the point of an amplitude, which a deviation of the generator is multiplied by."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What a layer's cells hold.

    Attributes:
        cells: uint16 [rows, slices, signs, columns], in units of 2^-fraction_bits of a level.
        amplitude: Of the noise of its conversions, 2^-AMPLITUDE_BITS of these units for a deviation of 1.
    """

    cells: NDArray[np.uint16]
    amplitude: int


def held(matrix: NDArray[np.int8], crossbar: Crossbar) -> Held:
    """What the cells of a matrix, int8 [rows, columns], hold in a crossbar whose device is real."""
    device = crossbar.device
    assert device
    levels = cells(stored(matrix, crossbar), crossbar)
    slices, signs, height, width = levels.shape
    largest = largest_level(crossbar)
    rng = np.random.default_rng([device.seed, zlib.crc32(np.ascontiguousarray(matrix).tobytes()), height, width])
    found = np.empty((height, slices, signs, width), np.uint16)
    variance = 0.0
    for first in range(0, height, crossbar.rows):
        tile = levels[:, :, first : first + crossbar.rows].astype(np.int64)
        rows = tile.shape[2]
        flat = tile.transpose(2, 0, 1, 3).reshape(rows, -1)
        shares = _by_plane(flat, (slices * signs, width), largest, crossbar, rng)
        dropped_shares = dropped(shares, device, crossbar.driven)
        whole = fixed(dropped_shares, largest, crossbar.cell_bits, device)
        found[first : first + rows] = whole.reshape(rows, slices, signs, width)
        variance += rows / height * _variance(dropped_shares, largest, crossbar) * signs
    sigma = np.sqrt(variance + device.noise**2) * (1 << device.fraction_bits)
    return Held(found, round(float(sigma / SIGMA * (1 << AMPLITUDE_BITS))))


def _by_plane(
    levels: Integers, shape: tuple[int, int], largest: int, crossbar: Crossbar, rng: np.random.Generator
) -> Floats:
    """A row tile, plane by plane, as a gain of a whole tile is that of a plane."""
    device = crossbar.device
    assert device
    parts, width = shape
    split = levels.reshape(len(levels), parts, width)
    found = np.empty(split.shape)
    for first in range(0, width, crossbar.outputs):
        plane = split[:, :, first : first + crossbar.outputs]
        shares = conductances(plane.reshape(len(levels), -1), largest, device, rng)
        found[:, :, first : first + crossbar.outputs] = shares.reshape(plane.shape)
    return found.reshape(levels.shape)


def _variance(shares: Floats, largest: int, crossbar: Crossbar) -> float:
    """Of a mean column of a read in levels, from the noise of its cells, which are independent of each other."""
    device = crossbar.device
    assert device
    if not device.model.flicker:
        return 0.0
    each = np.square(shares * largest * device.model.flicker_sigma(np.minimum(shares, 1.0), device.seconds))
    driven = device.activity * ((1 << crossbar.dac_bits) - 1) ** 2
    return float(each.sum(axis=0).mean() * driven / crossbar.reads(len(shares)))


def dropped_sums(driven: NDArray[np.uint8], held_cells: NDArray[np.uint16], cells_of: Cells, largest: int) -> Integers:
    """Column sums of one bit step with the drop along the bit line for this very input.

    Args:
        driven: 0 or 1, uint8 [vectors, rows] of a tile from its first row on.
        held_cells: uint16 [rows, columns].
        cells_of: With the resistance of their wire.
        largest: The level of the largest conductance.

    Returns:
        int64 [vectors, columns], in the unit of the cells.
    """
    unit_us = cells_of.model.largest_us / (largest << cells_of.fraction_bits)
    reading: Floats = held_cells.astype(np.float64)[:, np.newaxis] * unit_us * driven.T[:, :, np.newaxis]
    return np.rint(column_conductance(reading[::-1], cells_of.segment_ohm) / unit_us).astype(np.int64)

# SPDX-License-Identifier: Apache-2.0
"""The loop over converters does what crossbar.convert, shift_add and noise.deviation say, in the order of the RTL."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyimc.arch import Crossbar
from pyimc.conversion import Noise, add_read, order
from pyimc.crossbar import Converter, convert, shift_add
from pyimc.devices.noise import deviation


def crossbar(**changes: Any) -> Crossbar:
    """128 columns of cells of 4 bits, in pairs."""
    base = {"rows": 64, "columns": 128, "planes": 1, "adcs": 8, "dac_bits": 2, "cell_bits": 4, "rows_per_read": 16}
    return Crossbar(**({"weights": "differential"} | base | changes))


@pytest.mark.parametrize(
    "converter", [Converter(6, 2, True, 4), Converter(8, 0, False, 1), Converter(3, 7), Converter(9, 1, True)]
)
@pytest.mark.parametrize("amplitude", [0, 1, 100_000])
def test_the_loop_is_the_definition(converter: Converter, amplitude: int) -> None:
    chip = crossbar()
    sums = np.random.default_rng(amplitude).integers(-3000, 3000, (4, 20, 2, 37)).astype(np.float32)
    when, noise = order(100, 37, 32, chip), Noise(2**32 - 1, 7, amplitude, 2**32 - 900)
    total = np.ones((20, 37), np.int64)
    add_read(total, sums, converter, chip, noise if amplitude else None, when, 11)
    step, vector, place, column = np.ogrid[:4, :20, :2, :37]
    number = noise.first + (vector + 11) * when.pixel + when.start[column] + step * when.step[column] + place
    drawn = deviation(noise.seed, noise.unit, number.astype(np.int64).astype(np.uint32), when.converter[column])
    noisy = sums.astype(np.int64) + (drawn * amplitude + 32768 >> 16)
    assert np.array_equal(total - 1, shift_add(convert(noisy, converter).transpose(0, 2, 1, 3), chip))


@pytest.mark.parametrize(("height", "width", "columns"), [(100, 37, 128), (64, 32, 128), (150, 33, 64), (3, 5, 512)])
def test_every_conversion_has_a_number_of_its_own(height: int, width: int, columns: int) -> None:
    """Loops as in rtl/converter.v, counted."""
    chip = crossbar(columns=columns)
    seen = {}
    count = 0
    for tile in range(0, height, chip.rows):
        rows = min(chip.rows, height - tile)
        for plane in range(0, width, chip.outputs):
            groups = range(plane, min(plane + chip.outputs, width), chip.adcs)
            for read in range(0, rows, chip.driven):
                for step in range(4):
                    for group in groups:
                        for place in range(chip.slices):
                            for lane in range(chip.adcs):
                                seen[tile + read, step, place, group + lane] = count, lane
                            count += 1
    for row in range(0, height, chip.driven):
        when = order(height, width, row, chip)
        assert when.pixel == count
        for column in range(width):
            for step in range(4):
                for place in range(chip.slices):
                    number = when.start[column] + step * when.step[column] + place
                    assert (number, when.converter[column]) == seen[row, step, place, column]

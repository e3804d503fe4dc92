# SPDX-License-Identifier: Apache-2.0
"""IR drop along a column: what of a cell's current reaches the output through the resistance of the bit line.

Rows are ideal sources; a wire segment lies between neighbouring cells, and one between the last cell and the output,
which is a virtual ground. That is exact for such a column (the same ladder as in analog-cim-sim's parasitics.cpp and in
CrossSim's topology B).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyimc.errors import ConfigError

Floats = NDArray[np.float64]


def column_conductance(cells_us: Floats, segment_ohm: float) -> Floats:
    """What a column is seen as from its output, in uS.

    Args:
        cells_us: float64 [rows, ...], of the cells that are driven; the last row is next to the output.
        segment_ohm: Resistance between two cells; 0 is an ideal wire.
    """
    wire_us = _wire_us(segment_ohm)
    total = np.zeros_like(cells_us[0])
    for cell in cells_us:
        total = total + cell
        if segment_ohm:
            total = total * wire_us / (total + wire_us)
    return total


def shares(cells_us: Floats, segment_ohm: float) -> Floats:
    """Of every cell, the share of its ideal current that flows: one minus the potential of its bit line.

    Args:
        cells_us: As for `column_conductance`.
        segment_ohm: Likewise.

    Returns:
        float64 [rows, ...]; times the cells, they add up to the column's conductance.
    """
    found = np.ones_like(cells_us)
    if not segment_ohm:
        return found
    wire_us = _wire_us(segment_ohm)
    current = column_conductance(cells_us, segment_ohm)
    potential = np.zeros_like(current)
    for row in range(len(cells_us) - 1, -1, -1):
        potential = potential + current / wire_us
        found[row] = 1 - potential
        current = current - cells_us[row] * found[row]
    return found


def _wire_us(segment_ohm: float) -> float:
    if not segment_ohm >= 0:
        raise ConfigError(f"segment_ohm is {segment_ohm}, must be 0 or more")
    return 1e6 / segment_ohm if segment_ohm else float("inf")

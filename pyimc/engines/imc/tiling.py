"""Crossbar tiles: how a layer's weight matrix is cut into windows of crossbar planes.

The matrix has Kh*Kw*Cin rows in the order (ky, kx, c) and one column per output channel. Tile (r, c) is in plane
`r * column_tiles + c` of the layer. A tile names its window inside the plane, so that layers can share planes
later; today every tile starts in the corner of a plane of its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimc.arch import Crossbar
from pyimc.program import WEIGHT_ZERO
from pyimc.tensors import Pair


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of a layer's weight matrix and the window of the plane that holds it.

    Attributes:
        plane: Relative to the layer's first plane.
        row: First row of the window.
        column: First column of the window.
        rows: Height.
        columns: Width.
        matrix_row: First row in the layer's matrix.
        matrix_column: First column in the layer's matrix (output channel).
    """

    plane: int
    row: int
    column: int
    rows: int
    columns: int
    matrix_row: int
    matrix_column: int


def spans(length: int, step: int) -> tuple[Pair, ...]:
    """Start and length of the pieces of `length` that are `step` long, the last one shorter."""
    return tuple((start, min(step, length - start)) for start in range(0, length, step))


def tiles(shape: Pair, crossbar: Crossbar) -> tuple[Tile, ...]:
    """The tiles of a matrix of so many rows and columns, row tiles first to last, column tiles inner."""
    height, width = shape
    windows = [(row, column) for row in spans(height, crossbar.rows) for column in spans(width, crossbar.columns)]
    return tuple(
        Tile(plane=plane, row=0, column=0, rows=row[1], columns=column[1], matrix_row=row[0], matrix_column=column[0])
        for plane, (row, column) in enumerate(windows)
    )


def plane_images(matrix: NDArray[np.int8], crossbar: Crossbar) -> NDArray[np.uint8]:
    """The planes of a matrix, uint8 [planes, rows, columns], offset-binary; cells that no tile covers hold 0."""
    values = (matrix.astype(np.int16) + WEIGHT_ZERO).astype(np.uint8)
    windows = tiles((matrix.shape[0], matrix.shape[1]), crossbar)
    image = np.zeros((len(windows), crossbar.rows, crossbar.columns), np.uint8)
    for tile in windows:
        window = values[
            tile.matrix_row : tile.matrix_row + tile.rows, tile.matrix_column : tile.matrix_column + tile.columns
        ]
        image[tile.plane, tile.row : tile.row + tile.rows, tile.column : tile.column + tile.columns] = window
    return image

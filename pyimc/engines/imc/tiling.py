"""Crossbar tiles: how a layer's weight matrix is cut into windows of crossbar planes.

The matrix has Kh*Kw*Cin rows in the order (ky, kx, c) and one column per output channel. Tile (r, c) is in plane
`r * column_tiles + c` of the layer. Tiles that fill a plane's rows start at row 0, only those of the last row tile can
start elsewhere, and likewise with columns: so a corner, one row and one column, places all of a layer's tiles, and
several layers can share planes. A row is any row; a column is the first of an ADC group. Columns are
those of weights, of however many cells each.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyimc.arch import Crossbar
from pyimc.crossbar import in_columns, stored
from pyimc.tensors import Pair


class Corner(NamedTuple):
    """Where in their planes the last row tile and the last column tile start."""

    row: int = 0
    column: int = 0


FIRST = Corner()


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


def tiles(shape: Pair, crossbar: Crossbar, corner: Corner = FIRST) -> tuple[Tile, ...]:
    """The tiles of a matrix of so many rows and columns, row tiles first to last, column tiles inner."""
    rows, columns = spans(shape[0], crossbar.rows), spans(shape[1], crossbar.outputs)
    windows = [(row, column) for row in rows for column in columns]
    return tuple(
        Tile(
            plane=plane,
            row=corner.row if row == rows[-1] else 0,
            column=corner.column if column == columns[-1] else 0,
            rows=row[1],
            columns=column[1],
            matrix_row=row[0],
            matrix_column=column[0],
        )
        for plane, (row, column) in enumerate(windows)
    )


def corner_faults(shape: Pair, crossbar: Crossbar, corner: Corner) -> list[str]:
    """Why the last tiles of a matrix cannot start there."""
    faults = []
    rows, columns = spans(shape[0], crossbar.rows)[-1][1], spans(shape[1], crossbar.outputs)[-1][1]
    if not 0 <= corner.row <= crossbar.rows - rows:
        faults.append(f"row is {corner.row}, must be 0 to {crossbar.rows - rows} for a tile of {rows} rows")
    groups = -(-columns // crossbar.adcs)
    last = crossbar.outputs - groups * crossbar.adcs
    if not 0 <= corner.column <= last or corner.column % crossbar.adcs:
        multiple = f"a multiple of {crossbar.adcs}, the ADCs, from 0 to {last}"
        faults.append(f"column is {corner.column}, must be {multiple} for a tile of {columns} columns")
    return faults


def cell_images(held: NDArray[np.uint16], crossbar: Crossbar, corner: Corner = FIRST) -> NDArray[np.uint16]:
    """What the cells of the planes of a matrix hold, in the order of their conversion.

    Args:
        held: uint16 [rows, slices, signs, columns], as `pyimc.devices.layer.Held`.
        crossbar: What it is on.
        corner: Of its last tiles.

    Returns:
        uint16 [planes, rows, columns of cells]; cells that no tile covers hold 0.
    """
    windows = tiles((held.shape[0], held.shape[3]), crossbar, corner)
    image = np.zeros((len(windows), crossbar.rows, *held.shape[1:3], crossbar.outputs), np.uint16)
    for tile in windows:
        window = held[
            tile.matrix_row : tile.matrix_row + tile.rows, ..., tile.matrix_column : tile.matrix_column + tile.columns
        ]
        image[tile.plane, tile.row : tile.row + tile.rows, ..., tile.column : tile.column + tile.columns] = window
    return np.stack([in_columns(plane.transpose(1, 2, 0, 3), crossbar) for plane in image])


def plane_images(matrix: NDArray[np.int8], crossbar: Crossbar, corner: Corner = FIRST) -> NDArray[np.uint8]:
    """The planes of a matrix, uint8 [planes, rows, outputs] as `stored`; bytes that no tile covers hold 0."""
    values = stored(matrix, crossbar)
    windows = tiles((matrix.shape[0], matrix.shape[1]), crossbar, corner)
    image = np.zeros((len(windows), crossbar.rows, crossbar.outputs), np.uint8)
    for tile in windows:
        window = values[
            tile.matrix_row : tile.matrix_row + tile.rows, tile.matrix_column : tile.matrix_column + tile.columns
        ]
        image[tile.plane, tile.row : tile.row + tile.rows, tile.column : tile.column + tile.columns] = window
    return image

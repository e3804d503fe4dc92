"""Crossbar tiles: every weight in exactly one cell, nothing in any other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapping.operators import task
from pyimc.engines.imc.task import CrossbarTask
from pyimc.engines.imc.tiling import spans, tiles
from pyimc.network import Network
from tests.mapping.networks import Builder, small_arch

ARCH = small_arch()  # 64 x 32


def layer(channels: int, outputs: int, kernel: int) -> CrossbarTask:
    """A convolution on an 8x8 map."""
    net = Builder(8, 8, channels)
    network = net.finish(net.conv("c", "x", outputs, (kernel, kernel), (1, 1), (0, 0, 0, 0)))
    return _task(network)


def _task(network: Network) -> CrossbarTask:
    found = task(network.nodes[0], network, ARCH)
    assert isinstance(found, CrossbarTask)
    return found


def test_spans() -> None:
    assert spans(5, 2) == ((0, 2), (2, 2), (4, 1))
    assert spans(4, 2) == ((0, 2), (2, 2))
    assert spans(1, 8) == ((0, 1),)


def test_rows_are_in_im2col_order() -> None:
    net = Builder(8, 8, 3)
    network = net.finish(net.conv("c", "x", 4, (2, 2), (1, 1), (0, 0, 0, 0)))
    ky, kx, c = 1, 0, 2
    weights = network.nodes[0].weights  # type: ignore[attr-defined]
    assert np.array_equal(_task(network).matrix[(ky * 2 + kx) * 3 + c], weights[:, ky, kx * 3 + c])


@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "planes"),
    [(64, 32, 1, 1), (65, 32, 1, 2), (64, 33, 1, 2), (8, 33, 3, 4), (30, 70, 3, 15), (1, 1, 1, 1)],
)
def test_plane_count(channels: int, outputs: int, kernel: int, planes: int) -> None:
    assert layer(channels, outputs, kernel).plane_count(ARCH) == planes


@given(st.integers(1, 40), st.integers(1, 70), st.integers(1, 3))
def test_planes_hold_the_matrix_and_nothing_else(channels: int, outputs: int, kernel: int) -> None:
    node = layer(channels, outputs, kernel)
    image = node.planes(ARCH).astype(np.int16)
    rebuilt = np.zeros(node.matrix.shape, np.int16)
    covered = np.zeros(node.matrix.shape, int)
    for tile in tiles(node.size, ARCH.crossbar):
        source = np.s_[tile.row : tile.row + tile.rows, tile.column : tile.column + tile.columns]
        target = np.s_[
            tile.matrix_row : tile.matrix_row + tile.rows, tile.matrix_column : tile.matrix_column + tile.columns
        ]
        rebuilt[target] = image[tile.plane][source] - 128
        covered[target] += 1
        image[tile.plane][source] = 0
    assert (covered == 1).all()
    assert np.array_equal(rebuilt, node.matrix)
    assert not image.any()


def test_plane_order_is_row_tile_by_row_tile() -> None:
    found = [(tile.plane, tile.matrix_row, tile.matrix_column) for tile in tiles((65, 33), ARCH.crossbar)]
    assert found == [(0, 0, 0), (1, 0, 32), (2, 64, 0), (3, 64, 32)]

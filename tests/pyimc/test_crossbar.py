"""pyimc/crossbar.py: tile by tile and step by step it comes to what golden multiplies at once."""

import numpy as np
import pytest

from pyimc.arch import Crossbar
from pyimc.crossbar import bit_slices, column_sums, multiply, shift_add
from pyimc.network import Mvm
from tests.mapping.networks import Builder


@pytest.mark.parametrize("dac_bits", [1, 2, 4, 8])
def test_slices_add_up_to_the_input(dac_bits: int) -> None:
    x = np.arange(256, dtype=np.uint8)
    slices = bit_slices(x, dac_bits)
    assert slices.shape == (8 // dac_bits, 256) and slices.max() == (1 << dac_bits) - 1
    assert np.array_equal(shift_add(slices.astype(np.int64), dac_bits), x)


@pytest.mark.parametrize("dac_bits", [1, 8])
@pytest.mark.parametrize("rows", [16, 4096])
def test_the_largest_sum_is_exact(rows: int, dac_bits: int) -> None:
    """4096 rows of 255 * 255 are above 2**24, which float32 does not hold."""
    cells = np.full((rows, 3), 255, np.uint8)
    cells[0] = (254, 253, 255)
    sums = column_sums(np.full(rows, 255, np.uint8), cells, dac_bits)
    expected = ((1 << dac_bits) - 1) * cells.sum(axis=0, dtype=np.int64)
    assert np.array_equal(sums, np.tile(expected, (8 // dac_bits, 1)))


@pytest.mark.parametrize(("rows", "dac_bits"), [(8, 1), (16, 2), (64, 4), (256, 8)])
def test_tiles_and_steps_come_to_what_golden_multiplies(rows: int, dac_bits: int) -> None:
    net = Builder(1, 1, 50)
    network = net.finish(net.dense("fc", "x", 24))
    (node,) = network.nodes
    assert isinstance(node, Mvm)
    x = np.random.default_rng(rows).integers(0, 256, (1, 1, 50), dtype=np.uint8)
    weights = node.weights.reshape(node.bias.size, -1).T
    crossbar = Crossbar(rows=rows, columns=8, planes=1, adcs=8, dac_bits=dac_bits)
    product = multiply(x.reshape(1, -1), weights, crossbar) + node.bias
    assert np.array_equal(product, node.accumulate(x).reshape(1, -1))

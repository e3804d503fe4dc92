"""mapping/converters.py: a layer gets the step that costs least on the images of calibration."""

from itertools import product

import numpy as np
import pytest

from mapping.converters import squared_errors, with_calibrated_converters
from pyimc.arch import Arch
from pyimc.crossbar import Converter, convert
from pyimc.network import Mvm, Network
from tests.mapping.networks import Builder, small_arch


def network() -> Network:
    net = Builder(5, 6, 9)
    return net.finish(net.dense("last", net.pool("pool", net.conv("first", "x", 12), "max", (2, 2), (2, 2)), 10))


def chip(bits: int, range_: str = "calibrated") -> Arch:
    return small_arch(crossbar={"adc": {"bits": bits, "range": range_}})


def images(network: Network, brightest: int) -> list[np.ndarray]:
    shape = network.tensors[network.input].shape
    return [np.random.default_rng(seed).integers(0, brightest, shape, dtype=np.uint8) for seed in range(3)]


@pytest.mark.parametrize("arch", [small_arch(), chip(8, "max")], ids=["ideal", "max"])
def test_only_where_the_chip_asks_for_it(arch: Arch) -> None:
    given = network()
    assert with_calibrated_converters(given, arch, images(given, 256)) is given


@pytest.mark.parametrize(
    ("bits", "cells"),
    [
        (2, {}), (5, {}), (8, {}), (4, {"cell_bits": 2, "columns": 128, "rows_per_read": 16}),
        (5, {"cell_bits": 4, "columns": 128, "weights": "differential"}),
    ],
)  # fmt: skip
def test_errors_are_those_of_every_column(bits: int, cells: dict[str, object]) -> None:
    """Against sums of one pixel and column at a time, in plain Python."""
    given = network()
    arch = small_arch(crossbar={"adc": {"bits": bits, "range": "calibrated"}, **cells})
    node = given.nodes[0]
    assert isinstance(node, Mvm)
    image = images(given, 256)[0]
    vectors, matrix = node.patches(image).reshape(-1, len(node.matrix())), node.matrix().astype(np.int64)
    crossbar = arch.crossbar
    rows, dac_bits, cell = crossbar.driven, crossbar.dac_bits, (1 << crossbar.cell_bits) - 1
    found = squared_errors(node, image, arch.crossbar)
    sign_bit, signs = crossbar.differential, np.sign(matrix) if crossbar.differential else np.ones_like(matrix)
    held = np.abs(matrix) if crossbar.differential else matrix + 128
    assert len(found) == (rows * cell * ((1 << dac_bits) - 1)).bit_length() - (bits - sign_bit) + 1
    for shift, error in enumerate(found):
        expected = 0
        for first in range(0, len(matrix), rows):
            for low, place in product(range(0, 8, dac_bits), range(0, 8, crossbar.cell_bits)):
                driven = (vectors[:, first : first + rows].astype(np.int64) >> low) & ((1 << dac_bits) - 1)
                piece = signs[first : first + rows] * (held[first : first + rows] >> place & cell)
                for column in (driven @ piece).reshape(-1).tolist():
                    value = int(convert(np.array(column), Converter(bits, shift, sign_bit)))
                    expected += (value - column) ** 2 * 4 ** (low + place)
        assert error == pytest.approx(expected, rel=1e-12)


def test_dark_images_get_a_finer_step() -> None:
    given, arch = network(), chip(6)
    dark, bright = (with_calibrated_converters(given, arch, images(given, brightest)) for brightest in (4, 256))
    steps = [{node.name: node.adc_shift for node in each.nodes if isinstance(node, Mvm)} for each in (dark, bright)]
    assert steps[0].keys() == {"first", "last"} and None not in steps[0].values()
    assert (steps[0]["first"] or 0) < (steps[1]["first"] or 0)

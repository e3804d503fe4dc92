"""pyimc/physical.py: what converters leave of a layer, against sums in plain Python, one product at a time."""

import numpy as np
import pytest

from pyimc import golden
from pyimc.arch import Adc, Crossbar
from pyimc.crossbar import Converter, convert, converter_of
from pyimc.network import Mvm, Network
from pyimc.physical import physical
from tests.mapping.networks import Builder


def crossbar(rows: int, dac_bits: int, bits: int | None) -> Crossbar:
    adc = Adc(bits=bits, range="max") if bits else None
    return Crossbar(rows=rows, columns=8, planes=8, adcs=8, dac_bits=dac_bits, adc=adc)


def dense(inputs: int = 50) -> Network:
    net = Builder(1, 1, inputs)
    return net.finish(net.dense("fc", "x", 6))


def plain(node: Mvm, x: list[int], rows: int, dac_bits: int, bits: int) -> list[int]:
    """Accumulators: every row tile, every bit step, every converter by itself."""
    highest = (1 << dac_bits) - 1
    found = []
    for channel, bias in enumerate(node.bias.tolist()):
        weights = node.weights[channel].reshape(-1).tolist()
        total = bias - 128 * sum(x)
        step = 1
        while min(rows, len(x)) * 255 * highest >= step << bits:
            step *= 2
        for first in range(0, len(x), rows):
            for low in range(0, 8, dac_bits):
                cells = zip(x[first : first + rows], weights[first : first + rows], strict=True)
                column = sum((value >> low & highest) * (weight + 128) for value, weight in cells)
                code = min((2 * column + step) // (2 * step), (1 << bits) - 1)
                total += code * step << low
        found.append(total)
    return found


@pytest.mark.parametrize(
    ("rows", "dac_bits", "bits"), [(16, 1, 4), (16, 2, 7), (64, 1, 1), (32, 4, 9), (16, 8, 16), (1024, 8, 12)]
)
def test_a_layer_is_what_plain_python_says(rows: int, dac_bits: int, bits: int) -> None:
    network = physical(dense(), crossbar(rows, dac_bits, bits))
    (node,) = network.nodes
    assert isinstance(node, Mvm)
    for seed in range(5):
        x = np.random.default_rng(seed).integers(0, 256, (1, 1, 50), dtype=np.uint8)
        assert node.accumulate(x).reshape(-1).tolist() == plain(node, x.reshape(-1).tolist(), rows, dac_bits, bits)


def test_ideal_converters_leave_the_network_as_it_is() -> None:
    network = dense()
    assert physical(network, crossbar(16, 1, None)) is network


@pytest.mark.parametrize("dac_bits", [1, 2, 4, 8])
def test_enough_bits_are_ideal(dac_bits: int) -> None:
    """A column of 16 rows has 12 bits and those of an input step; with one bit less, sums are rounded."""
    network, x = dense(), np.random.default_rng(2).integers(0, 256, (1, 1, 50), dtype=np.uint8)
    ideal, enough = golden.run(network, x), (16 * 255 * ((1 << dac_bits) - 1)).bit_length()
    if enough <= 16:
        assert np.array_equal(
            golden.run(physical(network, crossbar(16, dac_bits, enough)), x)[network.outputs[0]],
            ideal[network.outputs[0]],
        )
    assert not np.array_equal(
        golden.run(physical(network, crossbar(16, dac_bits, 3)), x)[network.outputs[0]], ideal[network.outputs[0]]
    )


@pytest.mark.parametrize("bits", [1, 5, 8, 16])
def test_values_fit_what_holds_a_sum(bits: int) -> None:
    """The largest sums of a tile of every height: an error of half a step, or of a whole one where they clip."""
    for rows in (8, 64, 256):
        chip = crossbar(rows, 1, bits)
        for height in (1, rows - 1, rows, 3 * rows):
            converter = converter_of(chip, height, None)
            assert converter is not None
            largest = min(height, rows) * 255
            sums = np.arange(max(0, largest - 1000), largest + 1)
            values = convert(sums, converter)
            assert values.max() < 1 << max(bits, largest.bit_length())
            assert np.abs(values - sums).max() <= (1 << converter.shift)
            inside = sums < (((1 << bits) - 1) << converter.shift) + ((1 << converter.shift) >> 1)
            assert (np.abs(values - sums)[inside] <= ((1 << converter.shift) >> 1)).all()


def test_what_calibration_found_is_used_up_to_the_widest() -> None:
    chip = crossbar(64, 1, 6)
    assert converter_of(chip, 64, None) == Converter(6, 8)
    assert converter_of(chip, 64, 3) == Converter(6, 3)
    assert converter_of(chip, 64, 20) == Converter(6, 8)
    assert converter_of(chip, 4, 8) == Converter(6, 4)

"""pyimc/physical.py: what converters leave of a layer, against sums in plain Python, one product at a time."""

from typing import Any

import numpy as np
import pytest

from pyimc import golden
from pyimc.arch import Adc, Crossbar
from pyimc.crossbar import Converter, convert, converter_of
from pyimc.network import Mvm, Network
from pyimc.physical import physical
from tests.mapping.networks import Builder


def crossbar(
    rows: int, dac_bits: int, bits: int | None, cell_bits: int = 8, weights: Any = "offset", driven: int | None = None
) -> Crossbar:
    return Crossbar(
        rows=rows, columns=128, planes=8, adcs=8, dac_bits=dac_bits, cell_bits=cell_bits, weights=weights,
        rows_per_read=driven, adc=Adc(bits=bits, range="max") if bits else None,
    )  # fmt: skip


def dense(inputs: int = 50) -> Network:
    net = Builder(1, 1, inputs)
    return net.finish(net.dense("fc", "x", 6))


def plain(node: Mvm, x: list[int], chip: Crossbar) -> list[int]:
    """Accumulators: every row tile, every read, every bit step, every slice, every converter by itself."""
    assert chip.adc
    bits, dac_bits, driven, signed = chip.adc.bits, chip.dac_bits, min(chip.rows, chip.driven), chip.differential
    highest, cell = (1 << dac_bits) - 1, (1 << chip.cell_bits) - 1
    top = (1 << (bits - 1 if signed else bits)) - 1
    found = []
    for channel, bias in enumerate(node.bias.tolist()):
        weights = node.weights[channel].reshape(-1).tolist()
        total = bias - (0 if signed else 128 * sum(x))
        step = 1
        while min(driven, len(x)) * (min(cell, 128) if signed else cell) * highest > top * step + step - 1:
            step *= 2
        for first in range(0, len(x), driven):
            for low in range(0, 8, dac_bits):
                for place in range(0, 8, chip.cell_bits):
                    column = 0
                    for value, weight in zip(x[first : first + driven], weights[first : first + driven], strict=True):
                        held = abs(weight) if signed else weight + 128
                        sign = -1 if signed and weight < 0 else 1
                        column += (value >> low & highest) * sign * (held >> place & cell)
                    code = max(min((2 * column + step) // (2 * step), top), -top if signed else 0)
                    total += code * step << low + place
        found.append(total)
    return found


@pytest.mark.parametrize(
    "chip",
    [
        crossbar(16, 1, 4), crossbar(16, 2, 7), crossbar(64, 1, 1), crossbar(32, 4, 9), crossbar(16, 8, 16),
        crossbar(1024, 8, 12), crossbar(32, 1, 3, 2), crossbar(32, 2, 4, 1, driven=8), crossbar(64, 1, 5, 4, driven=32),
        crossbar(32, 1, 6, 8, "differential"), crossbar(64, 2, 3, 2, "differential"),
        crossbar(16, 1, 2, 1, "differential", driven=4), crossbar(32, 8, 12, 4, "differential", driven=16),
    ],
    ids=lambda chip: f"rows{chip.rows}-dac{chip.dac_bits}-cells{chip.cells}of{chip.cell_bits}-read{chip.driven}",
)  # fmt: skip
def test_a_layer_is_what_plain_python_says(chip: Crossbar) -> None:
    network = physical(dense(), chip)
    (node,) = network.nodes
    assert isinstance(node, Mvm)
    for seed in range(5):
        x = np.random.default_rng(seed).integers(0, 256, (1, 1, 50), dtype=np.uint8)
        assert node.accumulate(x).reshape(-1).tolist() == plain(node, x.reshape(-1).tolist(), chip)


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


@pytest.mark.parametrize("cell_bits", [1, 2, 4, 8])
def test_slices_need_fewer_bits(cell_bits: int) -> None:
    """As many bits as the largest sum of a slice has are enough; of a pair, one more for the sign."""
    network, x = dense(), np.random.default_rng(2).integers(0, 256, (1, 1, 50), dtype=np.uint8)
    ideal = golden.run(network, x)[network.outputs[0]]
    for weights in ("offset", "differential"):
        for driven in (4, 16):
            cell = min((1 << cell_bits) - 1, 128 if weights == "differential" else 255)
            enough = (driven * cell).bit_length() + (weights == "differential")
            chip = crossbar(32, 1, enough, cell_bits, weights, driven)
            assert np.array_equal(golden.run(physical(network, chip), x)[network.outputs[0]], ideal)
            fewer = crossbar(32, 1, max(2, enough - 3), cell_bits, weights, driven)
            assert enough < 5 or not np.array_equal(golden.run(physical(network, fewer), x)[network.outputs[0]], ideal)


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

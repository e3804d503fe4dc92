# SPDX-License-Identifier: Apache-2.0
"""Softmax and Normalise: by hand, against float within the stated bounds, and on the words of a chip."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from mapping.compile import compile_network
from pyimc.energy.events import count
from pyimc.engines.dpu.timing import NORMALISE_PAUSE_CYCLES, SOFTMAX_PAUSE_CYCLES
from pyimc.network import Normalise, Softmax, TensorType
from pyimc.numerics import quantise_multiplier
from pyimc.operators.softmax import exponentials
from tests.cycle.units import block_of_attention
from tests.mapping.networks import Builder, small_arch
from tests.mapping.test_codegen import check

ROOM = {"activation_words": 8192, "host_words": 512, "instructions": 512, "contexts": 16}
Reals = NDArray[np.float64]


def softmax(scale: float, groups: int = 1, zero: int = 0) -> Softmax:
    """Shares in steps of 1 / 256 of an input with that scale."""
    multiplier, shift = quantise_multiplier(256)
    exponent = min(round(scale * math.log2(math.e) * 2**16), 2**20 - 1)
    return Softmax("n", ("x",), "y", groups, exponent, (0, multiplier), shift + 20, zero, (0, 255))


def normalise(channels: int, scale: float, out: float, epsilon: float = 1e-5) -> Normalise:
    """Deviations in steps of `out` of an input with that scale, around 128."""
    multiplier, shift = quantise_multiplier(channels / 256 / out)
    whole = round(epsilon * channels**2 / scale**2)
    return Normalise("n", ("x",), "y", whole, (0, multiplier), shift, 128, (0, 255))


def test_shares_by_hand() -> None:
    """Half as much at 16 steps of a sixteenth of an octave; the zero point of the input does not matter."""
    node = Softmax("n", ("x",), "y", 2, 1 << 12, (0, 1 << 30), 22 + 20, 7, (0, 200))
    row = np.array([[[100, 84, 84, 0, 0, 0]]], np.uint8)
    assert node.run([row], TensorType(1, 1, 6, 1.0, 7)).tolist() == [[[135, 71, 71, 92, 92, 92]]]


def test_powers_are_exact_at_whole_octaves_and_close_between_them() -> None:
    distances = np.arange(256)
    assert exponentials(distances, 1 << 16).tolist() == [2**20 >> min(n, 21) for n in range(256)]
    for exponent in (1, 100, 1999, 4096):
        exact = 2**20 * 2.0 ** (-distances * exponent / 2**16)
        assert np.abs(exponentials(distances, exponent) - exact).max() < 2.4e-4 * 2**20 + 1


@pytest.mark.parametrize("count", [1, 2, 10, 64, 197, 1024])
@pytest.mark.parametrize("scale", [0.003, 0.05, 0.3, 20.0])
def test_shares_are_within_a_step_of_float(count: int, scale: float) -> None:
    random = np.random.default_rng(count)
    spread = random.integers(1, 256)
    rows = np.concatenate([random.integers(0, spread, (6, 1, count)), np.full((1, 1, count), 9)]).astype(np.uint8)
    rows[1] = np.sort(rows[1])
    rows[2, 0, 0] = 255
    found = softmax(scale).run([rows], TensorType(7, 1, count, 1 / 256, 0)).astype(float)
    powers: Reals = np.exp(scale * (rows - rows.max(axis=2, keepdims=True).astype(float)))
    exact = np.minimum(256 * powers / powers.sum(axis=2, keepdims=True), 255)
    assert np.abs(found - exact).max() <= 1


@pytest.mark.parametrize("channels", [2, 3, 16, 192, 1024])
@pytest.mark.parametrize("spread", [1, 20, 255])
def test_deviations_are_within_a_step_of_float(channels: int, spread: int) -> None:
    """Steps of a thirtieth of a deviation, as a range of four deviations has them."""
    random = np.random.default_rng(channels)
    rows = random.integers(128 - spread // 2, 129 + spread // 2, (9, 1, channels)).clip(0, 255).astype(np.uint8)
    rows[0] = 77
    scale, out, epsilon = 0.02, 1 / 30, 1e-5
    found = normalise(channels, scale, out).run([rows], TensorType(9, 1, channels, out, 128)).astype(float)
    real = scale * rows
    deviation = np.sqrt(real.var(axis=2, keepdims=True) + epsilon)
    exact = np.clip(128 + (real - real.mean(axis=2, keepdims=True)) / deviation / out, 0, 255)
    assert np.abs(found - exact).max() <= 1


def test_a_row_of_equal_values_has_no_deviation() -> None:
    node = normalise(5, 1.0, 0.01, epsilon=0.0)
    assert node.epsilon == 0
    assert node.run([np.full((1, 1, 5), 200, np.uint8)], TensorType(1, 1, 5, 0.01, 128)).tolist() == [[[128] * 5]]


@pytest.mark.parametrize("grain", ["row", "map", 1, 3])
@pytest.mark.parametrize("shape", [(1, 9, 6, 2), (7, 1, 5, 1), (3, 2, 8, 4)], ids=str)
def test_the_words_of_a_chip(shape: tuple[int, int, int, int], grain: str | int) -> None:
    check(compile_network(block_of_attention(*shape)(), small_arch(**ROOM), options={"grain": grain}))


def test_cycles_are_reads_and_pauses() -> None:
    program = compile_network(block_of_attention(3, 2, 8, 4)(), small_arch(**ROOM))
    events = count(program)
    for name, rows, pauses in (("shares", 24, 2 * SOFTMAX_PAUSE_CYCLES), ("norm", 6, NORMALISE_PAUSE_CYCLES)):
        waited = rows * pauses + 2 * events.firings[name]  # and from a firing's last read to the first of the next
        assert program.actor(name).cycles == events.operators[name]["reads"] + waited


@pytest.mark.parametrize(
    ("node", "channels", "fault"),
    [
        (softmax(0.1, groups=3), 8, "8 channels, which are no 3 groups"),
        (softmax(0.1), 4097, "a row of 4097 channels is longer than 4096"),
        (Softmax("n", ("x",), "y", 1, 1 << 20, (0, 1), 30, 0, (0, 255)), 8, "exponent 1048576 is outside"),
        (normalise(4, 1e-4, 0.01, 9.0), 4, "epsilon 14400000000 is outside"),
        (normalise(4097, 0.1, 0.01), 4097, "a row of 4097 channels is longer than 4096"),
    ],
)
def test_what_the_sums_do_not_hold(node: Softmax | Normalise, channels: int, fault: str) -> None:
    kind = TensorType(1, 1, channels, 1.0, 0)
    assert any(fault in each for each in node.faults([kind], kind))


def test_a_narrower_clamp() -> None:
    net = Builder(1, 2, 8)
    net.normalise("norm", net.softmax("shares", "x", 2))
    clamped = [node.clamped((90, 100)) for node in net.nodes if isinstance(node, Softmax | Normalise)]
    assert [node and node.clamp for node in clamped] == [(90, 100)] * 2

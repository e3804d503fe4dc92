# SPDX-License-Identifier: Apache-2.0
"""Products of two maps: by hand, against sums written out, on the words of a chip, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mapping.compile import compile_network
from pyimc.errors import CapacityError, ConfigError
from pyimc.network import Matmul, TensorType, Transpose
from tests.cycle.units import attention
from tests.mapping.networks import Builder, small_arch
from tests.mapping.test_codegen import check

ROOM = {"activation_words": 8192, "host_words": 512, "instructions": 512}


def test_one_value_by_hand() -> None:
    node = Matmul("n", ("x", "b"), "y", 1, (0, 3), 1, (20, 4), 200, (0, 255))
    left, right = np.array([[[10, 22]]], np.uint8), np.array([[[7]], [[5]]], np.uint8)
    found = node.run([left, right], TensorType(1, 1, 1, 1.0, 200)).item()
    assert found == 200 + ((-10 * 3 + 2 * 1) * 3 + 1 >> 1)


@pytest.mark.parametrize("stacked", [True, False])
def test_groups_do_not_mix(stacked: bool) -> None:
    """Sums written out: group g has its own channels, and pixels or channels of its own in the second map."""
    groups, inner, columns, pixels = 3, 4, 5, 6
    random = np.random.default_rng(1)
    left = random.integers(0, 256, (2, 3, groups * inner), np.uint8)
    shape = (groups * inner, 1, columns) if stacked else (2, 2, groups * columns)
    right = random.integers(0, 256, shape, np.uint8)
    node = Matmul("n", ("x", "b"), "y", groups, (0, 5), 9, (7, 250), 100, (0, 255))
    kinds = [TensorType(*each.shape, 1.0, 0) for each in (left, right)]
    target = TensorType(*node.shape(kinds), 1.0, 100)
    assert target.shape == (2, 3, groups * columns) and node.macs(kinds) == pixels * groups * inner * columns
    found = node.run([left, right], target).reshape(pixels, -1)
    rows, matrix = left.reshape(pixels, -1).astype(int) - 7, right.reshape(-1, shape[2]).astype(int) - 250
    for pixel in range(pixels):
        for group in range(groups):
            for column in range(columns):
                total = sum(
                    int(rows[pixel, group * inner + k])
                    * int(matrix[group * inner + k, column] if stacked else matrix[k, group * columns + column])
                    for k in range(inner)
                )
                value = min(255, max(0, 100 + (total * 5 + 256 >> 9)))
                assert found[pixel, group * columns + column] == value


def test_transpose_by_hand() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    found = Transpose("n", ("x",), "y").run([image], TensorType(3, 1, 4, 1.0, 0))
    assert found[:, 0].tolist() == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


@pytest.mark.parametrize("grain", ["row", "map", 1, 3])
@pytest.mark.parametrize("shape", [(1, 9, 6, 2), (7, 1, 5, 1), (3, 2, 8, 4), (1, 1, 12, 3), (2, 4, 10, 5)], ids=str)
def test_the_words_of_a_chip(shape: tuple[int, int, int, int], grain: str | int) -> None:
    """One row, one column, rows of whole words, a pixel; groups in both ways of the second map."""
    network = attention(*shape)()
    sources = [network.sources(node) for node in network.nodes if isinstance(node, Matmul)]
    assert [kind.shape for kind, _ in sources] == [(*shape[:2], shape[2]), (*shape[:2], shape[3] * shape[0] * shape[1])]
    check(compile_network(network, small_arch(**ROOM), options={"grain": grain}))


def test_the_second_map_stays_until_the_last_firing() -> None:
    program = compile_network(attention(5, 1, 8, 2)(), small_arch(**ROOM))
    (ring,) = (channel for channel in program.channels if (channel.consumer, channel.port) == ("mixed", 1))
    assert ring.size >= 5 * program.arch.words(8)


def test_rows_that_end_within_a_word_are_refused() -> None:
    with pytest.raises(CapacityError, match=r"rows of 15 bytes end within a word of 8; .*keys, mixed"):
        compile_network(attention(3, 3, 5, 1)(), small_arch(**ROOM))


def test_a_map_that_is_too_large_is_refused() -> None:
    net = Builder(1, 4096, 16)
    with pytest.raises(CapacityError, match=r"reads a whole map of 65536 bytes, 65535 is the most .*turned"):
        compile_network(net.finish(net.transpose("turned", "x")), small_arch(**ROOM))


@pytest.mark.parametrize(
    ("left", "right", "groups", "reason"),
    [
        ((1, 2, 6), (1, 6, 4), 4, "6 channels, which are no 4 groups"),
        ((1, 2, 6), (1, 4, 4), 1, "4 pixels for 6 channels"),
        ((1, 2, 6), (1, 3, 5), 2, "5 channels, which are no 2 groups"),
        ((1, 1, 33026), (33026, 1, 1), 1, "33026 products needs more than 32 bits"),
    ],
)
def test_shapes_that_do_not_go_together(
    left: tuple[int, int, int], right: tuple[int, int, int], groups: int, reason: str
) -> None:
    kinds = [TensorType(*shape, 1.0, 0) for shape in (left, right)]
    node = Matmul("n", ("x", "b"), "y", groups, (0, 5), 9, (7, 250), 100, (0, 255))
    assert any(reason in fault for fault in node.faults(kinds, kinds[0]))


def test_a_transpose_keeps_the_scale() -> None:
    net = Builder(1, 4, 3)
    value = net.transpose("turned", "x")
    net.tensors[value] = replace(net.tensors[value], scale=2.0)
    with pytest.raises(ConfigError, match="node turned: its input and output differ in scale or zero point"):
        net.finish(value)

# SPDX-License-Identifier: Apache-2.0
"""The golden model against nested loops over Python's integers, and against values worked out by hand."""

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimc import golden
from pyimc.errors import ConfigError
from pyimc.network import (
    Add,
    Concat,
    Crop,
    DepthToSpace,
    Lut,
    Mvm,
    Network,
    Node,
    Pads,
    Pair,
    Pool,
    Resize,
    TensorType,
    window_shape,
)
from pyimc.numerics import UINT8_MAX
from pyimc.operators import mvm
from tests.mapping.networks import Builder
from tests.pyimc.networks import random_image, residual_network


def plain(network: Network, node: Node, inputs: tuple[golden.Map, ...]) -> list[list[list[int]]]:
    """What the formulas in pyimc/network.py say, one value at a time."""

    def scaled(value: int, multiplier: int, shift: int) -> int:
        assert isinstance(node, Mvm | Add | Pool | Concat)
        rounded = (value * multiplier + (1 << (shift - 1))) >> shift
        return min(max(rounded + node.output_zero_point, node.clamp[0]), node.clamp[1])

    def pixel(y: int, x: int, c: int) -> int:
        if isinstance(node, Add):
            (left, right), (left_zero, right_zero) = inputs, node.input_zero_points
            a, b = int(left[y, x, c]) - left_zero, int(right[y, x, c]) - right_zero
            return scaled(a * node.multipliers[0] + b * node.multipliers[1], 1, node.shift)
        if isinstance(node, Lut):
            return int(node.table[inputs[0][y, x, c]])
        if isinstance(node, Crop):
            (top, first), (down, across) = node.start, node.step
            return int(inputs[0][top + y * down, first + x * across, c])
        if isinstance(node, DepthToSpace):
            rows, columns = node.block
            place = (y % rows * columns + x % columns) * network.tensors[node.output].channels
            return int(inputs[0][y // rows, x // columns, place + c])
        if isinstance(node, Resize):
            return int(inputs[0][y // node.factor, x // node.factor, c])
        if isinstance(node, Concat):
            _, width, channels = inputs[0].shape
            side = c >= channels if node.axis == "channels" else x >= width
            u, channel = (x, c - side * channels) if node.axis == "channels" else (x - side * width, c)
            value = int(inputs[side][y, u, channel]) - node.input_zero_points[side]
            return scaled(value, node.multipliers[side], node.shift)
        assert isinstance(node, Mvm | Pool)
        window = list(_window(node, inputs[0], y, x))
        if isinstance(node, Pool):
            valid = [int(inputs[0][v, u, c]) for _, _, v, u, inside in window if inside]
            total, count = (max(valid), 1) if node.mode == "max" else (sum(valid), len(valid))
            return scaled(total - count * node.input_zero_point, int(node.multipliers[count]), node.shift)
        accumulator, depth = int(node.bias[c]), inputs[0].shape[2]
        for row, column, v, u, inside in window:
            for channel in range(depth):
                value = int(inputs[0][v, u, channel]) if inside else node.input_zero_point
                accumulator += value * int(node.weights[c, row, column * depth + channel])
        assert abs(accumulator) < 2**31
        return scaled(accumulator, int(node.multiplier[c]), int(node.shift[c]))

    height, width, channels = network.tensors[node.output].shape
    return [[[pixel(y, x, c) for c in range(channels)] for x in range(width)] for y in range(height)]


def _window(node: Mvm | Pool, image: golden.Map, y: int, x: int) -> Iterator[tuple[int, int, int, int, bool]]:
    """Row and column in the kernel, row and column in the image, and whether those are inside."""
    for row in range(node.kernel[0]):
        for column in range(node.kernel[1]):
            v, u = y * node.stride[0] + row - node.pads[0], x * node.stride[1] + column - node.pads[1]
            yield row, column, v, u, 0 <= v < image.shape[0] and 0 <= u < image.shape[1]


@pytest.mark.parametrize("seed", range(5))
def test_every_node_of_a_network_equals_plain_loops(seed: int) -> None:
    network = residual_network(seed)
    values = golden.run(network, random_image(network, seed))
    assert list(values) == list(network.tensors)
    for node in network.nodes:
        assert values[node.output].dtype == np.uint8
        inputs = tuple(values[name] for name in node.inputs)
        assert values[node.output].tolist() == plain(network, node, inputs), node.name


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, int, int], Pair, Pair, Pads]:
    size = (draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    before = [draw(st.integers(0, window - 1)) for window in kernel]
    after = [
        max(draw(st.integers(0, window - 1)), window - start - extent)
        for window, start, extent in zip(kernel, before, size, strict=True)
    ]
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return (*size, draw(st.integers(1, 4))), kernel, stride, (before[0], before[1], after[0], after[1])


@given(windows(), st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_a_random_convolution_equals_plain_loops(
    window: tuple[tuple[int, int, int], Pair, Pair, Pads], seed: int, channels: int
) -> None:
    shape, kernel, stride, pads = window
    rng = np.random.default_rng(seed)
    zeros = (int(rng.integers(256)), int(rng.integers(256)))
    node = Mvm(
        name="conv", inputs=("x",), output="y", kernel=kernel, stride=stride, pads=pads,
        weights=rng.integers(-128, 128, (channels, kernel[0], kernel[1] * shape[2]), np.int8),
        bias=rng.integers(-(10**5), 10**5, channels, np.int32),
        multiplier=rng.integers(0, 2**31, channels).astype(np.int32),
        shift=rng.integers(32, 45, channels).astype(np.uint8),
        input_zero_point=zeros[0], output_zero_point=zeros[1], clamp=(int(rng.integers(100)), 255),
    )  # fmt: skip
    _compare(node, shape, (*window_shape(shape[:2], kernel, stride, pads), channels), zeros, rng)


@given(windows(), st.integers(0, 2**32 - 1), st.sampled_from(["max", "average"]))
def test_a_random_pool_equals_plain_loops(
    window: tuple[tuple[int, int, int], Pair, Pair, Pads], seed: int, mode: str
) -> None:
    shape, kernel, stride, pads = window
    rng = np.random.default_rng(seed)
    zeros = (int(rng.integers(256)), int(rng.integers(256)))
    node = Pool(
        name="pool", inputs=("x",), output="y", mode="max" if mode == "max" else "average", kernel=kernel,
        stride=stride, pads=pads, multipliers=rng.integers(0, 2**31, kernel[0] * kernel[1] + 1).astype(np.int32),
        shift=int(rng.integers(28, 36)), input_zero_point=zeros[0], output_zero_point=zeros[1], clamp=(0, 255),
    )  # fmt: skip
    _compare(node, shape, (*window_shape(shape[:2], kernel, stride, pads), shape[2]), zeros, rng)


def _compare(
    node: Node, source: tuple[int, int, int], target: tuple[int, int, int], zeros: Pair, rng: np.random.Generator
) -> None:
    tensors = {"x": TensorType(*source, 1.0, zeros[0]), "y": TensorType(*target, 1.0, zeros[1])}
    network = Network("one", "x", ("y",), tensors, (node,))
    image = rng.integers(0, 256, source, np.uint8)
    assert golden.run(network, image)["y"].tolist() == plain(network, node, (image,))


@pytest.mark.parametrize("parts", [2, 3])
def test_a_chain_is_the_layer_with_the_sum_of_its_weights(parts: int) -> None:
    net = Builder(5, 4, 3, seed=parts)
    last = net.chain("conv", "x", 4, [(3, 3)] * parts)
    network = net.finish(last)
    nodes = [replace(node, weights=node.weights // parts) for node in network.nodes if isinstance(node, Mvm)]
    sums = {name: sum(getattr(node, name) for node in nodes) for name in ("weights", "bias")}
    whole = replace(nodes[-1], inputs=("x",), **sums)
    image = random_image(network)
    values = golden.run(replace(network, nodes=tuple(nodes)), image)
    assert [values[node.output].dtype for node in nodes] == [np.int32] * (parts - 1) + [np.uint8]
    assert len(np.unique(values[last])) > 20
    assert values[last].tolist() == golden.run_node(network, whole, (image,)).tolist()
    assert values["conv.0.y"].tolist() == nodes[0].accumulate(image).tolist()


def test_accumulators_are_exact_at_their_largest() -> None:
    """4608 inputs of 255 times -128 is -150,405,120, and one more in the bias shows."""
    weights = np.full((2, 3, 3 * 512), -128, np.int8)
    bias = np.array([0, 1], np.int32)
    node = Mvm(
        "conv", ("x",), "y", (3, 3), (1, 1), (0, 0, 0, 0), weights, bias, np.ones(2, np.int32), np.ones(2, np.uint8),
        0, 0, (0, 255),
    )  # fmt: skip
    sums = node.accumulate(np.full((3, 3, 512), 255, np.uint8))
    assert sums.tolist() == [[[-150405120, -150405119]]]


def test_a_block_of_odd_products_is_exact_and_twice_as_many_would_not_be() -> None:
    """127 * 255 is odd: from 2**24 on, float32 cannot count in steps of it."""
    assert UINT8_MAX * 128 * mvm.BLOCK <= 2**24 < UINT8_MAX * 128 * (mvm.BLOCK + 1)
    rng = np.random.default_rng(0)
    for inputs in (mvm.BLOCK, mvm.BLOCK + 1, 3 * mvm.BLOCK - 1):
        weights = rng.integers(126, 128, (8, 1, inputs), np.int8)
        image = rng.integers(250, 256, (4, 5, inputs), np.uint8)
        node = Mvm(
            "fc", ("x",), "y", (1, 1), (1, 1), (0, 0, 0, 0), weights, rng.integers(-(2**20), 2**20, 8, np.int32),
            np.ones(8, np.int32), np.ones(8, np.uint8), 0, 0, (0, 255),
        )  # fmt: skip
        exact = image.astype(np.int64) @ weights.reshape(8, -1).T.astype(np.int64) + node.bias
        assert node.accumulate(image).tolist() == exact.tolist(), inputs


def test_padding_counts_as_the_zero_point_and_relu_stops_there() -> None:
    """One 1x1 pixel of 10 under a 3x3 kernel of ones: eight padded pixels of 4, a folded bias of -36."""
    node = Mvm(
        "conv", ("x",), "y", (3, 3), (1, 1), (1, 1, 1, 1), np.ones((2, 3, 3), np.int8),
        np.array([-36, -48], np.int32), np.full(2, 2**30, np.int32), np.full(2, 30, np.uint8), 4, 5, (5, 255),
    )  # fmt: skip
    tensors = {"x": TensorType(1, 1, 1, 1.0, 4), "y": TensorType(1, 1, 2, 1.0, 5)}
    network = Network("one", "x", ("y",), tensors, (node,))
    assert golden.run(network, np.full((1, 1, 1), 10, np.uint8))["y"].tolist() == [[[11, 5]]]


def test_an_identity_multiplier_copies_into_a_concat() -> None:
    """The first input keeps its 256 values, the second is halved about its zero point, halves rounded up."""
    node = Concat("join", ("x", "z"), "y", "channels", (2, 1), 1, (7, 100), 7, (0, 255))
    kinds = [TensorType(16, 16, 1, 1.0, 7), TensorType(16, 16, 1, 0.5, 100), TensorType(16, 16, 2, 1.0, 7)]
    tensors = dict(zip("xzy", kinds, strict=True))
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    network = Network("one", "x", ("y",), tensors, (node,))
    joined = golden.run_node(network, node, (image, image))
    assert np.array_equal(joined[..., 0], image[..., 0])
    assert joined[0, 0, 1] == 0
    assert joined[6, 0:8, 1].tolist() == [5, 6, 6, 7, 7, 8, 8, 9]


def test_image_after_image_in_their_order_and_only_as_they_are_needed() -> None:
    network = residual_network()
    images = [random_image(network, seed) for seed in range(40)]
    taken = []

    def stream() -> Iterator[golden.Map]:
        for index, image in enumerate(images):
            taken.append(index)
            yield image

    found = golden.run_all(network, stream())
    for index, values in enumerate(found):
        assert len(taken) <= index + 2 + (os.cpu_count() or 1)
        for name, expected in golden.run(network, images[index]).items():
            assert np.array_equal(values[name], expected), (index, name)
    assert len(taken) == 40


@pytest.mark.parametrize("image", [np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4, 3), np.int8)])
def test_an_image_of_another_shape_or_type_is_refused(image: golden.Map) -> None:
    with pytest.raises(ConfigError, match=r"network residual: its input is uint8 \(5, 4, 3\), got"):
        golden.run(residual_network(), image)

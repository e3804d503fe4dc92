"""The golden model: every tensor of a quantised network, bit by bit.

Integer arithmetic throughout. The one matrix product runs in float32 for speed and is still exact: operands are
integers, and it is cut into blocks of BLOCK products each, so that every partial sum, in whatever order, is an integer
within 2**24, up to which float32 holds every integer. Blocks add up in int32 (`pyimc.network_rules.verify`).
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pyimc.errors import ConfigError
from pyimc.network import Add, Concat, Lut, Mvm, Network, Node, Pads, Pair, Pool, Resize, valid_counts
from pyimc.numerics import UINT8_MAX, clamp, round_shift

BLOCK = 2**24 // (UINT8_MAX * 128)  # products of a uint8 and an int8 whose sum float32 holds
Map = NDArray[Any]
"""uint8 [height, width, channels]; int32 if the tensor is partial."""


def run(network: Network, image: Map) -> dict[str, Map]:
    """Compute all tensors of a network for one image.

    Args:
        network: A verified network.
        image: uint8 [height, width, channels], the value of `network.input`.

    Returns:
        The map of every tensor, the input included, in the order of computation: uint8, int32 if it is partial.

    Raises:
        ConfigError: The image has another shape or type than the network's input.
    """
    expected = network.tensors[network.input].shape
    if image.shape != expected or image.dtype != np.uint8:
        raise ConfigError(
            f"network {network.name}: its input is uint8 {expected}, got {image.dtype} {image.shape}; "
            "convert the image first"
        )
    values = {network.input: image}
    for node in network.nodes:
        values[node.output] = run_node(network, node, tuple(values[name] for name in node.inputs))
    return values


def run_node(network: Network, node: Node, inputs: tuple[Map, ...]) -> Map:
    """Compute the output of one node.

    Args:
        network: The network of the node.
        node: One of its nodes.
        inputs: [height, width, channels] maps in the order of `node.inputs`, uint8 or int32 (partial).

    Returns:
        [height, width, channels], uint8, or int32 if the output is partial.
    """
    match node:
        case Mvm():
            accumulators = accumulate(node, inputs[0])
            for partial in inputs[1:]:
                accumulators += partial
            if network.tensors[node.output].partial:
                return accumulators
            values = round_shift(np.multiply(accumulators, node.multiplier, dtype=np.int64), node.shift)
        case Add():
            values = _add(node, inputs[0], inputs[1])
        case Pool():
            values = _pool(node, inputs[0])
        case Concat():
            values = _concat(node, inputs)
        case Lut():
            return node.table[inputs[0]]
        case Resize():
            return inputs[0].repeat(node.factor, axis=0).repeat(node.factor, axis=1)
    result = clamp(values + node.output_zero_point, node.clamp)
    assert result.shape == network.tensors[node.output].shape, node.name
    return result


def accumulate(node: Mvm, image: Map) -> NDArray[np.int32]:
    """What an Mvm adds up itself: sum(x * w) + bias, int32 [height, width, Cout]."""
    patches = _windows(image, node.kernel, node.stride, node.pads, node.input_zero_point)
    if node.part:
        rows, run, columns = (slice(*limits) for limits in (node.part.rows, node.part.run, node.part.columns))
        patches = patches[:, columns, rows].reshape(*patches[:, columns, rows].shape[:3], -1)[..., run]
    height, width = patches.shape[:2]
    vectors = patches.reshape(height * width, -1).astype(np.float32)
    weights = node.weights.reshape(node.weights.shape[0], -1).astype(np.float32).T
    sums = np.tile(node.bias, (len(vectors), 1))
    for first in range(0, len(weights), BLOCK):
        block = slice(first, first + BLOCK)
        sums += (vectors[:, block] @ weights[block]).astype(np.int32)
    return sums.reshape(height, width, -1)


def _add(node: Add, left: Map, right: Map) -> NDArray[np.int64]:
    a = (left.astype(np.int64) - node.input_zero_points[0]) * node.multipliers[0]
    b = (right.astype(np.int64) - node.input_zero_points[1]) * node.multipliers[1]
    return round_shift(a + b, node.shift)


def _concat(node: Concat, inputs: tuple[Map, ...]) -> NDArray[np.int64]:
    scaled = [
        (image.astype(np.int64) - zero_point) * multiplier
        for image, zero_point, multiplier in zip(inputs, node.input_zero_points, node.multipliers, strict=True)
    ]
    return round_shift(np.concatenate(scaled, axis=2 if node.axis == "channels" else 1), node.shift)


def _pool(node: Pool, image: Map) -> NDArray[np.int64]:
    windows = _windows(image, node.kernel, node.stride, node.pads, 0)  # 0 is neutral for both max and sum
    if node.mode == "max":
        centred = windows.max(axis=(2, 3)).astype(np.int64) - node.input_zero_point
        return round_shift(centred * node.multipliers[1], node.shift)
    count = valid_counts((image.shape[0], image.shape[1]), node.kernel, node.stride, node.pads)[:, :, np.newaxis]
    centred = windows.sum(axis=(2, 3), dtype=np.int64) - count * node.input_zero_point
    return round_shift(centred * node.multipliers[count], node.shift)


def _windows(image: Map, kernel: Pair, stride: Pair, pads: Pads, fill: int) -> Map:
    """All windows of a padded map, uint8 [height, width, Kh, Kw, channels], as a view."""
    top, left, bottom, right = pads
    padded = np.pad(image, ((top, bottom), (left, right), (0, 0)), constant_values=fill)
    windows = sliding_window_view(padded, kernel, axis=(0, 1))[:: stride[0], :: stride[1]]
    return windows.transpose(0, 1, 3, 4, 2)

"""Exact rewritings of what moves values or puts zeros around them: into layers, or as layers of their own.

Passes like those of `mapping.importer.fold`. A layer of its own is a 1x1 Conv: with a weight of 1 a channel is copied,
and a crossbar that holds a permutation or a mean does what would otherwise need an engine that moves channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from mapping.importer.fold import set_attributes
from mapping.importer.onnx_model import attributes
from mapping.importer.rewriting import MAPS, Rewriting, axes_of, border_of

_NOT_NEGATIVE = ("Relu", "Sigmoid", "HardSigmoid", "Abs", "Exp", "Softplus")


def pads(model: onnx.ModelProto) -> bool:
    """A Pad with zeros around a map: as padding of what is behind it, otherwise as that of a layer that copies.

    A Conv takes it, an average that counts its pads, and a maximum of values that are not negative.
    """
    work = Rewriting(model)
    changed = False
    for node in [node for node in model.graph.node if node.op_type == "Pad"]:
        border = _border(work, node)
        if border is None:
            continue
        target = work.only_reader(node.output[0])
        if target is not None and target.input[0] == node.output[0] and _takes_border(work, node, target):
            given = attributes(target).get("pads", [0] * len(border))
            set_attributes(target, pads=[a + b for a, b in zip(given, border, strict=True)], auto_pad=None)
            work.bypass(node)
        else:
            channels = work.shapes[node.input[0]][1]
            ones = np.ones((channels, 1, *[1] * (len(border) // 2)), np.float32)
            _as_conv(work, node, node.input[0], ones, group=channels, pads=border)
        changed = True
    return changed


def _takes_border(work: Rewriting, node: onnx.NodeProto, target: onnx.NodeProto) -> bool:
    given = attributes(target)
    if given.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    if target.op_type == "AveragePool":
        return bool(given.get("count_include_pad", 0)) and not given.get("ceil_mode", 0)
    if target.op_type == "MaxPool":
        source = work.producers.get(node.input[0])
        border, kernel = _border(work, node), given["kernel_shape"]
        inside = border is not None and all(size < kernel[axis % len(kernel)] for axis, size in enumerate(border))
        return source is not None and source.op_type in _NOT_NEGATIVE and inside and not given.get("ceil_mode", 0)
    return target.op_type == "Conv"


def _border(work: Rewriting, node: onnx.NodeProto) -> list[int] | None:
    """What a Pad with zeros adds before and behind rows and columns if it leaves batch and channels alone, or None."""
    given, whole = attributes(node), border_of(work, node)
    value = work.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.array(given.get("value", 0.0))
    if given.get("mode", "constant") != "constant" or whole is None or whole.shape[1] not in MAPS or whole.min() < 0:
        return None
    return (
        None if value is None or value.any() or whole[:, :2].any() else [int(size) for size in whole[:, 2:].reshape(-1)]
    )


def shuffles(model: onnx.ModelProto) -> bool:
    """A Reshape, a Transpose and a Reshape back that put channels in another order, as ShuffleNet has them."""
    work = Rewriting(model)
    changed = False
    for move in _moves(work):
        values, moved = move.values, move.moved
        if moved.shape != values.shape:
            continue
        channels, pixels = values.shape[1], values[0, 0].size
        places = moved.reshape(channels, pixels)[:, 0] // pixels
        if not np.array_equal(moved, values[:, places]):
            continue
        weights = np.eye(channels, dtype=np.float32)[places]
        work.remove(move.apart)
        work.remove(move.turn)
        _as_conv(work, move.back, move.apart.input[0], weights.reshape(channels, channels, *[1] * (values.ndim - 2)))
        changed = True
    return changed


def blocks(model: onnx.ModelProto) -> bool:
    """A Reshape, a Transpose and a Reshape that make pixels of channels, or back: DepthToSpace, or a layer of ones."""
    work = Rewriting(model)
    changed = False
    for move in _moves(work):
        values, moved, back = move.values, move.moved, move.back
        if values.ndim != 4 or moved.ndim != 4:
            continue
        source, result = move.apart.input[0], back.output[0]
        block, mode = moved.shape[2] // values.shape[2], _mode(values, moved)
        kernels = _taken(values, moved)
        if mode:
            name = back.name or result
            back.CopyFrom(helper.make_node("DepthToSpace", [source], [result], name, blocksize=block, mode=mode))
        elif kernels is not None:
            _as_conv(work, back, source, kernels, strides=kernels.shape[2:])
        else:
            continue
        work.remove(move.apart)
        work.remove(move.turn)
        changed = True
    return changed


@dataclass(frozen=True, slots=True, eq=False)
class _Move:
    """A Reshape, a Transpose and a Reshape that move the values of a map, and nothing else reads what is between.

    Attributes:
        apart: The first Reshape.
        turn: The Transpose.
        back: The second Reshape.
        values: int64, the places of the map's values, in its shape.
        moved: Which of them is where in the result, in its shape.
    """

    apart: onnx.NodeProto
    turn: onnx.NodeProto
    back: onnx.NodeProto
    values: NDArray[np.int64]
    moved: NDArray[np.int64]


def _moves(work: Rewriting) -> Iterator[_Move]:
    """Those of maps; the nodes of one may be replaced before the next is asked for."""
    for turn in [node for node in work.graph.node if node.op_type == "Transpose"]:
        apart, back = work.producers.get(turn.input[0]), work.only_reader(turn.output[0])
        if apart is None or back is None or (apart.op_type, back.op_type) != ("Reshape", "Reshape"):
            continue
        shape, inner, found = (work.shapes.get(name, ()) for name in (apart.input[0], apart.output[0], back.output[0]))
        if len(shape) not in MAPS or not inner or not found or work.only_reader(apart.output[0]) is not turn:
            continue
        values = np.arange(np.prod(shape)).reshape(shape)
        order = attributes(turn).get("perm", list(reversed(range(len(inner)))))
        yield _Move(apart, turn, back, values, values.reshape(inner).transpose(order).reshape(found))


def _mode(values: NDArray[np.int64], moved: NDArray[np.int64]) -> str:
    """The mode of the DepthToSpace that a move is, or an empty string."""
    (_, channels, height, width), outputs = values.shape, moved.shape[1]
    block = moved.shape[2] // height
    if block < 2 or moved.shape[1:] != (channels // (block * block), height * block, width * block):
        return ""
    apart = {
        "DCR": values.reshape(block, block, outputs, height, width).transpose(2, 3, 0, 4, 1),
        "CRD": values.reshape(outputs, block, block, height, width).transpose(0, 3, 1, 4, 2),
    }
    return next((mode for mode, each in apart.items() if np.array_equal(each.reshape(moved.shape), moved)), "")


def _taken(values: NDArray[np.int64], moved: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Ones in kernels of a block, [outputs, channels, block, block], if a move makes channels of blocks."""
    (_, channels, height, width), outputs = values.shape, moved.shape[1]
    block = height // moved.shape[2]
    if block < 2 or moved.shape[1:] != (channels * block * block, height // block, width // block):
        return None
    channel, row, column = np.unravel_index(moved[0, :, 0, 0], (channels, height, width))
    if max(row.max(), column.max()) >= block:
        return None
    windows = values[0].reshape(channels, height // block, block, width // block, block)
    if not np.array_equal(windows[channel, :, row, :, column], moved[0]):
        return None
    kernels = np.zeros((outputs, channels, block, block), np.float32)
    kernels[np.arange(outputs), channel, row, column] = 1
    return kernels


def channel_means(model: onnx.ModelProto) -> bool:
    """A mean or sum over the channels of a map is a layer with equal weights."""
    work = Rewriting(model)
    changed = False
    for node in [node for node in model.graph.node if node.op_type in ("ReduceMean", "ReduceSum")]:
        shape = work.shapes.get(node.input[0], ())
        if len(shape) not in MAPS or not attributes(node).get("keepdims", 1) or axes_of(work, node) != [1]:
            continue
        factor = 1 / shape[1] if node.op_type == "ReduceMean" else 1.0
        weights = np.full((1, shape[1], *[1] * (len(shape) - 2)), factor, np.float32)
        _as_conv(work, node, node.input[0], weights)
        changed = True
    return changed


def _as_conv(work: Rewriting, node: onnx.NodeProto, source: str, weights: NDArray[np.float32], **given: Any) -> None:
    """Turn a node into a Conv with 1x1 weights."""
    name = node.name or node.output[0]
    inputs = [source, work.add_constant(f"{name}.weight", weights)]
    node.CopyFrom(helper.make_node("Conv", inputs, list(node.output), name, kernel_shape=weights.shape[2:], **given))

# SPDX-License-Identifier: Apache-2.0
"""Random float models as exporters write them: every operator, every range of inputs, idioms that a fold may get wrong.

A model is a function of its seed. Ranges, limits, biases and factors are drawn to be awkward: away from zero, large,
tiny, of any legal shape, read twice, or an output of the graph as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

RANGES = ((0.0, 1.0), (-1.0, 1.0), (-3.0, 3.0), (0.0, 255.0), (-50.0, -10.0), (1e-5, 3e-5), (200.0, 210.0))
IMAGES = 3


@dataclass(frozen=True, slots=True)
class Map:
    """A tensor of the graph while it is drawn: a map, or a vector of so many channels if it has no height."""

    name: str
    channels: int
    height: int = 0
    width: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The ONNX shape."""
        return (1, self.channels, self.height, self.width) if self.height else (1, self.channels)


class Drawing:
    """One model being drawn.

    Half of them are simple: layers, limits and a few functions, so that little stands beside what may go wrong.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.maps: list[Map] = []
        self.count = 0
        self.simple = self.chance(0.5)
        self.opset = int(self.rng.choice([13, 15, 17, 18, 20, 21]))
        self.range = RANGES[self.integer(0, len(RANGES) - 1)]

    def integer(self, low: int, high: int) -> int:
        """A whole number within both limits."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return bool(self.rng.random() < share)

    def constant(self, values: object, kind: type = np.float32) -> str:
        """An initialiser, or sometimes a Constant node."""
        name = f"c{self.count}"
        self.count += 1
        tensor = numpy_helper.from_array(np.asarray(values, kind), name)
        if self.chance(0.1):
            self.nodes.append(helper.make_node("Constant", [], [name], name=f"make_{name}", value=tensor))
        else:
            self.constants.append(tensor)
        return name

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """A node of one output; some have no name, or one with brackets, colons and slashes."""
        output = f"t{len(self.nodes)}"
        name = ["", f"net/{output}:0", f"blk[/{output}]", output][self.integer(0, 3)]
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=name, **attributes))
        return output

    def uniform(self, shape: Sequence[int], low: float = 0.5, high: float = 2.0) -> NDArray[np.float64]:
        """Values between two limits, of either sign one time in three."""
        values = self.rng.uniform(low, high, shape)
        return values * self.rng.choice([-1, 1], shape) if self.chance(0.3) else values


def draw(seed: int) -> tuple[onnx.ModelProto, list[NDArray[np.float32]]]:
    """The model of a seed, and inputs float32 (C, H, W) for it."""
    work = Drawing(seed)
    entry = Map("x", work.integer(1, 4), work.integer(4, 9), work.integer(4, 9))
    low, high = work.range
    images = list(work.rng.uniform(low, high, (IMAGES, *entry.shape[1:])).astype(np.float32))
    value = _conv(work, entry)
    work.maps.append(value)
    for _ in range(work.integer(1, 5)):
        layers = (*LAYERS, *REWRITTEN) if seed % 3 == 2 else LAYERS  # so that the other seeds stay what they were
        layer = layers[work.integer(0, len(layers) - 1)]
        value = layer(work, value)
        work.maps.append(value)
    final = _tail(work, value)
    outputs = {final: None}
    for each in work.maps:
        if work.chance(0.1):
            outputs[each.name] = None
    batch = "N" if not work.simple and work.chance(0.3) else 1
    kind = TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("x", kind, [batch, *entry.shape[1:]])]
    results = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    graph = helper.make_graph(work.nodes, f"given{seed}", inputs, results, work.constants)
    ir = 10 if work.simple or work.chance(0.7) else 12
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", work.opset)], ir_version=ir)
    return model, images


def _conv(work: Drawing, value: Map) -> Map:
    """Scaled so that results have the size of what is read, but for channels that are dead, or far larger."""
    if not value.height:
        return _dense(work, value)
    size = (work.integer(1, min(3, value.height)), work.integer(1, min(3, value.width)))
    stride = (work.integer(1, 2), work.integer(1, 2))
    channels = work.integer(1, 9)
    source, before = value.name, [work.integer(0, edge - 1) for edge in (*size, *size)]
    weights = (
        work.rng.standard_normal((channels, value.channels, *size)) * (2 / (value.channels * size[0] * size[1])) ** 0.5
    )
    if work.chance(0.15):
        weights[work.integer(0, channels - 1)] *= work.rng.choice([0, 1e-9, 1e-5, 1e-3])
    inputs = [work.constant(weights)]
    if work.chance(0.6):
        inputs.append(work.constant(work.rng.standard_normal(channels) * max(abs(each) for each in work.range) * 0.3))
    pads = before
    if work.chance(0.2):  # padded by a node of its own
        pads = [0] * 4
        if work.opset >= 18 and work.chance(0.5):
            source = work.op("Pad", source, work.constant(before, np.int64), "", work.constant([2, 3], np.int64))
        else:
            whole = [0, 0, *before[:2], 0, 0, *before[2:]]
            source = work.op("Pad", source, work.constant(whole, np.int64))
    made = work.op("Conv", source, *inputs, kernel_shape=size, strides=stride, pads=pads)
    height, width = ((edge + before[axis] + before[axis + 2] - size[axis]) // stride[axis] + 1
                     for axis, edge in enumerate((value.height, value.width)))  # fmt: skip
    return _activation(work, _normalised(work, Map(made, channels, height, width)))


def _normalised(work: Drawing, value: Map) -> Map:
    """What stands behind a convolution: a normalisation in one node or in several, or a factor that is none."""
    kind = work.integer(0, 7)
    if kind == 0:
        statistics = [work.constant(work.rng.uniform(0.5, 2, value.channels)) for _ in range(4)]
        return Map(work.op("BatchNormalization", value.name, *statistics), *value.shape[1:])
    if kind in (1, 2):
        shapes: list[tuple[int, ...]] = [(value.channels, 1, 1), (1, value.channels, 1, 1), (), (1,), (1, 1, 1, 1)]
        if kind == 2 and work.chance(0.5):
            shapes = [(value.width,), (1, 1, 1, value.width), (1, 1, value.height, 1)]
        shape = shapes[work.integer(0, len(shapes) - 1)]
        op_type = ["Mul", "Div", "Add", "Sub"][0 if work.simple else work.integer(0, 3)]
        sides = [value.name, work.constant(work.uniform(shape))]
        if op_type != "Div" and work.chance(0.3):
            sides.reverse()
        return Map(work.op(op_type, *sides), *value.shape[1:])
    if kind == 3:
        op_type = ["Identity", "Dropout", "Cast"][work.integer(0, 2)]
        extra = {"to": TensorProto.FLOAT} if op_type == "Cast" else {}
        return Map(work.op(op_type, value.name, **extra), *value.shape[1:])
    return value


UNARY = ("Abs", "Celu", "Elu", "Erf", "HardSigmoid", "HardSwish", "LeakyRelu", "Neg", "Selu", "Sigmoid", "Softplus",
         "Softsign", "Tanh", "ThresholdedRelu", "Exp", "Gelu", "Mish")  # fmt: skip


SINCE = {"Gelu": 20, "Mish": 18, "HardSwish": 14}
"""The first opset of some."""


def _activation(work: Drawing, value: Map) -> Map:
    kind = work.integer(0, 6)
    if kind == 0:
        return Map(work.op("Relu", value.name), *value.shape[1:])
    if kind == 1:
        low, high = sorted(work.rng.normal(0, 2, 2).tolist())
        limits = [work.constant(low) if work.chance(0.7) else "", work.constant(high) if work.chance(0.6) else ""]
        return Map(work.op("Clip", value.name, *limits), *value.shape[1:])
    if kind in (2, 3):
        return _chain(work, value)
    if kind == 4 and value.height:
        gate = work.op("Sigmoid", value.name)
        return Map(work.op("Mul", *((gate, value.name) if work.chance(0.5) else (value.name, gate))), *value.shape[1:])
    return value


def _chain(work: Drawing, value: Map) -> Map:
    """One to three functions of one value."""
    name = value.name
    if work.simple:
        op_type = ("Elu", "HardSigmoid", "LeakyRelu", "Sigmoid", "Tanh")[work.integer(0, 4)]
        return Map(work.op(op_type, name), *value.shape[1:])
    for _ in range(work.integer(1, 3)):
        if work.chance(0.6):
            known = [each for each in UNARY if SINCE.get(each, 0) <= work.opset]
            op_type = known[work.integer(0, len(known) - 1)]
            if op_type == "Exp":  # of what is not too large
                name = work.op("Clip", name, "", work.constant(2.0))
            name = work.op(op_type, name)
        elif work.chance(0.2):
            name = work.op("PRelu", name, work.constant(work.uniform((1,), 0.1, 0.5)))
        else:
            op_type = ["Add", "Sub", "Mul", "Div", "Max", "Min"][work.integer(0, 5)]
            name = work.op(op_type, name, work.constant(work.uniform(((), (1,))[work.integer(0, 1)])))
    return Map(name, *value.shape[1:])


def _pool(work: Drawing, value: Map) -> Map:
    if not value.height:
        return _chain(work, value)
    size = (work.integer(1, min(3, value.height)), work.integer(1, min(3, value.width)))
    stride = (work.integer(1, 2), work.integer(1, 2))
    op_type = ["MaxPool", "AveragePool"][work.integer(0, 1)]
    pads = [work.integer(0, edge - 1) for edge in (*size, *size)] if work.chance(0.5) else [0] * 4
    extra = {"count_include_pad": work.integer(0, 1)} if op_type == "AveragePool" else {}
    made = work.op(op_type, value.name, kernel_shape=size, strides=stride, pads=pads, **extra)
    height, width = ((edge + pads[axis] + pads[axis + 2] - size[axis]) // stride[axis] + 1
                     for axis, edge in enumerate((value.height, value.width)))  # fmt: skip
    return Map(made, value.channels, height, width)


def _joined(work: Drawing, value: Map) -> Map:
    """A sum or a concatenation with an earlier tensor of its shape, or with a function of itself."""
    others = [each for each in work.maps if each.shape == value.shape] or [value]
    other = others[work.integer(0, len(others) - 1)]
    if work.chance(0.3):
        other = _chain(work, other)
    kind = work.integer(0, 3)
    if kind == 0:
        return Map(work.op("Concat", value.name, other.name, axis=1), 2 * value.channels, *value.shape[2:])
    if kind == 1:
        terms = [value.name, other.name, others[0].name][: 2 if work.simple else work.integer(2, 3)]
        return _activation(work, Map(work.op("Sum", *terms), *value.shape[1:]))
    return _activation(work, Map(work.op("Add", value.name, other.name), *value.shape[1:]))


def _parts(work: Drawing, value: Map) -> Map:
    if value.channels < 2:
        return _conv(work, value)
    border = work.integer(1, value.channels - 1)
    if work.chance(0.5):
        limits = [work.constant([each], np.int64) for each in (border, value.channels, 1)]
        return Map(work.op("Slice", value.name, *limits), value.channels - border, *value.shape[2:])
    sizes = work.constant([border, value.channels - border], np.int64)
    names = [f"s{len(work.nodes)}a", f"s{len(work.nodes)}b"]
    work.nodes.append(helper.make_node("Split", [value.name, sizes], names, name=names[0], axis=1))
    return Map(names[0], border, *value.shape[2:])


def _enlarged(work: Drawing, value: Map) -> Map:
    """Twice as high and as wide: by repeating, by transposed kernels, or by laying out channels as pixels."""
    if not 0 < value.height <= 6 or value.width > 6:
        return _conv(work, value)
    kind, blocks = len(work.nodes) % 3, value.channels // 4
    if kind == 1 and blocks and value.channels % 4 == 0:
        mode = ("DCR", "CRD")[len(work.nodes) % 2]
        name = work.op("DepthToSpace", value.name, blocksize=2, mode=mode)
        return _activation(work, Map(name, blocks, 2 * value.height, 2 * value.width))
    if kind == 2:
        weights = np.random.default_rng(value.channels).standard_normal((value.channels, value.channels, 2, 2))
        name = work.op("ConvTranspose", value.name, work.constant(weights / value.channels**0.5), strides=[2, 2])
        return _activation(work, Map(name, value.channels, 2 * value.height, 2 * value.width))
    scales = work.constant([1, 1, 2, 2])
    name = work.op("Resize", value.name, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
                   nearest_mode="floor")  # fmt: skip
    return _activation(work, Map(name, value.channels, 2 * value.height, 2 * value.width))


def _mean(work: Drawing, value: Map) -> Map:
    if not value.height:
        return _chain(work, value)
    keep = work.integer(0, 1)
    if work.simple or work.chance(0.4):
        return Map(work.op("GlobalAveragePool", value.name), value.channels, 1, 1)
    if work.opset >= 18:
        name = work.op("ReduceMean", value.name, work.constant([2, 3], np.int64), keepdims=keep)
    else:
        name = work.op("ReduceMean", value.name, axes=[-1, -2], keepdims=keep)
    return Map(name, value.channels, keep, keep)


def _rows(work: Drawing, value: Map) -> Map:
    """Rows of a map in one, a convolution of that, and a map of one row again."""
    if not value.height:
        return _chain(work, value)
    op_type = ("ReduceMean", "ReduceMax", "ReduceSum")[work.integer(0, 2)]
    row = _reduced(work, op_type, value, 2, keepdims=0)
    size, channels = work.integer(1, 3), work.integer(1, 9)
    shape = (channels, value.channels, size)
    fan = value.channels * size * (value.height if op_type == "ReduceSum" else 1)
    kernel = work.constant(work.rng.standard_normal(shape) * (2 / fan) ** 0.5)
    made = work.op("Conv", row, kernel, pads=[size - 1, 0], strides=[work.integer(1, 2)], dilations=[1])
    stride = next(each.ints[0] for each in work.nodes[-1].attribute if each.name == "strides")
    back = work.op("Unsqueeze", made, work.constant([2], np.int64))
    return Map(back, channels, 1, (value.width - 1) // stride + 1)


def _reduced(work: Drawing, op_type: str, value: Map, axis: int, keepdims: int) -> str:
    since = 13 if op_type == "ReduceSum" else 18
    if work.opset >= since:
        return work.op(op_type, value.name, work.constant([axis], np.int64), keepdims=keepdims)
    return work.op(op_type, value.name, axes=[axis], keepdims=keepdims)


def _moved(work: Drawing, value: Map) -> Map:
    """A border of zeros, channels in another order, their mean, the largest pixel, or pixels as channels."""
    if not value.height:
        return _chain(work, value)
    kind = work.integer(0, 3)
    height, width = value.height, value.width
    if kind == 0:
        before = [work.integer(0, 2) for _ in range(4)]
        whole = [0, 0, *before[:2], 0, 0, *before[2:]]
        name = work.op("Pad", value.name, work.constant(whole, np.int64))
        return Map(name, value.channels, height + before[0] + before[2], width + before[1] + before[3])
    if kind == 1:
        groups = next(count for count in (3, 2, 1) if value.channels % count == 0)
        inner = [1, groups, value.channels // groups, height, width]
        apart = work.op("Reshape", value.name, work.constant(inner, np.int64))
        turned = work.op("Transpose", apart, perm=[0, 2, 1, 3, 4])
        return Map(work.op("Reshape", turned, work.constant(list(value.shape), np.int64)), *value.shape[1:])
    if kind == 2:
        return Map(_reduced(work, ("ReduceMean", "ReduceSum")[work.integer(0, 1)], value, 1, 1), 1, height, width)
    if height % 2 == width % 2 == 0:
        return Map(work.op("SpaceToDepth", value.name, blocksize=2), 4 * value.channels, height // 2, width // 2)
    return Map(work.op("GlobalMaxPool", value.name), value.channels, 1, 1)


def _constant(work: Drawing, value: Map) -> Map:
    """A constant for every value, or for those of a row or column, on either side."""
    shapes = [value.shape] if not value.height else [value.shape, value.shape[2:], (1, 1, value.height, 1)]
    op_type = ("Add", "Sub", "Mul", "Div", "Max", "Min")[work.integer(0, 5)]
    sides = [value.name, work.constant(work.uniform(shapes[work.integer(0, len(shapes) - 1)]))]
    if op_type != "Div" and work.chance(0.5):
        sides.reverse()
    return Map(work.op(op_type, *sides), *value.shape[1:])


def _bordered(work: Drawing, value: Map) -> Map:
    """A border by reflection, with the edge or of another value."""
    if not value.height or max(value.height, value.width) > 9:
        return _conv(work, value)
    mode = ("reflect", "edge", "constant")[work.integer(0, 2)]
    sizes = [work.integer(0, min(2, size - 1)) for size in (value.height, value.width) * 2]
    inputs = [value.name, work.constant([0, 0, *sizes[:2], 0, 0, *sizes[2:]], np.int64)]
    inputs += [work.constant(0.5)] if mode == "constant" else []
    return Map(work.op("Pad", *inputs, mode=mode), value.channels, value.height + sizes[0] + sizes[2],
               value.width + sizes[1] + sizes[3])  # fmt: skip


def _taken(work: Drawing, value: Map) -> Map:
    """Some channels, rows or columns, in any order or in steps."""
    if not value.height:
        return _chain(work, value)
    axis = work.integer(1, 3)
    size = value.shape[axis]
    if work.chance(0.5):
        places = [work.integer(0, size - 1) for _ in range(work.integer(1, 4))]
        name, count = work.op("Gather", value.name, work.constant(places, np.int64), axis=axis), len(places)
    else:
        start, step = work.integer(0, size - 1), work.integer(1, 3)
        limits = [work.constant([each], np.int64) for each in (start, size, axis, step)]
        name, count = work.op("Slice", value.name, *limits), len(range(start, size, step))
    shape = [*value.shape[1:]]
    shape[axis - 1] = count
    return Map(name, *shape)


def _gated(work: Drawing, value: Map) -> Map:
    """Every channel times, or by, what is computed of all channels of a pixel, or of all pixels of a row."""
    if not value.height:
        return _chain(work, value)
    reduced = ("ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1", "ReduceSumSquare")[work.integer(0, 4)]
    gate = work.op("Sigmoid", _reduced(work, reduced, value, work.integer(1, 3), 1))
    if work.chance(0.3):
        gate = work.op("Add", gate, work.constant(0.5))
        return Map(work.op("Div", value.name, gate), *value.shape[1:])
    sides = [value.name, gate][:: 1 if work.chance(0.5) else -1]
    return Map(work.op(("Mul", "Sub")[work.integer(0, 1)], *sides), *value.shape[1:])


def _resampled(work: Drawing, value: Map) -> Map:
    """A Resize by whole factors that are not alike, or between pixels."""
    if not 0 < value.height <= 5 or value.width > 5:
        return _conv(work, value)
    factors = (work.integer(1, 2), work.integer(1, 3))
    place = ("half_pixel", "asymmetric", "pytorch_half_pixel")[work.integer(0, 2)]
    mode = ("linear", "nearest")[work.integer(0, 1)]
    extra = {"nearest_mode": "floor"} if mode == "nearest" and place == "asymmetric" else {}
    name = work.op("Resize", value.name, "", work.constant([1, 1, *factors]), mode=mode,
                   coordinate_transformation_mode=place, **extra)  # fmt: skip
    return Map(name, value.channels, value.height * factors[0], value.width * factors[1])


def _normed(work: Drawing, value: Map) -> Map:
    """Normalised by neighbours in channels; means; functions of what is positive."""
    if not value.height:
        return _chain(work, value)
    kind = work.integer(0, 5)
    if kind == 0:
        span = max(abs(each) for each in work.range)
        name = work.op("LRN", value.name, size=2 * work.integer(0, 2) + 1, alpha=0.1 / span**2, beta=0.75, bias=1.0)
    elif kind in (1, 2):
        name = work.op(("Mean", "Max")[work.integer(0, 1)], value.name, work.op("Tanh", value.name), value.name)
    else:
        positive = work.op("Add", work.op("Sigmoid", value.name), work.constant(0.5))
        name = work.op(("Log", "Sqrt", "Reciprocal")[work.integer(0, 2)], positive)
    return Map(name, *value.shape[1:])


def _attended(work: Drawing, value: Map) -> Map:
    """Every pixel by every other, a function of that, and by that all pixels."""
    if not value.height:
        return _chain(work, value)
    pixels = value.height * value.width
    matrix = work.op("Reshape", value.name, work.constant([1, value.channels, pixels], np.int64))
    scores = work.op("MatMul", work.op("Transpose", matrix, perm=[0, 2, 1]), matrix)
    mixed = work.op("MatMul", matrix, work.op("Sigmoid", scores))
    return Map(work.op("Reshape", mixed, work.constant(list(value.shape), np.int64)), *value.shape[1:])


def _dense(work: Drawing, value: Map) -> Map:
    """A Gemm or MatMul of the flattened map, with a bias of any legal shape."""
    inputs = int(np.prod(value.shape))
    name, outputs = value.name, work.integer(1, 9)
    if value.height:
        kind = work.integer(0, 2 if work.opset >= 14 and not work.simple else 1)
        if kind == 0:
            name = work.op("Flatten", name)
        elif kind == 1:
            name = work.op("Reshape", name, work.constant([1, -1], np.int64))
        else:
            name = work.op("Reshape", name, work.constant([1, inputs], np.int64), allowzero=1)
    weights = work.rng.standard_normal((inputs, outputs)) * (2 / inputs) ** 0.5
    shapes: list[tuple[int, ...]] = [(outputs,), (1, outputs), (), (1,), (1, 1)]
    bias = work.constant(work.uniform(shapes[work.integer(0, 4)]) * max(abs(each) for each in work.range) * 0.3)
    if work.chance(0.5):
        name = work.op("MatMul", name, work.constant(weights))
        name = work.op("Add", name, bias) if work.chance(0.7) else name
    else:
        transposed = work.integer(0, 1)
        factors = {"alpha": 0.5, "beta": 1.5} if not work.simple and work.chance(0.3) else {}
        kernel = work.constant(weights.T if transposed else weights)
        name = work.op("Gemm", name, kernel, *([bias] if work.chance(0.7) else []), transB=transposed, **factors)
    return _activation(work, Map(name, outputs))


def _tail(work: Drawing, value: Map) -> str:
    """What an exporter leaves behind the last layer, or nothing."""
    name, rank = value.name, len(value.shape)
    for _ in range(work.integer(0, 1 if work.simple else 3)):
        kind = (0, 3)[work.integer(0, 1)] if work.simple else work.integer(0, 6)
        if kind == 0:
            name = work.op("Softmax", name, axis=work.integer(1, rank - 1))
        elif kind == 1:
            order = [0, *(1 + work.rng.permutation(rank - 1)).tolist()]
            name = work.op("Transpose", name, perm=order)
        elif kind == 2:
            name, rank = work.op("Reshape", name, work.constant([1, -1], np.int64)), 2
        elif kind == 3:
            name = work.op("Relu", work.op("Mul", name, work.constant(work.uniform(()))))
        elif kind == 4:
            name = work.op("Sub", name, work.constant(work.uniform((1,))))
        elif kind == 5:
            name = work.op(("Sigmoid", "Tanh", "Sin")[work.integer(0, 2)], name)
    return name


LAYERS: tuple[Callable[[Drawing, Map], Map], ...] = (
    _conv, _conv, _conv, _pool, _joined, _joined, _parts, _enlarged, _mean, _dense, _activation, _chain, _rows, _moved,
)  # fmt: skip

REWRITTEN: tuple[Callable[[Drawing, Map], Map], ...] = (
    _constant, _constant, _bordered, _taken, _gated, _resampled, _normed, _normed, _normed, _attended,
)  # fmt: skip
"""What no engine has as it is, and products of activations."""

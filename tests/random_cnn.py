"""Small random CNNs that use every supported operator, as a hypothesis strategy and by seed.

Both draw from one generator, which only asks for integers: hypothesis can shrink a failing network, and a seed
repeats one outside hypothesis.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx
from hypothesis import strategies as st
from numpy.typing import NDArray

from mapping.importer.onnx_model import image_shape
from mapping.models.builder import GraphBuilder

Choose = Callable[[int, int], int]
"""Draws an integer between two limits, both included."""

Pads = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Map:
    """A feature map while the network is drawn."""

    tensor: str
    channels: int
    height: int
    width: int


def seeded(seed: int, *, detector: bool = False, moving: bool = False) -> onnx.ModelProto:
    """The float32 network of a seed; with the blocks of a detector, or with what moves and mixes maps, if wanted."""
    rng = np.random.default_rng(seed)
    return draw_model(lambda low, high: int(rng.integers(low, high + 1)), detector=detector, moving=moving)


@st.composite
def models(draw: st.DrawFn, *, detector: bool = False, moving: bool = False) -> onnx.ModelProto:
    """Float32 networks of at most 12x12 pixels and 40 channels, as `seeded` has them."""
    return draw_model(lambda low, high: draw(st.integers(low, high)), detector=detector, moving=moving)


def calibration(model: onnx.ModelProto, count: int = 3) -> list[NDArray[np.float32]]:
    """Images for a model, float32 (C, H, W), with values of both signs."""
    rng = np.random.default_rng(0)
    return list(rng.standard_normal((count, *image_shape(model)), dtype=np.float32))


def draw_model(choose: Choose, *, detector: bool = False, moving: bool = False) -> onnx.ModelProto:
    """Draw a network: layers on a map, then an optional tail; one in eight is a pure multilayer perceptron."""
    seed = choose(0, 2**16 - 1)
    if choose(0, 7) == 7:
        return _perceptron(choose, seed)
    shape = (choose(1, 5), choose(1, 12), choose(1, 12))
    graph = GraphBuilder("random", (1, *shape), seed)
    value = _Map(graph.input, *shape)
    layers = (_conv, _conv, _residual, _pool, _pool, *((_curve, _branches, _resize) if detector else ()))
    if moving:
        layers = (_conv, _attended, _cropped, _spread, _constant, _bordered, _gated, _selected)
    for index in range(choose(1, 5)):
        value = layers[choose(0, len(layers) - 1)](graph, choose, f"layer{index}", value)
    if moving:  # what no layer depends on is the host's
        value = _conv(graph, choose, "end", value)
    return _tail(graph, choose, value)


def _perceptron(choose: Choose, seed: int) -> onnx.ModelProto:
    inputs, hidden, outputs = choose(1, 40), choose(1, 40), choose(1, 20)
    graph = GraphBuilder("perceptron", (1, inputs), seed)
    value = _activation(graph, choose, "hidden", graph.gemm("hidden", graph.input, inputs, hidden))
    return graph.finish(graph.gemm("last", value, hidden, outputs))


def _activation(graph: GraphBuilder, choose: Choose, name: str, tensor: str) -> str:
    kind = choose(0, 3)
    if kind == 1:
        return graph.relu(f"{name}.relu", tensor)
    if kind == 2:
        limits = [
            graph.constant(f"{name}.{key}", np.array(limit, np.float32))
            for key, limit in (("low", -0.5), ("high", 1.0))
        ]
        return graph.op("Clip", f"{name}.clip", [tensor, *limits])
    if kind == 3:
        return graph.op(
            "Clip", f"{name}.clip", [tensor, "", graph.constant(f"{name}.high", np.array(0.75, np.float32))]
        )
    return tensor


def _window(choose: Choose, size: tuple[int, int], largest: int) -> tuple[tuple[int, int], tuple[int, int], Pads]:
    """Kernel, stride and pads (each less than the kernel) of a window that fits the padded map."""
    kernel, stride, before, after = [], [], [], []
    for extent in size:
        window = choose(1, largest)
        start = choose(0, window - 1)
        end = max(choose(0, window - 1), window - start - extent)
        kernel.append(window)
        stride.append(choose(1, 3))
        before.append(start)
        after.append(end)
    return (kernel[0], kernel[1]), (stride[0], stride[1]), (before[0], before[1], after[0], after[1])


def _slid(value: _Map, kernel: tuple[int, int], stride: tuple[int, int], pads: Pads) -> tuple[int, int]:
    height = (value.height + pads[0] + pads[2] - kernel[0]) // stride[0] + 1
    width = (value.width + pads[1] + pads[3] - kernel[1]) // stride[1] + 1
    return height, width


def _conv(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    channels = choose(1, 40 if value.height * value.width <= 36 else 17)
    kernel, stride, pads = _window(choose, (value.height, value.width), 5)
    tensor = graph.conv(name, value.tensor, value.channels, channels, kernel, stride, pads, bias=bool(choose(0, 1)))
    if choose(0, 1):
        tensor = graph.batch_norm(f"{name}.bn", tensor, channels)
    return _Map(_activation(graph, choose, name, tensor), channels, *_slid(value, kernel, stride, pads))


def _residual(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """A convolution that keeps the shape beside the map itself, or the map added to itself."""
    if choose(0, 9) == 9:
        return replace(value, tensor=graph.add(f"{name}.double", value.tensor, value.tensor))
    kernel = (choose(1, 4), choose(1, 4))
    top, left = choose(0, kernel[0] - 1), choose(0, kernel[1] - 1)
    pads = (top, left, kernel[0] - 1 - top, kernel[1] - 1 - left)
    inner = graph.conv(name, value.tensor, value.channels, value.channels, kernel, (1, 1), pads, bias=True)
    inner = _activation(graph, choose, f"{name}.inner", inner)
    sides = (inner, value.tensor) if choose(0, 1) else (value.tensor, inner)
    return replace(value, tensor=_activation(graph, choose, name, graph.add(f"{name}.add", *sides)))


def _pool(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    kernel, stride, pads = _window(choose, (value.height, value.width), 3)
    attributes = {"kernel_shape": kernel, "strides": stride, "pads": pads}
    if choose(0, 1):
        tensor = graph.op("MaxPool", name, [value.tensor], **attributes)
    else:
        tensor = graph.op("AveragePool", name, [value.tensor], count_include_pad=choose(0, 1), **attributes)
    return _Map(tensor, value.channels, *_slid(value, kernel, stride, pads))


def _curve(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """A convolution and a function of its values."""
    value = _conv(graph, choose, f"{name}.conv", value)
    kinds = ("Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu")
    kind = choose(0, len(kinds) + 1)
    if kind == len(kinds) + 1:
        half = graph.constant(f"{name}.half", np.array(-0.5, np.float32))
        return replace(value, tensor=graph.op("Mul", name, [half, value.tensor]))
    if kind == len(kinds):
        return replace(value, tensor=graph.silu(name, value.tensor))
    return replace(value, tensor=graph.op(kinds[kind], name, [value.tensor]))


def _branches(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """Some channels of a map bypass a convolution of the others; a part of the result goes on, or all of it."""
    value = _curve(graph, choose, f"{name}.in", value)
    if value.channels == 1:
        return value
    border = choose(1, value.channels - 1)
    near, far = graph.split(f"{name}.split", value.tensor, (border, value.channels - border))
    inner = graph.conv(f"{name}.conv", far, value.channels - border, border, (1, 1), bias=True)
    inner = _activation(graph, choose, f"{name}.inner", inner)
    parts = [near, inner, far][: choose(2, 3)]
    joined = graph.op("Concat", f"{name}.concat", parts[:: choose(0, 1) * 2 - 1], axis=1)
    channels = 2 * border + (value.channels - border) * (len(parts) - 2)
    start = choose(0, channels - 1)
    stop = choose(start + 1, channels)
    if choose(0, 1):
        limits = [graph.constant(f"{name}.{key}", np.array([each])) for key, each in
                  (("start", start), ("stop", stop), ("axis", 1))]  # fmt: skip
        return replace(value, tensor=graph.op("Slice", f"{name}.slice", [joined, *limits]), channels=stop - start)
    return replace(value, tensor=joined, channels=channels)


def _resize(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    factor = choose(2, 3)
    if max(value.height, value.width) * factor > 12:
        return value
    scales = graph.constant(f"{name}.scales", np.array([1, 1, factor, factor], np.float32))
    modes = (("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"), ("pytorch_half_pixel", "round_prefer_ceil"))
    place, rounding = modes[choose(0, len(modes) - 1)]
    tensor = graph.op(
        "Resize", name, [value.tensor, "", scales], mode="nearest", coordinate_transformation_mode=place,
        nearest_mode=rounding,
    )  # fmt: skip
    return replace(value, tensor=tensor, height=value.height * factor, width=value.width * factor)


def _attended(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """Every pixel by every other, a function of that, and by that all pixels."""
    pixels = value.height * value.width
    flat, whole = (1, value.channels, pixels), (1, value.channels, value.height, value.width)
    shapes = [graph.constant(f"{name}.shape{len(shape)}", np.array(shape, np.int64)) for shape in (flat, whole)]
    if pixels == 1 or value.channels == 1:
        return _conv(graph, choose, name, value)
    matrix = graph.op("Reshape", f"{name}.matrix", [value.tensor, shapes[0]])
    turned = graph.op("Transpose", f"{name}.turned", [matrix], perm=[0, 2, 1])
    scores = graph.op("Sigmoid", f"{name}.weights", [graph.op("MatMul", f"{name}.scores", [turned, matrix])])
    mixed = graph.op("MatMul", f"{name}.mixed", [matrix, scores])
    return replace(value, tensor=graph.op("Reshape", name, [mixed, shapes[1]]))


def _cropped(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """Some rows or columns, in steps."""
    axis = choose(2, 3)
    size = (value.height, value.width)[axis - 2]
    start, step = choose(0, size - 1), choose(1, 3)
    limits = [graph.constant(f"{name}.{key}", np.array([each])) for key, each in
              (("start", start), ("stop", size), ("axis", axis), ("step", step))]  # fmt: skip
    tensor, count = graph.op("Slice", name, [value.tensor, *limits]), len(range(start, size, step))
    return replace(value, tensor=tensor, **{("height", "width")[axis - 2]: count})


def _spread(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """Channels as pixels of blocks, or pixels repeated."""
    if max(value.height, value.width) > 6:
        return _cropped(graph, choose, name, value)
    if choose(0, 1):
        tensor = graph.conv(f"{name}.conv", value.tensor, value.channels, channels := 4 * choose(1, 5), (1, 1))
        tensor = graph.op("DepthToSpace", name, [tensor], blocksize=2, mode=("DCR", "CRD")[choose(0, 1)])
        return _Map(tensor, channels // 4, 2 * value.height, 2 * value.width)
    rows, columns = choose(1, 2), choose(1, 2)
    scales = graph.constant(f"{name}.scales", np.array([1, 1, rows, columns], np.float32))
    place = ("half_pixel", "asymmetric")[choose(0, 1)]
    tensor = graph.op("Resize", name, [value.tensor, "", scales], mode="linear", coordinate_transformation_mode=place)
    return replace(value, tensor=tensor, height=rows * value.height, width=columns * value.width)


def _constant(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """A constant for every value, row or column on either side."""
    whole = (1, value.channels, value.height, value.width)
    shape = (whole, (1, 1, value.height, 1), (value.width,))[choose(0, 2)]
    sides = [value.tensor, graph.constant(f"{name}.values", graph.normal(shape, 1))][:: choose(0, 1) * 2 - 1]
    kind = ("Add", "Sub", "Mul", "Max", "Min")[choose(0, 4)]
    return replace(value, tensor=graph.op(kind, name, sides))


def _bordered(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """A border by reflection or with the edge."""
    sizes = [choose(0, min(1, size - 1)) for size in (value.height, value.width) * 2]
    border = graph.constant(f"{name}.border", np.array([0, 0, *sizes[:2], 0, 0, *sizes[2:]]))
    tensor = graph.op("Pad", name, [value.tensor, border], mode=("reflect", "edge")[choose(0, 1)])
    return replace(
        value, tensor=tensor, height=value.height + sizes[0] + sizes[2], width=value.width + sizes[1] + sizes[3]
    )


def _gated(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """Every channel times what is computed of all channels of a pixel."""
    axes = graph.constant(f"{name}.axes", np.array([1]))
    kind = ("ReduceMax", "ReduceMin", "ReduceL2", "ReduceMean")[choose(0, 3)]
    gate = graph.op("Sigmoid", f"{name}.gate", [graph.op(kind, f"{name}.reduced", [value.tensor, axes])])
    return replace(value, tensor=graph.op("Mul", name, [value.tensor, gate]))


def _selected(graph: GraphBuilder, choose: Choose, name: str, value: _Map) -> _Map:
    """Channels in any order."""
    places = np.array([choose(0, value.channels - 1) for _ in range(choose(1, 6))])
    tensor = graph.op("Gather", name, [value.tensor, graph.constant(f"{name}.places", places)], axis=1)
    return replace(value, tensor=tensor, channels=places.size)


def _tail(graph: GraphBuilder, choose: Choose, value: _Map) -> onnx.ModelProto:
    kind = choose(0, 4)
    tensor = value.tensor
    inputs = value.channels * value.height * value.width
    if kind == 0 and tensor != graph.input:
        return graph.finish(tensor)
    if kind == 1:
        tensor = graph.op("GlobalAveragePool", "mean", [tensor])
        inputs = value.channels
    if kind == 2:
        shape = graph.constant("vector", np.array([1, -1], np.int64))
        tensor = graph.op("Reshape", "reshape", [tensor, shape])
    else:
        tensor = graph.op("Flatten", "flatten", [tensor])
    outputs = choose(1, 20)
    if kind == 3:
        weights = graph.constant("last.weight", graph.normal((inputs, outputs), inputs**-0.5))
        tensor = graph.op("MatMul", "last", [tensor, weights])
        if choose(0, 1):
            tensor = graph.add("bias", tensor, graph.constant("last.bias", graph.normal((outputs,), 0.1)))
    else:
        tensor = graph.gemm("last", tensor, inputs, outputs)
    if choose(0, 1):
        tensor = graph.op("Softmax", "softmax", [tensor], axis=-1)
    return graph.finish(tensor)

"""Quantised networks for the compiler's tests: built by hand, drawn with every awkward shape, or built in."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
from hypothesis import strategies as st

from mapping.importer.onnx_model import image_shape
from mapping.importer.quantise import quantise
from mapping.importer.walk import import_model
from mapping.models import load_model, model_inputs
from pyimc.arch import Arch, arch_from_dict, load_arch
from pyimc.network import (
    Add,
    Concat,
    Crop,
    DepthToSpace,
    Depthwise,
    Extreme,
    Lut,
    Matmul,
    Mul,
    Mvm,
    Network,
    Node,
    Normalise,
    Pads,
    Pair,
    Pairwise,
    Pool,
    Resize,
    Softmax,
    Stored,
    Sub,
    TensorType,
    Transpose,
    window_shape,
)
from pyimc.network_rules import verify
from pyimc.numerics import quantise_multiplier, quantise_multipliers

Choose = Callable[[int, int], int]


def small_arch(**changes: object) -> Arch:
    """The architecture `tiny` with changes; those of the crossbar as `crossbar={...}`."""
    data = load_arch("tiny").model_dump(mode="json")
    crossbar = data["crossbar"] | dict(changes.pop("crossbar", {}))  # type: ignore[call-overload]
    return arch_from_dict(data | changes | {"crossbar": crossbar}, "test")


class Builder:
    """Adds nodes one by one; zero points, weights and clamps come from a seed.

    Values that are all clamped would hide any fault, so results scatter around their zero point, which is mostly far
    from the ends: biases take off what weights add up to.
    """

    def __init__(self, height: int, width: int, channels: int, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.tensors: dict[str, TensorType] = {}
        self.nodes: list[Node] = []
        self.input = self._tensor("x", height, width, channels)

    def _tensor(self, name: str, height: int, width: int, channels: int) -> str:
        ends = (0, 256) if self.random.integers(0, 4) == 0 else (64, 192)
        self.tensors[name] = TensorType(height, width, channels, 1.0, int(self.random.integers(*ends)))
        return name

    def _clamp(self) -> Pair:
        return int(self.random.integers(0, 60)), int(self.random.integers(195, 256))

    def _window(self, name: str, source: str, channels: int, kernel: Pair, stride: Pair, pads: Pads) -> str:
        kind = self.tensors[source]
        height, width = window_shape((kind.height, kind.width), kernel, stride, pads)
        return self._tensor(f"{name}.y", height, width, channels)

    def conv(
        self,
        name: str,
        source: str,
        channels: int,
        kernel: Pair = (3, 3),
        stride: Pair = (1, 1),
        pads: Pads = (1, 1, 1, 1),
        after: str | None = None,
        partial: bool = False,
    ) -> str:
        """A convolution, which adds to the partial map `after` and may give one; returns its output tensor."""
        kind = self.tensors[source]
        output = self._window(name, source, channels, kernel, stride, pads)
        shape = (channels, *kernel, kind.channels)
        if partial:
            self.tensors[output] = replace(self.tensors[output], zero_point=0, partial=True)
        scales = [
            quantise_multiplier(s / np.prod(shape[1:]) ** 0.5 / 100) for s in self.random.uniform(0.3, 1, channels)
        ]
        weights = self.random.integers(-128, 128, shape).astype(np.int8)
        mean = (128 - kind.zero_point if source == self.input else 0) * weights.sum((1, 2, 3), dtype=np.int64)
        self.nodes.append(
            Mvm(
                name, (source,) if after is None else (source, after), output, kernel, stride, pads,
                weights.reshape(channels, kernel[0], -1),
                (self.random.integers(-9999, 9999, channels) - mean).astype(np.int32),
                np.array([0 if partial else scale[0] for scale in scales], np.int32),
                np.array([1 if partial else scale[1] for scale in scales], np.uint8),
                kind.zero_point, self.tensors[output].zero_point, (0, 255) if partial else self._clamp(),
            )
        )  # fmt: skip
        return output

    def chain(self, name: str, source: str, channels: int, kernels: Sequence[Pair], stride: Pair = (1, 1)) -> str:
        """The sum of convolutions with odd kernels, one behind the other; returns the last one's output tensor."""
        partial = None
        for index, kernel in enumerate(kernels):
            pads = (kernel[0] // 2, kernel[1] // 2) * 2
            last = index + 1 == len(kernels)
            partial = self.conv(f"{name}.{index}", source, channels, kernel, stride, pads, partial, not last)
        assert partial is not None
        return partial

    def dense(self, name: str, source: str, channels: int) -> str:
        """A fully connected layer."""
        kind = self.tensors[source]
        return self.conv(name, source, channels, (kind.height, kind.width), (1, 1), (0, 0, 0, 0))

    def depthwise(
        self, name: str, source: str, kernel: Pair = (3, 3), stride: Pair = (1, 1), pads: Pads = (1, 1, 1, 1)
    ) -> str:
        """A kernel for every channel."""
        kind = self.tensors[source]
        channels = kind.channels
        output = self._window(name, source, channels, kernel, stride, pads)
        scales = [
            quantise_multiplier(s / (kernel[0] * kernel[1]) ** 0.5 / 50) for s in self.random.uniform(0.3, 1, channels)
        ]
        weights = self.random.integers(-128, 128, (channels, *kernel)).astype(np.int8)
        mean = 128 * weights.sum((1, 2), dtype=np.int64)
        self.nodes.append(
            Depthwise(
                name, (source,), output, kernel, stride, pads, weights,
                (self.random.integers(-999, 999, channels) - mean).astype(np.int32),
                np.array([scale[0] for scale in scales], np.int32), np.array([scale[1] for scale in scales], np.uint8),
                kind.zero_point, self.tensors[output].zero_point, self._clamp(),
            )
        )  # fmt: skip
        return output

    def add(self, name: str, left: str, right: str) -> str:
        """A sum."""
        kinds = (self.tensors[left], self.tensors[right])
        output = self._tensor(f"{name}.y", *kinds[0].shape)
        (one, two), shift = quantise_multipliers(self.random.uniform(0.2, 1, 2).tolist())
        zeros = (kinds[0].zero_point, kinds[1].zero_point)
        zero = self.tensors[output].zero_point
        self.nodes.append(Add(name, (left, right), output, (one, two), shift, zeros, zero, self._clamp()))
        return output

    def pair(self, name: str, kind: type[Pairwise], left: str, right: str, mode: str = "max") -> str:
        """Two maps, or a map and a pixel; of Extreme the second takes the zero point of the first."""
        one, other = self.tensors[left], self.tensors[right]
        output = self._tensor(f"{name}.y", *one.shape)
        reals = self.random.uniform(0.2, 1, 2).tolist()
        if kind is Mul:
            reals = [0.0, reals[1] / 50]
        pair, shift = quantise_multipliers(reals)
        zeros = (one.zero_point, other.zero_point)
        scales = ((pair[0], pair[1]), shift, zeros, self.tensors[output].zero_point, self._clamp())
        extra = (mode,) if kind is Extreme else ()
        self.nodes.append(kind(name, (left, right), output, *scales, *extra))
        return output

    def matmul(self, name: str, left: str, right: str, groups: int = 1) -> str:
        """A product of two maps."""
        sources = (self.tensors[left], self.tensors[right])
        (zero, multiplier), shift = quantise_multipliers(
            [0.0, self.random.uniform(0.3, 1) / 60 / sources[0].channels ** 0.5]
        )
        zeros = (sources[0].zero_point, sources[1].zero_point)
        node = Matmul(name, (left, right), f"{name}.y", groups, (zero, multiplier), shift, zeros, 0, self._clamp())
        output = self._tensor(node.output, *node.shape(sources))
        self.nodes.append(replace(node, output_zero_point=self.tensors[output].zero_point))
        return output

    def softmax(self, name: str, source: str, groups: int = 1) -> str:
        """Shares of the channels, in steps of 1 / 256."""
        output = self._tensor(f"{name}.y", *self.tensors[source].shape)
        multiplier, shift = quantise_multiplier(256)
        zero = self.tensors[output].zero_point
        exponent = int(self.random.integers(500, 9000))
        self.nodes.append(
            Softmax(name, (source,), output, groups, exponent, (0, multiplier), shift + 20, zero, self._clamp())
        )
        return output

    def normalise(self, name: str, source: str) -> str:
        """Pixels without mean, in steps of a thirtieth of their deviation."""
        kind = self.tensors[source]
        output = self._tensor(f"{name}.y", *kind.shape)
        multiplier, shift = quantise_multiplier(30 * kind.channels / 256)
        zero = self.tensors[output].zero_point
        self.nodes.append(Normalise(name, (source,), output, 9, (0, multiplier), shift, zero, self._clamp()))
        return output

    def transpose(self, name: str, source: str) -> str:
        """Pixels as channels."""
        kind = self.tensors[source]
        self.tensors[f"{name}.y"] = replace(kind, height=kind.channels, width=1, channels=kind.height * kind.width)
        self.nodes.append(Transpose(name, (source,), f"{name}.y"))
        return f"{name}.y"

    def concat(self, name: str, left: str, right: str, axis: Literal["channels", "columns"]) -> str:
        """Two maps side by side."""
        kinds = (self.tensors[left], self.tensors[right])
        height, width, channels = kinds[0].shape
        if axis == "channels":
            output = self._tensor(f"{name}.y", height, width, channels + kinds[1].channels)
        else:
            output = self._tensor(f"{name}.y", height, width + kinds[1].width, channels)
        (one, two), shift = quantise_multipliers(self.random.uniform(0.5, 1.5, 2).tolist())
        zeros = (kinds[0].zero_point, kinds[1].zero_point)
        zero = self.tensors[output].zero_point
        self.nodes.append(Concat(name, (left, right), output, axis, (one, two), shift, zeros, zero, self._clamp()))
        return output

    def lut(self, name: str, source: str) -> str:
        """A random function."""
        output = self._tensor(f"{name}.y", *self.tensors[source].shape)
        self.nodes.append(Lut(name, (source,), output, self.random.integers(0, 256, 256, np.uint8)))
        return output

    def resize(self, name: str, source: str, factor: int) -> str:
        """An enlargement."""
        kind = self.tensors[source]
        self.tensors[f"{name}.y"] = replace(kind, height=kind.height * factor, width=kind.width * factor)
        self.nodes.append(Resize(name, (source,), f"{name}.y", factor))
        return f"{name}.y"

    def stored(self, name: str, channels: int, value: int | None = None) -> str:
        """A pixel that is the same for every image, of random values or of one."""
        values = (
            self.random.integers(0, 256, channels, np.uint8) if value is None else np.full(channels, value, np.uint8)
        )
        output = self._tensor(f"{name}.y", 1, 1, channels)
        if value is not None:
            self.tensors[output] = replace(self.tensors[output], zero_point=0)
        self.nodes.append(Stored(name, (), output, values))
        return output

    def crop(self, name: str, source: str, start: Pair, step: Pair, size: Pair) -> str:
        """Some rows and columns."""
        self.tensors[f"{name}.y"] = replace(self.tensors[source], height=size[0], width=size[1])
        self.nodes.append(Crop(name, (source,), f"{name}.y", start, step, size))
        return f"{name}.y"

    def depth_to_space(self, name: str, source: str, block: Pair) -> str:
        """Channels as pixels."""
        kind, (rows, columns) = self.tensors[source], block
        height, width, channels = kind.height * rows, kind.width * columns, kind.channels // (rows * columns)
        self.tensors[f"{name}.y"] = replace(kind, height=height, width=width, channels=channels)
        self.nodes.append(DepthToSpace(name, (source,), f"{name}.y", block))
        return f"{name}.y"

    def pool(
        self,
        name: str,
        source: str,
        mode: Literal["max", "average"],
        kernel: Pair,
        stride: Pair,
        pads: Pads = (0, 0, 0, 0),
    ) -> str:
        """A pooling."""
        kind = self.tensors[source]
        output = self._window(name, source, kind.channels, kernel, stride, pads)
        reals = [0.0, *(1 / n if mode == "average" else 0.9 for n in range(1, kernel[0] * kernel[1] + 1))]
        multipliers, shift = quantise_multipliers(reals)
        zero = self.tensors[output].zero_point
        self.nodes.append(
            Pool(name, (source,), output, mode, kernel, stride, pads, np.array(multipliers, np.int32), shift,
                 kind.zero_point, zero, self._clamp())
        )  # fmt: skip
        return output

    def finish(self, *outputs: str) -> Network:
        """The verified network."""
        network = Network("test", self.input, outputs, self.tensors, tuple(self.nodes))
        verify(network)
        return network


def residual() -> Network:
    """A ResNet in small: stem, one block with a skip, one that strides, mean, classifier."""
    net = Builder(8, 8, 3)
    stem = net.conv("stem", "x", 16)
    inner = net.conv("b.two", net.conv("b.one", stem, 16), 16)
    first = net.add("b.add", stem, inner)
    inner = net.conv("c.two", net.conv("c.one", first, 40, stride=(2, 2)), 40)
    short = net.conv("c.short", first, 40, (1, 1), (2, 2), (0, 0, 0, 0))
    mean = net.pool("mean", net.add("c.add", short, inner), "average", (4, 4), (1, 1))
    return net.finish(net.dense("last", mean, 10))


def moves() -> Network:
    """What a detector's neck does, with odd numbers of channels: tables, an enlargement, maps joined on both axes."""
    net = Builder(6, 5, 3)
    stem = net.lut("stem.act", net.conv("stem", "x", 11))
    down = net.lut("down.act", net.conv("down", stem, 16, stride=(2, 2), pads=(1, 1, 1, 2)))
    large = net.resize("large", down, 2)
    side = net.conv("side", stem, 11, (1, 2), (1, 1), (0, 1, 0, 1))
    wide = net.concat("wide", stem, side, "columns")
    inner = net.conv("inner", side, 16, (1, 2), (1, 1), (0, 1, 0, 0))
    deep = net.concat("deep", net.concat("even", large, inner, "channels"), inner, "channels")
    return net.finish(wide, net.add("sum", deep, deep), net.concat("odd", stem, "x", "channels"))


def draw_network(choose: Choose) -> Network:
    """Draws a network of up to seven nodes on tensors that may have several consumers, or be outputs as well."""
    net = Builder(choose(1, 9), choose(1, 9), choose(1, 20), choose(0, 2**16 - 1))
    for index in range(choose(1, 7)):
        sources = [name for name, kind in net.tensors.items() if not kind.partial]
        source = sources[choose(max(0, len(sources) - 3), len(sources) - 1)]
        _draw_node(net, choose, f"n{index}", source)
    ends = [node.output for node in net.nodes if not any(node.output in other.inputs for other in net.nodes)]
    first = net.nodes[0].output
    if choose(0, 3) == 3 and first not in ends and not net.tensors[first].partial:
        ends.append(first)
    return net.finish(*ends)


def _draw_node(net: Builder, choose: Choose, name: str, source: str) -> None:
    kind = net.tensors[source]
    whole = {other: their for other, their in net.tensors.items() if not their.partial}
    same = [other for other, their in whole.items() if their.shape == kind.shape]
    match choose(0, 11):
        case 0:
            net.add(name, source, same[choose(0, len(same) - 1)])
        case 1:
            mode: Literal["max", "average"] = "max" if choose(0, 1) else "average"
            net.pool(name, source, mode, *draw_window(choose, (kind.height, kind.width), 3))
        case 2 if kind.height * kind.width <= 25:
            net.dense(name, source, choose(1, 40))
        case 3:
            net.conv(name, source, kind.channels)
        case 4:
            net.lut(name, source)
        case 5 if kind.channels <= 20:
            beside = [
                other
                for other, their in whole.items()
                if their.shape[:2] == kind.shape[:2] and their.channels + kind.channels <= 40
            ]
            net.concat(name, source, beside[choose(0, len(beside) - 1)], "channels")
        case 6 if kind.width <= 5:
            beside = [
                other
                for other, their in whole.items()
                if their.shape[::2] == kind.shape[::2] and their.width + kind.width <= 10
            ]
            net.concat(name, source, beside[choose(0, len(beside) - 1)], "columns")
        case 7 if max(kind.height, kind.width) <= 4:
            net.resize(name, source, choose(2, 9 // max(kind.height, kind.width, 2)))
        case 7 if blocks := [block for block in ((2, 1), (1, 2), (2, 2)) if not kind.channels % (block[0] * block[1])]:
            net.depth_to_space(name, source, blocks[choose(0, len(blocks) - 1)])
        case 7:
            kept = []
            for extent in (kind.height, kind.width):
                start, step = choose(0, extent - 1), choose(1, 3)
                kept.append((start, step, choose(1, -(-(extent - start) // step))))
            (top, down, rows), (left, across, columns) = kept
            net.crop(name, source, (top, left), (down, across), (rows, columns))
        case 8:
            kernels = [(2 * choose(0, 1) + 1, 2 * choose(0, 2) + 1) for _ in range(choose(2, 3))]
            net.chain(name, source, 8 * choose(1, 5), kernels, (choose(1, 2), choose(1, 2)))
        case 9:
            net.depthwise(name, source, *draw_window(choose, (kind.height, kind.width), 5))
        case 10:
            pixels = [other for other, their in whole.items() if their.shape == (1, 1, kind.channels)]
            right = [*same, *pixels][choose(0, len(same) + len(pixels) - 1)]
            kinds = (Mul, Sub, Add, Extreme)[: 4 if whole[right].zero_point == kind.zero_point else 3]
            net.pair(name, kinds[choose(0, len(kinds) - 1)], source, right, ("max", "min")[choose(0, 1)])
        case 11:
            mean = net.pool(f"{name}.mean", source, "average", (kind.height, kind.width), (1, 1))
            net.pair(name, (Mul, Add, Sub)[choose(0, 2)], source, mean)
        case _:
            net.conv(name, source, choose(1, 40), *draw_window(choose, (kind.height, kind.width), 5))


def draw_window(choose: Choose, size: Pair, largest: int) -> tuple[Pair, Pair, Pads]:
    """Kernel, stride (which may skip rows) and pads below the kernel of a window that fits."""
    kernel, stride, before, after = [], [], [], []
    for extent in size:
        kernel.append(choose(1, largest))
        stride.append(choose(1, 4))
        before.append(choose(0, kernel[-1] - 1))
        after.append(max(choose(0, kernel[-1] - 1), kernel[-1] - before[-1] - extent))
    return (kernel[0], kernel[1]), (stride[0], stride[1]), (before[0], before[1], after[0], after[1])


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Drawn networks, for hypothesis."""
    return draw_network(lambda low, high: draw(st.integers(low, high)))


def seeded(seed: int) -> Network:
    """The drawn network of a seed."""
    random = np.random.default_rng(seed)
    return draw_network(lambda low, high: int(random.integers(low, high + 1)))


@cache
def imported(name: str) -> Network:
    """A built-in model, quantised."""
    model = load_model(name)
    return import_model(quantise(model, list(model_inputs(name, image_shape(model), 2).images)), name)


def resnet18() -> Network:
    """ResNet-18 in shape: 224x224x3, 1000 classes, random weights."""
    net = Builder(224, 224, 3)
    value = net.conv("conv1", "x", 64, (7, 7), (2, 2), (3, 3, 3, 3))
    value = net.pool("maxpool", value, "max", (3, 3), (2, 2), (1, 1, 1, 1))
    for stage, channels in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = (2, 2) if stage and not block else (1, 1)
            name = f"layer{stage + 1}.{block}"
            inner = net.conv(f"{name}.conv1", value, channels, stride=stride)
            if stride == (2, 2):
                value = net.conv(f"{name}.downsample", value, channels, (1, 1), stride, (0, 0, 0, 0))
            inner = net.conv(f"{name}.conv2", inner, channels)
            value = net.add(f"{name}.add", inner, value)
    return net.finish(net.dense("fc", net.pool("avgpool", value, "average", (7, 7), (1, 1)), 1000))

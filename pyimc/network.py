"""The quantised network: the integer meaning of a CNN, against which every level is checked.

Activations are uint8 maps in height, width, channel order with one scale and zero point per tensor; the batch
is one. Weights are int8 per output channel without a zero point. `pyimc.golden` computes a network exactly,
`pyimc.network_rules` says when it is well formed; `docs/numerics.md` explains the formulas.

    Mvm     y = clamp(zo + round_shift(a * m, shift)), a = sum(x * w) + bias   m, shift, bias per output channel
    Add     y = clamp(zo + round_shift((a - za) * ma + (b - zb) * mb, shift))
    Pool    y = clamp(zo + round_shift((s - n * zi) * m[n], shift))
            average: s the sum and n the number of pixels of the window that lie inside the map
            max:     s the largest of them and n = 1
    Concat  y = clamp(zo + round_shift((x - zi) * mi, shift))                  i the input that holds x
    Lut     y = table[x]
    Resize  y = x, every pixel repeated in both directions

A layer may be cut into a chain of Mvms: every one but the last gives its accumulators a as they are, an int32 map
called partial, and every one but the first adds its predecessor's to its own.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]

ACCUMULATOR_MAX = 2**31 - 1
PARTIAL_BYTES = 4


@dataclass(frozen=True, slots=True)
class TensorType:
    """A uint8 map: real value = scale * (stored value - zero_point); or int32 accumulators, a partial map."""

    height: int
    width: int
    channels: int
    scale: float
    zero_point: int
    partial: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel: one per channel, or four, the lowest first."""
        return self.channels * (PARTIAL_BYTES if self.partial else 1)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, whose pixels follow each other without a gap."""
        return self.width * self.pixel_bytes


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a layer an Mvm computes; every range is (first, end).

    Attributes:
        rows: Rows of the kernel.
        run: Bytes of a kernel row, within 0..Kw*Cin.
        columns: Columns of the layer's output map.
    """

    rows: Pair
    run: Pair
    columns: Pair


@dataclass(frozen=True, slots=True, eq=False)
class Mvm:
    """A convolution, or a fully connected layer (its kernel is the whole map), or a part of one.

    A part computes some output columns from some rows of the kernel and some bytes of each of these (a kernel row is
    Kw * Cin contiguous bytes of the map); kernel, stride and pads stay those of the layer.

    Attributes:
        inputs: The input tensor; then, if it continues another Mvm, the partial map that it adds to.
        kernel: Height, width.
        pads: Top, left, bottom, right; padded pixels hold the input's zero point.
        weights: int8 [Cout, Kh, Kw, Cin]; of a part, int8 [Cout, kernel rows, kernel bytes].
        bias: int32 [Cout], with the input's zero point folded in: the accumulator is `sum(x * w) + bias`.
        multiplier: int32 [Cout], 0..2**31-1; 0 if the output is partial.
        shift: uint8 [Cout], 1..62; 1 if the output is partial.
        clamp: Lowest and highest output (a fused Relu has the output's zero point as the lowest); 0 and 255 if it is
            partial.
        part: None for the whole layer.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    kernel: Pair
    stride: Pair
    pads: Pads
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.uint8]
    input_zero_point: int
    output_zero_point: int
    clamp: Pair
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Add:
    """The sum of two maps of one shape; both multipliers share the shift."""

    name: str
    inputs: tuple[str, ...]
    output: str
    multipliers: Pair
    shift: int
    input_zero_points: Pair
    output_zero_point: int
    clamp: Pair


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Max or average pooling, channel by channel; a 1x1 window rescales or clamps a map.

    Attributes:
        pads: Top, left, bottom, right; padded pixels take no part.
        multipliers: int32 [Kh*Kw + 1], indexed by the number of pixels of the window inside the map (average)
            or read at 1 (max). Counts that no window has are 0.
        shift: One for all multipliers.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    mode: Literal["max", "average"]
    kernel: Pair
    stride: Pair
    pads: Pads
    multipliers: NDArray[np.int32]
    shift: int
    input_zero_point: int
    output_zero_point: int
    clamp: Pair


@dataclass(frozen=True, slots=True)
class Concat:
    """Two maps as one; both multipliers share the shift.

    Attributes:
        axis: "channels": each pixel has the channels of the first input, then those of the second.
            "columns": each row has the pixels of the first input, then those of the second.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    axis: Literal["channels", "columns"]
    multipliers: Pair
    shift: int
    input_zero_points: Pair
    output_zero_point: int
    clamp: Pair


@dataclass(frozen=True, slots=True, eq=False)
class Lut:
    """Any function of one value, such as an activation function.

    Attributes:
        table: uint8 [256], the output for every input.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    table: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Resize:
    """A larger map: each pixel becomes `factor` rows of `factor` pixels; scale and zero point stay."""

    name: str
    inputs: tuple[str, ...]
    output: str
    factor: int


Requantising = Mvm | Add | Pool | Concat
"""Nodes with multipliers, zero points and a clamp."""

Node = Requantising | Lut | Resize


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A quantised CNN.

    Attributes:
        input: Tensor that the host sends.
        outputs: Tensors that the host receives.
        tensors: Type of every tensor, by name.
        nodes: In an order in which every node follows its producers.
        host_tail: Operators behind the outputs that are left to the host, such as "Softmax".
    """

    name: str
    input: str
    outputs: tuple[str, ...]
    tensors: dict[str, TensorType]
    nodes: tuple[Node, ...]
    host_tail: tuple[str, ...] = ()


def window_shape(size: Pair, kernel: Pair, stride: Pair, pads: Pads) -> Pair:
    """Output height and width of a window that slides over a padded map (both below 1 if it does not fit)."""
    height = (size[0] + pads[0] + pads[2] - kernel[0]) // stride[0] + 1
    width = (size[1] + pads[1] + pads[3] - kernel[1]) // stride[1] + 1
    return height, width


def output_shape(network: Network, node: Node) -> tuple[int, int, int]:
    """Height, width and channels that a node computes from the types of its inputs."""
    source = network.tensors[node.inputs[0]]
    height, width, channels = source.shape
    match node:
        case Add() | Lut():
            return source.shape
        case Resize():
            return height * node.factor, width * node.factor, channels
        case Concat():
            other = network.tensors[node.inputs[1]]
            if node.axis == "channels":
                return height, width, channels + other.channels
            return height, width + other.width, channels
    height, width = window_shape((height, width), node.kernel, node.stride, node.pads)
    if isinstance(node, Pool):
        return height, width, channels
    if node.part:
        width = node.part.columns[1] - node.part.columns[0]
    return height, width, node.weights.shape[0]


def part_of(network: Network, node: Mvm) -> Part:
    """The part of its layer that a node computes; of a whole layer, all of it."""
    source = network.tensors[node.inputs[0]]
    width = window_shape((source.height, source.width), node.kernel, node.stride, node.pads)[1]
    return node.part or Part((0, node.kernel[0]), (0, node.kernel[1] * source.channels), (0, width))


def macs(network: Network, node: Node) -> int:
    """Multiply-accumulates of a node for one image; padded pixels count, only an Mvm has any."""
    if not isinstance(node, Mvm):
        return 0
    height, width, _ = output_shape(network, node)
    return height * width * node.weights.size


def valid_counts(size: Pair, kernel: Pair, stride: Pair, pads: Pads) -> NDArray[np.int64]:
    """How many pixels of each window lie inside the map.

    Args:
        size: Height and width of the map.
        kernel: Height and width of the window.
        stride: Vertical and horizontal step.
        pads: Top, left, bottom, right.

    Returns:
        int64 [output height, output width].
    """
    along = []
    for axis, count in enumerate(window_shape(size, kernel, stride, pads)):
        start = np.arange(count, dtype=np.int64) * stride[axis] - pads[axis]
        along.append(np.minimum(start + kernel[axis], size[axis]) - np.maximum(start, 0))
    rows, columns = (np.maximum(counts, 0) for counts in along)
    return np.multiply.outer(rows, columns)

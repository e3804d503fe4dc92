"""The quantised network: the integer meaning of a CNN, against which every level is checked.

Activations are uint8 maps in height, width, channel order with one scale and zero point per tensor; the batch
is one. Weights are int8 per output channel without a zero point. `pyimc.golden` computes a network exactly;
`docs/numerics.md` explains the formulas.

    Mvm   y = clamp(zo + round_shift(a * m, shift)), a = sum(x * w) + bias     m, shift, bias per output channel
    Add   y = clamp(zo + round_shift((a - za) * ma + (b - zb) * mb, shift))
    Pool  y = clamp(zo + round_shift((s - n * zi) * m[n], shift))
          average: s the sum and n the number of pixels of the window that lie inside the map
          max:     s the largest of them and n = 1

A layer may be cut into a chain of Mvms: every one but the last gives its accumulators a as they are, an int32 map
called partial, and every one but the first adds its predecessor's to its own.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pyimc.errors import ConfigError
from pyimc.numerics import MULTIPLIER_BITS, SHIFT_MAX, SHIFT_MIN, UINT8_MAX

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
Range = tuple[NDArray[np.int64], NDArray[np.int64]]

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


@dataclass(frozen=True, slots=True, eq=False)
class Mvm:
    """A convolution, or a fully connected layer (its kernel is the whole map).

    Attributes:
        inputs: The input tensor; then, if it continues another Mvm, the partial map that it adds to.
        kernel: Height, width.
        pads: Top, left, bottom, right; padded pixels hold the input's zero point.
        weights: int8 [Cout, Kh, Kw, Cin].
        bias: int32 [Cout], with the input's zero point folded in: the accumulator is `sum(x * w) + bias`.
        multiplier: int32 [Cout], 0..2**31-1; 0 if the output is partial.
        shift: uint8 [Cout], 1..62; 1 if the output is partial.
        clamp: Lowest and highest output (a fused Relu has the output's zero point as the lowest); 0 and 255 if it is
            partial.
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


Node = Mvm | Add | Pool


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
    if isinstance(node, Add):
        return source.shape
    height, width = window_shape((source.height, source.width), node.kernel, node.stride, node.pads)
    return height, width, (node.weights.shape[0] if isinstance(node, Mvm) else source.channels)


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


def verify(network: Network) -> None:
    """Check that a network is well formed and that its arithmetic cannot overflow.

    Raises:
        ConfigError: Lists every fault: names, order, shapes, dtypes and ranges.
    """
    faults = [f"tensor {name}: {fault}" for name, kind in network.tensors.items() for fault in _type_faults(kind)]
    faults += [
        f"{name} is a partial map, which stays between Mvms"
        for name in {network.input: None, **dict.fromkeys(network.outputs)}
        if name in network.tensors and network.tensors[name].partial
    ]
    known = {network.input}
    names: set[str] = set()
    ranges: dict[str, Range] = {}
    if network.input not in network.tensors:
        faults.append(f"input {network.input} has no type")
    for node in network.nodes:
        missing = [name for name in (*node.inputs, node.output) if name not in network.tensors]
        late = [name for name in node.inputs if name not in known]
        found = [f"tensor {name} has no type" for name in missing]
        found += [f"input {name} is not computed before it" for name in late]
        found += ["a second node of this name"] if node.name in names else []
        found += [f"output {node.output} is computed twice"] if node.output in known else []
        if not missing:
            found += _node_faults(network, node) or _range_faults(node, ranges)
        faults += [f"node {node.name}: {fault}" for fault in found]
        names.add(node.name)
        known.add(node.output)
    faults += [f"output {name} is not computed" for name in network.outputs if name not in known]
    faults += [f"tensor {name} is not computed" for name in network.tensors if name not in known]
    if not network.outputs:
        faults.append("there is no output")
    if faults:
        raise ConfigError(f"network {network.name} is not well formed: {'; '.join(faults)}")


def _type_faults(kind: TensorType) -> list[str]:
    faults = []
    if min(kind.shape) < 1:
        faults.append(f"shape {kind.shape} must be positive")
    if not 0 <= kind.zero_point <= UINT8_MAX:
        faults.append(f"zero point {kind.zero_point} must be 0..{UINT8_MAX}")
    if not 0 < kind.scale < float("inf"):
        faults.append(f"scale {kind.scale} must be positive and finite")
    if kind.partial and (kind.scale, kind.zero_point) != (1.0, 0):
        faults.append(f"scale {kind.scale} and zero point {kind.zero_point} must be 1.0 and 0 for a partial map")
    return faults


def _node_faults(network: Network, node: Node) -> list[str]:
    sources = [network.tensors[name] for name in node.inputs]
    target = network.tensors[node.output]
    arity = 2 if isinstance(node, Add) else 1
    if len(sources) != arity and not (isinstance(node, Mvm) and len(sources) == 2):
        return [f"has {len(sources)} inputs, needs {arity}"]
    faults = _partial_faults(network, node)
    if faults:
        return faults
    sources = sources[:arity]
    faults = _window_faults(sources[0], node)
    if not faults:
        faults = _operand_faults(sources, node)
        if output_shape(network, node) != target.shape:
            faults.append(f"computes {output_shape(network, node)} but {node.output} is {target.shape}")
    zero_points = node.input_zero_points if isinstance(node, Add) else (node.input_zero_point,)
    if zero_points != tuple(source.zero_point for source in sources):
        faults.append(f"input zero points {zero_points} are not those of its inputs")
    if node.output_zero_point != target.zero_point:
        faults.append(f"output zero point {node.output_zero_point} is not that of {node.output}")
    if not 0 <= node.clamp[0] <= node.clamp[1] <= UINT8_MAX:
        faults.append(f"clamp {node.clamp} must be ordered and within 0..{UINT8_MAX}")
    return faults + _scale_faults(node)


def _partial_faults(network: Network, node: Node) -> list[str]:
    """Only Mvms give and take partial maps; what requantises has neutral values in one that gives."""
    target = network.tensors[node.output]
    faults = []
    for port, name in enumerate(node.inputs):
        kind, partial = network.tensors[name], isinstance(node, Mvm) and port == 1
        if kind.partial != partial:
            faults.append(f"input {name} is {'not ' if partial else ''}a partial map")
        elif partial and kind.shape != target.shape:
            faults.append(f"input {name} is {kind.shape}, must be {target.shape} as its output")
    if not isinstance(node, Mvm):
        return faults + [f"output {node.output} is a partial map"] * target.partial
    if target.partial and (node.multiplier.any() or (node.shift != SHIFT_MIN).any() or node.clamp != (0, UINT8_MAX)):
        faults.append(f"its output is partial: multiplier, shift and clamp must be 0, {SHIFT_MIN}, (0, {UINT8_MAX})")
    return faults


def _window_faults(source: TensorType, node: Node) -> list[str]:
    if isinstance(node, Add):
        return []
    faults = []
    if min(*node.kernel, *node.stride) < 1 or min(node.pads) < 0:
        faults.append(f"kernel {node.kernel}, stride {node.stride} and pads {node.pads} are not possible")
    elif min(window_shape((source.height, source.width), node.kernel, node.stride, node.pads)) < 1:
        faults.append(f"kernel {node.kernel} does not fit the padded map {source.shape}")
    return faults


def _scale_faults(node: Node) -> list[str]:
    multipliers = np.asarray(node.multiplier if isinstance(node, Mvm) else node.multipliers, np.int64)
    shifts = np.asarray(node.shift, np.int64)
    faults = []
    if multipliers.min() < 0 or multipliers.max() >= 1 << MULTIPLIER_BITS:
        faults.append(f"a multiplier is outside 0..2**{MULTIPLIER_BITS}-1")
    if shifts.min() < SHIFT_MIN or shifts.max() > SHIFT_MAX:
        faults.append(f"a shift is outside {SHIFT_MIN}..{SHIFT_MAX}")
    return faults


def _operand_faults(sources: list[TensorType], node: Node) -> list[str]:
    if isinstance(node, Add):
        return [] if sources[0].shape == sources[1].shape else ["its two inputs differ in shape"]
    if isinstance(node, Pool):
        return _pool_faults(sources[0], node)
    expected = (node.bias.size, *node.kernel, sources[0].channels)
    arrays = {"weights": np.int8, "bias": np.int32, "multiplier": np.int32, "shift": np.uint8}
    faults = [f"{name} must be {kind.__name__}" for name, kind in arrays.items() if getattr(node, name).dtype != kind]
    if node.weights.shape != expected:
        faults.append(f"weights are {node.weights.shape}, must be {expected}")
    if not node.bias.shape == node.multiplier.shape == node.shift.shape == expected[:1]:
        faults.append("bias, multiplier and shift must have one value per output channel")
    return faults


def _pool_faults(source: TensorType, node: Pool) -> list[str]:
    window = node.kernel[0] * node.kernel[1]
    if node.multipliers.dtype != np.int32 or node.multipliers.shape != (window + 1,):
        return [f"multipliers must be int32 [{window + 1}]"]
    if UINT8_MAX * window > ACCUMULATOR_MAX:
        return [f"a window of {window} pixels needs more than 32 bits"]
    if not valid_counts((source.height, source.width), node.kernel, node.stride, node.pads).all():
        return ["a window lies wholly in the padding"]
    return []


def _range_faults(node: Node, ranges: dict[str, Range]) -> list[str]:
    """Notes the range of a sound node's accumulators under its output; that of a chain is the sum over its nodes."""
    if not isinstance(node, Mvm):
        return []
    low, high = accumulator_range(node)
    for name in (name for name in node.inputs[1:] if name in ranges):
        low, high = low + ranges[name][0], high + ranges[name][1]
    ranges[node.output] = low, high
    if low.min() < -ACCUMULATOR_MAX or high.max() > ACCUMULATOR_MAX:
        return [f"the accumulator can reach {low.min()}..{high.max()}, which needs more than 32 bits"]
    return []


def accumulator_range(node: Mvm) -> Range:
    """The lowest and highest accumulator that any input can cause, over any prefix of rows, int64 [Cout] each."""
    weights = node.weights.reshape(node.bias.size, -1).astype(np.int64)
    low = UINT8_MAX * np.minimum(weights, 0).sum(axis=1) + np.minimum(node.bias, 0)
    high = UINT8_MAX * np.maximum(weights, 0).sum(axis=1) + np.maximum(node.bias, 0)
    return low, high

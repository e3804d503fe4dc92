"""When a quantised network is well formed: names, order, shapes, dtypes, ranges, and no overflow anywhere."""

import numpy as np
from numpy.typing import NDArray

from pyimc.errors import ConfigError
from pyimc.network import (
    ACCUMULATOR_MAX,
    Add,
    Concat,
    Lut,
    Mvm,
    Network,
    Node,
    Part,
    Pool,
    Requantising,
    Resize,
    TensorType,
    output_shape,
    valid_counts,
    window_shape,
)
from pyimc.numerics import MULTIPLIER_BITS, SHIFT_MAX, SHIFT_MIN, UINT8_MAX

Range = tuple[NDArray[np.int64], NDArray[np.int64]]


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
    arity = 2 if isinstance(node, Add | Concat) else 1
    if len(sources) != arity and not (isinstance(node, Mvm) and len(sources) == 2):
        return [f"has {len(sources)} inputs, needs {arity}"]
    faults = _partial_faults(network, node)
    if faults:
        return faults
    sources = sources[:arity]
    faults = _window_faults(sources[0], node) if isinstance(node, Mvm | Pool) else []
    if not faults:
        faults = _operand_faults(sources, node)
        if output_shape(network, node) != target.shape:
            faults.append(f"computes {output_shape(network, node)} but {node.output} is {target.shape}")
    if isinstance(node, Resize) and (target.scale, target.zero_point) != (sources[0].scale, sources[0].zero_point):
        faults.append("its input and output differ in scale or zero point")
    return faults if isinstance(node, Lut | Resize) else faults + _requantisation_faults(sources, target, node)


def _requantisation_faults(sources: list[TensorType], target: TensorType, node: Requantising) -> list[str]:
    faults = []
    zero_points = (node.input_zero_point,) if isinstance(node, Mvm | Pool) else node.input_zero_points
    if zero_points != tuple(source.zero_point for source in sources):
        faults.append(f"input zero points {zero_points} are not those of its inputs")
    if node.output_zero_point != target.zero_point:
        faults.append(f"output zero point {node.output_zero_point} is not that of {node.output}")
    if not 0 <= node.clamp[0] <= node.clamp[1] <= UINT8_MAX:
        faults.append(f"clamp {node.clamp} must be ordered and within 0..{UINT8_MAX}")
    multipliers = np.asarray(node.multiplier if isinstance(node, Mvm) else node.multipliers, np.int64)
    shifts = np.asarray(node.shift, np.int64)
    if multipliers.min() < 0 or multipliers.max() >= 1 << MULTIPLIER_BITS:
        faults.append(f"a multiplier is outside 0..2**{MULTIPLIER_BITS}-1")
    if shifts.min() < SHIFT_MIN or shifts.max() > SHIFT_MAX:
        faults.append(f"a shift is outside {SHIFT_MIN}..{SHIFT_MAX}")
    return faults


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


def _window_faults(source: TensorType, node: Mvm | Pool) -> list[str]:
    faults = []
    if min(*node.kernel, *node.stride) < 1 or min(node.pads) < 0:
        faults.append(f"kernel {node.kernel}, stride {node.stride} and pads {node.pads} are not possible")
    elif min(window_shape((source.height, source.width), node.kernel, node.stride, node.pads)) < 1:
        faults.append(f"kernel {node.kernel} does not fit the padded map {source.shape}")
    return faults


def _operand_faults(sources: list[TensorType], node: Node) -> list[str]:
    match node:
        case Mvm():
            return _weight_faults(sources[0], node)
        case Add():
            return [] if sources[0].shape == sources[1].shape else ["its two inputs differ in shape"]
        case Pool():
            return _pool_faults(sources[0], node)
        case Concat():
            kept = [source.shape[:2] if node.axis == "channels" else source.shape[::2] for source in sources]
            return [] if kept[0] == kept[1] else [f"its two inputs differ in more than {node.axis}"]
        case Lut():
            fits = node.table.dtype == np.uint8 and node.table.shape == (UINT8_MAX + 1,)
            return [] if fits else [f"table must be uint8 [{UINT8_MAX + 1}]"]
        case Resize():
            return [] if node.factor >= 2 else [f"factor {node.factor} must be 2 or more"]


def _weight_faults(source: TensorType, node: Mvm) -> list[str]:
    expected: tuple[int, ...] = (node.bias.size, *node.kernel, source.channels)
    if node.part:
        faults = _part_faults(source, node, node.part)
        if faults:
            return faults
        expected = (node.bias.size, node.part.rows[1] - node.part.rows[0], node.part.run[1] - node.part.run[0])
    arrays = {"weights": np.int8, "bias": np.int32, "multiplier": np.int32, "shift": np.uint8}
    faults = [f"{name} must be {kind.__name__}" for name, kind in arrays.items() if getattr(node, name).dtype != kind]
    if node.weights.shape != expected:
        faults.append(f"weights are {node.weights.shape}, must be {expected}")
    if not node.bias.shape == node.multiplier.shape == node.shift.shape == expected[:1]:
        faults.append("bias, multiplier and shift must have one value per output channel")
    return faults


def _part_faults(source: TensorType, node: Mvm, part: Part) -> list[str]:
    width = window_shape((source.height, source.width), node.kernel, node.stride, node.pads)[1]
    limits = {"rows": node.kernel[0], "run": node.kernel[1] * source.channels, "columns": width}
    return [
        f"part.{name} {getattr(part, name)} must be a range within 0..{limit}"
        for name, limit in limits.items()
        if not 0 <= getattr(part, name)[0] < getattr(part, name)[1] <= limit
    ]


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

"""From a float32 ONNX model to an int8 one in QDQ form, by post-training calibration.

uint8 activations with a scale and a zero point each, over the range that the calibration images show; int8 weights,
symmetric, with a scale per output channel. Every node stays as it is: limits and functions behind a layer remain
nodes between the layer and its QuantizeLinear, so that the int8 model means what the float model means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mapping.importer.calibrate import METHODS, ranges
from mapping.importer.exported import bound
from mapping.importer.fidelity import Faithful, faithful
from mapping.importer.onnx_model import attributes, graph_input, is_quantised, session
from mapping.importer.operators import role
from mapping.importer.operators.pairwise import MODES, PAIRS
from mapping.importer.operators.shape import is_column
from mapping.importer.rewriting import Rewriting
from mapping.importer.shares import Share, split
from mapping.importer.values import Activation, Pending, Role, Value
from mapping.importer.walk import walk
from pyimc.errors import ConfigError
from pyimc.network import ACCUMULATOR_MAX
from pyimc.numerics import UINT8_MAX

_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_LARGEST = ("MaxPool", "GlobalMaxPool", "ReduceMax")
_LARGEST_WEIGHT = 127
INTEGERS = "_QuantizeLinear_Output"
"""What a float tensor's integers are called, behind its name."""
Range = tuple[float, float]
Meaning = tuple[np.float32, np.uint8]
"""Scale and zero point of an activation."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """A model on its way to the chip.

    Attributes:
        model: The int8 model.
        float: The float model whose tensors were quantised, and what was done to the given one; None if that was int8.
    """

    model: onnx.ModelProto
    float: Faithful | None


def quantise(model: onnx.ModelProto, images: Sequence[NDArray[np.float32]]) -> onnx.ModelProto:
    """The int8 form of a model, as `quantise_whole` makes it."""
    return quantise_whole(model, images).model


def quantise_whole(
    model: onnx.ModelProto,
    images: Sequence[NDArray[np.float32]],
    cut: Sequence[str] = (),
    shapes: Mapping[str, int] | None = None,
    method: str = METHODS[0],
) -> Quantised:
    """Quantise a float model; a model that is already int8 passes through.

    Args:
        model: One input.
        images: Calibration inputs, float32 (C, H, W) each; at least one.
        cut: Tensors behind which everything is left to the host.
        shapes: Sizes of the input by their symbols.
        method: How ranges come from the images, see `mapping.importer.calibrate`.

    Returns:
        The int8 model, a function of the arguments only, and what it comes from.

    Raises:
        UnsupportedOperator: The model's shapes are not static, or the chip cannot compute the greatest part of it.
        ConfigError: onnxruntime refuses the model, or it holds values that are not finite.
    """
    given = bound(model, shapes or {})
    graph_input(given)
    _require_finite(given)
    if is_quantised(model):
        session(given)
        return Quantised(given, None)
    folded = faithful(given, images, cut)
    return Quantised(_quantised(folded.model, images, cut, method), folded)


def _quantised(
    folded: onnx.ModelProto, images: Sequence[NDArray[np.float32]], cut: Sequence[str], method: str
) -> onnx.ModelProto:
    state = walk(folded, dry=True, cut=cut)
    share = split(folded, state.values, state.faults, cut, dry=True)
    plan = _Plan(folded, share, (*cut, *(value.name for value in folded.graph.output)), state.values)
    _require_finite(folded)
    own = [tensor for tensor, source in plan.sources.items() if tensor == source and tensor not in plan.stored]
    found = ranges(folded, own, images, method)
    found = _common(found | _stored_ranges(folded, plan, found), plan.alike)
    meanings = {tensor: _meaning(*found[source]) for tensor, source in plan.sources.items()}
    return _written(folded, plan, meanings)


def _require_finite(model: onnx.ModelProto) -> None:
    work = Rewriting(model)
    for node in model.graph.node:
        if node.op_type in (*_WEIGHTED, "BatchNormalization"):
            for name in node.input:
                values = work.constant(name)
                if values is not None and not np.isfinite(values).all():
                    raise ConfigError(
                        f"model {model.graph.name}: node {node.name or node.output[0]}: {name} holds values that are "
                        "not finite (NaN or infinity); mend the model"
                    )


@dataclass(slots=True)
class _Plan:
    """Which tensors get integers, and who reads those.

    Attributes:
        model: The folded model.
        share: What the host computes of it.
        outputs: Tensors that keep their names: the model's outputs, and where the user cuts it.
        values: What the dry walk made of every tensor.
        sources: Tensors that are quantised, and the tensor whose range each takes: its own or that of what it copies.
        alike: Pairs of tensors in `sources` that are compared with each other, and take one range.
        stored: Constants that are maps of the chip, and the tensor that they are compared with, else themselves.
        raw: Pairs of node output and input position at which a function or a limit reads the float value.
    """

    model: onnx.ModelProto
    share: Share
    outputs: Sequence[str]
    values: Mapping[str, Value]
    alike: list[tuple[str, str]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    raw: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Walk the chip's nodes in order; see `Role` for what each kind of node needs and gives."""
        work = Rewriting(self.model)
        hosted = {name for node in self.share.nodes for name in node.output}
        outputs = set(self.outputs)
        entry, _ = graph_input(self.model)
        roots: dict[str, str] = {entry.name: entry.name}  # of what has integers: the tensor whose range it has
        waits: dict[str, Role] = {}  # of what has none yet: the kind of node that made it
        self.sources[entry.name] = entry.name

        def role_of(node: onnx.NodeProto) -> Role:
            constant = any(work.is_one_value(name) for name in node.input)
            made = self.values.get(node.output[0])
            of_one = isinstance(made, Pending) and made.curve is not None
            if node.op_type == "Transpose" and isinstance(made, Activation) and not made.is_map:
                return "copy"
            shapes = [work.shapes.get(name, ()) for name in (node.input[0], node.output[0])]
            if node.op_type == "Reshape" and is_column(shapes[0], shapes[1]):
                return "copy"
            return role(node.op_type, with_constant=constant, of_one=of_one)

        def close(tensor: str, root: str) -> None:
            self.sources[tensor] = roots[tensor] = root

        for node in self.model.graph.node:
            if not hosted.isdisjoint(node.output) or not any(name in roots or name in waits for name in node.input):
                continue
            kind, output = role_of(node), node.output[0]
            for index, name in enumerate(node.input):
                if waits.get(name) == "function" and kind in ("function", "limit"):
                    self.raw.add((output, index))
            source = node.input[0]
            waiting = source in waits and (source not in roots or (output, 0) in self.raw)
            made: Role = kind
            if kind == "layer" and node.op_type in PAIRS:
                for name in node.input:
                    if work.constant(name) is not None:
                        self.stored[name] = name
                        close(name, name)
            if kind == "layer" and node.op_type in MODES:
                first, second = (roots[name] for name in node.input)
                self.alike.append((first, second))
                for name, other in ((first, second), (second, first)):
                    if name in self.stored:
                        self.stored[name] = other
            if kind == "copy":
                for name in node.output:
                    roots[name] = roots[source]
                    if isinstance(self.values.get(name), Pending):  # it moves values, and is no other name for some
                        close(name, roots[source])
                continue
            if kind == "shape":
                if not waiting:
                    roots[output] = roots[source]
                    continue
                made = waits[source]
            elif kind == "limit":
                made = waits[source] if waiting else "function"
            waits[output] = made
            readers = work.readers[output]
            kinds = [role_of(each) if hosted.isdisjoint(each.output) else "layer" for each in readers]
            if made == "function":
                needed = output in outputs or any(each not in ("function", "limit", "shape") for each in kinds)
            else:
                needed = output in outputs or len(kinds) != 1 or kinds[0] not in ("limit", "shape")
            if needed:
                copied = node.op_type in _LARGEST and source in roots
                close(output, roots[source] if copied else output)


def _stored_ranges(folded: onnx.ModelProto, plan: _Plan, found: Mapping[str, Range]) -> dict[str, Range]:
    """Those of constants, less what is beyond the range of a tensor that they are larger or smaller than anyway."""
    work = Rewriting(folded)
    stored = {}
    for name, other in plan.stored.items():
        values = np.asarray(work.constant(name), np.float64)
        low, high = float(values.min()), float(values.max())
        modes = {node.op_type for node in work.readers[name]}
        if modes == {"Min"} and other in found:
            low, high = min(low, found[other][1]), min(high, found[other][1])
        if modes == {"Max"} and other in found:
            low, high = max(low, found[other][0]), max(high, found[other][0])
        stored[name] = low, high
    return stored


def _common(found: Mapping[str, Range], pairs: Sequence[tuple[str, str]]) -> dict[str, Range]:
    """Ranges, those of tensors that are compared with each other, over however many steps, as one."""
    groups = {tensor: {tensor} for tensor in found}
    for one, other in pairs:
        joined = groups[one] | groups[other]
        groups |= dict.fromkeys(joined, joined)
    return {
        tensor: (min(found[each][0] for each in group), max(found[each][1] for each in group))
        for tensor, group in groups.items()
    }


_SCALE_OF_NOTHING = np.float32(2.0**-16)
"""Of a tensor that was 0 on all images. What is left of a layer that reads it is its bias, which this scale keeps."""


def _meaning(low: float, high: float) -> Meaning:
    """Scale and zero point that hold a range and 0."""
    bottom, top = np.float64(np.float32(min(low, 0.0))), np.float64(np.float32(max(high, 0.0)))
    scale = (top - bottom) / UINT8_MAX
    if scale < np.finfo(np.float32).tiny:
        return _SCALE_OF_NOTHING, np.uint8(0)
    return np.float32(scale), np.uint8(np.round(-bottom / scale))


def _written(folded: onnx.ModelProto, plan: _Plan, meanings: Mapping[str, Meaning]) -> onnx.ModelProto:
    """The float model with QuantizeLinear and DequantizeLinear at the tensors of the plan, and int8 weights."""
    work = Rewriting(folded)
    outputs = set(plan.outputs)
    hosted = {name for node in plan.share.nodes for name in node.output}
    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(name: str, values: NDArray[np.generic]) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def real(tensor: str) -> str:
        return f"{tensor}_QuantizeLinear_Input" if tensor in meanings and tensor in outputs else tensor

    def dequantised(tensor: str) -> str:
        return tensor if tensor in outputs else f"{tensor}_DequantizeLinear_Output"

    def stored(tensor: str) -> None:
        scale, zero_point = meanings[tensor]
        steps = np.rint(np.asarray(work.constant(tensor), np.float32) / scale) + zero_point
        names = [
            constant(f"{tensor}{INTEGERS}", np.clip(steps, 0, UINT8_MAX).astype(np.uint8)),
            constant(f"{tensor}:scale", np.array(scale)),
            constant(f"{tensor}:zero_point", np.array(zero_point)),
        ]
        node = helper.make_node("DequantizeLinear", names, [dequantised(tensor)], f"{tensor}_DequantizeLinear")
        nodes.append(node)

    def close(tensor: str) -> None:
        integers = f"{tensor}{INTEGERS}"
        scale, zero_point = meanings[tensor]
        names = [constant(f"{tensor}:scale", np.array(scale)), constant(f"{tensor}:zero_point", np.array(zero_point))]
        make = helper.make_node
        nodes.append(make("QuantizeLinear", [real(tensor), *names], [integers], f"{tensor}_QuantizeLinear"))
        nodes.append(make("DequantizeLinear", [integers, *names], [dequantised(tensor)], f"{tensor}_DequantizeLinear"))

    entry, _ = graph_input(folded)
    close(entry.name)
    for name in plan.stored:
        stored(name)
    for node in folded.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for index, name in enumerate(node.input):
            if name in meanings:
                copy.input[index] = real(name) if (node.output[0], index) in plan.raw else dequantised(name)
        for index, name in enumerate(node.output):
            copy.output[index] = real(name)
        weighted = node.op_type in _WEIGHTED and work.constant(node.input[1]) is not None
        if weighted and hosted.isdisjoint(node.output):
            scale = meanings[_closed(work, plan, node.input[0])][0]
            nodes.append(_integer_weights(work, copy, node, scale, constants))
        nodes.append(copy)
        for name in node.output:
            if name in meanings:
                close(name)
    read = {name for node in nodes for name in node.input} | outputs
    kept = [tensor for tensor in folded.graph.initializer if tensor.name in read]
    graph = helper.make_graph(nodes, folded.graph.name, [entry], list(folded.graph.output), [*kept, *constants])
    return helper.make_model(graph, opset_imports=folded.opset_import, ir_version=folded.ir_version)


def _closed(work: Rewriting, plan: _Plan, tensor: str) -> str:
    """The tensor whose integers a layer reads, behind operators that only give it another shape or take a part."""
    while tensor not in plan.sources:
        tensor = work.producers[tensor].input[0]
    return tensor


def _integer_weights(
    work: Rewriting, copy: onnx.NodeProto, node: onnx.NodeProto, input_scale: np.float32,
    constants: list[onnx.TensorProto],
) -> onnx.NodeProto:  # fmt: skip
    """Give a layer int8 weights and a bias that is a whole number of its accumulator's steps.

    The scale of a channel is that of its largest weight, or larger if its bias would not fit the accumulator:
    so a channel of hardly any weights, as pruning and batch normalisation leave them, keeps its bias.

    Returns:
        What dequantises the weights.
    """
    weights = np.asarray(work.constant(node.input[1]))
    has_bias = len(node.input) > 2 and bool(node.input[2])
    axis = 0 if node.op_type == "Conv" or attributes(node).get("transB", 0) else 1
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1).astype(np.float64)
    bias = np.zeros(1) if not has_bias else np.asarray(work.constant(node.input[2]), np.float64).reshape(-1)
    groups = attributes(node).get("group", 1) if node.op_type == "ConvTranspose" else 1  # which share their scales
    largest_bias = np.abs(bias.reshape(groups if bias.size > 1 else 1, -1)).max(axis=0)
    room = max(ACCUMULATOR_MAX - 2 * (UINT8_MAX + 1) * _LARGEST_WEIGHT * rows.shape[1], 1 << 24)
    scale = np.maximum(np.abs(rows).max(axis=1) / _LARGEST_WEIGHT, largest_bias / (np.float64(input_scale) * room))
    scale = np.where(scale < np.finfo(np.float32).tiny, 1.0, scale).astype(np.float32)
    along = [1] * weights.ndim
    along[axis] = -1
    steps = np.rint(weights / scale.reshape(along)).clip(-_LARGEST_WEIGHT, _LARGEST_WEIGHT).astype(np.int8)
    if has_bias:
        unit = np.tile(scale.astype(np.float64) * np.float64(input_scale), groups)
        whole = (np.rint(bias / unit) * unit).astype(np.float32)
        constants.append(numpy_helper.from_array(whole, f"{node.output[0]}:bias:quantised"))
        copy.input[2] = constants[-1].name
    key = f"{node.output[0]}:weight"
    parts = {"quantised": steps, "scale": scale, "zero_point": np.zeros(scale.shape, np.int8)}
    constants += [numpy_helper.from_array(values, f"{key}:{part}") for part, values in parts.items()]
    copy.input[1] = f"{key}:real"
    names = [f"{key}:{part}" for part in parts]
    return helper.make_node("DequantizeLinear", names, [f"{key}:real"], f"{key}:dequantise", axis=axis)

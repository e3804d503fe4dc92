"""From an int8 ONNX model, QDQ or QOperator, to the quantised network.

The graph is walked once. Each ONNX tensor has a `Value`; an operator turns values into a value, and a pending
result becomes a node where its quantisation is met: at a QuantizeLinear, or at once in the QOperator form.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count

import numpy as np
import onnx
from onnx import numpy_helper

from mapping.importer.fuse import fuse_clamps, prune
from mapping.importer.lowering import real_values, rescale
from mapping.importer.onnx_model import attributes, graph_input, inferred_shapes
from mapping.importer.operators import OPERATORS, QUANTISED, role
from mapping.importer.operators.shape import moves
from mapping.importer.parts import compute_parts, part_of
from mapping.importer.scales import dequantised, quantisation_at, quantised, scale_at, stored_limit
from mapping.importer.shares import NO_LAYER, Faults, ancestors, raise_faults, split
from mapping.importer.tail import build_tail, plain_operator
from mapping.importer.values import (
    Activation,
    Call,
    Constant,
    Layout,
    Pending,
    Quantisation,
    RawInput,
    Role,
    Target,
    Unknown,
    Unresolved,
    Unsupported,
    Value,
    hwc,
)
from mapping.passes import rewritten
from pyimc.network import Lut, Network, Node, TensorType

_AT_RUN_TIME = "its scales are found as it runs (give the float model, or quantise it statically)"
_CONSTANT = "only a map to a constant shape of as many dimensions, of one image"
_REASONS = {
    "Expand": _CONSTANT,
    "Gather": "only constant indices of one dimension along channels, rows or columns of a map",
    "InstanceNormalization": "variances of its channels have no scale of 8 bits in common",
    "LRN": "only of a map or a row",
    "Pad": "only around rows and columns, with one value, reflected or with the edge",
    "Tile": _CONSTANT,
    "ConvInteger": _AT_RUN_TIME,
    "DynamicQuantizeLinear": _AT_RUN_TIME,
    "MatMulInteger": _AT_RUN_TIME,
}
"""Why an operator that is known is refused: what could be rewritten is gone by now."""


@dataclass(slots=True)
class Walk:
    """One walk over a model: the value of every ONNX tensor, and the network so far.

    `dry` walks a float model instead: every result counts as quantised and no node is made.
    """

    model: onnx.ModelProto
    dry: bool
    values: dict[str, Value] = field(default_factory=dict)
    tensors: dict[str, TensorType] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    faults: Faults = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """A model's two shares.

    Attributes:
        network: What the chip computes.
        tail: What the host computes of the network's outputs, as `mapping.importer.tail.build` says.
    """

    network: Network
    tail: onnx.ModelProto


def import_model(model: onnx.ModelProto, name: str) -> Network:
    """The network of a quantised ONNX model, as `import_whole` gives it."""
    return import_whole(model, name).network


def import_whole(model: onnx.ModelProto, name: str, cut: Sequence[str] = ()) -> Imported:
    """Import a quantised ONNX model.

    Args:
        model: A QDQ or QOperator model with one input and static shapes, weights and activations 8 bits.
        name: Name of the network.
        cut: Tensors behind which everything is left to the host; without any, what the chip cannot compute is.

    Returns:
        The verified network. Tensors have the names of the quantised ONNX tensors, nodes those of ONNX nodes.

    Raises:
        UnsupportedOperator: The chip cannot compute the greatest part of it; lists every node with its reason.
    """
    state = walk(model, cut=cut)
    share = split(model, state.values, state.faults, cut)
    outputs = dict.fromkeys(value.tensor for value in share.cuts.values() if isinstance(value, Activation))
    entry = next(iter(state.tensors), None)
    if entry is not None:
        outputs.pop(entry, None)  # the host has it
    if not outputs or not state.nodes:
        raise_faults(model, state.faults, NO_LAYER)
    tail = tuple(filter(None, (plain_operator(node) for node in share.nodes)))
    assert entry is not None
    network = Network(name, entry, tuple(outputs), state.tensors, tuple(state.nodes), tail)
    network = rewritten(network, parts=compute_parts, clamps=lambda network: prune(fuse_clamps(network)))
    return Imported(network, build_tail(model, share, network))


def walk(model: onnx.ModelProto, *, dry: bool = False, cut: Sequence[str] = ()) -> Walk:
    """Evaluate every node; one that is refused leaves an Unknown behind and does not end the walk.

    Args:
        model: A quantised model, or a float model for a dry walk.
        dry: Every result counts as quantised.
        cut: If given, only what these tensors depend on is evaluated.
    """
    state = Walk(model, dry)
    for initialiser in state.model.graph.initializer:
        state.values[initialiser.name] = _constant(state, initialiser)
    entry, shape = graph_input(state.model)
    signed = entry.type.tensor_type.elem_type == onnx.TensorProto.INT8
    state.values[entry.name] = RawInput(entry.name, shape, signed)
    wanted = ancestors(model.graph.node, cut) if cut else None
    shapes: dict[str, tuple[int, ...]] | None = None
    for node in state.model.graph.node:
        if wanted is not None and wanted.isdisjoint(node.output):
            state.values.update(dict.fromkeys(node.output, Unknown()))
            continue
        name = node.name or node.output[0]
        arguments = tuple(state.values.get(entry) if entry else None for entry in node.input)
        call = Call(name, node.op_type, attributes(node), arguments, tuple(node.output))
        values: tuple[Value, ...]
        computed, known = len(state.nodes), len(state.tensors)
        try:
            result = _evaluate(state, call)
            values = result if isinstance(result, tuple) else (result,)
            if any(node.output[len(values) :]) and node.op_type != "Dropout":
                raise Unsupported("only its first output can be used")
        except Unsupported as reason:
            if not isinstance(reason, Unresolved):
                state.faults.setdefault(f"{node.op_type}: {reason}", []).append(name)
            values = (Unknown(),)
        if any(isinstance(value, Unknown) for value in (*values, *arguments)):
            shapes = inferred_shapes(state.model) if shapes is None else shapes
            del state.nodes[computed:]
            for tensor in [*state.tensors][known:]:
                del state.tensors[tensor]
            values = tuple(Unknown(shapes.get(output)) for output in node.output)
        state.values.update(dict.fromkeys(node.output, Unknown()))
        state.values.update(zip(node.output, values, strict=False))
    return state


def _constant(state: Walk, tensor: onnx.TensorProto) -> Constant:
    values = numpy_helper.to_array(tensor)
    if state.dry and values.dtype.kind == "f":
        return Constant(values, np.ones(1))  # as if quantisation had been here
    return Constant(values)


def _evaluate(state: Walk, call: Call) -> Value | tuple[Value, ...]:
    """The value of a node's output, or the values of several."""
    if call.op_type == "Constant":
        if "value" not in call.attributes:
            raise Unsupported("only a tensor as its value is supported")
        return _constant(state, call.attributes["value"])
    if call.op_type == "DequantizeLinear":
        call.require(block_size=0)
        return _dequantise(state, call, 0, call.attributes.get("axis", 1))
    if call.op_type == "QuantizeLinear":
        call.require(block_size=0)
        if isinstance(call.argument(0), Constant):
            return quantised(call, call.attributes.get("axis", 1))
        return _close(state, call, call.argument(0), quantisation_at(call, 1), call.outputs[0])
    if call.op_type in QUANTISED:
        operator = QUANTISED[call.op_type]
        layout = operator.quantised[call.op_type]
        operands = _operands(state, call, layout)
        value = operator.lower(replace(call, op_type=operator.op_type, arguments=operands))
        assert not isinstance(value, tuple), "no QOperator has several outputs"
        return _close(state, call, value, quantisation_at(call, layout.output), call.outputs[0])
    if call.op_type not in OPERATORS:
        raise Unsupported(_REASONS.get(call.op_type, "the operator is not supported"))
    if state.dry:
        return _evaluate_dry(call)
    value = OPERATORS[call.op_type].lower(call)
    source = call.argument(0)
    if isinstance(source, Activation) and not source.real:  # MaxPool and such keep the scale
        several = value if isinstance(value, tuple) else (value,)
        closed = zip(several, call.outputs, strict=False)
        found = tuple(_close(state, call, each, source.quantisation, output) for each, output in closed)
        return found if isinstance(value, tuple) else found[0]
    return value


def _evaluate_dry(call: Call) -> Value | tuple[Value, ...]:
    """As if every result that needs a scale had one; limits, shapes and functions follow what has none yet."""
    constant = any(isinstance(argument, Constant) and argument.values.size == 1 for argument in call.arguments)

    def assume(value: Value | None, kind: Role) -> Value | None:
        if isinstance(value, Pending):
            curve = value.curve if value.curve and value.curve.operators else None
            if kind in ("limit", "shape") or (kind == "function" and curve):
                return value
            return Activation(value.name, Quantisation(1.0, 0), value.shape, value.hwc, curve=curve)
        if isinstance(value, RawInput):
            return Activation(value.name, Quantisation(1.0, 0), value.shape, hwc(value.shape))
        return value

    sources = [_sources(assume(each, "function")) for each in call.arguments]
    kind = role(call.op_type, with_constant=constant, of_one=len(sources) < 2 or not sources[0].isdisjoint(sources[1]))
    if moves(call):
        kind = "copy"  # of what has integers
    arguments = tuple(assume(each, kind) for each in call.arguments)
    value = OPERATORS[call.op_type].lower(replace(call, arguments=arguments))
    if isinstance(value, Pending) and kind in ("layer", "copy"):
        return replace(value, name=call.outputs[0])  # two nodes may have one name
    return value


def _sources(value: Value | None) -> set[str]:
    """Tensors of which a value is a function."""
    if not isinstance(value, Pending | Activation):
        return set()
    found = {value.curve.source.tensor} if value.curve else set()
    return found | ({value.tensor} if isinstance(value, Activation) else set())


def _operands(state: Walk, call: Call, layout: Layout) -> tuple[Value | None, ...]:
    """The arguments of the float operator inside a QOperator."""
    axis = layout.channel_axis(call.attributes)
    starts = range(layout.operands[0], len(call.arguments), 3) if layout.repeated else layout.operands
    operands = [_dequantise(state, call, start, axis) for start in starts]
    if layout.bias is not None and call.argument(layout.bias) is not None:
        left, right = (scale_at(call, start + 1) for start in layout.operands)
        operands.append(Constant(call.constant(layout.bias).values, left * right))
    return tuple(operands)


def _dequantise(state: Walk, call: Call, index: int, axis: int) -> Value:
    """The integers at an argument's position under the scale and zero point behind it."""
    value = call.argument(index)
    if isinstance(value, Constant):
        return dequantised(call, index, axis)
    if isinstance(value, Unknown):
        return value
    quantisation = quantisation_at(call, index + 1)
    if isinstance(value, RawInput):
        return _enter(state, value, quantisation, value.name)
    if not isinstance(value, Activation):
        raise Unsupported("its input is not quantised")
    if value.quantisation != quantisation:
        raise Unsupported(f"it reads {value.quantisation} as {quantisation}")
    return replace(value, real=True)


def _enter(state: Walk, entry: RawInput, quantisation: Quantisation, tensor: str) -> Activation:
    """The graph input, which becomes the first tensor of the network."""
    kind = TensorType(*hwc(entry.shape), quantisation.scale, quantisation.zero_point)
    tensor = next(iter(state.tensors), tensor)
    if state.tensors.setdefault(tensor, kind) != kind:
        raise Unsupported("the graph input has another scale elsewhere")
    return Activation(tensor, quantisation, entry.shape, kind.shape)


def _close(state: Walk, call: Call, value: Value | None, quantisation: Quantisation, output: str) -> Value:
    """Quantise a value into a tensor of the network."""
    if isinstance(value, Unknown):
        return value
    if isinstance(value, RawInput):  # the host quantises it
        return replace(_enter(state, value, quantisation, output), real=False)
    if isinstance(value, Activation):
        if value.quantisation == quantisation:
            return replace(value, real=False)
        if not value.is_map:
            raise Unsupported(f"a matrix of shape {value.shape} gets another scale (only a map, a row or a vector)")
        value = rescale(call, value)
    if not isinstance(value, Pending):
        raise Unsupported("its input is not an activation")
    kind = TensorType(*value.hwc, quantisation.scale, quantisation.zero_point)
    clamp = (stored_limit(value.low, quantisation), stored_limit(value.high, quantisation))
    try:
        nodes = value.emit(Target(_unique(state, value.name), output, kind, clamp, state.tensors))
    except Unsupported as reason:
        raise Unsupported(reason if call.name == value.name else f"{reason} (node {value.name})") from reason
    state.nodes += nodes
    for node in (node for node in nodes[:-1] if node.output not in state.tensors):
        channels = part_of(node.output)[1]
        state.tensors[node.output] = replace(kind, channels=channels.stop - channels.start)
    state.tensors[output] = kind
    curve = None
    if value.curve and isinstance(nodes[-1], Lut):
        curve = replace(value.curve, values=real_values(quantisation)[nodes[-1].table])
    return Activation(output, quantisation, value.shape, value.hwc, real=False, curve=curve, turned=value.turned)


def _unique(state: Walk, name: str) -> str:
    """The name, or the first of name_2, name_3, ... that no node has."""
    taken = {node.name for node in state.nodes}
    numbered = (f"{name}_{number}" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)

"""From an int8 ONNX model, QDQ or QOperator, to the quantised network.

The graph is walked once. Each ONNX tensor has a `Value`; an operator turns values into a value, and a pending
result becomes a node where its quantisation is met: at a QuantizeLinear, or at once in the QOperator form.
"""

from dataclasses import dataclass, field, replace
from itertools import chain, count

import numpy as np
import onnx
from onnx import numpy_helper

from mapping.importer.fuse import fuse_clamps, prune
from mapping.importer.lowering import real_values, rescale
from mapping.importer.onnx_model import attributes, graph_input, inferred_shapes
from mapping.importer.operators import OPERATORS, QUANTISED
from mapping.importer.parts import compute_parts, part_of
from mapping.importer.scales import dequantised, quantisation_at, quantised, scale_at, stored_limit
from mapping.importer.values import (
    Activation,
    Call,
    Constant,
    HostTail,
    Layout,
    Pending,
    Quantisation,
    RawInput,
    Target,
    Unknown,
    Unresolved,
    Unsupported,
    Value,
    hwc,
)
from pyimc.errors import UnsupportedOperator
from pyimc.network import Lut, Network, Node, TensorType
from pyimc.network_rules import verify


@dataclass(slots=True)
class _Import:
    """State of one import: the value of every ONNX tensor, and the network so far.

    `dry` walks a float model instead: every result counts as quantised and no node is made.
    """

    model: onnx.ModelProto
    dry: bool
    values: dict[str, Value] = field(default_factory=dict)
    tensors: dict[str, TensorType] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)  # names of the nodes, by reason


def import_model(model: onnx.ModelProto, name: str) -> Network:
    """Import a quantised ONNX model.

    Args:
        model: A QDQ or QOperator model with one input and static shapes, weights int8, activations 8 bits.
        name: Name of the network.

    Returns:
        The verified network. Tensors have the names of the quantised ONNX tensors, nodes those of ONNX nodes.

    Raises:
        UnsupportedOperator: Lists every node that cannot be imported, with its reason.
    """
    state = _walk(_Import(model, dry=False))
    outputs: list[str] = []
    tail: list[str] = []
    for output in model.graph.output:
        value = state.values.get(output.name, Unknown())
        if isinstance(value, Pending) and value.curve and value.curve.operators:
            value = HostTail(value.curve.source, value.curve.operators)
        if isinstance(value, HostTail):
            tail += value.operators
            value = value.source
        if isinstance(value, Activation):
            outputs.append(value.tensor)
        elif not isinstance(value, Unknown):
            state.faults.setdefault("graph output: it is not quantised", []).append(output.name)
    _raise_faults(state)
    entry = next(iter(state.tensors), None)
    if entry is None or not state.nodes:
        raise UnsupportedOperator(f"model {name}: it holds no layer that the chip could compute")
    network = Network(name, entry, tuple(dict.fromkeys(outputs)), state.tensors, tuple(state.nodes), tuple(tail))
    network = prune(fuse_clamps(compute_parts(network)))
    verify(network)
    return network


def check_float(model: onnx.ModelProto) -> None:
    """Check that a float model will import once it is quantised.

    Raises:
        UnsupportedOperator: Lists every node that would not import, with its reason.
    """
    _raise_faults(_walk(_Import(model, dry=True)))


def _raise_faults(state: _Import) -> None:
    if state.faults:
        supported = sorted({*OPERATORS, "BatchNormalization (behind a Conv)"})
        faults = [f"{reason} ({', '.join(names)})" for reason, names in state.faults.items()]
        raise UnsupportedOperator(
            f"model {state.model.graph.name}: unsupported: {'; '.join(faults)}; supported operators are "
            f"{', '.join(supported)}"
        )


def _walk(state: _Import) -> _Import:
    """Evaluate every node; one that is refused leaves an Unknown behind and does not end the walk."""
    for initialiser in state.model.graph.initializer:
        state.values[initialiser.name] = _constant(state, initialiser)
    entry, shape = graph_input(state.model)
    signed = entry.type.tensor_type.elem_type == onnx.TensorProto.INT8
    state.values[entry.name] = RawInput(entry.name, shape, signed)
    shapes: dict[str, tuple[int, ...]] | None = None
    for node in state.model.graph.node:
        name = node.name or node.output[0]
        arguments = tuple(state.values.get(entry) if entry else None for entry in node.input)
        call = Call(name, node.op_type, attributes(node), arguments, tuple(node.output))
        values: tuple[Value, ...]
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
            values = tuple(Unknown(shapes.get(output)) for output in node.output)
        state.values.update(dict.fromkeys(node.output, Unknown()))
        state.values.update(zip(node.output, values, strict=False))
    return state


def _constant(state: _Import, tensor: onnx.TensorProto) -> Constant:
    values = numpy_helper.to_array(tensor)
    if state.dry and values.dtype.kind == "f":
        return Constant(values, np.ones(1))  # as if quantisation had been here
    return Constant(values)


def _evaluate(state: _Import, call: Call) -> Value | tuple[Value, ...]:
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
        raise Unsupported("the operator is not supported")
    if state.dry:
        assumed = tuple(_assume_quantised(argument) for argument in call.arguments)
        return OPERATORS[call.op_type].lower(replace(call, arguments=assumed))
    value = OPERATORS[call.op_type].lower(call)
    source = call.argument(0)
    if isinstance(source, Activation) and not source.real and not isinstance(value, tuple):
        return _close(state, call, value, source.quantisation, call.outputs[0])  # MaxPool and such keep the scale
    return value


def _assume_quantised(value: Value | None) -> Value | None:
    if isinstance(value, Pending):
        curve = value.curve if value.curve and value.curve.operators else None
        return Activation(value.name, Quantisation(1.0, 0), value.shape, value.hwc, curve=curve)
    if isinstance(value, RawInput):
        return Activation(value.name, Quantisation(1.0, 0), value.shape, hwc(value.shape))
    return value


def _operands(state: _Import, call: Call, layout: Layout) -> tuple[Value | None, ...]:
    """The arguments of the float operator inside a QOperator."""
    axis = layout.channel_axis(call.attributes)
    starts = range(layout.operands[0], len(call.arguments), 3) if layout.repeated else layout.operands
    operands = [_dequantise(state, call, start, axis) for start in starts]
    if layout.bias is not None and call.argument(layout.bias) is not None:
        left, right = (scale_at(call, start + 1) for start in layout.operands)
        operands.append(Constant(call.constant(layout.bias).values, left * right))
    return tuple(operands)


def _dequantise(state: _Import, call: Call, index: int, axis: int) -> Value:
    """The integers at an argument's position under the scale and zero point behind it."""
    value = call.argument(index)
    if isinstance(value, Constant):
        return dequantised(call, index, axis)
    if isinstance(value, (Unknown, HostTail)):
        return value
    quantisation = quantisation_at(call, index + 1)
    if isinstance(value, RawInput):
        return _enter(state, value, quantisation, value.name)
    if not isinstance(value, Activation):
        raise Unsupported("its input is not quantised")
    if value.quantisation != quantisation:
        raise Unsupported(f"it reads {value.quantisation} as {quantisation}")
    return replace(value, real=True)


def _enter(state: _Import, entry: RawInput, quantisation: Quantisation, tensor: str) -> Activation:
    """The graph input, which becomes the first tensor of the network."""
    kind = TensorType(*hwc(entry.shape), quantisation.scale, quantisation.zero_point)
    tensor = next(iter(state.tensors), tensor)
    if state.tensors.setdefault(tensor, kind) != kind:
        raise Unsupported("the graph input has another scale elsewhere")
    return Activation(tensor, quantisation, entry.shape, kind.shape)


def _close(state: _Import, call: Call, value: Value | None, quantisation: Quantisation, output: str) -> Value:
    """Quantise a value into a tensor of the network."""
    if isinstance(value, (Unknown, HostTail)):
        return value
    if isinstance(value, RawInput):  # the host quantises it
        return replace(_enter(state, value, quantisation, output), real=False)
    if isinstance(value, Activation):
        if value.quantisation == quantisation:
            return replace(value, real=False)
        value = rescale(call, value)
    if not isinstance(value, Pending):
        raise Unsupported("its input is not an activation")
    kind = TensorType(*value.hwc, quantisation.scale, quantisation.zero_point)
    clamp = (stored_limit(value.low, quantisation), stored_limit(value.high, quantisation))
    try:
        nodes = value.emit(Target(_unique(state, value.name), output, kind, clamp))
    except Unsupported as reason:
        raise Unsupported(reason if call.name == value.name else f"{reason} (node {value.name})") from reason
    state.nodes += nodes
    for node in nodes[:-1]:
        channels = part_of(node.output)[1]
        state.tensors[node.output] = replace(kind, channels=channels.stop - channels.start)
    state.tensors[output] = kind
    curve = None
    if value.curve and isinstance(nodes[-1], Lut):
        curve = replace(value.curve, values=real_values(quantisation)[nodes[-1].table])
    return Activation(output, quantisation, value.shape, value.hwc, real=False, curve=curve)


def _unique(state: _Import, name: str) -> str:
    """The name, or the first of name_2, name_3, ... that no node has."""
    taken = {node.name for node in state.nodes}
    numbered = (f"{name}_{number}" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)

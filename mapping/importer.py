"""From an int8 ONNX model, QDQ or QOperator, to the quantised network.

The graph is walked once. Each ONNX tensor has a `Value`; an operator turns values into a value, and a pending
result becomes a node where its quantisation is met: at a QuantizeLinear, or at once in the QOperator form.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from mapping.fuse import fuse_clamps, prune
from mapping.lowering import rescale
from mapping.onnx_model import attributes, graph_input
from mapping.operators import OPERATORS, QUANTISED
from mapping.values import (
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
    Unsupported,
    Value,
)
from pyimc.errors import UnsupportedOperator
from pyimc.network import Network, Node, TensorType, verify
from pyimc.numerics import UINT8_MAX

_SIGNED_SHIFT = 128


@dataclass(slots=True)
class _Import:
    """State of one import: the value of every ONNX tensor, and the network so far.

    `dry` walks a float model instead: every result counts as quantised and no node is made.
    """

    dry: bool
    values: dict[str, Value] = field(default_factory=dict)
    tensors: dict[str, TensorType] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


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
    state = _walk(model, dry=False)
    outputs: list[str] = []
    tail: list[str] = []
    for output in model.graph.output:
        value = state.values.get(output.name, Unknown())
        if isinstance(value, HostTail):
            tail += value.operators
            value = value.source
        if isinstance(value, Activation):
            outputs.append(value.tensor)
        elif not isinstance(value, Unknown):
            state.faults.append(f"{output.name} (graph output): it is not quantised")
    _raise_faults(model, state)
    entry = next(iter(state.tensors), None)
    if entry is None or not state.nodes:
        raise UnsupportedOperator(f"model {name}: it holds no layer that the chip could compute")
    network = Network(name, entry, tuple(dict.fromkeys(outputs)), state.tensors, tuple(state.nodes), tuple(tail))
    network = prune(fuse_clamps(network))
    verify(network)
    return network


def check_float(model: onnx.ModelProto) -> None:
    """Check that a float model will import once it is quantised.

    Raises:
        UnsupportedOperator: Lists every node that would not import, with its reason.
    """
    _raise_faults(model, _walk(model, dry=True))


def _raise_faults(model: onnx.ModelProto, state: _Import) -> None:
    if state.faults:
        raise UnsupportedOperator(
            f"model {model.graph.name}: {len(state.faults)} unsupported: {'; '.join(state.faults)}; "
            f"supported operators are {', '.join(sorted({*OPERATORS, 'BatchNormalization (behind a Conv)'}))}"
        )


def _walk(model: onnx.ModelProto, *, dry: bool) -> _Import:
    state = _Import(dry)
    for constant in model.graph.initializer:
        state.values[constant.name] = _constant(numpy_helper.to_array(constant), dry=dry)
    entry, shape = graph_input(model)
    if dry:
        state.values[entry.name] = Activation(entry.name, Quantisation(1.0, 0), shape, _hwc(shape))
    else:
        signed = entry.type.tensor_type.elem_type == onnx.TensorProto.INT8
        state.values[entry.name] = RawInput(entry.name, shape, signed)
    for node in model.graph.node:
        name = node.name or node.output[0]
        try:
            value = _evaluate(state, node, name)
        except Unsupported as reason:
            state.faults.append(f"{name} ({node.op_type}): {reason}")
            value = Unknown()
        for output in node.output:
            state.values[output] = Unknown()
        state.values[node.output[0]] = value
    return state


def _constant(values: NDArray[Any], *, dry: bool) -> Constant:
    if dry and values.dtype.kind == "f":  # stands for the weights that quantisation will make
        return Constant(values, np.broadcast_to(np.int64(0), values.shape))
    return Constant(values)


def _hwc(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return (shape[2], shape[3], shape[1]) if len(shape) == 4 else (1, 1, shape[1])


def _evaluate(state: _Import, node: onnx.NodeProto, name: str) -> Value:
    """The value of a node's first output."""
    arguments = tuple(state.values.get(entry, Unknown()) if entry else None for entry in node.input)
    if any(isinstance(argument, Unknown) for argument in arguments):
        return Unknown()
    call = Call(name, node.op_type, attributes(node), arguments)
    if any(output for output in node.output[1:]) and node.op_type != "Dropout":
        raise Unsupported("only its first output can be used")
    if node.op_type == "Constant":
        return _constant_node(call, dry=state.dry)
    if node.op_type == "DequantizeLinear":
        call.require(block_size=0)
        return _dequantise(state, arguments[0], _scale(call, 1), _zero_point(call, 2), call.attributes.get("axis", 1))
    if node.op_type == "QuantizeLinear":
        call.require(block_size=0)
        return _quantise_linear(state, call, node.output[0])
    if node.op_type in QUANTISED:
        operator = QUANTISED[node.op_type]
        layout = operator.quantised[node.op_type]
        value = operator.lower(replace(call, arguments=_operands(state, call, layout)))
        quantisation = _quantisation(call, layout.output, layout.output + 1)
        return _close(state, value, quantisation, name, node.output[0])
    if node.op_type not in OPERATORS:
        raise Unsupported("the operator is not supported")
    return _plain(state, call, node.output[0])


def _plain(state: _Import, call: Call, output: str) -> Value:
    """A float operator, or one such as MaxPool that takes integers as they are and keeps their scale."""
    if state.dry:
        arguments = tuple(_assume_quantised(argument) for argument in call.arguments)
        return OPERATORS[call.op_type].lower(replace(call, arguments=arguments))
    first = call.argument(0)
    if isinstance(first, RawInput):
        raise Unsupported("it reads the graph input, whose scale is not known there")
    value = OPERATORS[call.op_type].lower(call)
    if isinstance(first, Activation) and not first.real:
        return _close(state, value, first.quantisation, call.name, output)
    return value


def _assume_quantised(value: Value | None) -> Value | None:
    if isinstance(value, Pending):
        return Activation(value.name, Quantisation(1.0, 0), value.shape, value.hwc)
    return value


def _constant_node(call: Call, *, dry: bool) -> Constant:
    if "value" not in call.attributes:
        raise Unsupported("only a tensor as its value is supported")
    return _constant(numpy_helper.to_array(call.attributes["value"]), dry=dry)


def _operands(state: _Import, call: Call, layout: Layout) -> tuple[Value | None, ...]:
    """The arguments of the float operator inside a QOperator."""
    operands: list[Value | None] = []
    for start in layout.operands:
        scale, zero_point = _scale(call, start + 1), _zero_point(call, start + 2)
        axis = 0 if call.op_type == "QLinearConv" else -1
        operands.append(_dequantise(state, call.argument(start), scale, zero_point, axis))
    if layout.bias is not None and isinstance(bias := call.argument(layout.bias), Constant):
        scales = [_scale(call, start + 1) for start in layout.operands]
        scale = (scales[0] * scales[1]).reshape(-1)
        integers = bias.values.astype(np.int64)
        operands.append(Constant(integers * scale, integers, scale))
    return tuple(operands)


def _dequantise(
    state: _Import, value: Value | None, scale: NDArray[np.float64], zero_point: NDArray[Any], axis: int
) -> Value:
    """What integers mean under a scale and a zero point."""
    if isinstance(value, Constant):
        rank = value.values.ndim
        along = [1] * rank
        if scale.size > 1:
            along[axis] = scale.size
        integers = value.values.astype(np.int64) - _spread(zero_point.astype(np.int64), along)
        axis = axis % rank if rank else 0
        return Constant(integers * _spread(scale, along), integers, scale.reshape(-1), axis)
    quantisation = _per_tensor(scale, zero_point)
    if isinstance(value, RawInput):
        kind = TensorType(*_hwc(value.shape), quantisation.scale, quantisation.zero_point)
        if state.tensors.setdefault(value.name, kind) != kind:
            raise Unsupported("the graph input has another scale elsewhere")
        return Activation(value.name, quantisation, value.shape, kind.shape)
    if isinstance(value, Activation):
        if value.quantisation != quantisation:
            raise Unsupported(f"it reads {value.quantisation} as {quantisation}")
        return replace(value, real=True)
    raise Unsupported("its input is not quantised")


def _spread(values: NDArray[Any], along: list[int]) -> NDArray[Any]:
    return values.reshape(along) if values.size > 1 else values.reshape(())


def _quantise_linear(state: _Import, call: Call, output: str) -> Value:
    value = call.argument(0)
    if isinstance(value, Constant):  # weights that are quantised inside the graph
        scale, zero_point = _scale(call, 1), _zero_point(call, 2)
        along = [1] * value.values.ndim
        if scale.size > 1:
            along[call.attributes.get("axis", 1)] = scale.size
        limits = np.iinfo(zero_point.dtype)
        real = value.values.astype(np.float32) / _spread(scale.astype(np.float32), along)
        integers = np.rint(real) + _spread(zero_point.astype(np.float32), along)
        return Constant(np.clip(integers, limits.min, limits.max).astype(zero_point.dtype))
    return _close(state, value, _quantisation(call, 1, 2), call.name, output)


def _close(state: _Import, value: Value | None, quantisation: Quantisation, name: str, output: str) -> Value:
    """Quantise a value into a tensor of the network."""
    if isinstance(value, RawInput):  # the host quantises the float input
        kind = TensorType(*_hwc(value.shape), quantisation.scale, quantisation.zero_point)
        tensor = next(iter(state.tensors), output)
        if state.tensors.setdefault(tensor, kind) != kind:
            raise Unsupported("the graph input is quantised twice, with different scales")
        return Activation(tensor, quantisation, value.shape, kind.shape, real=False)
    if isinstance(value, Activation):
        if value.quantisation == quantisation:
            return replace(value, real=False)
        value = rescale(Call(name, "QuantizeLinear", {}, (value,)), value)
    if not isinstance(value, Pending):
        raise Unsupported("its input is not an activation")
    kind = TensorType(*value.hwc, quantisation.scale, quantisation.zero_point)
    clamp = (_stored(value.low, quantisation), _stored(value.high, quantisation))
    names = {node.name for node in state.nodes}
    unique = next(candidate for candidate in _candidates(value.name) if candidate not in names)
    state.nodes.append(value.emit(Target(unique, output, kind, clamp)))
    state.tensors[output] = kind
    return Activation(output, quantisation, value.shape, value.hwc, real=False)


def _candidates(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def _stored(limit: float, quantisation: Quantisation) -> int:
    """The uint8 that stands for a real limit, rounded as QuantizeLinear does."""
    steps = np.rint(np.float32(limit) / np.float32(quantisation.scale))
    return int(np.clip(steps + quantisation.zero_point, 0, UINT8_MAX))


def _scale(call: Call, index: int) -> NDArray[np.float64]:
    scale = call.constant(index).values.astype(np.float64).reshape(-1)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise Unsupported("a scale is not positive and finite")
    return scale


def _zero_point(call: Call, index: int) -> NDArray[Any]:
    """The zero point, whose dtype is that of the quantised integers; uint8 0 when it is left out."""
    if call.argument(index) is not None:
        return call.constant(index).values.reshape(-1)
    first = call.argument(0)
    if isinstance(first, Constant) and first.values.dtype.kind in "iu":
        return np.zeros(1, first.values.dtype)
    signed = call.attributes.get("output_dtype", 0) == onnx.TensorProto.INT8
    signed |= isinstance(first, RawInput) and first.signed
    signed |= isinstance(first, Activation) and first.quantisation.signed
    return np.zeros(1, np.int8 if signed else np.uint8)


def _quantisation(call: Call, scale: int, zero_point: int) -> Quantisation:
    if call.argument(scale) is None:
        raise Unsupported("its output is not quantised")
    return _per_tensor(_scale(call, scale), _zero_point(call, zero_point))


def _per_tensor(scale: NDArray[np.float64], zero_point: NDArray[Any]) -> Quantisation:
    if scale.size != 1 or zero_point.size != 1:
        raise Unsupported("an activation has a scale per channel (only one per tensor)")
    if zero_point.dtype not in (np.dtype(np.int8), np.dtype(np.uint8)):
        raise Unsupported(f"an activation is quantised to {zero_point.dtype} (only int8 and uint8)")
    signed = zero_point.dtype == np.int8
    return Quantisation(float(scale[0]), int(zero_point[0]) + _SIGNED_SHIFT * signed, signed)

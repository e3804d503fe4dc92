"""What exporters write, brought to one form: static shapes, float32, an opset that onnxruntime quantises.

Each function returns a model of its own and changes nothing that the model computes, which `mapping.importer.fidelity`
checks for every model that goes through here.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from mapping.importer.joined import joined
from mapping.importer.onnx_model import IR_VERSION, OPSET, attributes, graph_inputs, one_line
from mapping.importer.rewriting import Rewriting
from pyimc.errors import ConfigError, UnsupportedOperator

OLDEST_OPSET = 13  # the first with a scale per channel
_CHANNELS_FIRST = {4: [0, 3, 1, 2], 3: [0, 2, 1]}  # by dimensions
OTHER_FLOATS = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16", TensorProto.DOUBLE: "double"}


def bound(model: onnx.ModelProto, shapes: Mapping[str, int]) -> onnx.ModelProto:
    """Give every symbolic size of the inputs a value: 1 to the first of an input (the batch), the others from `shapes`.

    Several inputs become one, see `mapping.importer.joined`.

    Args:
        model: Any model, not changed. A size without a name is called INPUT.AXIS, as in `image.2`.
        shapes: Sizes by their symbol.

    Raises:
        ConfigError: `shapes` has a symbol that no input has.
        UnsupportedOperator: It has several inputs that cannot be sent as one.
    """
    model = _copy(model)
    model.ir_version = min(model.ir_version, IR_VERSION)
    known = dict(shapes)
    inputs = ", ".join(shape_text(value) for value in graph_inputs(model))
    unknown = set(known)
    symbolic = False
    for value in graph_inputs(model):
        for axis, size in enumerate(value.type.tensor_type.shape.dim):
            if size.HasField("dim_value") and size.dim_value > 0:
                continue
            symbol = size.dim_param or f"{value.name}.{axis}"
            unknown.discard(symbol)
            number = known.get(symbol, 1 if axis == 0 else 0)
            if number:
                symbolic = True
                size.dim_value = number
    if unknown:
        raise ConfigError(
            f"model {model.graph.name}: no input has a size named {', '.join(sorted(unknown))}; its inputs are {inputs}"
        )
    if symbolic:  # shapes behind the inputs were those of the symbols
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
    return joined(channels_first(model))


def channels_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """An input (1, H, W, C) or (1, W, C) that is only read to bring its channels to the front has them there itself.

    So TensorFlow's models come out of their converters. What the host sends has channels last in any case.
    """
    work = Rewriting(model)
    for value in graph_inputs(model):
        readers = list(work.readers[value.name])
        sizes = value.type.tensor_type.shape.dim
        order = _CHANNELS_FIRST.get(len(sizes))
        if not readers or any(each.op_type != "Transpose" or attributes(each).get("perm") != order for each in readers):
            continue
        if any(name in work.outputs for each in readers for name in each.output):
            continue
        given = [(size.dim_value, size.dim_param) for size in sizes]
        for size, place in zip(sizes, order or (), strict=True):
            number, symbol = given[place]
            size.ClearField("value")
            if number or not symbol:
                size.dim_value = number
            else:
                size.dim_param = symbol
        for each in readers:
            work.bypass(each)
    return model


def shape_text(value: onnx.ValueInfoProto) -> str:
    """An input's name and sizes, as in `image (N, 3, 224, 224)`."""
    sizes = value.type.tensor_type.shape.dim
    named = [size.dim_value or size.dim_param or f"{value.name}.{axis}" for axis, size in enumerate(sizes)]
    return f"{value.name} ({', '.join(str(size) for size in named)})"


def other_float(model: onnx.ModelProto) -> str:
    """The floating-point type that a model uses instead of float32, or an empty string."""
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    kinds |= {value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)}
    return next((name for kind, name in OTHER_FLOATS.items() if kind in kinds), "")


def as_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write every tensor of another floating-point type as float32; float16 and bfloat16 lose nothing by it."""
    model = _copy(model)
    graph = model.graph
    for tensor in graph.initializer:
        _widen(tensor)
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type in OTHER_FLOATS:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.value_info[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _widen(attribute.t)
            elif attribute.name in ("to", "dtype") and attribute.i in OTHER_FLOATS:
                attribute.i = TensorProto.FLOAT
    return model


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type in OTHER_FLOATS:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def opset(model: onnx.ModelProto) -> int:
    """The version of the ONNX operators that a model uses."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)


def modern(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert an opset before 13.

    Raises:
        UnsupportedOperator: It cannot be converted.
    """
    try:
        converted = version_converter.convert_version(_named(model), OPSET)
    except Exception as error:  # the converter raises RuntimeError and its own kinds
        raise UnsupportedOperator(
            f"model {model.graph.name}: opset {opset(model)} cannot be converted to {OPSET} ({one_line(error)}); "
            f"export it with opset {OLDEST_OPSET} or later"
        ) from error
    converted.ir_version = min(converted.ir_version, IR_VERSION)
    return converted


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """The converter wants a type for every initialiser of an old IR among the inputs, and none twice."""
    model = _copy(model)
    declared = {value.name for value in model.graph.input}
    if model.ir_version < 4:
        for tensor in model.graph.initializer:
            if tensor.name not in declared:
                model.graph.input.append(
                    helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
                )
    return model


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy

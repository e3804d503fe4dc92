"""Reading ONNX: files, static input shapes, attributes, and onnxruntime sessions without optimisation."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from pyimc.errors import ConfigError, UnsupportedOperator

OPSET = 21
IR_VERSION = 10

_LARGEST_SHAPE = 64  # values in a constant that shape inference may need

_QUANTISED_TYPES = frozenset({"QuantizeLinear", "DequantizeLinear", "QGemm"})


def read(path: Path) -> onnx.ModelProto:
    """Read an ONNX file.

    Raises:
        ConfigError: The file is missing, or not a complete ONNX model.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; give a built-in model's name or the path of an .onnx file")
    try:
        model = onnx.load(path)
        if not model.graph.output:
            raise ValueError("it holds no graph with outputs")
        onnx.checker.check_model(model)
    except (DecodeError, ValueError, OSError, onnx.checker.ValidationError) as error:
        raise ConfigError(
            f"{path}: not a complete ONNX model ({one_line(error)}); export or download it again"
        ) from error
    return model


def one_line(error: Exception) -> str:
    """The first line of an error's message."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def is_quantised(model: onnx.ModelProto) -> bool:
    """Whether the model is already int8, as QDQ or QOperator."""
    kinds = {node.op_type for node in model.graph.node}
    return any(kind in _QUANTISED_TYPES or kind.startswith("QLinear") for kind in kinds)


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs of a model that are not initialisers."""
    constants = {constant.name for constant in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def graph_input(model: onnx.ModelProto) -> tuple[onnx.ValueInfoProto, tuple[int, ...]]:
    """The one input of a model and its static shape.

    Returns:
        The input, and its shape: (1, C, H, W), (1, C, W) or (1, N).

    Raises:
        UnsupportedOperator: There are several inputs, or the shape is missing, dynamic, or of another rank or batch.
    """
    inputs = graph_inputs(model)
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        todo = "join them before the export, along the channels, say: the host sends one map" if inputs else "add one"
        raise UnsupportedOperator(f"model {model.graph.name}: needs exactly one input, got {names}; {todo}")
    value = inputs[0]
    kind = value.type.tensor_type
    sizes = [
        size.dim_value if size.HasField("dim_value") else size.dim_param or f"{value.name}.{axis}"
        for axis, size in enumerate(kind.shape.dim)
    ]
    shape = tuple(size for size in sizes if isinstance(size, int) and size > 0)
    if len(shape) != len(sizes) or len(shape) not in (2, 3, 4) or shape[0] != 1:
        symbols = [size for size in sizes if isinstance(size, str)]
        todo = f"give --shape {symbols[0]}=N" if symbols else "export it again with such a shape"
        raise UnsupportedOperator(
            f"model {model.graph.name}: input {value.name} has shape {sizes if sizes else 'missing'}, needs a static "
            f"(1, C, H, W), (1, C, W) or (1, N); {todo}"
        )
    return value, shape


def image_shape(model: onnx.ModelProto) -> tuple[int, int, int]:
    """Channels, height and width of a model's input; a row (1, C, W) has one row, a vector (1, N) one pixel."""
    _, shape = graph_input(model)
    height, width = (1, 1, *shape[2:])[-2:]
    return shape[1], height, width


def input_type(model: onnx.ModelProto) -> np.dtype[Any]:
    """The type of the values that a model's input takes."""
    kind = graph_input(model)[0].type.tensor_type.elem_type
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind))


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values, strings decoded."""
    values = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def inferred_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that shape inference can tell and that is static."""
    graph = onnx.shape_inference.infer_shapes(without_weights(model)).graph
    shapes = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
        if sizes and min(sizes) > 0:
            shapes[value.name] = tuple(sizes)
    return shapes


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with large constants as inputs: shapes depend on small ones only, and it is copied several times."""
    light = onnx.ModelProto()
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    graph = light.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.output.extend(model.graph.output)
    graph.value_info.extend(model.graph.value_info)
    graph.input.extend(model.graph.input)
    declared = {value.name for value in graph.input}
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= _LARGEST_SHAPE:
            graph.initializer.append(tensor)
        elif tensor.name not in declared:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    return light


def session(model: onnx.ModelProto, extra_outputs: tuple[str, ...] = ()) -> ort.InferenceSession:
    """An onnxruntime session on the CPU with every optimisation off.

    Args:
        model: The model, not changed.
        extra_outputs: Inner tensors to expose as outputs.

    Raises:
        ConfigError: onnxruntime refuses the model.
    """
    more = onnx.ModelProto()  # behind the model's bytes its outputs are added to the model's: no copy of the weights
    present = {value.name for value in model.graph.output}
    more.graph.output.extend(onnx.ValueInfoProto(name=name) for name in extra_outputs if name not in present)
    written = model.SerializeToString() + more.SerializeToString()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    try:
        return ort.InferenceSession(written, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare subclasses of Exception
        reason = one_line(error)
        todo = f"export it with opset {OPSET} or lower" if "opset" in reason.lower() else "mend the model"
        raise ConfigError(f"model {model.graph.name}: onnxruntime refuses it ({reason}); {todo}") from error


def feed(model: onnx.ModelProto, image: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """The session input for one image of shape (C, H, W)."""
    value, shape = graph_input(model)
    return {value.name: image.reshape(shape)}

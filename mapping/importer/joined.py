"""Several inputs as one: the host sends one map, whose channels are those of all inputs.

The model gets that map as its input and takes it apart again; so nothing else knows that there were several. The map
has one scale, which covers the values of all of them.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mapping.importer.onnx_model import graph_inputs, is_quantised
from pyimc.errors import UnsupportedOperator

APART = "input:"
"""Begins the names of the nodes that take the map apart."""
_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}


def joined(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model with one input, changed in place if it had several of them.

    Args:
        model: With static shapes.

    Raises:
        UnsupportedOperator: Its inputs are no maps, rows or vectors of one size.
    """
    inputs = graph_inputs(model)
    if len(inputs) < 2:
        return model
    shapes = [tuple(size.dim_value for size in value.type.tensor_type.shape.dim) for value in inputs]
    kinds = {value.type.tensor_type.elem_type for value in inputs}
    if any(len(shape) < 2 or not all(shape) for shape in shapes):
        return model  # which is refused for its shapes
    alike = len({(shape[0], shape[2:]) for shape in shapes}) == 1
    if len(kinds) != 1 or not kinds <= _FLOATS or not alike or is_quantised(model):
        said = ", ".join(f"{value.name} {shape}" for value, shape in zip(inputs, shapes, strict=True))
        raise UnsupportedOperator(
            f"model {model.graph.name}: its inputs are {said}; the host sends one map: several are joined if they are "
            "of one floating-point type, height and width in a float model; else export it with one input"
        )
    name = "+".join(value.name for value in inputs)
    channels = [shape[1] for shape in shapes]
    whole = helper.make_tensor_value_info(name, kinds.pop(), [1, sum(channels), *shapes[0][2:]])
    for value in inputs:
        model.graph.input.remove(value)
    model.graph.input.insert(0, whole)
    start = 0
    for place, (value, count) in enumerate(zip(inputs, channels, strict=True)):
        limits = {"start": start, "stop": start + count, "axis": 1}
        names = [f"{name}:{value.name}:{key}" for key in limits]
        model.graph.initializer.extend(
            numpy_helper.from_array(np.array([limit], np.int64), each)
            for each, limit in zip(names, limits.values(), strict=True)
        )
        model.graph.node.insert(place, helper.make_node("Slice", [name, *names], [value.name], f"{APART}{value.name}"))
        start += count
    return model


def parts(model: onnx.ModelProto) -> dict[str, int]:
    """Names and channels of the inputs that a model had before they were joined; none if it had one."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.name.startswith(APART):
            start, stop = (int(numpy_helper.to_array(constants[name]).item()) for name in node.input[1:3])
            found[node.output[0]] = stop - start
    return found

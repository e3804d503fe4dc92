# SPDX-License-Identifier: Apache-2.0
"""Shapes of the layers that hold weights: of a float32 model, before anything else is known of it."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import shape_inference

from pyimc.errors import ConfigError, UnsupportedOperator


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or a fully connected layer (a 1x1 convolution of one pixel).

    Attributes:
        outputs: Output channels, K.
        inputs: Input channels, C.
        kernel: Height and width, FY and FX.
        map: Height and width of the output, OY and OX.
        groups: That share neither inputs nor outputs; as many as channels in a depthwise layer.
    """

    name: str
    outputs: int
    inputs: int
    kernel: tuple[int, int]
    map: tuple[int, int]
    groups: int = 1

    @property
    def rows(self) -> int:
        """Rows of the weight matrix of one group."""
        return self.inputs // self.groups * self.kernel[0] * self.kernel[1]

    @property
    def columns(self) -> int:
        """Columns of the weight matrix of one group."""
        return self.outputs // self.groups

    @property
    def weights(self) -> int:
        """Of all groups."""
        return self.groups * self.rows * self.columns

    @property
    def pixels(self) -> int:
        """Of the output: MVMs of an image."""
        return self.map[0] * self.map[1]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image; padded pixels count."""
        return self.weights * self.pixels


def layers_of(model: onnx.ModelProto) -> tuple[Layer, ...]:
    """The layers of a model with static shapes, in its order.

    Raises:
        UnsupportedOperator: A Gemm whose first matrix is transposed.
        ConfigError: A layer whose shape the model does not say, or no layer at all.
    """
    graph = shape_inference.infer_shapes(model).graph
    constants = {each.name: tuple(each.dims) for each in graph.initializer}
    known = {
        each.name: tuple(axis.dim_value for axis in each.type.tensor_type.shape.dim)
        for each in (*graph.input, *graph.value_info, *graph.output)
    }
    made = {node.output[0] for node in graph.node if node.op_type in ("Constant", "ConstantOfShape")}
    constants |= {name: known[name] for name in made if name in known}
    found = []
    for index, node in enumerate(graph.node):
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in constants:
            continue
        name = node.name or f"{node.op_type}_{index}"
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        weights = constants[node.input[1]]
        if node.op_type == "Conv":
            size = known.get(node.output[0], ())[2:]
            if len(size) != 2 or not all(size):
                raise ConfigError(f"layer {name}: the model does not say the size of its output; fix its input's shape")
            groups = int(attributes.get("group", 1))
            found.append(Layer(name, weights[0], weights[1] * groups, weights[2:], size, groups))  # type: ignore[arg-type]
        elif attributes.get("transA"):
            raise UnsupportedOperator(f"layer {name}: transA = 1; transpose its input before it")
        else:
            outputs, inputs = weights if attributes.get("transB") else weights[::-1]
            rows = known.get(node.output[0], (1,))[:-1]
            pixels = 1
            for axis in rows:
                pixels *= max(1, axis)
            found.append(Layer(name, outputs, inputs, (1, 1), (1, pixels)))
    if not found:
        raise ConfigError(f"model {graph.name}: it has no layer with weights")
    return tuple(found)

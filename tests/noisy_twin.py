# SPDX-License-Identifier: Apache-2.0
"""How far eight bits may take a float model from itself, measured without the product.

The twin of a model adds to every tensor uniform noise of half a step either way, a step being a 255th of the tensor's
range (0 included) over the inputs, and to every weight half of a 127th of its channel's largest. Whoever quantises
each tensor once makes errors of this size at each; how they grow on the way to the outputs is up to the model, so it is
measured: the largest error of an output over some draws of the noise, in onnxruntime with optimisations off.
"""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.random_given import IMAGES

DRAWS = 6
_WEIGHTED = ("Conv", "Gemm", "MatMul")
Values = dict[str, NDArray[np.float64]]
"""[images, ...] by name."""


def outputs(model: onnx.ModelProto, images: Sequence[NDArray[np.float32]], more: Sequence[str] = ()) -> Values:
    """onnxruntime's outputs of a model, and some of its inner tensors."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    exposed.ir_version = min(model.ir_version, 10)
    present = {value.name for value in exposed.graph.output}
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in more if name not in present)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    results = [session.run(None, {entry: image[np.newaxis]}) for image in images]
    names = [each.name for each in session.get_outputs()]
    return {name: np.stack([result[index] for result in results]) for index, name in enumerate(names)}


def bounds(model: onnx.ModelProto, images: Sequence[NDArray[np.float32]], tensors: Sequence[str]) -> dict[str, float]:
    """The largest error that the twin makes in each of some tensors of a model."""
    inner = [name for node in model.graph.node if node.op_type != "Constant" for name in node.output]
    exact = outputs(model, images, inner)
    exact["x"] = np.stack(images)[:, np.newaxis].astype(np.float64)
    real = {name: values for name, values in exact.items() if values.dtype.kind == "f"}
    rng = np.random.default_rng(0)
    worst = dict.fromkeys(tensors, 0.0)
    for _ in range(DRAWS):
        noisy = outputs(_twin(model, real, rng), images[:IMAGES], tensors)
        for name in tensors:
            if exact[name].dtype.kind == "f":
                worst[name] = max(worst[name], float(np.abs(noisy[name].astype(np.float64) - exact[name]).max()))
    return worst


def _twin(model: onnx.ModelProto, real: Values, rng: np.random.Generator) -> onnx.ModelProto:
    stored = {each.name: each for each in model.graph.initializer}
    stored |= {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    constants = list(model.graph.initializer)
    nodes: list[onnx.NodeProto] = []
    held = {value.name for value in model.graph.output}

    def noise(name: str) -> str:
        values = real[name]
        step = (max(values.max(), 0) - min(values.min(), 0)) / 255
        drawn = rng.uniform(-step / 2, step / 2, values.shape[1:]).astype(np.float32)
        constants.append(numpy_helper.from_array(drawn, f"{name}:noise"))
        return constants[-1].name

    nodes.append(helper.make_node("Add", ["x", noise("x")], ["x:noisy"]))
    for node in model.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for index, name in enumerate(node.input):
            if name == "x":
                copy.input[index] = "x:noisy"
        if node.op_type in _WEIGHTED and node.input[1] in stored:
            weights = numpy_helper.to_array(stored[node.input[1]]).astype(np.float64)
            first = node.op_type == "Conv" or any(a.name == "transB" and a.i for a in node.attribute)
            axes = tuple(axis for axis in range(weights.ndim) if axis != (0 if first else 1))
            half = np.abs(weights).max(axis=axes, keepdims=True) / 127 / 2
            drawn = (weights + rng.uniform(-1, 1, weights.shape) * half).astype(np.float32)
            constants.append(numpy_helper.from_array(drawn, f"{node.output[0]}:weights"))
            copy.input[1] = constants[-1].name
        if node.op_type != "Constant" and all(name in real for name in node.output):
            for index, name in enumerate(node.output):
                copy.output[index] = f"{name}:exact"
            nodes.append(copy)
            nodes += [helper.make_node("Add", [f"{name}:exact", noise(name)], [name]) for name in node.output]
        else:
            nodes.append(copy)
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in held]
    graph = helper.make_graph(nodes, "twin", list(model.graph.input), results, constants)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=10)

# SPDX-License-Identifier: Apache-2.0
"""Int8 ONNX graphs written by hand, and their check against onnxruntime."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mapping.importer.inputs import quantise_input
from mapping.importer.reference import compare
from pyimc import golden
from pyimc.network import Network
from tests.random_cnn import calibration

U8, I8 = np.uint8, np.int8


class Quantised:
    """Writes int8 graphs by hand; scales and zero points are constants of the node that uses them."""

    def __init__(self, shape: Sequence[int], kind: int = onnx.TensorProto.FLOAT) -> None:
        self.entry = helper.make_tensor_value_info("image", kind, shape)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, kind: Any) -> str:
        """Add an initialiser."""
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, kind), name))
        return name

    def op(self, op_type: str, name: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node whose output has its name."""
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def scale(self, scale: Any, zero: Any, kind: Any = U8) -> tuple[str, str]:
        """A scale and a zero point."""
        return self.constant(scale, np.float32), self.constant(zero, kind)

    def q(self, name: str, source: str, scale: float = 0.1, zero: int = 0, kind: Any = U8) -> str:
        """QuantizeLinear."""
        return self.op("QuantizeLinear", name, source, *self.scale(scale, zero, kind))

    def dq(self, name: str, source: str, scale: float = 0.1, zero: int = 0, kind: Any = U8) -> str:
        """DequantizeLinear."""
        return self.op("DequantizeLinear", name, source, *self.scale(scale, zero, kind))

    def qdq(self, name: str, source: str, scale: float = 0.1, zero: int = 0, kind: Any = U8) -> str:
        """Both, the quantised tensor having the name."""
        return self.dq(f"{name}_real", self.q(name, source, scale, zero, kind), scale, zero, kind)

    def model(self, *outputs: str) -> onnx.ModelProto:
        """The model."""
        results = [onnx.ValueInfoProto(name=name) for name in outputs]
        graph = helper.make_graph(self.nodes, "hand", [self.entry], results, self.constants)
        domains = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=10)


def check(model: onnx.ModelProto, network: Network) -> None:
    """The network is within one step of onnxruntime, and not constant."""
    for image in calibration(model):
        assert max(each.max_lsb for each in compare(model, network, image)) <= 1
        assert len(np.unique(golden.run(network, quantise_input(network, image))[network.outputs[0]])) > 1


def qdq_conv(write: Quantised, name: str, source: str, cout: int, cin: int, **attributes: Any) -> str:
    """A float Conv of dequantised weights, 3x3 and per channel, without a bias."""
    weights = np.random.default_rng(cout).integers(-127, 128, (cout, cin, 3, 3))
    scales = np.linspace(0.001, 0.003, cout)
    stored = write.constant(weights, I8)
    kernel = write.op("DequantizeLinear", f"{name}_kernel", stored, *write.scale(scales, np.zeros(cout), I8), axis=0)
    return write.op("Conv", name, source, kernel, pads=[1, 1, 1, 1], **attributes)

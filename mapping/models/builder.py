"""A small writer for float32 ONNX graphs with seeded weights, used by the built-in models and by tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mapping.importer.onnx_model import IR_VERSION, OPSET


class GraphBuilder:
    """Collects nodes and weights; every method adds one operator and returns the name of its output.

    Weights are drawn so that activations keep their size through the layers, as in a trained network.
    """

    def __init__(self, name: str, input_shape: Sequence[int], seed: int) -> None:
        self.name = name
        self.input = "image"
        self.rng = np.random.default_rng(seed)
        self._shape = list(input_shape)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def op(self, op_type: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add any operator with one output, which has the name of the node."""
        self._nodes.append(helper.make_node(op_type, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add an initialiser."""
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def stored(self, path: Path) -> None:
        """Adds the arrays of an .npz file, each an initialiser of its name."""
        with np.load(path) as arrays:
            for name in arrays.files:
                self.constant(name, arrays[name])

    def conv(
        self, name: str, source: str, cin: int, cout: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = (0, 0, 0, 0), *, bias: bool = False, groups: int = 1,
    ) -> str:  # fmt: skip
        """A convolution; `pads` is top, left, bottom, right; `groups` equal to `cin` makes it depthwise."""
        each = cin // groups
        weights = self.normal((cout, each, *kernel), (2.0 / (each * kernel[0] * kernel[1])) ** 0.5)
        inputs = [source, self.constant(f"{name}.weight", weights)]
        if bias:
            inputs.append(self.constant(f"{name}.bias", self.normal((cout,), 0.1)))
        grouped = {"group": groups} if groups > 1 else {}
        return self.op("Conv", name, inputs, kernel_shape=kernel, strides=stride, pads=pads, **grouped)

    def batch_norm(self, name: str, source: str, channels: int) -> str:
        """A batch normalisation with statistics and gains that scatter as those of a trained network do."""
        constants = {
            "weight": self.rng.uniform(0.5, 1.5, channels),
            "bias": self.rng.normal(0.0, 0.2, channels),
            "running_mean": self.rng.normal(0.0, 0.3, channels),
            "running_var": self.rng.uniform(0.5, 2.0, channels),
        }
        names = [self.constant(f"{name}.{key}", values.astype(np.float32)) for key, values in constants.items()]
        return self.op("BatchNormalization", name, [source, *names], epsilon=1e-5)

    def relu(self, name: str, source: str) -> str:
        """A rectifier."""
        return self.op("Relu", name, [source])

    def relu6(self, name: str, source: str) -> str:
        """A rectifier with an upper limit of 6."""
        limits = [
            self.constant(f"{name}.{key}", np.array(value, np.float32)) for key, value in (("low", 0), ("high", 6))
        ]
        return self.op("Clip", name, [source, *limits])

    def add(self, name: str, left: str, right: str) -> str:
        """A residual addition."""
        return self.op("Add", name, [left, right])

    def silu(self, name: str, source: str) -> str:
        """x * sigmoid(x)."""
        return self.op("Mul", name, [source, self.op("Sigmoid", f"{name}.sigmoid", [source])])

    def split(self, name: str, source: str, sizes: Sequence[int], axis: int = 1) -> list[str]:
        """Parts of the given sizes along the channels or another axis."""
        outputs = [f"{name}.{index}" for index in range(len(sizes))]
        inputs = [source, self.constant(f"{name}.sizes", np.array(sizes, np.int64))]
        self._nodes.append(helper.make_node("Split", inputs, outputs, name=name, axis=axis))
        return outputs

    def gemm(self, name: str, source: str, inputs: int, outputs: int) -> str:
        """A fully connected layer with bias, weights [outputs, inputs]."""
        weights = self.constant(f"{name}.weight", self.normal((outputs, inputs), inputs**-0.5))
        return self.op(
            "Gemm", name, [source, weights, self.constant(f"{name}.bias", self.normal((outputs,), 0.1))], transB=1
        )

    def normal(self, shape: tuple[int, ...], deviation: float) -> NDArray[np.float32]:
        """Normally distributed weights, float32."""
        return self.rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)

    def finish(self, *outputs: str) -> onnx.ModelProto:
        """The checked model with inferred shapes."""
        entry = helper.make_tensor_value_info(self.input, onnx.TensorProto.FLOAT, self._shape)
        results = [onnx.ValueInfoProto(name=output) for output in outputs]
        graph = helper.make_graph(self._nodes, self.name, [entry], results, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        onnx.checker.check_model(model)
        return model

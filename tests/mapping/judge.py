# SPDX-License-Identifier: Apache-2.0
"""An independent judge of the first link: onnxruntime on the model as given, against what chip and host make of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mapping.importer.exported import bound
from mapping.importer.inputs import quantise_input
from mapping.importer.quantise import quantise_whole
from mapping.importer.tail import Tail, operators
from mapping.importer.walk import import_whole
from pyimc import golden
from pyimc.network import Network

Images = Sequence[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a model.

    Attributes:
        network: The chip's share.
        host: Operators of the host's share, by output.
        wanted: onnxruntime's outputs of the given model, [images, ...] by name.
        got: The same outputs from the golden model and the host's share.
    """

    network: Network
    host: dict[str, tuple[str, ...]]
    wanted: dict[str, NDArray[np.float64]]
    got: dict[str, NDArray[np.float64]]

    def error(self, name: str) -> float:
        """The largest error of an output, as a share of its span."""
        wanted = self.wanted[name]
        return float(np.abs(wanted - self.got[name]).max() / (np.ptp(wanted) or np.abs(wanted).max() or 1.0))

    def worst(self) -> float:
        """The largest error of any output."""
        return max(self.error(name) for name in self.wanted)

    def ratio_db(self, name: str) -> float:
        """Signal to noise of an output; infinite if there is no noise."""
        wanted, noise = self.wanted[name], self.wanted[name] - self.got[name]
        power = float(np.square(noise).sum())
        return 10 * float(np.log10(np.square(wanted).sum() / power)) if power else np.inf


def images_for(shape: Sequence[int], count: int = 3, low: float = 0.0, high: float = 1.0) -> list[NDArray[np.float32]]:
    """Uniform random inputs (C, H, W); a vector (1, N) has N channels of one pixel."""
    size = tuple(shape[1:]) if len(shape) == 4 else (shape[1], 1, 1)
    return list(np.random.default_rng(7).uniform(low, high, (count, *size)).astype(np.float32))


def judge(
    model: onnx.ModelProto, images: Images, cut: Sequence[str] = (), shapes: dict[str, int] | None = None
) -> Judgement:
    """Take a model through quantiser, importer, golden model and host, and the given one through onnxruntime."""
    quantised = quantise_whole(model, images, cut, shapes)
    imported = import_whole(quantised.model, "judged", cut)
    tail = Tail(imported.tail)
    given = bound(model, shapes or {})
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(given.SerializeToString(), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    kind = {"tensor(float16)": np.float16, "tensor(double)": np.float64}.get(entry.type, np.float32)
    wanted: dict[str, list[Any]] = {each.name: [] for each in session.get_outputs()}
    got: dict[str, list[Any]] = {name: [] for name in wanted}
    for image in images:
        results = session.run(None, {entry.name: image.reshape(entry.shape).astype(kind)})
        stored = quantise_input(imported.network, image)
        tensors = golden.run(imported.network, stored)
        found = tail.run([tensors[name] for name in imported.network.outputs], stored)
        for name, values in zip(wanted, results, strict=True):
            wanted[name].append(values)
            got[name].append(found[name])
    stacked = [{name: np.stack(each).astype(np.float64) for name, each in side.items()} for side in (wanted, got)]
    return Judgement(imported.network, operators(imported.tail), *stacked)


class Given:
    """Writes a float model as an exporter would: any opset, IR version and type."""

    def __init__(self, shape: Sequence[int | str], seed: int = 0, kind: int = TensorProto.FLOAT) -> None:
        self.rng = np.random.default_rng(seed)
        self.kind = kind
        self.entry = helper.make_tensor_value_info("x", kind, list(shape))
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """Add an initialiser."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def weights(self, *shape: int) -> str:
        """Add random weights that keep the size of what they multiply."""
        fan = float(np.prod(shape[1:])) if len(shape) == 4 else float(shape[0])
        return self.constant(self.rng.standard_normal(shape) * (2 / fan) ** 0.5)

    def op(self, op_type: str, output: str, *inputs: str, **attributes: Any) -> str:
        """Add a node named after its output."""
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=f"n_{output}", **attributes))
        return output

    def conv(self, output: str, source: str, cin: int, cout: int, size: int = 3, **attributes: Any) -> str:
        """A convolution that keeps the size of the map unless told otherwise."""
        attributes = {"pads": [size // 2] * 4, "kernel_shape": [size, size]} | attributes
        return self.op("Conv", output, source, self.weights(cout, cin, size, size), **attributes)

    def model(self, *outputs: str, opset: int = 17, ir: int = 8) -> onnx.ModelProto:
        """The model with inferred shapes."""
        results = [helper.make_tensor_value_info(name, self.kind, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "given", [self.entry], results, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
        return onnx.shape_inference.infer_shapes(model)

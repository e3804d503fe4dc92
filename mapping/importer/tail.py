"""What the host computes: an ONNX model from the bytes that the chip sends to the outputs of the user's model.

Its inputs are `chip:0`, `chip:1`, ... for the outputs of the network, uint8 (1, height, width, channels), and
`chip:image` of the same kind if it reads the network's input; its outputs have the user's names. It dequantises, gives
each tensor its shape, and holds whatever the chip cannot compute; onnxruntime runs it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mapping.importer.onnx_model import graph_input, session
from mapping.importer.rewriting import read_names
from mapping.importer.values import Activation, Quantisation, RawInput
from pyimc.network import Network

if TYPE_CHECKING:
    from mapping.importer.shares import Share

IMAGE = "chip:image"
Results = dict[str, NDArray[Any]]
"""Of one image, by the names of the user's outputs."""


def build_tail(model: onnx.ModelProto, share: "Share", network: Network) -> onnx.ModelProto:
    """The host's share of a quantised model, as a model of its own.

    Args:
        model: The quantised model.
        share: What the host computes.
        network: What the chip computes; its outputs are the share's cuts.
    """
    sources = {name: f"chip:{index}" for index, name in enumerate(network.outputs)}
    constants: list[onnx.TensorProto] = []
    entries: dict[str, onnx.ValueInfoProto] = {}
    nodes: list[onnx.NodeProto] = []
    for name, value in share.cuts.items():
        activation = _entry(model, value, network) if isinstance(value, RawInput) else value
        assert isinstance(activation, Activation), "the walk closed every cut"
        source = sources.get(activation.tensor, IMAGE)
        entries[source] = helper.make_tensor_value_info(source, TensorProto.UINT8, [1, *activation.hwc])
        nodes += _arrival(name, source, activation, constants)
    read = {name for node in share.nodes for name in read_names(node)} | {value.name for value in model.graph.output}
    constants += [tensor for tensor in model.graph.initializer if tensor.name in read]
    outputs = [onnx.ValueInfoProto(name=value.name) for value in model.graph.output]
    graph = helper.make_graph(
        [*nodes, *share.nodes], f"{network.name} tail", list(entries.values()), outputs, constants
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _entry(model: onnx.ModelProto, value: RawInput, network: Network) -> Activation:
    kind = network.tensors[network.input]
    quantisation = Quantisation(kind.scale, kind.zero_point, value.signed)
    real = graph_input(model)[0].type.tensor_type.elem_type == TensorProto.FLOAT
    return Activation(network.input, quantisation, value.shape, kind.shape, real)


def _arrival(name: str, source: str, activation: Activation, constants: list[onnx.TensorProto]) -> list[onnx.NodeProto]:
    """From (1, height, width, channels) uint8 to the ONNX tensor of a name: real, or its integers."""

    def constant(key: str, values: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(values, f"{source}:{name}:{key}"))
        return constants[-1].name

    def node(op_type: str, key: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(op_type, inputs, [key], name=f"{source}:{op_type}:{key}", **attributes)

    moved, shaped, wide = (f"{source}:{name}:{step}" for step in ("nchw", "shaped", "wide"))
    shape, turned = activation.shape, activation.turned
    stored = (*shape[:-2], shape[-1], shape[-2]) if turned else shape
    upright = f"{shaped}:upright" if turned else shaped
    nodes = [
        node("Transpose", moved, source, perm=[0, 3, 1, 2]),
        node("Reshape", upright, moved, constant("shape", np.array(stored, np.int64))),
    ]
    if turned:
        axes = list(range(len(shape)))
        nodes.append(node("Transpose", shaped, upright, perm=[*axes[:-2], axes[-1], axes[-2]]))
    quantisation = activation.quantisation
    if activation.real:
        scale = constant("scale", np.array(quantisation.scale, np.float32))
        zero_point = constant("zero_point", np.array(quantisation.zero_point, np.uint8))
        return [*nodes, node("DequantizeLinear", name, shaped, scale, zero_point)]
    if not quantisation.signed:
        return [*nodes, node("Identity", name, shaped)]
    offset = constant("offset", np.array(128, np.int32))
    return [
        *nodes,
        node("Cast", wide, shaped, to=TensorProto.INT32),
        node("Sub", f"{wide}:int8", wide, offset),
        node("Cast", name, f"{wide}:int8", to=TensorProto.INT8),
    ]


class Tail:
    """The host's model, ready to run."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._session = session(model)
        self._inputs = [each.name for each in self._session.get_inputs()]
        self.outputs = [each.name for each in self._session.get_outputs()]

    def run(self, chip: Sequence[NDArray[np.uint8]], image: NDArray[np.uint8]) -> Results:
        """The user's outputs for one image.

        Args:
            chip: The network's outputs, uint8 [height, width, channels] each.
            image: The network's input, likewise.
        """
        given = {f"chip:{index}": each[np.newaxis] for index, each in enumerate(chip)} | {IMAGE: image[np.newaxis]}
        results = self._session.run(None, {name: given[name] for name in self._inputs})
        return dict(zip(self.outputs, results, strict=True))


def operators(tail: onnx.ModelProto) -> dict[str, tuple[str, ...]]:
    """What is left to the host for each output: its ONNX operators in order, without the steps of arrival."""
    producers = {name: node for node in tail.graph.node for name in node.output}
    found = {}
    for output in tail.graph.output:
        waiting, needed = [output.name], set()
        while waiting:
            name = waiting.pop()
            if name in producers and name not in needed and not _arrives(producers[name]):
                needed.add(name)
                waiting += read_names(producers[name])
        nodes = [node for node in tail.graph.node if not needed.isdisjoint(node.output)]
        found[output.name] = tuple(filter(None, (plain_operator(node) for node in nodes)))
    return found


def plain_operator(node: onnx.NodeProto) -> str:
    """What a node computes whatever its integers mean; an empty string if it only changes their meaning."""
    return "" if node.op_type in ("QuantizeLinear", "DequantizeLinear") else node.op_type.removeprefix("QLinear")


def _arrives(node: onnx.NodeProto) -> bool:
    return node.name.startswith("chip:")

"""The independent check: every node of a network against onnxruntime.

onnxruntime runs the int8 ONNX model with all optimisations off. Each node of the network is computed by the
golden model from onnxruntime's own values of the node's inputs, so a deviation belongs to that node alone.
onnxruntime scales in float32 and rounds half to even, the golden model in integers and half up: they may differ
by one step where a value falls almost exactly between two.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from mapping.importer.inputs import quantise_input
from mapping.importer.onnx_model import feed, graph_input, session
from mapping.importer.parts import part_of
from pyimc import golden
from pyimc.network import Network


@dataclass(frozen=True, slots=True)
class LayerCheck:
    """Deviation of one node from onnxruntime.

    Attributes:
        node: Name of the node, or of the input tensor.
        values: How many values were compared.
        differing: How many of them differ.
        max_lsb: The largest difference, in steps of the output.
    """

    node: str
    values: int
    differing: int
    max_lsb: int


def compare(quantised_model: onnx.ModelProto, network: Network, image: NDArray[np.float32]) -> list[LayerCheck]:
    """Check every node of a network against onnxruntime on one image.

    Args:
        quantised_model: The int8 model that the network was imported from.
        network: The network.
        image: float32 (C, H, W).

    Returns:
        One check for the quantised input and one per node whose output onnxruntime knows, in order.

    Raises:
        ConfigError: onnxruntime refuses the model.
    """
    exact = quantise_input(network, image)
    values = tensors(quantised_model, network, image)
    checks = [_check(network.input, exact, values[network.input])]
    for node in network.nodes:
        result = golden.run_node(network, node, tuple(values[name] for name in node.inputs))
        if node.output in values:
            checks.append(_check(node.name, result, values[node.output]))
        else:
            values[node.output] = result
    return checks


def tensors(
    quantised_model: onnx.ModelProto, network: Network, image: NDArray[np.float32]
) -> dict[str, NDArray[np.uint8]]:
    """onnxruntime's value of every tensor that the network has of the model, as uint8 [height, width, channels].

    Raises:
        ConfigError: onnxruntime refuses the model.
    """
    entry, _ = graph_input(quantised_model)
    stored: NDArray[np.generic] = image
    kind = entry.type.tensor_type.elem_type
    if kind != onnx.TensorProto.FLOAT:
        stored = quantise_input(network, image).transpose(2, 0, 1)
        if kind == onnx.TensorProto.INT8:
            stored = (stored.astype(np.int16) - 128).astype(np.int8)
    known = {entry.name, *(name for node in quantised_model.graph.node for name in node.output)}
    wholes = {name: part for name in network.tensors if (part := part_of(name))[0] in known}
    names = sorted({whole for whole, _ in wholes.values()} - {entry.name})
    results = session(quantised_model, tuple(names)).run(names, feed(quantised_model, stored))
    raw = dict(zip(names, results, strict=True))
    raw[entry.name] = stored
    return {
        name: _stored(raw[whole], network.tensors[name].shape, channels) for name, (whole, channels) in wholes.items()
    }


def _stored(values: NDArray[np.generic], shape: tuple[int, int, int], channels: slice) -> NDArray[np.uint8]:
    offset = 128 if values.dtype == np.int8 else 0
    shifted = (values.astype(np.int16) + offset).astype(np.uint8)
    return shifted.reshape(-1, *shape[:2])[channels].transpose(1, 2, 0)


def _check(name: str, ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> LayerCheck:
    distance = np.abs(ours.astype(np.int16) - theirs)
    return LayerCheck(name, ours.size, int(np.count_nonzero(distance)), int(distance.max()))

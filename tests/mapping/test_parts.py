# SPDX-License-Identifier: Apache-2.0
"""Split, Slice and Concat move channels without hardware of their own, or with a chain of small nodes."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from mapping.compile import compile_network
from mapping.importer import parts as product
from mapping.importer.parts import compute_parts, part_name, part_of
from mapping.importer.quantise import quantise
from mapping.importer.reference import compare
from mapping.importer.walk import import_model
from mapping.models.builder import GraphBuilder
from pyimc import golden
from pyimc.arch import load_arch
from pyimc.cycle import Run
from pyimc.network import Add, Concat, Crop, DepthToSpace, Lut, Matmul, Mvm, Network, Node, Pool, Resize, TensorType
from pyimc.network_rules import verify
from tests.mapping.onnx_writer import Quantised, check, qdq_conv
from tests.pyimc.networks import random_image, residual_network
from tests.random_cnn import calibration


def test_a_part_of_a_part_is_a_part_of_the_whole() -> None:
    assert part_of("conv") == ("conv", slice(None))
    assert part_of(part_name("conv", 16, 32)) == ("conv", slice(16, 32))
    assert part_name(part_name("conv", 16, 32), 4, 8) == "conv[20:24]"


def _imported(model: onnx.ModelProto) -> Network:
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    for image in calibration(model):
        for each in compare(quantised, network, image):
            assert each.max_lsb <= 1, each
    return network


def _kinds(network: Network) -> dict[str, type[Node]]:
    return {node.name: type(node) for node in network.nodes}


def test_a_split_cuts_the_layer_before_it() -> None:
    graph = GraphBuilder("net", (1, 3, 6, 6), seed=1)
    value = graph.silu("silu", graph.conv("conv", graph.input, 3, 10, (3, 3), bias=True))
    near, far = graph.split("split", value, (4, 6))
    model = graph.finish(graph.conv("a", near, 4, 2, (1, 1)), graph.conv("b", far, 6, 2, (1, 1)))
    network = _imported(model)
    assert _kinds(network) == {
        "conv[0:4]": Mvm, "conv[4:10]": Mvm, "silu[0:4]": Lut, "silu[4:10]": Lut, "a": Mvm, "b": Mvm
    }  # fmt: skip
    cut = {node.name: node for node in network.nodes if isinstance(node, Mvm)}
    assert cut["conv[0:4]"].weights.shape == (4, 3, 9)
    assert [cut["conv[4:10]"].bias.size, cut["conv[4:10]"].multiplier.size, cut["conv[4:10]"].shift.size] == [6] * 3


def test_a_map_that_is_read_whole_keeps_its_own_layer() -> None:
    graph = GraphBuilder("net", (1, 3, 6, 6), seed=1)
    value = graph.conv("conv", graph.input, 3, 10, (3, 3))
    near, _ = graph.split("split", value, (4, 6))
    network = _imported(graph.finish(value, near))
    assert _kinds(network) == {"conv": Mvm, "conv[0:4]": Mvm}
    assert network.outputs == ("conv_QuantizeLinear_Output", "conv_QuantizeLinear_Output[0:4]")


def _behind_a_layer() -> Network:
    """Every kind of node, on the result of a layer, so that none of them reads the graph input."""
    rest = residual_network()
    weights = np.random.default_rng(0).integers(-99, 99, (3, 1, 3), np.int8)
    entry = Mvm(
        "entry", ("raw",), "image", (1, 1), (1, 1), (0, 0, 0, 0), weights,
        np.array([500, 0, -500], np.int32), np.full(3, 2**30, np.int32), np.full(3, 37, np.uint8), 0, 7, (0, 255),
    )  # fmt: skip
    tensors = {"raw": TensorType(5, 4, 3, 1.0, 0), **rest.tensors}
    return Network("net", "raw", tuple(tensors)[1:], tensors, (entry, *rest.nodes))


@pytest.mark.parametrize("copies", [True, False])
def test_every_part_of_every_tensor_has_the_values_of_its_channels(
    monkeypatch: pytest.MonkeyPatch, copies: bool
) -> None:
    monkeypatch.setattr(product, "_is_dearer", lambda node, output: copies)
    network = _behind_a_layer()
    assert {type(node) for node in network.nodes} == {Mvm, Add, Pool, Concat, Lut, Resize, DepthToSpace, Crop}
    parts = {
        part_name(tensor, start, stop): (tensor, slice(start, stop))
        for tensor in network.outputs
        for stop in range(1, network.tensors[tensor].channels + 1)
        for start in range(stop)
    }
    cut = compute_parts(replace(network, outputs=tuple(parts)))
    verify(cut)
    image = random_image(network)
    wholes, values = golden.run(network, image), golden.run(cut, image)
    for name, (tensor, channels) in parts.items():
        assert np.array_equal(values[name], wholes[tensor][..., channels]), name


def test_a_part_of_the_graph_input_is_a_copy() -> None:
    graph = GraphBuilder("net", (1, 3, 6, 6), seed=1)
    near, _ = graph.split("split", graph.op("MaxPool", "pool", [graph.input], kernel_shape=(2, 2)), (1, 2))
    network = _imported(graph.finish(graph.conv("conv", near, 1, 2, (1, 1))))
    assert [type(node) for node in network.nodes] == [Mvm, Pool, Mvm]
    assert network.tensors[network.nodes[0].output].channels == 1


def test_a_part_of_a_map_that_is_read_whole_is_copied_not_computed_again() -> None:
    """As TinyYOLOv4 reads half of a map, and later all of it."""
    graph = GraphBuilder("net", (1, 3, 6, 6), seed=1)
    value = graph.silu("silu", graph.conv("conv", graph.input, 3, 10, (3, 3), bias=True))
    _, far = graph.split("split", value, (4, 6))
    joined = graph.op("Concat", "join", [graph.conv("a", far, 6, 6, (3, 3), pads=(1, 1, 1, 1)), value], axis=1)
    network = _imported(graph.finish(graph.conv("b", joined, 16, 3, (1, 1))))
    assert _kinds(network) == {"conv": Mvm, "silu": Lut, "silu[4:10]": Mvm, "a": Mvm, "join": Concat, "b": Mvm}
    copy = next(node for node in network.nodes if node.name == "silu[4:10]")
    assert isinstance(copy, Mvm) and copy.weights.shape == (6, 1, 6)
    assert not Run(compile_network(network, load_arch("tiny")), 3).until(3).deadlock


@pytest.mark.parametrize("count", [2, 3, 4])
def test_sizes_of_a_split_without_sizes(count: int) -> None:
    """As ONNX says: equal parts, the last one smaller."""
    graph = GraphBuilder("net", (1, 3, 2, 2), seed=1)
    value = graph.conv("conv", graph.input, 3, 7, (1, 1))
    names = [f"part{index}" for index in range(count)]
    model = graph.finish(value)
    model.graph.node.append(onnx.helper.make_node("Split", ["conv"], names, name="split", axis=1, num_outputs=count))
    kind = onnx.TensorProto.FLOAT
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, kind, None) for name in names)
    network = _imported(model)
    sizes = [network.tensors[name].channels for name in network.outputs[1:]]
    assert sizes == {2: [4, 3], 3: [3, 3, 1], 4: [2, 2, 2, 1]}[count]


def test_a_concat_of_many_requantises_every_value_once() -> None:
    """Three scales; from the second node on the first input is copied, and so its multiplier is exactly one."""
    write = Quantised((1, 2, 4, 5))
    x = write.qdq("x", "image", 0.02, 128)
    scales = (0.05, 0.07, 0.03)
    parts = [write.qdq(f"p{i}", qdq_conv(write, f"c{i}", x, 3 + i, 2), scale, 99) for i, scale in enumerate(scales)]
    model = write.model(write.qdq("y", write.op("Concat", "join", *parts, axis=-3), 0.06, 120))
    network = import_model(model, "net")
    first, last = network.nodes[-2:]
    assert isinstance(first, Concat) and isinstance(last, Concat)
    assert (first.name, first.inputs, first.output) == ("join[0:7]", ("p0", "p1"), "y[0:7]")
    assert (last.name, last.inputs, last.output) == ("join", ("y[0:7]", "p2"), "y")
    assert network.tensors["y[0:7]"] == TensorType(4, 5, 7, float(np.float32(0.06)), 120)
    assert last.multipliers[0] == 1 << last.shift
    assert last.input_zero_points == (120, 99)
    check(model, network)


def test_a_concat_of_a_qoperator_model() -> None:
    write = Quantised((1, 2, 4, 5))
    kinds = [write.scale(0.02, 128), write.scale(0.04, 90), write.scale(0.03, 60)]
    inputs = []
    for name, kind in zip("lr", kinds[:2], strict=True):
        conv = qdq_conv(write, f"{name}_conv", write.qdq(f"{name}_x", "image", 0.02, 128), 3, 2)
        inputs += [write.op("QuantizeLinear", name, conv, *kind), *kind]
    joined = write.op("QLinearConcat", "join", *kinds[2], *inputs, domain="com.microsoft", axis=1)
    model = write.model(write.op("DequantizeLinear", "y", joined, *kinds[2]))
    network = import_model(model, "net")
    assert isinstance(network.nodes[-1], Concat)
    check(model, network)


def test_channels_of_a_product_of_maps_are_copied() -> None:
    graph = GraphBuilder("net", (1, 3, 4, 5), seed=1)
    value = graph.conv("first", graph.input, 3, 6, (3, 3), pads=(1, 1, 1, 1), bias=True)
    shapes = [graph.constant(f"shape{rank}", np.array(shape)) for rank, shape in ((3, (1, 6, 20)), (4, (1, 6, 4, 5)))]
    matrix = graph.op("Reshape", "matrix", [value, shapes[0]])
    turned = graph.op("Transpose", "turned", [matrix], perm=[0, 2, 1])
    scores = graph.op("Sigmoid", "weights", [graph.op("MatMul", "scores", [turned, matrix])])
    mixed = graph.op("Reshape", "mixed", [graph.op("MatMul", "product", [matrix, scores]), shapes[1]])
    model = graph.finish(graph.conv("last", graph.split("split", mixed, (2, 4))[0], 2, 3, (1, 1)))
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    mixed_again, part, last = network.nodes[-3:]
    assert isinstance(mixed_again, Matmul) and isinstance(part, Mvm) and part.inputs == (mixed_again.output,)
    assert network.tensors[last.inputs[0]].channels == 2
    check(quantised, network)

# SPDX-License-Identifier: Apache-2.0
"""What an ONNX graph becomes."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mapping.compile import compile_network
from mapping.importer.inputs import quantise_input
from mapping.importer.onnx_model import feed, read, session
from mapping.importer.operators import OPERATORS, QUANTISED
from mapping.importer.quantise import quantise
from mapping.importer.walk import import_model
from mapping.models import load_model
from mapping.models.builder import GraphBuilder
from pyimc import golden
from pyimc.arch import load_arch
from pyimc.cycle import Run
from pyimc.errors import ConfigError
from pyimc.network import Add, Mvm, Pool
from tests.mapping.onnx_writer import I8, U8, Quantised, check, qdq_conv
from tests.random_cnn import calibration, seeded


def test_a_conv_has_its_weights_in_hwc_order_and_its_zero_point_folded() -> None:
    write = Quantised((1, 2, 4, 5))
    result = write.qdq("y", qdq_conv(write, "conv", write.qdq("x", "image", 0.02, 3), 3, 2), 0.05, 100)
    model = write.model(result)
    network = import_model(model, "net")
    (node,) = network.nodes
    assert isinstance(node, Mvm)
    assert (node.name, node.inputs, node.output, network.input) == ("conv", ("x",), "y", "x")
    stored = np.random.default_rng(3).integers(-127, 128, (3, 2, 3, 3))
    assert np.array_equal(node.weights, stored.transpose(0, 2, 3, 1).reshape(*node.weights.shape))
    assert np.array_equal(node.bias, -3 * stored.sum(axis=(1, 2, 3)))
    factors = node.multiplier / 2.0**node.shift
    assert np.allclose(factors, 0.02 * np.linspace(0.001, 0.003, 3) / 0.05, rtol=1e-6)
    assert node.clamp == (0, 255)
    check(model, network)


@pytest.mark.parametrize(
    ("low", "high", "clamp"), [(0.0, None, (100, 255)), (-1.0, 6.0, (80, 220)), (None, 2.0, (0, 140))]
)
def test_relu_and_clip_become_the_clamp_of_the_layer(
    low: float | None, high: float | None, clamp: tuple[int, int]
) -> None:
    write = Quantised((1, 2, 4, 5))
    conv = qdq_conv(write, "conv", write.qdq("x", "image", 0.02, 128), 3, 2)
    limits = [write.constant(limit, np.float32) if limit is not None else "" for limit in (low, high)]
    limited = write.op("Relu", "relu", conv) if high is None else write.op("Clip", "clip", conv, *limits)
    model = write.model(write.qdq("y", limited, 0.05, 100))
    (node,) = import_model(model, "net").nodes
    assert isinstance(node, Mvm)
    assert node.clamp == clamp
    check(model, import_model(model, "net"))


def test_limits_on_limits_meet() -> None:
    write = Quantised((1, 2, 4, 5))
    conv = qdq_conv(write, "conv", write.qdq("x", "image", 0.02, 128), 3, 2)
    limits = [write.constant(limit, np.float32) for limit in (-1.0, 4.0)]
    limited = write.op("Clip", "clip", write.op("Relu", "relu", conv), *limits)
    model = write.model(write.qdq("y", limited, 0.05, 100))
    (node,) = import_model(model, "net").nodes
    assert isinstance(node, Mvm)
    assert node.clamp == (100, 180)
    check(model, import_model(model, "net"))


@pytest.mark.parametrize(
    ("scale", "zero", "kind", "nodes"),
    [(0.05, 100, U8, [Mvm]), (0.05, -28, I8, [Mvm]), (0.05, 90, U8, [Mvm, Pool]), (0.04, 100, U8, [Mvm, Pool])],
)
def test_a_tensor_that_is_quantised_again_is_rescaled_where_its_meaning_changes(
    scale: float, zero: int, kind: Any, nodes: list[type]
) -> None:
    write = Quantised((1, 2, 4, 5))
    conv = write.qdq("c", qdq_conv(write, "conv", write.qdq("x", "image", 0.02, 128), 3, 2), 0.05, 100)
    model = write.model(write.qdq("y", conv, scale, zero, kind))
    network = import_model(model, "net")
    assert [type(node) for node in network.nodes] == nodes
    check(model, network)


def test_a_relu_that_was_quantised_with_the_same_scale_fuses_too() -> None:
    write = Quantised((1, 2, 4, 5))
    conv = write.qdq("c", qdq_conv(write, "conv", write.qdq("x", "image", 0.02, 128), 3, 2), 0.05, 100)
    model = write.model(write.qdq("y", write.op("Relu", "relu", conv), 0.05, 100))
    network = import_model(model, "net")
    (node,) = network.nodes
    assert isinstance(node, Mvm)
    assert (node.name, node.output, node.clamp) == ("conv", "y", (100, 255))
    assert list(network.tensors) == ["x", "y"]
    check(model, network)


def test_a_relu_beside_another_reader_does_not_fuse() -> None:
    write = Quantised((1, 2, 4, 5))
    conv = write.qdq("c", qdq_conv(write, "conv", write.qdq("x", "image", 0.02, 128), 3, 2), 0.05, 100)
    relu = write.qdq("r", write.op("Relu", "relu", conv), 0.05, 100)
    model = write.model(write.qdq("y", write.op("Add", "add", conv, relu), 0.1, 50))
    network = import_model(model, "net")
    assert [type(node) for node in network.nodes] == [Mvm, Pool, Add]
    check(model, network)


def test_a_relu_with_another_scale_becomes_a_pool_of_one_pixel() -> None:
    write = Quantised((1, 2, 4, 5))
    model = write.model(write.qdq("y", write.op("Relu", "relu", write.qdq("x", "image", 0.02, 128)), 0.015, 0))
    network = import_model(model, "net")
    (node,) = network.nodes
    assert isinstance(node, Pool)
    assert (node.kernel, node.clamp) == ((1, 1), (0, 255))
    check(model, network)


def test_a_fully_connected_layer_reads_its_map_in_hwc_order() -> None:
    """Against the float model: a wrong order of the 2x3x4 inputs would be far off."""
    graph = GraphBuilder("fc", (1, 4, 2, 3), seed=5)
    flat = graph.op("Flatten", "flatten", [graph.input])
    model = graph.finish(graph.gemm("fc", flat, 24, 7))
    images = calibration(model)
    network = import_model(quantise(model, images), "fc")
    (node,) = network.nodes
    assert isinstance(node, Mvm)
    assert node.weights.shape == (7, 2, 12)
    kind = network.tensors[network.outputs[0]]
    for image in images:
        (expected,) = session(model).run(None, feed(model, image))
        stored = golden.run(network, quantise_input(network, image))[network.outputs[0]]
        assert np.allclose((stored.reshape(-1) - float(kind.zero_point)) * kind.scale, expected[0], atol=5 * kind.scale)


def test_signed_activations_are_shifted_to_unsigned() -> None:
    write = Quantised((1, 2, 4, 5))
    conv = qdq_conv(write, "conv", write.qdq("x", "image", 0.02, -5, I8), 3, 2)
    model = write.model(write.qdq("y", conv, 0.05, 10, I8))
    network = import_model(model, "net")
    assert network.tensors["x"].zero_point == 123
    assert network.tensors["y"].zero_point == 138
    check(model, network)


@pytest.mark.parametrize("kind", [U8, I8])
def test_a_graph_may_take_integers(kind: Any) -> None:
    write = Quantised((1, 2, 4, 4), onnx.TensorProto.UINT8 if kind == U8 else onnx.TensorProto.INT8)
    real = write.dq("x", "image", 0.02, 3, kind)
    model = write.model(write.q("y", qdq_conv(write, "conv", real, 3, 2), 0.05, 7, kind))
    network = import_model(model, "net")
    assert network.input == "image"
    check(model, network)


def test_a_qoperator_graph_keeps_integers_through_pool_and_flatten() -> None:
    write = Quantised((1, 2, 4, 4))
    rng = np.random.default_rng(0)
    x, y, z = write.scale(0.02, 128), write.scale(0.04, 90), write.scale(0.1, 110)
    kernel = write.constant(rng.integers(-127, 128, (3, 2, 2, 2)), I8)
    bias = write.constant([500, -500, 0], np.int32)
    conv = write.op(
        "QLinearConv", "conv", write.op("QuantizeLinear", "x", "image", *x), *x, kernel,
        *write.scale([0.002, 0.001, 0.003], [0, 0, 0], I8), *y, bias,
    )  # fmt: skip
    flat = write.op("Flatten", "flat", write.op("MaxPool", "peak", conv, kernel_shape=[3, 2]))
    matrix = write.constant(rng.integers(-127, 128, (6, 5)), I8)
    product = write.op("QLinearMatMul", "fc", flat, *y, matrix, *write.scale(0.004, 0, I8), *z)
    tail = write.op(
        "QLinearSoftmax", "softmax", product, *z, *write.scale(1 / 256, 0), domain="com.microsoft", opset=13
    )
    model = write.model(write.op("DequantizeLinear", "answer", tail, *write.scale(1 / 256, 0)))
    network = import_model(model, "net")
    assert [(type(node), node.name) for node in network.nodes] == [(Mvm, "conv"), (Pool, "peak"), (Mvm, "fc")]
    assert (network.outputs, network.host_tail) == (("fc",), ("Softmax",))
    check(model, network)


@pytest.mark.parametrize("zero", [0, 1, 100, 127, 128, 129, 255])
@pytest.mark.parametrize("channels", [3, 8])
def test_uint8_weights_have_any_zero_point(zero: int, channels: int) -> None:
    """Of 8 channels they are a chain of sums, of 3 a layer that reads its input twice."""
    write = Quantised((1, 2, 5, 6))
    stored = np.random.default_rng(zero).integers(0, 256, (channels, 2, 3, 3))
    stored[0, 0, 0, :2] = 0, 255
    kernel = write.dq("kernel", write.constant(stored, U8), 0.003, zero)
    conv = write.op("Conv", "conv", write.qdq("x", "image", 0.02, 9), kernel, pads=[1, 1, 1, 1])
    model = write.model(write.qdq("y", conv, 0.1, 99))
    network = import_model(model, "net")
    check(model, network)
    terms = 1 if zero == 128 else 3 if zero == 0 else 2
    assert len(network.nodes) == terms
    assert all(isinstance(node, Mvm) for node in network.nodes) == (channels == 8 or terms == 1)
    assert not Run(compile_network(network, load_arch("tiny")), 3).until(3).deadlock


def test_parts_of_a_layer_with_uint8_weights() -> None:
    write = Quantised((1, 2, 5, 6))
    stored = np.random.default_rng(1).integers(0, 256, (16, 2, 3, 3))
    kernel = write.dq("kernel", write.constant(stored, U8), 0.003, 100)
    conv = write.op("Conv", "conv", write.qdq("x", "image", 0.02, 9), kernel, pads=[1, 1, 1, 1])
    whole = write.qdq("y", conv, 0.1, 99)
    limits = [write.constant([each], np.int64) for each in (8, 16, 1)]
    part = write.op("Slice", "part", whole, *limits)
    model = write.model(write.qdq("z", qdq_conv(write, "next", part, 3, 8), 0.05, 100))
    check(model, import_model(model, "net"))


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_auto_pad_is_resolved(mode: str) -> None:
    graph = GraphBuilder("auto", (1, 2, 7, 6), seed=1)
    weights = graph.constant("weights", graph.normal((3, 2, 4, 3), 0.2))
    value = graph.op("Conv", "conv", [graph.input, weights], strides=[2, 2], auto_pad=mode)
    model = graph.finish(graph.op("AveragePool", "pool", [value], kernel_shape=[2, 1], auto_pad=mode))
    quantised = quantise(model, calibration(model))
    check(quantised, import_model(quantised, "auto"))


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 0, 1]])
def test_ceil_mode_adds_partial_windows(kind: str, size: int, pads: list[int]) -> None:
    graph = GraphBuilder("ceil", (1, 2, size, size), seed=1)
    model = graph.finish(
        graph.op(kind, "pool", [graph.input], kernel_shape=[3, 2], strides=[3, 3], pads=pads, ceil_mode=1)
    )
    quantised = quantise(model, calibration(model))
    check(quantised, import_model(quantised, "ceil"))


def test_what_no_output_needs_is_left_out() -> None:
    write = Quantised((1, 2, 4, 5))
    x = write.qdq("x", "image", 0.02, 3)
    unused = write.qdq("u", qdq_conv(write, "unused", x, 4, 2), 0.05, 100)
    write.qdq("v", write.op("Relu", "relu", unused), 0.07, 0)
    model = write.model(write.qdq("y", qdq_conv(write, "conv", x, 3, 2), 0.05, 100))
    network = import_model(model, "net")
    assert [node.name for node in network.nodes] == ["conv"]
    assert list(network.tensors) == ["x", "y"]


def test_nodes_without_names_or_with_one_name_get_their_own() -> None:
    write = Quantised((1, 2, 4, 5))
    x = write.qdq("x", "image", 0.02, 128)
    first = write.qdq("a", qdq_conv(write, "conv_a", x, 2, 2), 0.05, 100)
    second = write.qdq("b", qdq_conv(write, "conv_b", first, 2, 2), 0.05, 100)
    third = write.qdq("c", qdq_conv(write, "conv_c", second, 2, 2), 0.05, 100)
    model = write.model(third)
    for node in model.graph.node:
        if node.op_type == "Conv":
            node.name = "" if node.output[0] == "conv_c" else "same"
    assert [node.name for node in import_model(model, "net").nodes] == ["same", "same_2", "conv_c"]


def test_a_model_may_have_several_outputs() -> None:
    write = Quantised((1, 2, 4, 5))
    first = write.qdq("a", qdq_conv(write, "conv_a", write.qdq("x", "image", 0.02, 128), 2, 2), 0.05, 100)
    second = write.qdq("b", qdq_conv(write, "conv_b", first, 3, 2), 0.05, 100)
    model = write.model(first, second)
    assert import_model(model, "net").outputs == ("a", "b")


def test_random_networks_use_every_operator() -> None:
    """The generator that other tests rely on leaves nothing out."""
    graphs = [seeded(seed, detector=detector).graph for seed in range(60) for detector in (False, True)]
    seen = {node.op_type for graph in graphs for node in graph.node}
    elsewhere = {  # drawn by tests/random_given.py; norms are in tests/mapping/test_tokens.py
        "LayerNormalization",
        "ReduceMean", "ReduceMax", "ReduceSum", "GlobalMaxPool", "ConvTranspose", "DepthToSpace", "SpaceToDepth",
    }  # fmt: skip
    assert seen >= {name for name, each in OPERATORS.items() if each.role in ("layer", "copy", "limit")} - elsewhere
    assert seen >= {"Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu", "Mul", "Flatten", "Reshape"}
    assert "BatchNormalization" in seen
    assert "QLinearConv" in QUANTISED


def test_shape_operators_that_move_nothing_are_followed() -> None:
    graph = GraphBuilder("shapes", (1, 3, 5, 5), seed=2)
    value = graph.op("GlobalAveragePool", "mean", [graph.op("Identity", "same", [graph.input])])
    value = graph.op("Squeeze", "squeeze", [value, graph.constant("axes", np.array([2, 3]))])
    value = graph.op("Unsqueeze", "unsqueeze", [value, graph.constant("back", np.array([2, 3]))])
    value = graph.conv("conv", value, 3, 4, (1, 1), bias=True)
    model = graph.finish(graph.op("Reshape", "flat", [value, graph.constant("flat_shape", np.array([0, -1]))]))
    quantised = quantise(model, calibration(model))
    check(quantised, import_model(quantised, "shapes"))


def test_weights_in_a_file_beside_the_model(tmp_path: Path) -> None:
    path = tmp_path / "digits.onnx"
    model = load_model("digits")
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    whole = {tensor.name: numpy_helper.to_array(tensor) for tensor in load_model("digits").graph.initializer}
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in read(path).graph.initializer}
    assert all(np.array_equal(values, found[name]) for name, values in whole.items())
    (tmp_path / "weights.bin").write_bytes(b"short")
    with pytest.raises(ConfigError, match="not a complete ONNX model"):
        read(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ConfigError, match=r"weights\.bin") as caught:
        read(path)
    assert "\n" not in str(caught.value)

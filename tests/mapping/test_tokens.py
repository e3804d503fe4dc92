# SPDX-License-Identifier: Apache-2.0
"""Transformers as exporters write them: both ends, norms written out, heads in any order, and what is left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import pytest

from mapping.compile import compile_network
from mapping.importer.norms import layer_norms
from mapping.importer.onnx_model import image_shape
from mapping.importer.quantise import quantise_whole
from mapping.importer.reference import compare
from mapping.importer.signal import fidelity
from mapping.importer.tokens import tokens
from mapping.importer.walk import Imported, import_whole
from mapping.models.builder import GraphBuilder
from mapping.models.vit_tiny import Shape, transformer
from pyimc import golden
from pyimc.network import Column, Crop, Matmul, Network, Softmax, Transpose
from tests.mapping.networks import small_arch
from tests.mapping.test_codegen import check
from tests.sampling import seeds

ROOM = {"activation_words": 16384, "host_words": 512, "instructions": 512, "contexts": 64, "crossbar": {"planes": 128}}
SMALL = Shape(image=16, patch=4, width=24, heads=3, blocks=1, hidden=40, classes=5)


def images(model: onnx.ModelProto) -> list[np.ndarray]:
    """Three random ones."""
    random = np.random.default_rng(1)
    return [random.standard_normal(image_shape(model), np.float32) for _ in range(3)]


def imported(model: onnx.ModelProto, ratio_db: float = 20) -> Imported:
    """A model on the chip as a whole, every node within a step of onnxruntime, every tensor near the float model."""
    quantised = quantise_whole(model, images(model))
    assert quantised.float is not None and all(link.kept for link in quantised.float.links)
    found = import_whole(quantised.model, "vit")
    for image in images(model):
        assert max(each.max_lsb for each in compare(quantised.model, found.network, image)) <= 1
    signal = fidelity(quantised, found, images(model))
    assert min(each.ratio_db for each in signal.layers) > ratio_db
    hosted = {node.op_type for node in found.tail.graph.node}
    assert hosted <= {"Transpose", "Reshape", "DequantizeLinear"}
    return found


def kinds(network: Network) -> Counter[str]:
    """How many nodes of each kind."""
    return Counter(type(node).__name__ for node in network.nodes)


@pytest.mark.parametrize("class_token", [True, False])
def test_a_transformer_becomes_layers_products_and_rows(class_token: bool) -> None:
    """No gain, bias, scale or part of Gelu is a node of its own; query, key and value are layers of their own."""
    network = imported(transformer("vit", Shape(16, 4, 24, 3, 2, 40, 5, class_token), 3)).network
    found, ends = kinds(network), int(class_token)
    layers = 1 + 2 * 6 + 1 + 1 + ends  # patches, blocks, head, positions, and the room for a class token
    assert found == {
        "Mvm": layers, "Add": 5, "Normalise": 5, "Matmul": 4, "Softmax": 2, "Transpose": 2, "Lut": 2, "Stored": 1,
        **({"Column": 1, "Crop": 1} if class_token else {"Pool": 1}),
    }  # fmt: skip
    names = {node.name for node in network.nodes}
    assert names >= {"patches", "block0.norm1", "block0.qkv.sum", "block0.scores", "block0.shares", "block1.add2"}


@pytest.mark.parametrize("seed", seeds(3, 8, 40))
def test_random_transformers(seed: int) -> None:
    """One to three heads of any width, four to sixteen patches, with a class token or without."""
    random = np.random.default_rng(seed)
    heads, patch, grid, each, blocks, hidden, classes, token = (
        int(random.integers(*ends)) for ends in ((1, 4), (2, 5), (2, 5), (2, 9), (1, 3), (1, 40), (1, 9), (0, 2))
    )
    shape = Shape(patch * grid, patch, heads * each, heads, blocks, hidden, classes, bool(token))
    network = imported(transformer("vit", shape, seed), ratio_db=12).network
    found = kinds(network)
    assert (found["Softmax"], found["Normalise"], found["Matmul"]) == (blocks, 2 * blocks + 1, 2 * blocks)
    assert {node.groups for node in network.nodes if isinstance(node, Softmax)} == {heads}


def written_out(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with every LayerNormalization as PyTorch's older exporter writes it below opset 17."""
    graph, nodes = model.graph, list(model.graph.node)
    del graph.node[:]
    for node in nodes:
        if node.op_type != "LayerNormalization":
            graph.node.append(node)
            continue
        (source, gain, bias), output = node.input, node.output[0]
        for name, values in (("two", np.float32(2)), ("epsilon", np.float32(1e-6)), ("axes", np.array([-1]))):
            graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values), f"{output}.{name}"))

        def add(op_type: str, name: str, *inputs: str, output: str = output) -> str:
            graph.node.append(onnx.helper.make_node(op_type, inputs, [f"{output}{name}"], f"{output}{name}"))
            return f"{output}{name}"

        mean = add("ReduceMean", ".mean", source, f"{output}.axes")
        centred = add("Sub", ".centred", source, mean)
        square = add("Pow", ".square", centred, f"{output}.two")
        variance = add("ReduceMean", ".variance", square, f"{output}.axes")
        root = add("Sqrt", ".root", add("Add", ".more", variance, f"{output}.epsilon"))
        add("Add", "", add("Mul", ".times", add("Div", ".over", centred, root), gain), bias)
    return onnx.shape_inference.infer_shapes(model)


def test_a_norm_that_is_written_out_is_the_same() -> None:
    whole, steps = (transformer("vit", SMALL, 5) for _ in range(2))
    steps = written_out(steps)
    assert not layer_norms(whole) and "LayerNormalization" not in {node.op_type for node in steps.graph.node}
    one, other = (imported(model).network for model in (whole, steps))
    assert kinds(one) == kinds(other)
    random = np.random.default_rng(2)
    image = random.integers(0, 256, one.tensors[one.input].shape, dtype=np.uint8)
    found, same = (golden.run(each, image)[each.outputs[0]] for each in (one, other))
    assert np.array_equal(found, same)


def test_what_is_not_a_norm_stays() -> None:
    """A mean over tokens, another exponent, an epsilon that is no constant."""
    model = written_out(transformer("vit", SMALL, 5))
    for node in model.graph.node:
        if node.name.endswith(".square"):
            assert node.input[1].endswith(".two")
    for constant in model.graph.initializer:
        if constant.name.endswith(".two"):
            constant.CopyFrom(onnx.numpy_helper.from_array(np.asarray(np.float32(4)), constant.name))
    assert not layer_norms(model)


def stem(graph: GraphBuilder, channels: int = 12) -> str:
    """Sixteen tokens of a map, with channels last."""
    value = graph.conv("stem", graph.input, 3, channels, (4, 4), (4, 4), bias=True)
    shape = graph.constant("flat.shape", np.array([1, channels, 16]))
    return graph.op("Transpose", "tokens", [graph.op("Reshape", "flat", [value, shape])], perm=[0, 2, 1])


def linear(graph: GraphBuilder, name: str, source: str, inputs: int, outputs: int) -> str:
    """A layer of tokens."""
    weights = graph.constant(f"{name}.weight", graph.normal((inputs, outputs), inputs**-0.5))
    return graph.op("MatMul", name, [source, weights])


def reshaped(graph: GraphBuilder, name: str, source: str, *sizes: int) -> str:
    """Another shape."""
    return graph.op("Reshape", name, [source, graph.constant(f"{name}.shape", np.array(sizes))])


def sequence_first(graph: GraphBuilder, source: str) -> str:
    """As nn.MultiheadAttention is exported: (T, 1, C), heads as a batch, Gemms of (T, C), both sides scaled."""
    value = reshaped(graph, "rows", graph.op("Transpose", "first", [source], perm=[1, 0, 2]), 16, 12)
    value = reshaped(graph, "three", graph.gemm("qkv", value, 12, 36), 16, 1, 3, 12)
    value = graph.op("Transpose", "apart", [value], perm=[2, 0, 1, 3])
    root = graph.constant("root", np.array(0.7, np.float32))
    query, key, values = graph.split("parts", value, [1, 1, 1], axis=0)
    sides = []
    for name, part in (("q", query), ("k", key), ("v", values)):
        side = graph.op(
            "Transpose", f"{name}.heads", [reshaped(graph, f"{name}.apart", part, 16, 2, 6)], perm=[1, 0, 2]
        )
        sides.append(side if name == "v" else graph.op("Mul", f"{name}.scaled", [side, root]))
    turned = graph.op("Transpose", "turned", [sides[1]], perm=[0, 2, 1])
    shares = graph.op("Softmax", "shares", [graph.op("MatMul", "scores", [sides[0], turned])], axis=-1)
    mixed = graph.op("Transpose", "back", [graph.op("MatMul", "mixed", [shares, sides[2]])], perm=[1, 0, 2])
    value = graph.gemm("project", reshaped(graph, "beside", mixed, 16, 12), 12, 12)
    return graph.op("Transpose", "last", [reshaped(graph, "sequence", value, 16, 1, 12)], perm=[1, 0, 2])


def scaled_scores(graph: GraphBuilder, source: str) -> str:
    """One head, separate layers, scores divided behind their product."""
    query, key, value = (linear(graph, name, source, 12, 12) for name in ("q", "k", "v"))
    scores = graph.op("MatMul", "scores", [query, graph.op("Transpose", "turned", [key], perm=[0, 2, 1])])
    scores = graph.op("Div", "over", [scores, graph.constant("root", np.array(3.5, np.float32))])
    return graph.op("MatMul", "mixed", [graph.op("Softmax", "shares", [scores], axis=2), value])


@pytest.mark.parametrize(("attend", "heads", "layers"), [(sequence_first, 2, 5), (scaled_scores, 1, 4)])
def test_heads_and_scales_in_other_orders(attend: Callable[[GraphBuilder, str], str], heads: int, layers: int) -> None:
    """What scales the scores is in a layer's weights; a map again behind them; and the words on a chip."""
    graph = GraphBuilder("attention", (1, 3, 16, 16), 7)
    source = stem(graph)
    gain, bias = (graph.constant(name, graph.normal((12,), 1)) for name in ("gain", "bias"))
    norm = graph.op("LayerNormalization", "norm", [source, gain, bias], axis=2)
    value = graph.add("sum", source, attend(graph, norm))
    value = reshaped(graph, "map", graph.op("Transpose", "back_again", [value], perm=[0, 2, 1]), 1, 12, 4, 4)
    model = graph.finish(graph.conv("out", value, 12, 6, (3, 3), pads=(1, 1, 1, 1)))
    network = imported(model).network
    assert {node.groups for node in network.nodes if isinstance(node, Softmax | Matmul)} == {heads}
    assert kinds(network) == {
        "Mvm": layers + 1, "Normalise": 1, "Add": 1, "Softmax": 1, "Matmul": 2, "Transpose": 1
    }  # fmt: skip
    assert network.tensors[network.outputs[0]].shape == (4, 4, 6)
    check(compile_network(network, small_arch(**ROOM)))


@pytest.mark.parametrize("cropped", [False, True])
def test_the_input_and_a_part_of_a_map_are_maps_of_tokens(cropped: bool) -> None:
    graph = GraphBuilder("attention", (1, 12, 5, 4), 7)
    value = graph.input
    if cropped:
        limits = [graph.constant(f"limit{index}", np.array([each])) for index, each in enumerate((1, 5, 2))]
        value = graph.op("Slice", "rows", [graph.conv("before", value, 12, 12, (1, 1)), *limits])
    matrix = reshaped(graph, "matrix", value, 1, 12, 16 if cropped else 20)
    source = graph.op("Transpose", "tokens", [matrix], perm=[0, 2, 1])
    back = graph.op("Transpose", "back", [scaled_scores(graph, source)], perm=[0, 2, 1])
    value = reshaped(graph, "map", back, 1, 12, 4 if cropped else 5, 4)
    network = imported(graph.finish(graph.conv("out", value, 12, 6, (3, 3)))).network
    assert kinds(network) == {"Mvm": 4 + cropped, "Softmax": 1, "Matmul": 2, "Transpose": 1} | (
        {"Crop": 1} if cropped else {}
    )


def test_functions_of_tokens_are_tables_and_gains_go_on() -> None:
    """A norm that two layers and a sum read: the sum gets a layer of its own for gain and bias."""
    graph = GraphBuilder("norms", (1, 3, 16, 16), 7)
    source = stem(graph)
    gain, bias = (graph.constant(name, graph.normal((12,), 1)) for name in ("gain", "bias"))
    norm = graph.op("LayerNormalization", "norm", [source, gain, bias], axis=-1)
    value = graph.add("sum", linear(graph, "one", norm, 12, 12), norm)
    value = graph.op("Mul", "silu", [value, graph.op("Sigmoid", "gate", [value])])
    network = imported(graph.finish(linear(graph, "two", value, 12, 9))).network
    assert kinds(network) == {"Mvm": 4, "Normalise": 1, "Add": 1, "Lut": 1}


@pytest.mark.parametrize("kind", ["places", "mixed heads", "softmax over tokens"])
def test_an_arrangement_that_no_map_has_is_left_alone(kind: str) -> None:
    graph = GraphBuilder("odd", (1, 3, 16, 16), 7)
    value = linear(graph, "layer", stem(graph), 12, 12)
    if kind == "places":
        order = graph.constant("order", np.array([0, 2, 1, *range(3, 12)]))
        value = graph.op("Relu", "relu", [graph.op("Gather", "moved", [value, order], axis=2)])
    elif kind == "mixed heads":
        value = graph.op("Relu", "relu", [reshaped(graph, "mixed", value, 1, 12, 16)])
    else:
        value = graph.op("Relu", "relu", [graph.op("Softmax", "soft", [value], axis=1)])
    model = graph.finish(value)
    if kind == "mixed heads":
        assert tokens(model)  # elementwise functions do not mind, but what reads it as it is would
    else:
        before = [node.SerializeToString() for node in model.graph.node]
        assert not tokens(model)
        assert [node.SerializeToString() for node in model.graph.node] == before


def test_a_column_of_pixels_and_the_answer_are_moved() -> None:
    network = imported(transformer("vit", SMALL, 4)).network
    (column,) = (node for node in network.nodes if isinstance(node, Column))
    (answer,) = (node for node in network.nodes if isinstance(node, Crop))
    assert network.target(column).shape == (16, 1, 24) and network.target(answer).shape == (1, 1, 24)
    (turned,) = (node for node in network.nodes if isinstance(node, Transpose))
    assert network.target(turned).shape == (24, 1, 17)

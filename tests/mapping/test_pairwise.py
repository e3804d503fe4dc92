# SPDX-License-Identifier: Apache-2.0
"""Add, Sub, Mul, Max and Min of two maps, or of a map and a pixel: against onnxruntime, by hand, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from mapping.compile import compile_network
from mapping.importer.quantise import quantise
from mapping.importer.walk import import_model, walk
from mapping.models.builder import GraphBuilder
from pyimc import golden
from pyimc.errors import ConfigError
from pyimc.network import Add, Depthwise, Extreme, Lut, Mul, Mvm, Network, Pairwise, Pool, Sub, TensorType
from pyimc.network_rules import verify
from tests.mapping.networks import Builder, small_arch
from tests.mapping.onnx_writer import Quantised, check, qdq_conv
from tests.program_interpreter import Interpreter
from tests.random_cnn import calibration

KINDS: dict[str, type[Pairwise]] = {"Add": Add, "Sub": Sub, "Mul": Mul, "Max": Extreme, "Min": Extreme}


def _qdq(op_type: str, way: str) -> Quantised:
    """A map and another one, or the mean of the other, each with a scale unless they are compared."""
    write = Quantised((1, 5, 6, 7))
    image = write.qdq("x", "image", 0.02, 120)
    left = write.qdq("l", qdq_conv(write, "left", image, 9, 5), 0.011, 100)
    compared = op_type in ("Max", "Min")
    scale, zero = (0.011, 100) if compared else (0.005, 140)
    right = write.qdq("r", qdq_conv(write, "right", image, 9, 5), scale, zero)
    if way != "equal":
        meaning = (scale, zero) if compared else (0.002, 90)
        right = write.qdq("m", write.op("GlobalAveragePool", "mean", right), *meaning)
    sides = (right, left) if way == "swapped" else (left, right)
    out = {"Mul": 0.01, "Add": 0.014, "Sub": 0.013}.get(op_type, 0.009)
    write.qdq("y", write.op(op_type, "pair", *sides), out, 110)
    return write


@pytest.mark.parametrize("way", ["equal", "pixel", "swapped"])
@pytest.mark.parametrize("op_type", KINDS)
def test_it_is_within_a_step_of_onnxruntime(op_type: str, way: str) -> None:
    model = _qdq(op_type, way).model("y_real")
    network = import_model(model, "net")
    verify(network)
    turned = (op_type, way) == ("Sub", "swapped")  # a map is taken off a pixel: it is turned, then added
    assert type(network.nodes[-1]) is (Add if turned else KINDS[op_type])
    assert isinstance(network.nodes[-2], Lut) is turned
    check(model, network)


def test_what_is_larger_needs_one_scale() -> None:
    write = Quantised((1, 5, 6, 7))
    image = write.qdq("x", "image", 0.02, 120)
    convs = [(name, scale, qdq_conv(write, f"{name}c", image, 4, 5)) for name, scale in (("a", 0.1), ("b", 0.2))]
    sides = [write.qdq(name, conv, scale, 9) for name, scale, conv in convs]
    write.qdq("y", write.op("Max", "pair", *sides), 0.1, 9)
    (fault,) = walk(write.model("y_real")).faults
    assert fault.startswith("Max: its inputs have two scales")


@pytest.mark.parametrize(
    ("op_type", "values"),
    [("Mul", (10 - 20) * (7 - 4) * 3), ("Sub", (10 - 20) * 2 - (7 - 4) * 3), ("Add", (10 - 20) * 2 + (7 - 4) * 3)],
)
def test_one_value_by_hand(op_type: str, values: int) -> None:
    kinds = {name: TensorType(1, 1, 1, 1.0, zero) for name, zero in (("x", 20), ("b", 4), ("y", 200))}
    pair = (0, 3) if op_type == "Mul" else (2, 3)
    node = KINDS[op_type]("n", ("x", "b"), "y", pair, 1, (20, 4), 200, (0, 255))
    (found,) = node.run([np.array([[[10]]], np.uint8), np.array([[[7]]], np.uint8)], kinds["y"]).reshape(-1)
    assert found == np.clip(200 + (values + 1 >> 1), 0, 255)


@pytest.mark.parametrize(("mode", "found"), [("max", 50), ("min", 40)])
def test_the_larger_and_the_smaller_by_hand(mode: str, found: int) -> None:
    node = Extreme("n", ("x", "b"), "y", (0, 2), 1, (10, 10), 10, (0, 255), mode)  # type: ignore[arg-type]
    kind = TensorType(1, 1, 1, 1.0, 10)
    assert node.run([np.array([[[40]]], np.uint8), np.array([[[50]]], np.uint8)], kind).item() == found


def test_shapes_and_meanings_that_do_not_go_together() -> None:
    net = Builder(4, 4, 6)
    net.pair("n", Mul, "x", net.pool("mean", "x", "average", (1, 4), (1, 1)))
    with pytest.raises(ConfigError, match="node n: its two inputs differ in shape"):
        net.finish("n.y")
    net = Builder(4, 4, 6, seed=1)
    net.pair("n", Extreme, "x", net.pool("mean", "x", "average", (4, 4), (1, 1)))
    with pytest.raises(ConfigError, match=r"node n: .*differ in scale or zero point"):
        net.finish("n.y")


def mobile(op_type: str = "Mul") -> GraphBuilder:
    """MobileNetV3's block in small: expand, depthwise, hard swish, squeeze and excite, project, sum."""
    graph = GraphBuilder("mobile", (1, 3, 12, 10), seed=3)
    stem = graph.op("HardSwish", "stem.act", [graph.conv("stem", graph.input, 3, 8, (3, 3), (2, 2), (1, 1, 1, 1))])
    wide = graph.op("HardSwish", "wide.act", [graph.conv("wide", stem, 8, 20, (1, 1), bias=True)])
    deep = graph.op(
        "HardSwish", "deep.act", [graph.conv("deep", wide, 20, 20, (3, 3), (1, 1), (1, 1, 1, 1), groups=20)]
    )
    mean = graph.op("GlobalAveragePool", "mean", [deep])
    inner = graph.relu("squeeze.act", graph.conv("squeeze", mean, 20, 6, (1, 1), bias=True))
    gate = graph.op("HardSigmoid", "gate", [graph.conv("excite", inner, 6, 20, (1, 1), bias=True)])
    scaled = graph.op(op_type, "scale", [deep, gate])
    out = graph.conv("out", scaled, 20, 8, (1, 1), bias=True)
    graph.add("sum", out, stem)
    return graph


@pytest.mark.parametrize("op_type", KINDS)
def test_squeeze_and_excite_from_float_to_words(op_type: str) -> None:
    model = mobile(op_type).finish("sum")
    stored = quantise(model, calibration(model))
    network = import_model(stored, "mobile")
    kinds = {node.name: type(node) for node in network.nodes}
    assert kinds["scale"] is KINDS[op_type] and kinds["gate"] is Lut and kinds["mean"] is Pool and kinds["sum"] is Add
    check(stored, network)
    arch = small_arch(crossbar={"planes": 64}, activation_words=4096, contexts=16, instructions=512, host_words=256)
    program = compile_network(network, arch, options={"depthwise": "dpu"})
    assert program.actor("deep").kind == program.actor("scale").kind == "dpu"
    assert any(isinstance(node, Depthwise) for node in program.network.nodes)
    image = np.random.default_rng(2).integers(0, 256, network.tensors[network.input].shape).astype(np.uint8)
    interpreter = Interpreter(program)
    interpreter.run([image])
    values = golden.run(network, image)[network.outputs[0]]
    rows = np.concatenate(interpreter.arrived[program.arch.host, 0]).reshape(values.shape[0], -1)
    assert np.array_equal(rows[:, : values[0].size], values.reshape(len(rows), -1))


def test_maps_that_are_compared_get_one_range() -> None:
    network = import_model(quantise(model := mobile("Max").finish("sum"), calibration(model)), "mobile")
    (node,) = (node for node in network.nodes if isinstance(node, Extreme))
    assert len({(kind.scale, kind.zero_point) for kind in network.sources(node)}) == 1


def test_a_product_of_functions_of_one_map_stays_a_table() -> None:
    graph = GraphBuilder("silu", (1, 3, 6, 6), seed=3)
    value = graph.conv("d", graph.silu("act", graph.conv("c", graph.input, 3, 5, (3, 3))), 5, 4, (1, 1))
    network = import_model(quantise(model := graph.finish(value), calibration(model)), "silu")
    assert [type(node) for node in network.nodes] == [Mvm, Lut, Mvm]


def test_a_pixel_stays_until_the_image_has_met_it() -> None:
    """All firings need it, only the last one frees it."""
    net = Builder(6, 5, 9)
    value = net.pair("scale", Mul, "x", net.pool("mean", "x", "average", (6, 5), (1, 1)))
    program = compile_network(_finished(net, value), small_arch(activation_words=4096))
    (channel,) = (channel for channel in program.channels if channel.consumer == "scale" and channel.port == 1)
    assert channel.size >= program.arch.words(9)


def _finished(net: Builder, value: str) -> Network:
    network = net.finish(value)
    assert any(isinstance(node, Pairwise) for node in network.nodes)
    return network

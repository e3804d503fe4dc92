# SPDX-License-Identifier: Apache-2.0
"""Grouped, depthwise and dilated convolutions against onnxruntime, and their kernels against hand-written zeros."""

from typing import Any

import numpy as np
import pytest

from mapping.compile import compile_network
from mapping.importer.inputs import quantise_input
from mapping.importer.kernels import dilated, ungrouped
from mapping.importer.onnx_model import feed, session
from mapping.importer.quantise import quantise
from mapping.importer.walk import import_model
from mapping.models.builder import GraphBuilder
from pyimc import golden
from pyimc.network import Mvm
from pyimc.network_rules import verify
from tests.mapping.networks import small_arch
from tests.mapping.onnx_writer import Quantised, check, qdq_conv
from tests.random_cnn import calibration


def test_gaps_and_other_groups_are_zeros() -> None:
    kernels = np.arange(1, 9, dtype=np.int16).reshape(2, 1, 2, 2)
    assert dilated(kernels, (1, 2))[0, 0].tolist() == [[1, 0, 2], [3, 0, 4]]
    assert dilated(kernels, (3, 1))[1, 0].tolist() == [[5, 6], [0, 0], [0, 0], [7, 8]]
    assert ungrouped(kernels, 2)[:, :, 0, 0].tolist() == [[1, 0], [0, 5]]
    assert np.array_equal(ungrouped(kernels, 1), kernels)


@pytest.mark.parametrize(
    ("cout", "cin", "attributes"),
    [
        (6, 1, {"group": 6, "pads": [1, 1, 1, 1]}),  # depthwise
        (12, 1, {"group": 6, "pads": [1, 1, 1, 1], "strides": [2, 1]}),  # two outputs a channel
        (4, 3, {"group": 2, "pads": [0, 1, 1, 0]}),
        (5, 6, {"dilations": [2, 1], "pads": [2, 1, 2, 1]}),
        (6, 1, {"group": 6, "dilations": [2, 3], "pads": [2, 3, 2, 3]}),
        (9, 2, {"group": 3, "dilations": [1, 2], "pads": [0, 2, 1, 1], "strides": [1, 2]}),
    ],
)
def test_it_is_within_a_step_of_onnxruntime(cout: int, cin: int, attributes: dict[str, Any]) -> None:
    write = Quantised((1, 6, 9, 8))
    first = write.qdq("c", qdq_conv(write, "first", write.qdq("x", "image", 0.02, 128), 6, 6), 0.05, 100)
    weights = np.random.default_rng(cout).integers(-127, 128, (cout, cin, 3, 3))
    scales = np.linspace(0.001, 0.003, cout)
    stored = write.constant(weights, np.int8)
    kernel = write.op("DequantizeLinear", "k", stored, *write.scale(scales, np.zeros(cout), np.int8), axis=0)
    model = write.model(write.qdq("y", write.op("Conv", "conv", first, kernel, **attributes), 0.02, 90))
    network = import_model(model, "net")
    node = network.nodes[-1]
    assert isinstance(node, Mvm) and node.groups == attributes.get("group", 1)
    verify(network)
    check(model, network)


def test_a_depthwise_network_is_quantised_and_compiled() -> None:
    """MobileNet's block: depthwise with a stride, then 1x1."""
    graph = GraphBuilder("separable", (1, 3, 12, 10), seed=4)
    value = graph.relu("r0", graph.conv("c0", graph.input, 3, 8, (3, 3), pads=(1, 1, 1, 1)))
    value = graph.relu("r1", graph.conv("dw", value, 8, 8, (3, 3), (2, 2), (1, 1, 1, 1), groups=8))
    value = graph.relu("r2", graph.conv("pw", value, 8, 12, (1, 1)))
    model = graph.finish(value)
    network = import_model(quantise(model, calibration(model)), "separable")
    assert [node.groups for node in network.nodes if isinstance(node, Mvm)] == [1, 8, 1]
    program = compile_network(network, small_arch())
    assert program.actor("dw").planes == 2  # 72 x 8 on 64 x 32


@pytest.mark.parametrize("way", ["normalisation", "factors", "offsets"])
def test_what_acts_per_channel_is_a_layer_where_no_layer_takes_it(way: str) -> None:
    """Behind a Relu that something else reads, too; against the float model."""
    graph = GraphBuilder("affine", (1, 3, 8, 6), seed=5)
    value = graph.relu("r", graph.conv("c", graph.input, 3, 5, (3, 3), pads=(1, 1, 1, 1)))
    if way == "normalisation":
        scaled = graph.batch_norm("bn", value, 5)
    elif way == "factors":
        scaled = graph.op("Mul", "mul", [graph.constant("factor", graph.normal((1, 5, 1, 1), 1)), value])
    else:
        scaled = graph.op("Sub", "sub", [graph.constant("offset", graph.normal((5, 1, 1), 1)), value])
    model = graph.finish(graph.add("sum", scaled, graph.relu("last", graph.conv("d", value, 5, 5, (1, 1)))))
    images = calibration(model)
    network = import_model(quantise(model, images), "affine")
    layers = {node.name: node.groups for node in network.nodes if isinstance(node, Mvm)}
    assert sorted(layers.values()) == [1, 1, 5]
    assert network.macs() == 48 * (5 * 27 + 25 + 5)
    kind = network.tensors[network.outputs[0]]
    for image in images:
        (expected,) = session(model).run(None, feed(model, image))
        stored = golden.run(network, quantise_input(network, image))[network.outputs[0]]
        real = (stored.transpose(2, 0, 1) - float(kind.zero_point)) * kind.scale
        assert np.abs(real - expected[0]).max() < 6 * kind.scale

# SPDX-License-Identifier: Apache-2.0
"""Constants as operands of Add, Sub, Mul, Max and Min: whole maps, broadcast ones, pixels; against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mapping.importer.quantise import quantise, quantise_whole
from mapping.importer.stored import ONE
from mapping.importer.walk import import_model, import_whole, walk
from mapping.models.builder import GraphBuilder
from pyimc import golden
from pyimc.errors import ConfigError
from pyimc.network import Add, DepthToSpace, Lut, Mul, Mvm, Network, Stored, TensorType
from pyimc.network_file import load, save
from pyimc.network_rules import verify
from tests.mapping.onnx_writer import I8, Quantised, check
from tests.random_cnn import calibration

PAIRS = ("Add", "Sub", "Mul", "Max", "Min")


def _values(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return (0.8 * np.random.default_rng(len(shape)).standard_normal(shape)).astype(np.float32)


def _imported(op_type: str, shape: tuple[int, ...], *, first: bool = False, size: tuple[int, int] = (6, 5)) -> Network:
    """A constant between two layers, within a step of onnxruntime."""
    graph = GraphBuilder("net", (1, 3, *size), seed=1)
    value = graph.conv("first", graph.input, 3, 7, (3, 3), pads=(1, 1, 1, 1), bias=True)
    sides = [value, graph.constant("constant", _values(shape))]
    value = graph.op(op_type, "pair", sides[::-1] if first else sides)
    model = graph.finish(graph.conv("last", value, 7, 4, (1, 1)))
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    verify(network)
    check(quantised, network)
    return network


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("op_type", PAIRS)
def test_a_whole_map_is_a_layer_on_a_pixel_of_one(op_type: str, first: bool) -> None:
    network = _imported(op_type, (1, 7, 6, 5), first=first)
    pixel, layer = (node for node in network.nodes if node.output in (ONE, f"{network.nodes[-2].output}.right",
                                                                      f"{network.nodes[-2].output}.left"))  # fmt: skip
    assert isinstance(pixel, Stored) and pixel.values.tolist() == [1]
    assert isinstance(layer, Mvm) and layer.kernel == (6, 5) and layer.weights.size == 6 * 5 * 7


@pytest.mark.parametrize("shape", [(6, 5), (1, 1, 1, 5), (7, 6, 1), (1, 1, 6, 1)])
def test_it_is_broadcast(shape: tuple[int, ...]) -> None:
    network = _imported("Mul", shape)
    values = golden.run_all(network, [np.zeros(network.tensors[network.input].shape, np.uint8)])
    (tensor,) = (name for name in network.tensors if name.endswith(".right"))
    kind = network.tensors[tensor]
    real = (next(values)[tensor].astype(float) - kind.zero_point) * kind.scale
    wanted = np.broadcast_to(_values(shape), (1, 7, 6, 5))[0].transpose(1, 2, 0)
    assert np.abs(real - wanted).max() <= 0.501 * kind.scale


@pytest.mark.parametrize("op_type", ["Max", "Min"])
def test_a_value_per_channel_is_a_pixel(op_type: str) -> None:
    network = _imported(op_type, (7, 1, 1))
    assert [type(node) for node in network.nodes][1] is Stored


def test_a_map_larger_than_a_crossbar_is_tall_is_laid_out_in_rows() -> None:
    network = _imported("Add", (1, 7, 18, 15), size=(18, 15))
    layer, spread = (node for node in network.nodes if isinstance(node, Mvm | DepthToSpace) and "right" in node.name)
    assert isinstance(layer, Mvm) and layer.kernel == (18, 1) and layer.bias.size == 15 * 7
    assert isinstance(spread, DepthToSpace) and spread.block == (1, 15)


def test_two_constants_read_one_pixel() -> None:
    graph = GraphBuilder("net", (1, 2, 4, 4), seed=1)
    value = graph.input
    for index in range(2):
        value = graph.add(f"add{index}", value, graph.constant(f"c{index}", _values((1, 2, 4, 4))))
        value = graph.conv(f"conv{index}", value, 2, 2, (1, 1))
    network = import_model(quantise(model := graph.finish(value), calibration(model)), "net")
    assert sum(isinstance(node, Stored) for node in network.nodes) == 1


def test_integers_of_an_int8_model_are_kept_as_they_are() -> None:
    write = Quantised((1, 2, 4, 3))
    stored = np.random.default_rng(0).integers(-128, 128, (1, 2, 4, 3))
    real = write.op("DequantizeLinear", "real", write.constant(stored, I8), *write.scale(0.03, -7, I8))
    write.qdq("y", write.op("Add", "sum", write.qdq("x", "image", 0.02, 128), real), 0.05, 120)
    model = write.model("y_real")
    network = import_model(model, "net")
    check(model, network)
    found = golden.run(network, np.zeros((4, 3, 2), np.uint8))["y.right"].astype(int)
    kind = network.tensors["y.right"]
    assert np.array_equal(found.transpose(2, 0, 1) - kind.zero_point, stored[0] + 7) and kind.scale == np.float32(0.03)


def test_of_a_pixel_a_map_is_taken_off_after_turning_it() -> None:
    graph = GraphBuilder("net", (1, 3, 5, 4), seed=1)
    value = graph.conv("first", graph.input, 3, 6, (3, 3), pads=(1, 1, 1, 1), bias=True)
    value = graph.op("Sub", "less", [graph.op("GlobalAveragePool", "mean", [value]), value])
    model = graph.finish(graph.conv("last", value, 6, 4, (1, 1)))
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert [type(node) for node in network.nodes][2:4] == [Lut, Add]
    check(quantised, network)


def test_a_map_meets_a_pixel_that_is_computed() -> None:
    """Of both the constant is the larger one."""
    graph = GraphBuilder("net", (1, 3, 5, 4), seed=1)
    pixel = graph.op("GlobalAveragePool", "mean", [graph.conv("first", graph.input, 3, 6, (3, 3), bias=True)])
    value = graph.op("Mul", "scaled", [pixel, graph.constant("places", _values((1, 6, 3, 4)))])
    model = graph.finish(graph.conv("last", value, 6, 4, (1, 1)))
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert any(isinstance(node, Mul) and network.target(node).shape == (3, 4, 6) for node in network.nodes)
    check(quantised, network)


def test_at_the_end_the_host_has_it_in_float() -> None:
    graph = GraphBuilder("net", (1, 3, 5, 4), seed=1)
    value = graph.conv("first", graph.input, 3, 6, (3, 3), bias=True)
    model = graph.finish(graph.add("sum", value, graph.constant("places", _values((1, 6, 3, 2)))))
    imported = import_whole(quantise_whole(model, calibration(model)).model, "net")
    assert [type(node) for node in imported.network.nodes] == [Mvm] and imported.network.host_tail == ("Add",)


def test_a_constant_that_is_compared_must_be_within_range() -> None:
    write = Quantised((1, 2, 4, 4))
    limit = write.constant(np.full((1, 2, 4, 4), 9.0), np.float32)
    write.qdq("y", write.op("Min", "limited", write.qdq("x", "image", 0.02, 128), limit), 0.02, 128)
    assert list(walk(write.model("y_real")).faults) == [
        "QuantizeLinear: its constant has values beyond the range of the map that it is compared with (node limited)"
    ]


def test_it_is_saved_and_verified(tmp_path: Path) -> None:
    network = _imported("Add", (1, 7, 6, 5))
    save(network, tmp_path)
    image = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    again = golden.run(load(tmp_path), image)
    assert all(np.array_equal(values, again[name]) for name, values in golden.run(network, image).items())
    wrong = Network("net", "x", ("y",), {"x": TensorType(1, 1, 1, 1.0, 0), "y": TensorType(1, 1, 2, 1.0, 0)},
                    (Stored("s", (), "y", np.zeros(2, np.int8)),))  # fmt: skip
    with pytest.raises(ConfigError, match=r"node s: values must be uint8 \[channels\]"):
        verify(wrong)

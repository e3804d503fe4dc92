# SPDX-License-Identifier: Apache-2.0
"""Functions of one value become tables, and products of them one table."""

from typing import Any

import numpy as np
import onnx
import pytest

from mapping.importer.inputs import quantise_input
from mapping.importer.quantise import quantise
from mapping.importer.reference import compare
from mapping.importer.walk import import_model
from mapping.models.builder import GraphBuilder
from pyimc import golden
from pyimc.errors import UnsupportedOperator
from pyimc.network import Lut, Mvm
from tests.mapping.onnx_quantiser import quantised_as
from tests.mapping.onnx_writer import Quantised, check, qdq_conv
from tests.random_cnn import calibration

FUNCTIONS: dict[str, dict[str, Any]] = {
    "Sigmoid": {}, "Tanh": {}, "HardSigmoid": {"alpha": 0.3, "beta": 0.4}, "HardSwish": {}, "LeakyRelu": {"alpha": 0.2},
    "Elu": {"alpha": 1.5},
}  # fmt: skip


def _every_value(op_type: str, **attributes: Any) -> tuple[onnx.ModelProto, np.ndarray[Any, np.dtype[np.float32]]]:
    """A function between two scales behind an identity, and an image with all 256 values of its input."""
    write = Quantised((1, 1, 16, 16))
    kernel = write.op("DequantizeLinear", "k", write.constant([[[[1]]]], np.int8), *write.scale(1.0, 0, np.int8))
    real = write.qdq("c", write.op("Conv", "conv", write.qdq("x", "image", 0.04, 140), kernel), 0.04, 140)
    if op_type == "SiLU":
        result = write.op("Mul", "curve", real, write.op("Sigmoid", "sigmoid", real))
    else:
        result = write.op(op_type, "curve", real, **attributes)
    image = (np.arange(256, dtype=np.float32).reshape(1, 16, 16) - 140) * np.float32(0.04)
    return write.model(write.qdq("y", result, 0.03, 100)), image


@pytest.mark.parametrize("op_type", [*FUNCTIONS, "SiLU"])
def test_a_table_is_what_onnxruntime_computes_for_every_value(op_type: str) -> None:
    model, image = _every_value(op_type, **FUNCTIONS.get(op_type, {}))
    network = import_model(model, "net")
    _, lut = network.nodes
    assert isinstance(lut, Lut)
    assert sorted(quantise_input(network, image).reshape(-1).tolist()) == list(range(256))
    checks = compare(model, network, image)
    assert checks[-1].max_lsb <= 1
    assert checks[-1].differing <= 2, "only where a value falls between two steps"


def test_a_relu_behind_a_function_limits_its_table() -> None:
    write = Quantised((1, 2, 4, 5))
    real = write.qdq("c", qdq_conv(write, "conv", write.qdq("x", "image", 0.04, 140), 3, 2), 0.04, 140)
    tanh = write.qdq("t", write.op("Tanh", "tanh", real), 0.01, 100)
    model = write.model(write.qdq("y", write.op("Relu", "relu", tanh), 0.01, 100))
    network = import_model(model, "net")
    _, lut = network.nodes
    assert isinstance(lut, Lut)
    assert (lut.name, lut.output, lut.table.min(), lut.table.max()) == ("tanh", "y", 100, 200)
    check(model, network)


def test_a_product_whose_steps_are_all_quantised_is_one_table() -> None:
    write = Quantised((1, 2, 4, 5))
    real = write.qdq("c", qdq_conv(write, "conv", write.qdq("x", "image", 0.02, 128), 3, 2), 0.05, 100)
    gate = write.qdq("g", write.op("Sigmoid", "sigmoid", real), 1 / 256, 0)
    model = write.model(write.qdq("y", write.op("Mul", "silu", gate, real), 0.05, 20))
    network = import_model(model, "net")
    assert [(type(node), node.name) for node in network.nodes] == [(Mvm, "conv"), (Lut, "silu")]
    assert network.nodes[1].inputs == ("c",)
    check(model, network)


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("function", ["SiLU", "Sigmoid", "LeakyRelu"])
def test_a_function_as_onnxruntime_quantises_it_by_default(function: str, form: str) -> None:
    graph = GraphBuilder("net", (1, 3, 6, 6), seed=1)
    value = graph.conv("a", graph.input, 3, 8, (3, 3))
    value = graph.silu("silu", value) if function == "SiLU" else graph.op(function, "curve", [value])
    model = graph.finish(graph.conv("b", value, 8, 4, (1, 1)))
    quantised = quantised_as(model, form, "QUInt8")
    network = import_model(quantised, "net")
    assert [type(node) for node in network.nodes] == [Mvm, Lut, Mvm]
    check(quantised, network)


def test_a_function_at_the_end_is_left_to_the_host() -> None:
    graph = GraphBuilder("net", (1, 3, 6, 6), seed=1)
    value = graph.conv("conv", graph.input, 3, 8, (3, 3))
    model = graph.finish(graph.op("Sigmoid", "sigmoid", [value]), value)
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    assert [type(node) for node in network.nodes] == [Mvm]
    assert network.host_tail == ("Sigmoid",)
    assert len(network.outputs) == 1


def test_a_function_of_a_result_that_has_no_scale_is_refused() -> None:
    write = Quantised((1, 2, 4, 5))
    conv = qdq_conv(write, "conv", write.qdq("x", "image", 0.02, 128), 3, 2)
    model = write.model(write.qdq("y", write.op("Tanh", "tanh", conv), 0.05, 100))
    with pytest.raises(
        UnsupportedOperator, match=r"Tanh: its input 0 is not quantised \(no QuantizeLinear behind conv"
    ):
        import_model(model, "net")


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("by", ["scales", "sizes"])
def test_a_resize_repeats_pixels(factor: int, by: str) -> None:
    graph = GraphBuilder("net", (1, 2, 3, 4), seed=1)
    scales = graph.constant("scales", np.array([1, 1, factor, factor], np.float32))
    sizes = graph.constant("sizes", np.array([1, 2, 3 * factor, 4 * factor]))
    inputs = [graph.input, "", scales] if by == "scales" else [graph.input, "", "", sizes]
    model = graph.finish(graph.op("Resize", "resize", inputs, mode="nearest"))
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    (image,) = calibration(model, 1)
    stored = quantise_input(network, image)
    large = golden.run(network, stored)[network.outputs[0]]
    assert np.array_equal(large, np.kron(stored, np.ones((factor, factor, 1), np.uint8)))
    check(quantised, network)


def test_a_resize_to_another_scale_is_refused() -> None:
    write = Quantised((1, 2, 4, 5))
    scales = write.constant([1, 1, 2, 2], np.float32)
    large = write.op("Resize", "resize", write.qdq("x", "image", 0.02, 128), "", scales)
    with pytest.raises(
        UnsupportedOperator, match=r"Resize: its output has another scale|QuantizeLinear: its output has"
    ):
        import_model(write.model(write.qdq("y", large, 0.05, 100)), "net")

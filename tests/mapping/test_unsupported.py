# SPDX-License-Identifier: Apache-2.0
"""Everything that cannot be imported is named at once, on one line."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from mapping.importer.quantise import quantise
from mapping.importer.walk import import_model
from mapping.models import load_model
from mapping.models.builder import GraphBuilder
from pyimc.errors import UnsupportedOperator
from tests.mapping.onnx_writer import I8, Quantised, qdq_conv
from tests.random_cnn import calibration


def _refused(change: Callable[[GraphBuilder], str], shape: tuple[int, ...] = (1, 2, 6, 6)) -> str:
    graph = GraphBuilder("net", shape, seed=1)
    model = graph.finish(change(graph))
    with pytest.raises(UnsupportedOperator) as caught:
        quantise(model, calibration(model))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _conv(
    graph: GraphBuilder, shape: tuple[int, ...], source: str = "image", name: str = "conv", **attributes: Any
) -> str:
    weights = graph.constant(f"{name}.weights", graph.normal(shape, 0.1))
    return graph.op("Conv", name, [source, weights], **attributes)


def _resize(graph: GraphBuilder, factors: tuple[float, float], **attributes: Any) -> str:
    scales = graph.constant("scales", np.array([1, 1, *factors], np.float32))
    return graph.op("Resize", "resize", [graph.input, "", scales], **attributes)


def _slice(graph: GraphBuilder, start: int, stop: int, axis: int, step: int) -> str:
    limits = [graph.constant(f"limit{index}", np.array([each])) for index, each in enumerate((start, stop, axis, step))]
    return graph.op("Slice", "slice", [graph.input, *limits])


ATTRIBUTES: dict[str, Callable[[GraphBuilder], str]] = {
    "MaxPool: dilations=[2, 2] (only 1) (pool)": lambda graph: graph.op(
        "MaxPool", "pool", [graph.input], kernel_shape=[2, 2], dilations=[2, 2]
    ),
    "AveragePool: ceil_mode=1 with count_include_pad=1": lambda graph: graph.op(
        "AveragePool", "pool", [graph.input], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1
    ),
    "Sin: the operator is not supported (sin)": lambda graph: graph.op("Sin", "sin", [graph.input]),
    "Softmax: axis=3 of shape (1, 2, 6, 6) (only the channels of a map": lambda graph: graph.relu(
        "relu", graph.op("Softmax", "softmax", [graph.input])
    ),
    "Reshape: shape (1, 2, 6, 6) becomes (1, 6, 2, 6) (only the vector (1, 72)) (reshape)": lambda graph: graph.op(
        "Reshape", "reshape", [graph.input, graph.constant("shape", np.array([1, 6, 2, 6]))]
    ),
    "Concat: axis=0 (only channels, rows and columns) (join)": lambda graph: graph.op(
        "Concat", "join", [graph.input, graph.input], axis=0
    ),
    "Concat: its inputs are flattened maps (only vectors": lambda graph: graph.op(
        "Concat", "join", [graph.op("Flatten", "flat", [graph.input])] * 2, axis=1
    ),
    "Resize: scales [1.0, 1.0, 1.5, 1.5] (only 1, 1 and twice one whole": lambda graph: _resize(graph, (1.5, 1.5)),
    "Resize: mode=cubic, coordinate_transformation_mode=half_pixel (only nearest; in float models also linear by whole "
    "factors, half_pixel or asymmetric) (resize)": lambda graph: _resize(graph, (2, 2), mode="cubic"),
    "Resize: its modes do not repeat pixels": lambda graph: _resize(
        graph, (2, 2), coordinate_transformation_mode="asymmetric", nearest_mode="ceil"
    ),
    "Resize: coordinate_transformation_mode=align_corners (only": lambda graph: _resize(
        graph, (2, 2), coordinate_transformation_mode="align_corners"
    ),
    "Split: axis=0 (only channels, rows and columns) (split)": lambda graph: graph.split(
        "split", graph.input, (1,), axis=0
    )[0],
    "Slice: channels 1 to 0 in steps of 1 (only one or more in steps of 1)": lambda graph: _slice(graph, 1, 0, 1, 1),
    "Slice: rows or columns 3 to 0 in steps of -1 (only one or more in steps of 1 and more) (slice)": lambda graph: (
        _slice(graph, 3, 0, 3, -1)
    ),
    "Mul: its constant has the shape (2, 2, 1, 1), which does not go together with (1, 2, 6, 6) (mul)": lambda graph: (
        graph.op("Mul", "mul", [graph.input, graph.constant("factor", graph.normal((2, 2, 1, 1), 1))])
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", ATTRIBUTES)
def test_an_operator_or_attribute_that_is_not_supported_is_named(message: str) -> None:
    assert message in _refused(ATTRIBUTES[message])


def test_all_unsupported_nodes_are_listed_at_once() -> None:
    def build(graph: GraphBuilder) -> str:
        value = graph.op("Sin", "first", [_conv(graph, (4, 1, 3, 3), name="grouped", group=2)])
        value = graph.op("MaxPool", "dilated", [value], kernel_shape=[3, 3], dilations=[1, 2], pads=[1, 2, 1, 2])
        value = graph.op("Sin", "second", [value])
        value = _conv(graph, (4, 4, 1, 1), value, name="fine")
        return graph.op("Cos", "last", [value])

    message = _refused(build)
    for part in (
        "Sin: the operator is not supported (2 times: first, second)",
        "dilations=[1, 2] (only 1) (dilated)",
        "Cos: the operator is not supported (last)",
    ):
        assert part in message
    assert "fine" not in message and "grouped" not in message


def test_the_most_frequent_cause_comes_first_and_many_names_are_counted() -> None:
    def build(graph: GraphBuilder) -> str:
        value = graph.op("Cos", "odd", [graph.input])
        for index in range(9):
            value = graph.op("Sin", f"sin{index}", [_conv(graph, (2, 2, 1, 1), value, name=f"conv{index}")])
        return _conv(graph, (2, 2, 1, 1), value, name="last")

    said = _refused(build)
    assert "Sin: the operator is not supported (9 times: sin0, sin1, sin2 and 6 more); Cos: the operator is" in said
    assert "sin3" not in said


def test_what_is_quantised_as_it_runs_is_refused_with_the_reason() -> None:
    write = Quantised((1, 4))
    weights = write.constant(np.ones((4, 3)), I8)
    write.nodes.append(helper.make_node("DynamicQuantizeLinear", ["image"], ["d", "s", "z"], name="dynamic"))
    product = write.op("Cast", "real", write.op("MatMulInteger", "product", "d", weights, "z"), to=1)
    with pytest.raises(UnsupportedOperator) as caught:
        quantise(write.model(write.op("Gelu", "y", product)), [])
    assert "its scales are found as it runs (give the float model, or quantise it statically)" in str(caught.value)


def test_faults_of_an_int8_model_are_listed_at_once() -> None:
    write = Quantised((1, 2, 4, 4))
    x = write.qdq("x", "image", 0.02, 3)
    one = write.qdq("a", write.op("Sin", "sin", x))
    two = write.qdq("b", qdq_conv(write, "conv", one, 3, 2))
    three = write.qdq("c", write.op("Cos", "cos", two))
    mixed = write.op(
        "Relu", "relu", qdq_conv(write, "float_conv", write.op("MaxPool", "pool", three, kernel_shape=[1, 1]), 3, 3)
    )
    with pytest.raises(UnsupportedOperator) as caught:
        import_model(write.model(mixed), "net")
    message = str(caught.value)
    assert "Sin: the operator is not supported (sin)" in message
    assert "Cos: the operator is not supported (cos)" in message
    assert "(conv)" not in message


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([1, 1, "height", 8], "'height', 8], needs a static (1, C, H, W), (1, C, W) or (1, N); give --shape"),
        ([1, 1, None, 8], "give --shape image.2=N"),
        ([2, 1, 8, 8], "[2, 1, 8, 8], needs a static (1, C, H, W), (1, C, W) or (1, N); export it"),
        ([1, 1, 8, 8, 8], "[1, 1, 8, 8, 8]"),
        (None, "missing"),
    ],
)
def test_a_shape_that_is_not_static_is_refused(shape: list[int | str] | None, said: str) -> None:
    model = load_model("digits")
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape))
    with pytest.raises(UnsupportedOperator, match="input image has shape") as caught:
        quantise(model, [])
    assert said in str(caught.value)


def test_an_output_that_is_not_quantised_is_refused() -> None:
    write = Quantised((1, 2, 4, 4))
    model = write.model(qdq_conv(write, "conv", write.qdq("x", "image", 0.02, 3), 3, 2))
    with pytest.raises(UnsupportedOperator, match=r"graph output: it is not quantised \(conv\)"):
        import_model(model, "net")


def test_a_model_without_layers_is_refused() -> None:
    write = Quantised((1, 2, 4, 4))
    with pytest.raises(UnsupportedOperator, match="no layer that the chip could compute"):
        import_model(write.model(write.qdq("x", "image")), "net")


def test_an_activation_with_16_bits_or_two_meanings_is_refused() -> None:
    write = Quantised((1, 2, 4, 4))
    with pytest.raises(UnsupportedOperator, match=r"quantised to uint16 \(only int8 and uint8"):
        import_model(write.model(write.qdq("x", "image", kind=np.uint16)), "net")
    write = Quantised((1, 2, 4, 4))
    with pytest.raises(UnsupportedOperator, match=r"it reads Quantisation.*zero_point=0.* as .*zero_point=9"):
        import_model(write.model(write.dq("y", write.q("x", "image"), 0.1, 9)), "net")


def test_weights_with_a_scale_per_input_channel_are_refused() -> None:
    write = Quantised((1, 2, 4, 4))
    stored = write.constant(np.ones((2, 2, 1, 1)), I8)
    kernel = write.op("DequantizeLinear", "kernel", stored, *write.scale([0.1, 0.2], [0, 0], I8), axis=1)
    model = write.model(write.qdq("y", write.op("Conv", "conv", write.qdq("x", "image"), kernel)))
    with pytest.raises(UnsupportedOperator, match=r"scaled along axis 1 \(only 0, per output channel\) \(conv\)"):
        import_model(model, "net")

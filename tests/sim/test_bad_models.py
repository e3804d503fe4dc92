# SPDX-License-Identifier: Apache-2.0
"""Models that cannot be run are refused in one line, before anything is written; the smallest and longest maps run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.sim.runs import pyimc
from tests.sim.test_cli import refused, saved

GOLDEN = ("sim", "--arch", "tiny", "--level", "golden", "--images", "2", "--model")
NAN, INFINITE = np.float32(np.nan), np.float32(np.inf)
KERNEL = np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2, 1, 1)


def model(nodes: Sequence[onnx.NodeProto], shape: Sequence[int] = (1, 2, 4, 4), **constants: Any) -> onnx.ModelProto:
    """A model of float32 maps, whose last node gives its output."""
    entry = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    rank = 2 if any(node.op_type == "Flatten" for node in nodes) else 4
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * rank)
    stored = [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "bad", [entry], [result], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def conv(weights: NDArray[Any], shape: Sequence[int] = (1, 2, 4, 4), **rest: Any) -> onnx.ModelProto:
    """A Conv, with a bias if one is given."""
    inputs = ["image", "w", *rest]
    return model([helper.make_node("Conv", inputs, ["y"], "conv")], shape, w=weights, **rest)


def normalised(**changed: float) -> onnx.ModelProto:
    """A Conv with a BatchNormalization, one of whose constants holds another value."""
    constants: dict[str, Any] = {
        name: np.full(3, changed.get(name, 1.0), np.float32) for name in ("gain", "bias", "mean", "variance")
    }
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], "conv"),
        helper.make_node("BatchNormalization", ["c", *constants], ["y"], "bn"),
    ]
    return model(nodes, w=KERNEL, **constants)


def flat(op_type: str, value: np.float32) -> onnx.ModelProto:
    """A Gemm or MatMul whose weights are all one value."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["f"], "flat"),
        helper.make_node(op_type, ["f", "w"], ["y"], "product"),
    ]
    return model(nodes, w=np.full((32, 2), value))


def between(op_type: str, value: np.float32) -> onnx.ModelProto:
    """Two layers with a constant between them."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], "first"),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node(op_type, ["r", "k"], ["m"], "middle"),
        helper.make_node("Conv", ["m", "v"], ["y"], "last"),
    ]
    return model(nodes, w=KERNEL, k=value, v=np.ones((1, 3, 1, 1), np.float32))


def integers(scale: float = 0.1, weights: float = 0.1, result: float = 0.1) -> onnx.ModelProto:
    """A Conv of integers, with its scales."""
    make = helper.make_node
    nodes = [
        make("QuantizeLinear", ["image", "s", "z"], ["q"], "enter"),
        make("DequantizeLinear", ["q", "s", "z"], ["d"], "input"),
        make("DequantizeLinear", ["w", "ws", "wz"], ["k"], "weights"),
        make("Conv", ["d", "k"], ["c"], "conv"),
        make("QuantizeLinear", ["c", "os", "z"], ["r"], "leave"),
        make("DequantizeLinear", ["r", "os", "z"], ["y"], "output"),
    ]
    scales: dict[str, Any] = {"s": np.float32(scale), "ws": np.float32(weights), "os": np.float32(result)}
    return model(nodes, w=np.ones((3, 2, 1, 1), np.int8), z=np.uint8(3), wz=np.int8(0), **scales)


def not_constant() -> onnx.ModelProto:
    """A Conv whose weights are made of the input."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], "first"),
        helper.make_node("Relu", ["image"], ["r"], "relu"),
        helper.make_node("Conv", ["c", "r"], ["y"], "conv"),
    ]
    return model(nodes, w=np.ones((2, 2, 1, 1), np.float32))


def two_inputs(op_type: str = "Add", other: tuple[int, ...] = (1, 2, 4, 4)) -> onnx.ModelProto:
    """A Conv of two inputs together."""
    nodes = [
        helper.make_node(op_type, ["image", "other"], ["a"], "add"),
        helper.make_node("Conv", ["a", "w"], ["y"], "conv"),
    ]
    made = model(nodes, w=KERNEL)
    made.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, other))
    return made


def _one_of(value: np.float32) -> NDArray[np.float32]:
    values = KERNEL.copy()
    values[1, 0] = value
    return values


FINITE = "holds values that are not finite (NaN or infinity); mend the model"
SCALE = "a scale is not positive and finite"
BAD = {
    "weights that are not constant": (not_constant(), "Conv: its input 1 must be a constant (conv)"),
    "NaN among the weights": (conv(_one_of(NAN)), f"node conv: w {FINITE}"),
    "an infinite weight": (conv(_one_of(INFINITE)), f"node conv: w {FINITE}"),
    "NaN in a bias": (conv(KERNEL, b=np.full(3, NAN)), f"node conv: b {FINITE}"),
    "NaN in a Gemm": (flat("Gemm", NAN), f"node product: w {FINITE}"),
    "an infinite MatMul": (flat("MatMul", -INFINITE), f"node product: w {FINITE}"),
    "NaN in a normalisation": (normalised(gain=np.nan), f"node bn: gain {FINITE}"),
    "a negative variance": (normalised(variance=-1), f"node conv: conv.weight {FINITE}"),
    "NaN as an offset": (between("Add", NAN), "Add: it is not a number for some values of its input (middle)"),
    "an infinite factor": (between("Mul", INFINITE), "Mul: it is not a number for some values of its input (middle)"),
    "NaN as a limit": (between("Clip", NAN), "Clip: its limit is not a number (middle)"),
    "weights whose results overflow": (conv(np.full_like(KERNEL, 3e38)), "tensor y holds values that are not finite"),
    "a scale of zero": (integers(scale=0), f"QuantizeLinear: {SCALE} (enter)"),
    "a negative scale": (integers(scale=-0.1), f"QuantizeLinear: {SCALE} (enter)"),
    "weights with a scale of zero": (integers(weights=0), f"DequantizeLinear: {SCALE} (weights)"),
    "a result with a scale of zero": (integers(result=0), f"QuantizeLinear: {SCALE} (leave)"),
    "an infinite scale": (integers(result=np.inf), f"QuantizeLinear: {SCALE} (leave)"),
    "no channels": (conv(np.ones((3, 0, 1, 1), np.float32), (1, 0, 4, 4)), "input image has shape [1, 0, 4, 4]"),
    "no rows": (conv(KERNEL, (1, 2, 0, 4)), "input image has shape [1, 2, 0, 4]"),
    "more channels than the image": (conv(np.ones((3, 5, 1, 1), np.float32)), "onnxruntime cannot run it"),
    "no outputs": (conv(np.ones((0, 2, 1, 1), np.float32)), "its weights have the shape (0, 2, 1, 1): there are none"),
    "two sizes": (two_inputs("Mul", (1, 2, 1, 1)), "its inputs are image (1, 2, 4, 4), other (1, 2, 1, 1); the host"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.filterwarnings("error")
def test_a_model_that_cannot_be_run_is_refused_in_one_line(
    workspace: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bad, says = BAD[case]
    refused(*GOLDEN, saved(bad), says=(says,))
    assert not capfd.readouterr().err, "of onnxruntime itself"


def test_two_inputs_with_a_file_for_one(workspace: Path) -> None:
    np.save("image.npy", np.zeros((1, 2, 4, 4), np.float32))
    refused(*GOLDEN, saved(two_inputs()), "--input", "image.npy", says=("the model has the inputs image, other",))


def test_a_file_of_labels_of_another_length(workspace: Path) -> None:
    np.save("images.npy", np.zeros((4, 1, 8, 8), np.float32))
    Path("labels.txt").write_text("3\n1\n2\n")
    given = ("digits", "--input", "images.npy", "--labels", "labels.txt")
    refused(*GOLDEN, *given, says=("labels.txt: has 3 classes for 4 images",))


@pytest.mark.parametrize(
    ("shape", "kernel"), [((1, 1, 4, 4), (1, 1)), ((1, 1, 1, 1), (1, 1)), ((1, 1, 4096, 1), (3, 1))]
)
def test_one_channel_one_pixel_and_a_single_column_run(
    workspace: Path, shape: tuple[int, ...], kernel: tuple[int, int]
) -> None:
    weights = np.ones((1, 1, *kernel), np.float32)
    assert pyimc(*GOLDEN, saved(conv(weights, shape))).code == 0

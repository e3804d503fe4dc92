# SPDX-License-Identifier: Apache-2.0
"""What follows the last layer that the chip can hold is the host's, and gives the outputs of the user's model."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mapping.importer.quantise import quantise, quantise_whole
from mapping.importer.tail import Tail, operators
from mapping.importer.walk import import_whole
from pyimc.errors import UnsupportedOperator
from pyimc.network import Mvm
from tests.mapping.judge import Given, images_for, judge

SHAPE = (1, 3, 8, 8)
IMAGES = images_for(SHAPE)


def test_a_class_is_the_users_class() -> None:
    write = Given(SHAPE)
    scores = write.op("Gemm", "s", write.op("Flatten", "f", "x"), write.weights(192, 10))
    model = write.model(write.op("ArgMax", "y", write.op("Softmax", "p", scores), axis=1, keepdims=0))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    found = judge(model, IMAGES)
    assert found.host == {"y": ("Softmax", "ArgMax")}
    assert np.array_equal(found.got["y"], found.wanted["y"])


def test_a_detection_head_with_a_small_layer_behind_a_softmax() -> None:
    """Boxes as distributions over 4 bins, whose mean a 1x1 convolution takes, and points by Sub."""
    write = Given(SHAPE)
    head = write.conv("head", write.op("Relu", "r", write.conv("t", "x", 3, 16)), 16, 20)
    parts = write.constant([16, 4], np.int64)
    write.nodes.append(helper.make_node("Split", [head, parts], ["box", "class"], name="split", axis=1))
    bins = write.op("Reshape", "b", "box", write.constant([1, 4, 4, 64], np.int64))
    shares = write.op("Softmax", "p", write.op("Transpose", "bt", bins, perm=[0, 2, 1, 3]), axis=1)
    kernel = write.constant(np.arange(4).reshape(1, 4, 1, 1))
    mean = write.op("Reshape", "m", write.op("Conv", "dfl", shares, kernel), write.constant([1, 4, 64], np.int64))
    boxes = write.op("Sub", "boxes", write.constant(np.linspace(0, 7, 64).reshape(1, 1, 64)), mean)
    scores = write.op("Sigmoid", "scores", "class")
    found = judge(write.model(boxes, scores), IMAGES)
    assert found.host["boxes"] == ("Transpose", "Softmax", "Conv", "Reshape", "Sub")
    assert found.host["scores"] == ("Sigmoid",)
    assert found.worst() < 0.03
    assert all(isinstance(node, Mvm) for node in found.network.nodes)


def test_boxes_that_suppress_each_other() -> None:
    write = Given((1, 4, 3, 3))
    boxes = write.op("Reshape", "b", write.conv("c", "x", 4, 4, 1), write.constant([1, 4, 9], np.int64))
    boxes = write.op("Transpose", "bt", boxes, perm=[0, 2, 1])
    scores = write.op("ReduceSum", "s", boxes, write.constant([2], np.int64), keepdims=0)
    scores = write.op("Unsqueeze", "su", scores, write.constant([1], np.int64))
    limits = [write.constant([5], np.int64), write.constant([0.5]), write.constant([-10.0])]
    model = write.model(write.op("NonMaxSuppression", "y", boxes, scores, *limits))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    quantised = quantise_whole(model, images_for((1, 4, 3, 3)))
    imported = import_whole(quantised.model, "nms")
    assert operators(imported.tail)["y"][-1] == "NonMaxSuppression"
    stored = np.zeros((3, 3, 4), np.uint8)
    assert Tail(imported.tail).run([stored], stored)["y"].shape[1] == 3


def test_too_much_behind_an_operator_is_refused_and_can_be_cut_by_hand() -> None:
    write = Given(SHAPE)
    value = write.op("Sin", "s", write.conv("t", "x", 3, 8))
    model = write.model(write.conv("y", value, 8, 4))
    share = r"57.1% of the multiply-accumulates depend on these; --outputs NAME"
    with pytest.raises(UnsupportedOperator, match=rf"Sin: the operator is not supported \(n_s\); .*{share}"):
        quantise(model, IMAGES)
    found = judge(model, IMAGES, cut=("t",))
    assert found.host == {"y": ("Sin", "Conv")}
    assert found.worst() < 0.03


def test_a_cut_in_the_middle_leaves_the_rest_to_the_host() -> None:
    write = Given(SHAPE)
    middle = write.op("Relu", "r", write.conv("t", "x", 3, 8))
    other = write.conv("z", "x", 3, 4)
    found = judge(write.model(write.conv("y", middle, 8, 4), other), IMAGES, cut=("r",))
    assert found.host == {"y": ("Conv",), "z": ("Conv",)}
    assert [node.name for node in found.network.nodes] == ["n_t"]
    assert found.worst() < 0.03


def test_a_tail_may_read_the_image() -> None:
    write = Given(SHAPE)
    mean = write.op("ReduceLogSumExp", "m", "x", write.constant([1, 2, 3], np.int64), keepdims=1)
    found = judge(write.model(write.op("Div", "y", write.conv("t", "x", 3, 8), mean), opset=18), IMAGES)
    assert found.host == {"y": ("ReduceLogSumExp", "Div")}
    assert found.worst() < 0.02


def test_a_function_that_the_chip_needs_anyway_is_not_the_hosts() -> None:
    write = Given(SHAPE)
    gate = write.op("Sigmoid", "g", write.conv("t", "x", 3, 8))
    found = judge(write.model(gate, write.conv("y", gate, 8, 4)), IMAGES)
    assert found.host == {"g": (), "y": ()}
    assert found.worst() < 0.02


def test_integers_of_either_sign_arrive_as_they_left() -> None:
    model = quantise(_layer(), IMAGES)
    for node in model.graph.node:  # the last DequantizeLinear goes: the output is the integers
        if node.op_type == "DequantizeLinear" and node.output[0] == "y":
            integers = node.input[0]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(integers, TensorProto.UINT8, None))
    imported = import_whole(model, "net")
    rows = np.arange(8 * 8 * 4, dtype=np.int64).astype(np.uint8).reshape(8, 8, 4)
    (result,) = Tail(imported.tail).run([rows], np.zeros((8, 8, 3), np.uint8)).values()
    assert np.array_equal(result[0], rows.transpose(2, 0, 1))


def _layer() -> onnx.ModelProto:
    write = Given(SHAPE)
    return write.model(write.conv("y", "x", 3, 4))


def test_faults_are_grouped_the_most_frequent_first() -> None:
    write = Given(SHAPE)
    value = write.conv("k0", "x", 3, 8)
    value = write.op("Cos", "rare", value)
    for number in range(5):
        value = write.conv(f"k{number + 1}", write.op("Sin", f"s{number}", value), 8, 8)
    with pytest.raises(UnsupportedOperator) as caught:
        quantise(write.model(value), IMAGES)
    said = str(caught.value)
    assert "Sin: the operator is not supported (5 times: n_s0, n_s1, n_s2 and 2 more); Cos: the operator" in said
    assert "\n" not in said

# SPDX-License-Identifier: Apache-2.0
"""Quantisation folds, calibrates, stays close to the float model, and gives the same bytes in every process."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import helper

from mapping.importer.fidelity import faithful
from mapping.importer.inputs import quantise_input
from mapping.importer.onnx_model import feed, image_shape, session
from mapping.importer.quantise import quantise
from mapping.importer.walk import import_model
from mapping.models import load_model, model_inputs
from mapping.models.builder import GraphBuilder
from pyimc import golden
from pyimc.errors import ConfigError, UnsupportedOperator
from tests.random_cnn import calibration, seeded


def test_batch_normalisation_is_folded() -> None:
    model = load_model("resnet8")
    found = faithful(model, calibration(model), ())
    (link,) = found.links
    assert link.kept and link.change is not None and 0 < link.change < 1e-5
    kinds = {node.op_type for node in found.model.graph.node}
    assert "BatchNormalization" not in kinds
    assert {"Conv", "Gemm"} <= kinds


def test_a_matmul_and_its_bias_become_one_layer() -> None:
    graph = GraphBuilder("mlp", (1, 6), seed=3)
    product = graph.op("MatMul", "fc", [graph.input, graph.constant("weight", graph.normal((6, 4), 1.0))])
    model = graph.finish(graph.add("bias", product, graph.constant("offset", graph.normal((4,), 1.0))))
    network = import_model(quantise(model, calibration(model)), "mlp")
    assert len(network.nodes) == 1


def test_a_quantised_model_passes_through() -> None:
    model = seeded(3)
    quantised = quantise(model, calibration(model))
    assert quantise(quantised, []).SerializeToString() == quantised.SerializeToString()


@pytest.mark.parametrize("name", ["digits", "resnet8"])
def test_integers_answer_like_the_float_model(name: str) -> None:
    model = load_model(name)
    images = model_inputs(name, image_shape(model), 4).images
    network = import_model(quantise(model, list(images)), name)
    logits = model.graph.node[-1].input[0]
    for image in images:
        (expected,) = session(model, (logits,)).run([logits], feed(model, image))
        kind = network.tensors[network.outputs[0]]
        stored = golden.run(network, quantise_input(network, image))[network.outputs[0]]
        answer = (stored.reshape(-1).astype(np.float64) - kind.zero_point) * kind.scale
        assert np.abs(answer - expected[0]).max() < 0.1 * np.abs(expected).max()


def _digest() -> str:
    model = load_model("resnet8")
    images = model_inputs("resnet8", image_shape(model), 2).images
    return hashlib.sha256(quantise(model, list(images)).SerializeToString(deterministic=True)).hexdigest()


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_model_and_images_give_the_same_bytes_in_any_process(hash_seed: str) -> None:
    command = [sys.executable, "-c", "from tests.mapping.test_quantise import _digest; print(_digest())"]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert other.strip() == _digest()


def test_an_opset_that_cannot_run_is_refused() -> None:
    model = load_model("digits")
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", 99))
    with pytest.raises(ConfigError, match=r"onnxruntime refuses it .*; export it with opset") as caught:
        quantise(model, calibration(model))
    assert "\n" not in str(caught.value)


def test_an_old_opset_is_converted() -> None:
    nodes = [
        helper.make_node("MaxPool", ["image"], ["peak"], name="peak", kernel_shape=[2, 2]),
        helper.make_node("Clip", ["peak"], ["clipped"], name="clip", min=-1.0, max=1.0),
    ]
    entry = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 2, 3, 3])
    result = helper.make_tensor_value_info("clipped", onnx.TensorProto.FLOAT, [1, 2, 2, 2])
    graph = helper.make_graph(nodes, "old", [entry], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 7)], ir_version=4)
    network = import_model(quantise(model, calibration(model)), "old")
    assert [node.name for node in network.nodes] == ["peak"]


def test_an_opset_that_cannot_be_converted_is_refused() -> None:
    model = load_model("digits")
    model.graph.node[0].op_type = "Upsample"
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", 6))
    with pytest.raises((UnsupportedOperator, ConfigError), match=r"model digits: .*; export it with opset"):
        quantise(model, calibration(model))

# SPDX-License-Identifier: Apache-2.0
"""The built-in models have the sizes they claim, and loading refuses what is not a model."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mapping.importer.inputs import quantise_input
from mapping.importer.onnx_model import image_shape
from mapping.models import BUILTIN, load_model, model_arch, model_inputs
from mapping.models.digits import TEST_SET
from pyimc import golden
from pyimc.errors import ConfigError
from pyimc.network import (
    Add,
    Column,
    Concat,
    Crop,
    Lut,
    Matmul,
    Mvm,
    Normalise,
    Pool,
    Resize,
    Softmax,
    Stored,
    Transpose,
)
from tests.mapping.networks import imported


def weight_count(name: str) -> int:
    """Convolution and fully connected weights, without biases and batch normalisation."""
    graph = load_model(name).graph
    sizes = {constant.name: numpy_helper.to_array(constant).size for constant in graph.initializer}
    layers = ("Conv", "Gemm", "MatMul")
    return sum(sizes.get(node.input[1], 0) for node in graph.node if node.op_type in layers)


@pytest.mark.parametrize(
    ("name", "shape", "weights", "mega_macs"),
    [
        ("digits", (1, 8, 8), 24_464, 0.379),
        ("resnet8", (3, 32, 32), 77_360, 12.5),
        ("ds_cnn", (1, 49, 10), 22_016, 2.6569),
        ("mnist_depthwise", (1, 28, 28), 8_448, 0.5008),
        ("mobilenet_v1_025", (3, 96, 96), 208_112, 7.49),
        ("deep_autoencoder", (640, 1, 1), 264_192, 0.264192),
        pytest.param("mobilenet_v2", (3, 224, 224), 3_469_760, 300.77, marks=pytest.mark.slow),
        pytest.param("resnet18", (3, 224, 224), 11_678_912, 1814.07, marks=pytest.mark.slow),
        pytest.param("vit_tiny", (3, 32, 32), 5_319_552, 365.93, marks=pytest.mark.slow),
        pytest.param("yolov8n", (3, 320, 320), 3_146_160, 1092.86, marks=pytest.mark.slow),
    ],
)
def test_size_and_work_are_those_of_the_paper(
    name: str, shape: tuple[int, int, int], weights: int, mega_macs: float
) -> None:
    assert image_shape(load_model(name)) == shape
    assert weight_count(name) == weights
    network = imported(name)
    assert network.macs() / 1e6 == pytest.approx(mega_macs, rel=1e-3)
    others: set[type] = {Concat, Lut, Resize} if name == "yolov8n" else set()
    attention: set[type] = {Mvm, Add, Lut, Normalise, Softmax, Matmul, Transpose, Stored, Column, Crop}
    sequence: dict[str, set[type]] = {"ds_cnn": {Mvm, Pool}, "mobilenet_v1_025": {Mvm, Pool}, "deep_autoencoder": {Mvm}}
    sequence["vit_tiny"], sequence["mnist_depthwise"] = attention, {Mvm, Pool}
    assert {type(node) for node in network.nodes} == sequence.get(name, {Mvm, Add, Pool}) | others


def test_layers_keep_their_names_through_folding_and_quantisation() -> None:
    network = imported("resnet8")
    names = [node.name for node in network.nodes]
    assert names[:4] == ["conv", "stack1.conv1", "stack1.conv2", "stack1.add"]
    assert names[-2:] == ["pool", "dense"]
    assert network.host_tail == ("Softmax",)


def test_models_that_run_elsewhere_name_their_architecture() -> None:
    assert {name: model_arch(name) for name in (*BUILTIN, "some.onnx")} == dict.fromkeys(
        ("deep_autoencoder", "digits", "mnist", "mnist_depthwise", "resnet18", "resnet8", "some.onnx"),
        "default",
    ) | dict.fromkeys(("ds_cnn", "mobilenet_v1_025", "mobilenet_v2"), "depthwise") | {
        "vit_tiny": "transformer",
        "yolov8n": "detector",
    }


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_building_twice_gives_the_same_bytes(name: str) -> None:
    assert BUILTIN[name].build().SerializeToString() == BUILTIN[name].build().SerializeToString()


def test_yolov8n_has_the_parameters_of_the_original() -> None:
    """3,157,200 with batch normalisation, of which 16 are the constant weights that decode boxes."""
    graph = load_model("yolov8n").graph
    sizes = {entry.name: numpy_helper.to_array(entry).size for entry in graph.initializer}
    trained = {"Conv": slice(1, None), "BatchNormalization": slice(1, 3)}  # without running mean and variance
    read = [name for node in graph.node for name in node.input[trained.get(node.op_type, slice(0))]]
    assert sum(sizes[name] for name in read) == 3_157_200 - 16


@pytest.mark.slow
def test_yolov8n_ends_at_the_logits_of_three_scales() -> None:
    network = imported("yolov8n")
    shapes = [network.tensors[name].shape for name in network.outputs]
    assert shapes == [(size, size, logits) for size in (40, 20, 10) for logits in (64, 80)]
    assert Counter(type(node) for node in network.nodes) == {Mvm: 71, Lut: 65, Concat: 25, Add: 6, Pool: 3, Resize: 2}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "yolov8n"])
def test_activations_use_their_range(name: str) -> None:
    """Seeded weights with batch statistics must neither die out nor saturate."""
    network = imported(name)
    image = model_inputs(name, image_shape(load_model(name)), 1).images[0]
    for tensor, values in golden.run(network, quantise_input(network, image)).items():
        assert len(np.unique(values)) > 60, tensor
        assert np.mean(values == 255) < 0.05, tensor


def test_digits_are_recognised_in_integers() -> None:
    """True accuracy on all 360 held-out images, of the int8 network."""
    network = imported("digits")
    with np.load(TEST_SET) as stored:
        count = len(stored["labels"])
    inputs = model_inputs("digits", (1, 8, 8), count)
    assert inputs.labels is not None
    assert count == 360
    answers = [
        int(golden.run(network, quantise_input(network, image))[network.outputs[0]].argmax()) for image in inputs.images
    ]
    assert np.mean(np.array(answers) == inputs.labels) > 0.97


def test_a_model_is_loaded_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    onnx.save(load_model("digits"), path)
    assert load_model(str(path)) == load_model("digits")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown; built in are deep_autoencoder, digits, ds_cnn, .*, yolov8n, or give"
    ):
        load_model("resnet19")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.onnx: no such file; give"):
        load_model(str(tmp_path / "absent.onnx"))


@pytest.mark.parametrize("contents", [b"", b"not a model", b"\x89PNG\r\n\x1a\n" + bytes(64)])
def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "wrong.onnx"
    path.write_bytes(contents)
    with pytest.raises(
        ConfigError, match=r"wrong.onnx: not a complete ONNX model \(.*\); export or download"
    ) as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, part: float) -> None:
    path = tmp_path / "cut.onnx"
    contents = load_model("digits").SerializeToString()
    path.write_bytes(contents[: int(len(contents) * part)])
    with pytest.raises(ConfigError, match="not a complete ONNX model"):
        load_model(str(path))

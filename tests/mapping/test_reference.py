# SPDX-License-Identifier: Apache-2.0
"""Every layer of the golden model within one step of onnxruntime, and a wrong layer further away."""

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings

from mapping.importer.onnx_model import image_shape
from mapping.importer.quantise import quantise
from mapping.importer.reference import compare
from mapping.importer.walk import import_model
from mapping.models import load_model, model_inputs
from pyimc.errors import UnsupportedOperator
from pyimc.network import Add, Mvm, Network, Pool
from tests.mapping.onnx_quantiser import quantised_as
from tests.random_cnn import calibration, models, seeded

HALVES = 0.05
"""Share of values that may differ in a small network, where sums often fall exactly between two steps."""


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("digits", 1e-4),
        ("resnet8", 1e-4),
        pytest.param("resnet18", 1e-5, marks=pytest.mark.slow),
        pytest.param("yolov8n", 1e-5, marks=pytest.mark.slow),
    ],
)
def test_a_built_in_model_is_within_one_step_everywhere(name: str, share: float) -> None:
    model = load_model(name)
    images = model_inputs(name, image_shape(model), 2).images
    quantised = quantise(model, list(images))
    network = import_model(quantised, name)
    checks = compare(quantised, network, images[1])
    assert [check.node for check in checks] == [network.input, *(node.name for node in network.nodes)]
    assert checks[0].differing == 0, "the host quantises the input as onnxruntime does"
    assert max(check.max_lsb for check in checks) <= 1
    assert sum(check.differing for check in checks) <= share * sum(check.values for check in checks)


@settings(max_examples=60)
@given(models())
def test_a_random_network_is_within_one_step_everywhere(model: onnx.ModelProto) -> None:
    images = calibration(model)
    quantised = quantise(model, images)
    _check(quantised, import_model(quantised, "random"), images)


@settings(max_examples=60)
@given(models(detector=True))
def test_a_random_detector_is_within_one_step_everywhere(model: onnx.ModelProto) -> None:
    images = calibration(model)
    quantised = quantise(model, images)
    _check(quantised, import_model(quantised, "random"), images)


@settings(max_examples=40)
@given(models(moving=True))
def test_what_moves_and_mixes_maps_is_within_one_step_everywhere(model: onnx.ModelProto) -> None:
    images = calibration(model)
    quantised = quantise(model, images)
    _check(quantised, import_model(quantised, "random"), images)


def _check(
    quantised: onnx.ModelProto, network: Network, images: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
) -> None:
    for image in images:
        for check in compare(quantised, network, image):
            assert check.max_lsb <= 1, check


FORMS = {
    "QOperator, uint8": ("QOperator", "QUInt8", False, True),
    "QOperator, int8": ("QOperator", "QInt8", False, True),
    "QOperator, int8 symmetric per tensor": ("QOperator", "QInt8", True, False),
    "QDQ, int8 symmetric": ("QDQ", "QInt8", True, True),
}
QOPERATORS = {
    "QLinearConv",
    "QLinearAdd",
    "QGemm",
    "QLinearMatMul",
    "QLinearAveragePool",
    "QLinearGlobalAveragePool",
    "QLinearConcat",
    "QLinearSigmoid",
    "QLinearMul",
    "Split",
    "Resize",
    "MaxPool",
    "Flatten",
    "Reshape",
}


@pytest.mark.parametrize("form", FORMS)
def test_other_int8_forms_are_within_one_step_everywhere(form: str) -> None:
    """Forms that keep a float operator, as QOperator models of onnxruntime may, are refused and not counted."""
    kind, activation, symmetric, per_channel = FORMS[form]
    covered: Counter[str] = Counter()
    refused = 0
    for seed in range(80):
        model = seeded(seed, detector=seed % 2 == 1)
        quantised = quantised_as(model, kind, activation, symmetric=symmetric, per_channel=per_channel)
        try:
            network = import_model(quantised, "random")
        except UnsupportedOperator:
            refused += 1
            continue
        _check(quantised, network, calibration(model)[:1])
        covered.update(node.op_type for node in quantised.graph.node)
    assert refused < 30
    if kind == "QOperator":
        assert set(covered) >= QOPERATORS


@pytest.mark.parametrize("detector", [False, True])
def test_few_values_differ_at_all(detector: bool) -> None:
    differing = values = 0
    for seed in range(40):
        model = seeded(seed, detector=detector)
        images = calibration(model)
        quantised = quantise(model, images)
        for check in compare(quantised, import_model(quantised, "random"), images[0]):
            differing += check.differing
            values += check.values
    assert differing < HALVES * values


def _broken(network: Network, index: int) -> Network:
    node = network.nodes[index]
    if isinstance(node, Mvm):
        weights = node.weights.copy()
        weights[0] ^= 1 << 6
        node = replace(node, weights=weights)
    elif isinstance(node, Pool):
        node = replace(node, output_zero_point=node.output_zero_point ^ 2)
    else:
        assert isinstance(node, Add)
        node = replace(node, multipliers=(node.multipliers[0] // 2, node.multipliers[1]))
    return replace(network, nodes=(*network.nodes[:index], node, *network.nodes[index + 1 :]))


def test_the_layer_that_is_wrong_is_the_one_that_is_found() -> None:
    model = load_model("digits")
    images = model_inputs("digits", (1, 8, 8), 2).images
    quantised = quantise(model, list(images))
    network = import_model(quantised, "digits")
    for index, node in enumerate(network.nodes):
        checks = compare(quantised, _broken(network, index), images[0])
        assert [check.node for check in checks if check.max_lsb > 1] == [node.name]

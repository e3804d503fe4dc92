# SPDX-License-Identifier: Apache-2.0
"""No fold is trusted, and what quantisation costs is measured where it happens."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mapping.importer import fidelity as links
from mapping.importer import fold
from mapping.importer.fidelity import deviation, faithful
from mapping.importer.quantise import quantise_whole
from mapping.importer.signal import NO_NOISE_DB, Fidelity, fidelity
from mapping.importer.walk import import_whole
from mapping.models import load_model
from tests.mapping.judge import Given, images_for, judge

SHAPE = (1, 3, 8, 8)
IMAGES = images_for(SHAPE)


def measured(model: onnx.ModelProto) -> Fidelity:
    quantised = quantise_whole(model, IMAGES)
    return fidelity(quantised, import_whole(quantised.model, "net"), IMAGES)


def normalised() -> onnx.ModelProto:
    write = Given(SHAPE)
    statistics = [write.constant(write.rng.uniform(0.5, 2, 8)) for _ in range(4)]
    return write.model(write.op("BatchNormalization", "y", write.conv("t", "x", 3, 8), *statistics))


def test_a_fold_that_changes_the_model_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(model: onnx.ModelProto) -> bool:
        known = len(model.graph.initializer)
        changed = fold.affine(model)
        for tensor in model.graph.initializer[known:]:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.001), tensor.name))
        return changed

    monkeypatch.setattr(links, "FOLDS", (("wrongly", wrong), ("rightly", fold.affine)))
    found = faithful(normalised(), IMAGES, ())
    assert [(link.step, link.kept) for link in found.links] == [("wrongly", False), ("rightly", True)]
    assert found.links[0].change is not None and found.links[0].change > 1e-4
    assert [node.op_type for node in found.model.graph.node] == ["Conv"]


def test_what_a_needed_fold_would_have_done_is_said_by_the_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "FOLDS", ())
    assert judge(normalised(), IMAGES).host == {"y": ("BatchNormalization",)}


@pytest.mark.parametrize("change", [0.0, 1e-6, 1e-3])
def test_deviation_is_a_share_of_the_span(change: float) -> None:
    values = np.linspace(5, 7, 100, dtype=np.float64)
    assert deviation([[values]], [[values + 2 * change]]) == pytest.approx(change, abs=1e-12)


def test_deviation_sees_shapes_and_values_that_are_not_finite() -> None:
    values = np.ones(3, np.float32)
    assert deviation([[values]], [[values.reshape(1, 3)]]) == np.inf
    assert deviation([[values]], [[np.array([1, 1, np.nan], np.float32)]]) == np.inf


def test_digits_is_near_its_float_model_everywhere() -> None:
    model = load_model("digits")
    images = images_for((1, 1, 8, 8), 4)
    quantised = quantise_whole(model, images)
    found = fidelity(quantised, import_whole(quantised.model, "digits"), images)
    assert found.images == 4
    assert [layer.node for layer in found.layers][:2] == ["image", "conv1"]
    assert min(layer.ratio_db for layer in found.layers) > 25
    (output,) = found.outputs
    assert output.name == "softmax" and output.ratio_db is not None and output.ratio_db > 25
    assert max(layer.clipped for layer in found.layers) == 0


def test_the_layer_that_loses_most_is_found() -> None:
    """Its second channel is a ten-thousandth of its first, and all that the next layer reads."""
    write = Given(SHAPE)
    wide = write.rng.standard_normal((2, 3, 3, 3)) * np.array([1e4, 1]).reshape(2, 1, 1, 1)
    narrow = np.zeros((4, 2, 1, 1))
    narrow[:, 1] = write.rng.standard_normal((4, 1, 1))
    value = write.op("Conv", "t", write.conv("s", "x", 3, 3), write.constant(wide), pads=[1] * 4)
    found = measured(write.model(write.op("Conv", "y", value, write.constant(narrow))))
    assert found.outputs[0].ratio_db is not None and found.outputs[0].ratio_db < 10
    assert max(found.layers, key=lambda layer: layer.lost_db).node == "n_y"


def test_integers_that_hold_everything_have_no_noise() -> None:
    write = Given(SHAPE)
    eye = np.eye(3).reshape(3, 3, 1, 1)
    images = [np.round(image * 255).astype(np.float32) for image in IMAGES]
    images[0].flat[:2] = 0, 255
    quantised = quantise_whole(write.model(write.op("Conv", "y", "x", write.constant(eye * 127))), images)
    found = fidelity(quantised, import_whole(quantised.model, "net"), images)
    assert found.layers[0].ratio_db == NO_NOISE_DB


def test_answers_that_change_are_counted() -> None:
    """Two classes that differ by less than a step."""
    write = Given(SHAPE)
    weights = np.repeat(write.rng.standard_normal((192, 1)), 2, axis=1)
    weights[:, 1] += 1e-5
    found = measured(write.model(write.op("Gemm", "y", write.op("Flatten", "f", "x"), write.constant(weights))))
    assert found.outputs[0].changed == 3


def test_a_model_of_integers_has_no_float_model_to_be_near_to() -> None:
    model = quantise_whole(normalised(), IMAGES).model
    assert measured(model) == Fidelity(3, ())

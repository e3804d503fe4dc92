# SPDX-License-Identifier: Apache-2.0
"""Random models are near the given ones or refused; `make fidelity` tries 500 of them."""

import numpy as np
import onnx
import pytest

from mapping.importer import quantise as product
from mapping.importer.operators.curve import UNARY as TABLES
from tests import fidelity
from tests.fidelity import tried
from tests.noisy_twin import bounds, outputs
from tests.random_given import draw

BIASES_OF_NOTHING = 271
"""A layer whose input was 0 on all images, and whose biases are small."""


@pytest.mark.parametrize("seed", [*range(24), BIASES_OF_NOTHING])
def test_a_random_model_is_near_the_given_one_or_refused(seed: int) -> None:
    case = tried(seed)
    assert case.verdict in ("near", "refused"), case.said
    assert "\n" not in case.said


def test_most_of_them_are_not_refused() -> None:
    verdicts = [tried(seed).verdict for seed in range(24, 48)]
    assert verdicts.count("near") >= 18


def test_every_operator_and_every_awkwardness_is_drawn() -> None:
    models = [draw(seed)[0] for seed in range(300)]
    seen = {node.op_type for model in models for node in model.graph.node}
    layers = {"Conv", "Gemm", "MatMul", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "Add", "Concat"}
    assert seen >= layers | {"Split", "Slice", "Resize", "Pad", "Sum", "Clip", "Relu", "BatchNormalization", "Identity"}
    assert seen >= set(TABLES) - {"Gelu"} and seen >= {"Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"}
    assert seen >= {"ConvTranspose", "DepthToSpace", "SpaceToDepth"}
    assert seen >= {"ReduceMax", "ReduceSum", "GlobalMaxPool", "Transpose", "Unsqueeze"}
    assert seen >= {"Gather", "ReduceMin", "ReduceL2", "LRN", "Mean"}
    assert any(len(model.graph.output) > 1 for model in models)
    assert any(model.graph.input[0].type.tensor_type.shape.dim[0].dim_param for model in models)


def test_a_lost_limit_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quantiser that drops every Clip, as if a range of integers could stand for it."""
    whole = product._written

    def without_limits(folded: onnx.ModelProto, *rest: object) -> onnx.ModelProto:
        model: onnx.ModelProto = whole(folded, *rest)  # type: ignore[arg-type]
        for node in model.graph.node:
            if node.op_type == "Clip":
                node.op_type = "Identity"
                del node.input[1:]
        return model

    monkeypatch.setattr(product, "_written", without_limits)
    assert any(tried(seed).verdict == "wrong" for seed in range(40))


def test_the_twin_differs_by_no_more_than_its_noise() -> None:
    model, images = draw(3)
    name = model.graph.output[0].name
    exact = outputs(model, images)[name]
    bound = bounds(model, images, [name])[name]
    assert 0 < bound < 0.5 * np.abs(exact).max()


def test_an_error_beyond_the_bound_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fidelity, "FACTOR", 1e-3)
    assert any(tried(seed).verdict == "wrong" for seed in range(6))

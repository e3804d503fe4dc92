# SPDX-License-Identifier: Apache-2.0
"""Shapes of layers, and their tiles."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx.backend.test import data as onnx_data

from mapping.models import deep_autoencoder, ds_cnn, mobilenet_v1_025, resnet8
from mapping.packing.shapes import Layer, layers_of
from mapping.packing.tiles import Macros, factors, largest_product, tiling
from pyimc.errors import CapacityError

PAPER = Macros(rows=256, columns=16, count=4, planes=8)


@pytest.mark.parametrize(
    ("model", "weights", "macs"),
    [
        (resnet8, 77_360, 12.50e6),
        (ds_cnn, 22_016, 2.66e6),
        (mobilenet_v1_025, 208_112, 7.49e6),
        (deep_autoencoder, 264_192, 0.264e6),
    ],
    ids=["resnet8", "ds_cnn", "mobilenet_v1_025", "deep_autoencoder"],
)
def test_tiny_networks(model: object, weights: int, macs: float) -> None:
    layers = layers_of(model.build())  # type: ignore[attr-defined]
    assert sum(layer.weights for layer in layers) == weights
    assert sum(layer.macs for layer in layers) == pytest.approx(macs, rel=2e-3)


def test_resnet50() -> None:
    """From the onnx package, whose weights are made by the graph."""
    layers = layers_of(onnx.load(Path(onnx_data.__path__[0]) / "light" / "light_resnet50.onnx"))
    assert len(layers) == 54
    assert sum(layer.weights for layer in layers) == 25_502_912
    assert sum(layer.macs for layer in layers) == pytest.approx(4.1e9, rel=0.07)


def test_tiles_of_resnet8() -> None:
    found = [tiling(layer, PAPER) for layer in layers_of(resnet8.build())]
    assert [(each.width, each.depth, each.folds, each.copies) for each in found] == [
        (16, 27, 1, 1), (16, 144, 1, 1), (16, 144, 1, 1), (16, 144, 1, 2), (16, 144, 1, 4), (16, 16, 1, 2),
        (16, 144, 2, 4), (16, 192, 4, 3), (16, 32, 1, 4), (10, 64, 1, 1),
    ]  # fmt: skip
    assert sum(each.folds for each in found) == 14, "one slot per layer"


@given(
    outputs=st.integers(1, 40), inputs=st.integers(1, 40), kernel=st.integers(1, 5), groups=st.integers(1, 12),
    folds=st.integers(0, 3), rows=st.integers(5, 300), columns=st.integers(1, 64), count=st.integers(1, 6),
)  # fmt: skip
def test_tiles_hold_every_weight(
    outputs: int, inputs: int, kernel: int, groups: int, folds: int, rows: int, columns: int, count: int
) -> None:
    layer = Layer("layer", outputs * groups, inputs * groups, (kernel, kernel), (3, 3), groups)
    macros = Macros(rows, columns, count, 1 << 20)
    found = tiling(layer, macros, folds)
    assert found.width <= columns and found.depth <= rows and found.copies <= count
    assert found.cells >= layer.weights
    if groups == 1:
        assert found.cells == layer.weights


def test_layer_that_cannot_fit_is_named() -> None:
    with pytest.raises(CapacityError, match="layer big: 1048576 weights need 64 planes of 256 x 16 in each of 4"):
        tiling(Layer("big", 1024, 1024, (1, 1), (1, 1)), PAPER)


def test_primes() -> None:
    assert factors(1) == () and factors(360) == (2, 2, 2, 3, 3, 5) and factors(97) == (97,)
    assert largest_product((2, 2, 2, 2, 2, 3, 3), 256) == 144
    assert largest_product((2, 2, 2, 3, 5), 7) == 6

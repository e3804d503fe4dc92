# SPDX-License-Identifier: Apache-2.0
"""A PRelu with a slope per channel, from existing parts."""

import numpy as np
import pytest

from mapping.importer.inputs import quantise_input
from mapping.importer.onnx_model import feed, session
from mapping.importer.quantise import quantise
from mapping.importer.walk import import_model
from mapping.models.builder import GraphBuilder
from pyimc import golden
from tests.mapping.onnx_writer import check
from tests.random_cnn import calibration


@pytest.mark.parametrize("rank", [3, 4])
def test_every_channel_has_a_slope_of_its_own(rank: int) -> None:
    graph = GraphBuilder("net", (1, 3, 6, 5)[:rank], seed=1)
    weights = graph.constant("weights", graph.normal((6, 3, *[1] * (rank - 2)), 0.5))
    slopes = graph.constant("slopes", np.linspace(-0.5, 1.5, 6, dtype=np.float32).reshape(6, *[1] * (rank - 2)))
    value = graph.op("PRelu", "prelu", [graph.op("Conv", "first", [graph.input, weights]), slopes])
    last = graph.constant("last.weights", np.eye(6, dtype=np.float32).reshape(6, 6, *[1] * (rank - 2)))
    model = graph.finish(graph.op("Conv", "last", [value, last]))
    images = calibration(model, 3)
    quantised = quantise(model, images)
    network = import_model(quantised, "net")
    check(quantised, network)
    for image in images:
        (wanted,) = session(model).run(None, feed(model, image))
        found = golden.run(network, quantise_input(network, image))[network.outputs[0]]
        kind = network.tensors[network.outputs[0]]
        real = ((found.astype(np.float64) - kind.zero_point) * kind.scale).transpose(2, 0, 1).reshape(wanted[0].shape)
        assert np.abs(real - wanted[0]).max() < 4 * kind.scale

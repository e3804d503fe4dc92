# SPDX-License-Identifier: Apache-2.0
"""What operators are rewritten into, on the RTL: values equal the golden model, cycles the cycle model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mapping.compile import compile_network
from mapping.importer.quantise import quantise
from mapping.importer.walk import import_model
from mapping.models.builder import GraphBuilder
from tests.cycle.equality import compare
from tests.mapping.networks import small_arch
from tests.mapping.test_decompose import op, resize
from tests.random_cnn import calibration
from tests.sim.runs import enter


def bordered(graph: GraphBuilder, value: str) -> str:
    """Borders, then an enlargement, with the edge repeated."""
    value = op("Pad", [0, 0, 1, 1, 0, 0, 0, 1], mode="reflect")(graph, value)
    return resize(1, 2, mode="linear")(graph, graph.conv("inner", value, 6, 4, (2, 2)))


def gated(graph: GraphBuilder, value: str) -> str:
    """The largest and the smallest channel say by what every channel is divided."""
    sides = [op(f"Reduce{kind}", [1])(graph, value) for kind in ("Max", "Min")]
    gate = graph.op("Sigmoid", "gate", [graph.op("Concat", "both", sides, axis=1)])
    weight = graph.op("Exp", "exp", [graph.conv("weigh", gate, 2, 1, (1, 1))])
    value = graph.op("Div", "divided", [value, weight])
    return op("Gather", [4, 0, 3, 1], axis=1)(graph, value)


@pytest.mark.parametrize("make", [bordered, gated])
def test_the_chip_computes_it(make: Callable[[GraphBuilder, str], str], tmp_path: Path) -> None:
    graph = GraphBuilder("net", (1, 3, 4, 4), seed=1)
    value = graph.conv("first", graph.input, 3, 6, (3, 3), pads=(1, 1, 1, 1), bias=True)
    model = graph.finish(graph.conv("last", make(graph, value), 4, 3, (1, 1)))
    network = import_model(quantise(model, calibration(model)), "net")
    arch = small_arch(contexts=32, activation_words=8192, destinations=8)
    with pytest.MonkeyPatch.context() as patch:
        enter(tmp_path, patch)
        compared = compare(compile_network(network, arch), 2)
    assert not compared.differences, "\n".join(compared.differences)
    assert compared.words > 0

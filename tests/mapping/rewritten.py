# SPDX-License-Identifier: Apache-2.0
"""What rewritten operators cost: actors, planes, and the most cycles that one of them takes of its engine.

    python -m tests.mapping.rewritten

Each stands between two layers on a map of 64 channels, 32 x 32, on the default chip.
"""

from __future__ import annotations

import numpy as np

from mapping.compile import compile_network
from mapping.importer.quantise import quantise
from mapping.importer.walk import import_model
from mapping.models.builder import GraphBuilder
from pyimc.arch import load_arch
from tests.mapping.test_decompose import Make, op, resize
from tests.random_cnn import calibration

CHANNELS, SIZE = 64, 32
PLACES = np.linspace(-1, 1, CHANNELS * SIZE**2, dtype=np.float32).reshape(1, CHANNELS, SIZE, SIZE)


def _gate(graph: GraphBuilder, value: str) -> str:
    return graph.op(
        "Mul", "gated", [value, graph.op("Sigmoid", "gate", [graph.conv("one", value, CHANNELS, 1, (1, 1))])]
    )


CASES: dict[str, tuple[Make, int]] = {
    "a constant map added": (op("Add", PLACES), CHANNELS),
    "columns and rows reflected, one each": (op("Pad", [0, 0, 1, 1, 0, 0, 1, 1], mode="reflect"), CHANNELS),
    "linear, twice": (resize(2, 2, mode="linear"), CHANNELS),
    "largest channel": (op("ReduceMax", [1]), 1),
    "every channel times one": (_gate, CHANNELS),
    "LRN over 5 channels": (op("LRN", size=5, alpha=0.5), CHANNELS),
}


def main() -> None:
    """Print a row for each."""
    arch = load_arch("default")
    print("| between two layers | actors | planes | the busiest of them | cycles |\n|---|---|---|---|---|")
    for name, (make, channels) in CASES.items():
        graph = GraphBuilder("net", (1, 3, SIZE, SIZE), seed=1)
        first = graph.conv("first", graph.input, 3, CHANNELS, (1, 1))
        model = graph.finish(graph.conv("last", make(graph, first), channels, 4, (1, 1)))
        network = import_model(quantise(model, calibration(model)), "net")
        program = compile_network(network, arch)
        actors = [actor for actor in program.actors if actor.name not in ("first", "last")]
        most = max(actors, key=lambda actor: actor.cycles)
        planes = sum(actor.planes for actor in actors)
        kind = type(next(node for node in program.network.nodes if node.name == most.name)).__name__
        print(f"| {name} | {len(actors)} | {planes} | {kind} on {most.kind} | {most.cycles} |", flush=True)


if __name__ == "__main__":
    main()

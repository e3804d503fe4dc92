"""The deep autoencoder of MLPerf Tiny (anomalies in a machine's sound: 5 frames of 128 mel bands), seeded weights.

264,192 weights, each used once for an image: fully connected layers, narrowest in the middle. The host compares
output and input. The weights are random: no accuracy is claimed.
"""

from itertools import pairwise

import onnx

from mapping.models.builder import GraphBuilder

SEED = 640
_WIDTHS = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)


def build() -> onnx.ModelProto:
    """The float32 model."""
    graph = GraphBuilder("deep_autoencoder", (1, _WIDTHS[0]), SEED)
    value = graph.input
    for layer, (inputs, outputs) in enumerate(pairwise(_WIDTHS), start=1):
        value = graph.gemm(f"dense{layer}", value, inputs, outputs)
        if layer < len(_WIDTHS) - 1:
            value = graph.relu(f"relu{layer}", graph.batch_norm(f"bn{layer}", value, outputs))
    return graph.finish(value)

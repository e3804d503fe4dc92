"""MobileNetV1 with a quarter of its channels, of MLPerf Tiny (a person in 96x96 pixels, or none), seeded weights.

7.49 M multiply-accumulates and 208,112 convolution and fully connected weights. The weights are random: no accuracy
is claimed.
"""

import onnx

from mapping.models.builder import GraphBuilder
from mapping.models.ds_cnn import separable

SEED = 96
_STEM = 8
_BLOCKS = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1))
"""Output channels and stride of each block."""


def build() -> onnx.ModelProto:
    """The float32 model."""
    graph = GraphBuilder("mobilenet_v1_025", (1, 3, 96, 96), SEED)
    channels = _STEM
    value = graph.conv("conv", graph.input, 3, channels, (3, 3), (2, 2), (0, 0, 1, 1))
    value = graph.relu("relu", graph.batch_norm("bn", value, channels))
    for block, (width, stride) in enumerate(_BLOCKS, start=1):
        value = separable(graph, f"block{block}", value, channels, width, stride)
        channels = width
    value = graph.op("AveragePool", "pool", [value], kernel_shape=(3, 3))
    value = graph.op("Flatten", "flatten", [value])
    return graph.finish(graph.op("Softmax", "softmax", [graph.gemm("dense", value, channels, 2)], axis=-1))

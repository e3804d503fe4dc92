"""The depthwise separable CNN of MLPerf Tiny (keyword spotting: 49 frames of 10 coefficients, 12 words).

2.66 M multiply-accumulates and 22,016 convolution and fully connected weights. The first convolution has the
padding that TensorFlow's SAME gives it. The weights are seeded, not trained: no accuracy is claimed.
"""

import onnx

from mapping.models.builder import GraphBuilder

SEED = 49
_WIDTH = 64
_BLOCKS = 4
_WORDS = 12


def build() -> onnx.ModelProto:
    """The float32 model."""
    graph = GraphBuilder("ds_cnn", (1, 1, 49, 10), SEED)
    value = graph.conv("conv", graph.input, 1, _WIDTH, (10, 4), (2, 2), (4, 1, 5, 1))
    value = graph.relu("relu", graph.batch_norm("bn", value, _WIDTH))
    for block in range(1, _BLOCKS + 1):
        value = separable(graph, f"block{block}", value, _WIDTH, _WIDTH)
    value = graph.op("AveragePool", "pool", [value], kernel_shape=(25, 5))
    value = graph.op("Flatten", "flatten", [value])
    return graph.finish(graph.op("Softmax", "softmax", [graph.gemm("dense", value, _WIDTH, _WORDS)], axis=-1))


def separable(graph: GraphBuilder, name: str, source: str, cin: int, cout: int, stride: int = 1) -> str:
    """A depthwise 3x3 convolution and a pointwise one, each normalised and rectified; padding as TensorFlow's SAME."""
    pads = (1, 1, 1, 1) if stride == 1 else (0, 0, 1, 1)
    value = graph.conv(f"{name}.depthwise", source, cin, cin, (3, 3), (stride, stride), pads, groups=cin)
    value = graph.relu(f"{name}.relu1", graph.batch_norm(f"{name}.bn1", value, cin))
    value = graph.conv(f"{name}.pointwise", value, cin, cout, (1, 1))
    return graph.relu(f"{name}.relu2", graph.batch_norm(f"{name}.bn2", value, cout))

"""A small trained CNN for 8x8 handwritten digits; its accuracy is true accuracy.

Two convolutions, a residual block of two more, max pooling and a fully connected layer. `train.py` made the
weights; `README.md` says where the images come from.
"""

from pathlib import Path

import onnx

from mapping.models.builder import GraphBuilder
from mapping.models.digits.topology import DOWN, IMAGE_SIZE, POOL, RESIDUAL, STEM, ConvLayer

WEIGHTS = Path(__file__).parent / "weights.npz"
TEST_SET = Path(__file__).parent / "test_set.npz"


def build() -> onnx.ModelProto:
    """The float32 model."""
    graph = GraphBuilder("digits", (1, 1, IMAGE_SIZE, IMAGE_SIZE), seed=0)
    graph.stored(WEIGHTS)
    stem = graph.relu("relu1", _conv(graph, STEM, graph.input))
    down = graph.relu("relu2", _conv(graph, DOWN, stem))
    inner = graph.relu("relu3", _conv(graph, RESIDUAL[0], down))
    block = graph.relu("relu4", graph.add("add", _conv(graph, RESIDUAL[1], inner), down))
    pooled = graph.op("MaxPool", "maxpool", [block], kernel_shape=(POOL, POOL), strides=(POOL, POOL))
    flat = graph.op("Flatten", "flatten", [pooled])
    logits = graph.op("Gemm", "fc", [flat, "fc.weight", "fc.bias"], transB=1)
    return graph.finish(graph.op("Softmax", "softmax", [logits], axis=-1))


def _conv(graph: GraphBuilder, layer: ConvLayer, source: str) -> str:
    inputs = [source, f"{layer.name}.weight", f"{layer.name}.bias"]
    strides = (layer.stride, layer.stride)
    return graph.op("Conv", layer.name, inputs, kernel_shape=(3, 3), strides=strides, pads=(1, 1, 1, 1))

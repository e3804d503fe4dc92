"""A small trained depthwise network, of MobileNet's kind, for 28x28 handwritten digits; its accuracy is true accuracy.

`train.py` made the weights; the images are those of `mapping.models.mnist`.
"""

from pathlib import Path

import onnx

from mapping.models.builder import GraphBuilder
from mapping.models.mnist import TEST_SET as TEST_SET
from mapping.models.mnist.topology import IMAGE_SIZE
from mapping.models.mnist_depthwise.topology import BLOCKS, STEM

WEIGHTS = Path(__file__).parent / "weights.npz"


def build() -> onnx.ModelProto:
    """The float32 model."""
    graph = GraphBuilder("mnist_depthwise", (1, 1, IMAGE_SIZE, IMAGE_SIZE), seed=0)
    graph.stored(WEIGHTS)
    value = _conv(graph, STEM.name, graph.input, 3, STEM.stride)
    for block in BLOCKS:
        value = _conv(graph, f"{block.name}.depthwise", value, 3, block.stride, groups=block.channels_in)
        value = _conv(graph, f"{block.name}.pointwise", value, 1, 1)
    flat = graph.op("Flatten", "flatten", [graph.op("GlobalAveragePool", "pool", [value])])
    logits = graph.op("Gemm", "fc", [flat, "fc.weight", "fc.bias"], transB=1)
    return graph.finish(graph.op("Softmax", "softmax", [logits], axis=-1))


def _conv(graph: GraphBuilder, name: str, source: str, kernel: int, stride: int, groups: int = 1) -> str:
    """A convolution that keeps the size but for its stride, and its rectifier."""
    pads, inputs = (kernel // 2,) * 4, [source, f"{name}.weight", f"{name}.bias"]
    conv = graph.op(
        "Conv", name, inputs, kernel_shape=(kernel, kernel), strides=(stride, stride), pads=pads, group=groups
    )
    return graph.relu(f"{name}.relu", conv)

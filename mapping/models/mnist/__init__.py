"""A small trained CNN for 28x28 handwritten digits of MNIST; its accuracy is true accuracy.

`train.py` made the weights; `README.md` says where the images come from.
"""

from pathlib import Path

import onnx

from mapping.models.builder import GraphBuilder
from mapping.models.mnist.topology import CONVS, IMAGE_SIZE

WEIGHTS = Path(__file__).parent / "weights.npz"
TEST_SET = Path(__file__).parent / "test_set.npz"


def build() -> onnx.ModelProto:
    """The float32 model."""
    graph = GraphBuilder("mnist", (1, 1, IMAGE_SIZE, IMAGE_SIZE), seed=0)
    graph.stored(WEIGHTS)
    value = graph.input
    for layer in CONVS:
        inputs = [value, f"{layer.name}.weight", f"{layer.name}.bias"]
        strides = (layer.stride, layer.stride)
        conv = graph.op("Conv", layer.name, inputs, kernel_shape=(3, 3), strides=strides, pads=(1, 1, 1, 1))
        value = graph.relu(layer.name.replace("conv", "relu"), conv)
    logits = graph.op("Gemm", "fc", [graph.op("Flatten", "flatten", [value]), "fc.weight", "fc.bias"], transB=1)
    return graph.finish(graph.op("Softmax", "softmax", [logits], axis=-1))

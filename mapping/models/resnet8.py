"""The ResNet of MLPerf Tiny (image classification on CIFAR-10: 32x32, 10 classes), with seeded weights.

12.5 M multiply-accumulates and 77,360 convolution and fully connected weights. As in the original, which comes
from TensorFlow, a convolution of stride 2 pads only below and to the right. The weights are random: no accuracy
is claimed.
"""

import onnx

from mapping.models.builder import GraphBuilder

SEED = 8
_STACKS = (16, 32, 64)


def build() -> onnx.ModelProto:
    """The float32 model."""
    graph = GraphBuilder("resnet8", (1, 3, 32, 32), SEED)
    channels = _STACKS[0]
    value = graph.conv("conv", graph.input, 3, channels, (3, 3), (1, 1), (1, 1, 1, 1))
    value = graph.relu("relu", graph.batch_norm("bn", value, channels))
    for stack, width in enumerate(_STACKS, start=1):
        value = _stack(graph, f"stack{stack}", value, channels, width)
        channels = width
    value = graph.op("AveragePool", "pool", [value], kernel_shape=(8, 8))
    value = graph.op("Flatten", "flatten", [value])
    return graph.finish(graph.op("Softmax", "softmax", [graph.gemm("dense", value, channels, 10)], axis=-1))


def _stack(graph: GraphBuilder, name: str, source: str, cin: int, cout: int) -> str:
    """Two 3x3 convolutions beside a shortcut; where the width changes, the map is halved."""
    stride, pads = ((2, 2), (0, 0, 1, 1)) if cin != cout else ((1, 1), (1, 1, 1, 1))
    value = graph.conv(f"{name}.conv1", source, cin, cout, (3, 3), stride, pads)
    value = graph.relu(f"{name}.relu1", graph.batch_norm(f"{name}.bn1", value, cout))
    value = graph.conv(f"{name}.conv2", value, cout, cout, (3, 3), (1, 1), (1, 1, 1, 1))
    value = graph.batch_norm(f"{name}.bn2", value, cout)
    if cin != cout:
        source = graph.conv(f"{name}.shortcut", source, cin, cout, (1, 1), stride)
    return graph.relu(f"{name}.relu2", graph.add(f"{name}.add", value, source))

"""ResNet-18 for 224x224 images and 1000 classes (He et al., arXiv 1512.03385), with seeded weights.

The topology is torchvision's: 1.814 G multiply-accumulates and 11.7 M weights. The weights are random, so the
classes mean nothing; shapes, ranges and the work are real.
"""

import onnx

from mapping.models.builder import GraphBuilder

SEED = 18
_STAGES = (64, 128, 256, 512)


def build() -> onnx.ModelProto:
    """The float32 model."""
    graph = GraphBuilder("resnet18", (1, 3, 224, 224), SEED)
    value = graph.conv("conv1", graph.input, 3, 64, (7, 7), (2, 2), (3, 3, 3, 3))
    value = graph.relu("relu1", graph.batch_norm("bn1", value, 64))
    value = graph.op("MaxPool", "maxpool", [value], kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1))
    channels = _STAGES[0]
    for stage, width in enumerate(_STAGES, start=1):
        for block in range(2):
            stride = 2 if stage > 1 and block == 0 else 1
            value = _block(graph, f"layer{stage}.{block}", value, channels, width, stride)
            channels = width
    value = graph.op("GlobalAveragePool", "avgpool", [value])
    value = graph.op("Flatten", "flatten", [value])
    return graph.finish(graph.gemm("fc", value, channels, 1000))


def _block(graph: GraphBuilder, name: str, source: str, cin: int, cout: int, stride: int) -> str:
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""
    around = (1, 1, 1, 1)
    value = graph.conv(f"{name}.conv1", source, cin, cout, (3, 3), (stride, stride), around)
    value = graph.relu(f"{name}.relu1", graph.batch_norm(f"{name}.bn1", value, cout))
    value = graph.conv(f"{name}.conv2", value, cout, cout, (3, 3), (1, 1), around)
    value = graph.batch_norm(f"{name}.bn2", value, cout)
    if stride != 1 or cin != cout:
        source = graph.conv(f"{name}.downsample", source, cin, cout, (1, 1), (stride, stride))
        source = graph.batch_norm(f"{name}.downsample_bn", source, cout)
    return graph.relu(f"{name}.relu2", graph.add(f"{name}.add", value, source))

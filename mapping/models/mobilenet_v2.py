"""MobileNetV2 (Sandler et al., 2018) for 224x224 images, 1,000 classes, with seeded weights.

The topology is the original's at width 1: inverted residuals with depthwise 3x3 convolutions between pointwise ones,
ReLU6, no activation behind the narrow ones. 300.8 M multiply-accumulates and 3,469,760 convolution and fully
connected weights. The weights are random: no accuracy is claimed.
"""

import onnx

from mapping.models.builder import GraphBuilder

SEED = 2
CLASSES = 1000
_STEM, _LAST = 32, 1280
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, output channels, blocks and first stride of each stage."""


def build() -> onnx.ModelProto:
    """The float32 model."""
    graph = GraphBuilder("mobilenet_v2", (1, 3, 224, 224), SEED)
    channels = _STEM
    value = _normalised(graph, "conv", graph.input, 3, channels, 3, 2)
    for stage, (expansion, width, blocks, first) in enumerate(_STAGES, start=1):
        for block in range(1, blocks + 1):
            name = f"stage{stage}.block{block}"
            value = _inverted_residual(graph, name, value, channels, width, expansion, first if block == 1 else 1)
            channels = width
    value = _normalised(graph, "last", value, channels, _LAST, 1)
    value = graph.op("GlobalAveragePool", "pool", [value])
    value = graph.op("Flatten", "flatten", [value])
    return graph.finish(graph.gemm("dense", value, _LAST, CLASSES))


def _inverted_residual(
    graph: GraphBuilder, name: str, source: str, cin: int, cout: int, expansion: int, stride: int
) -> str:
    """Wide inside, narrow at both ends; with a shortcut where size and channels stay."""
    wide = cin * expansion
    value = _normalised(graph, f"{name}.expand", source, cin, wide, 1) if expansion > 1 else source
    value = _normalised(graph, f"{name}.depthwise", value, wide, wide, 3, stride, groups=wide)
    value = graph.conv(f"{name}.project", value, wide, cout, (1, 1))
    value = graph.batch_norm(f"{name}.project.bn", value, cout)
    return graph.add(f"{name}.add", source, value) if stride == 1 and cin == cout else value


def _normalised(
    graph: GraphBuilder, name: str, source: str, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1
) -> str:
    """A convolution that keeps the size or halves it, batch normalisation and ReLU6."""
    around = (kernel // 2,) * 4
    value = graph.conv(name, source, cin, cout, (kernel, kernel), (stride, stride), around, groups=groups)
    return graph.relu6(f"{name}.relu6", graph.batch_norm(f"{name}.bn", value, cout))

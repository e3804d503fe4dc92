# SPDX-License-Identifier: Apache-2.0
"""Writes VGG16 (Simonyan and Zisserman, arXiv 1409.1556, configuration D) as float32 ONNX with seeded weights.

    python examples/vgg16.py vgg16.onnx
    pyimc sim --model vgg16.onnx --arch examples/vgg16.yaml --level cycle --images 3 --option slack_rows=0

Its 138 million weights take 4,248 planes of 256x128; the chip has 512, and a memory for the others.
"""

import sys

import onnx
from pyimc.mapping.models.builder import GraphBuilder

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16() -> onnx.ModelProto:
    """The network, 224 x 224 pixels to 1,000 classes."""
    graph = GraphBuilder("vgg16", (1, 3, 224, 224), seed=16)
    value, channels = graph.input, 3
    for stage, widths in enumerate(STAGES, start=1):
        for layer, width in enumerate(widths, start=1):
            name = f"conv{stage}_{layer}"
            value = graph.conv(name, value, channels, width, (3, 3), (1, 1), (1, 1, 1, 1), bias=True)
            value = graph.relu(f"relu{stage}_{layer}", value)
            channels = width
        value = graph.op("MaxPool", f"pool{stage}", [value], kernel_shape=(2, 2), strides=(2, 2))
    value = graph.op("Flatten", "flatten", [value])
    value = graph.relu("relu6", graph.gemm("fc6", value, 512 * 7 * 7, 4096))
    value = graph.relu("relu7", graph.gemm("fc7", value, 4096, 4096))
    return graph.finish(graph.gemm("fc8", value, 4096, 1000))


if __name__ == "__main__":
    onnx.save(vgg16(), sys.argv[1])

"""YOLOv8n (Ultralytics, 80 classes) for 320x320 images, with seeded weights.

The topology is the original's: C2f blocks, SPPF, a neck that joins three scales from the top down and back, and for
each scale a branch of 64 box logits (4 sides x 16 bins) and one of 80 class logits. 1.09 G multiply-accumulates and
3.15 M parameters. The six branches are the outputs; the host decodes boxes, takes sigmoids and suppresses overlaps.
The weights are random, so there is nothing to detect; shapes, ranges and the work are real.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from mapping.models.builder import GraphBuilder

SEED = 80
SIZE = 320
CLASSES = 80
BOX = 64


@dataclass(frozen=True, slots=True)
class _Map:
    tensor: str
    channels: int


def build() -> onnx.ModelProto:
    """The float32 model."""
    net = _Yolo(GraphBuilder("yolov8n", (1, 3, SIZE, SIZE), SEED))
    value = net.conv("stem", _Map(net.graph.input, 3), 16, 3, 2)
    scales = []
    for stage, (channels, blocks) in enumerate([(32, 1), (64, 2), (128, 2), (256, 1)], start=1):
        value = net.conv(f"stage{stage}.down", value, channels, 3, 2)
        value = net.c2f(f"stage{stage}", value, channels, blocks, shortcut=True)
        scales.append(value)
    _, small, middle, _ = scales
    large = net.pyramid_pooling("sppf", value)
    middle = net.c2f("neck1", net.concat("neck1.join", net.twice("neck1.up", large), middle), 128)
    small = net.c2f("neck2", net.concat("neck2.join", net.twice("neck2.up", middle), small), 64)
    middle = net.c2f("neck3", net.concat("neck3.join", net.conv("neck3.down", small, 64, 3, 2), middle), 128)
    large = net.c2f("neck4", net.concat("neck4.join", net.conv("neck4.down", middle, 128, 3, 2), large), 256)
    heads = [
        net.head(f"{name}.{branch}", scale, outputs)
        for name, scale in (("small", small), ("middle", middle), ("large", large))
        for branch, outputs in (("box", BOX), ("class", CLASSES))
    ]
    return net.graph.finish(*heads)


@dataclass(frozen=True, slots=True)
class _Yolo:
    """The blocks of the network, written into a graph."""

    graph: GraphBuilder

    def conv(self, name: str, source: _Map, channels: int, kernel: int, stride: int = 1) -> _Map:
        """A convolution that keeps the size or halves it, batch normalisation and SiLU."""
        around = (kernel // 2,) * 4
        value = self.graph.conv(
            name, source.tensor, source.channels, channels, (kernel, kernel), (stride, stride), around
        )
        value = self.graph.batch_norm(f"{name}.bn", value, channels)
        return _Map(self.graph.silu(f"{name}.silu", value), channels)

    def c2f(self, name: str, source: _Map, channels: int, blocks: int = 1, *, shortcut: bool = False) -> _Map:
        """Half of the channels bypass a row of bottlenecks; all that was computed on the way is joined."""
        half = channels // 2
        both = self.conv(f"{name}.enter", source, channels, 1)
        parts = [_Map(part, half) for part in self.graph.split(f"{name}.split", both.tensor, (half, half))]
        for block in range(blocks):
            before = parts[-1]
            value = self.conv(f"{name}.{block}.conv1", before, half, 3)
            value = self.conv(f"{name}.{block}.conv2", value, half, 3)
            if shortcut:
                value = _Map(self.graph.add(f"{name}.{block}.add", before.tensor, value.tensor), half)
            parts.append(value)
        return self.conv(f"{name}.leave", self.concat(f"{name}.concat", *parts), channels, 1)

    def pyramid_pooling(self, name: str, source: _Map) -> _Map:
        """The map joined with its maxima over 5x5, 9x9 and 13x13 pixels, each from the one before."""
        levels = [self.conv(f"{name}.enter", source, source.channels // 2, 1)]
        for level in range(3):
            tensor = self.graph.op(
                "MaxPool", f"{name}.pool{level + 1}", [levels[-1].tensor], kernel_shape=(5, 5), pads=(2, 2, 2, 2)
            )
            levels.append(_Map(tensor, levels[0].channels))
        return self.conv(f"{name}.leave", self.concat(f"{name}.concat", *levels), source.channels, 1)

    def concat(self, name: str, *parts: _Map) -> _Map:
        """The channels of all."""
        tensor = self.graph.op("Concat", name, [part.tensor for part in parts], axis=1)
        return _Map(tensor, sum(part.channels for part in parts))

    def twice(self, name: str, source: _Map) -> _Map:
        """Every pixel repeated in both directions."""
        scales = self.graph.constant(f"{name}.scales", np.array([1, 1, 2, 2], np.float32))
        tensor = self.graph.op(
            "Resize", name, [source.tensor, "", scales], mode="nearest", coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )  # fmt: skip
        return _Map(tensor, source.channels)

    def head(self, name: str, source: _Map, outputs: int) -> str:
        """One branch of one scale: logits for every pixel."""
        value = self.conv(f"{name}.conv1", source, outputs, 3)
        value = self.conv(f"{name}.conv2", value, outputs, 3)
        return self.graph.conv(f"{name}.conv3", value.tensor, outputs, outputs, (1, 1), bias=True)

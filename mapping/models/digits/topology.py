"""The layers of the digits network, shared by its ONNX model and its training script."""

from dataclasses import dataclass

IMAGE_SIZE = 8
CLASSES = 10


@dataclass(frozen=True, slots=True)
class ConvLayer:
    """A 3x3 convolution that pads by one pixel all around."""

    name: str
    channels_in: int
    channels_out: int
    stride: int


STEM = ConvLayer("conv1", 1, 16, 1)
DOWN = ConvLayer("conv2", 16, 32, 2)
RESIDUAL = (ConvLayer("conv3", 32, 32, 1), ConvLayer("conv4", 32, 32, 1))
CONVS = (STEM, DOWN, *RESIDUAL)
POOL = 2
FLAT = 32 * (IMAGE_SIZE // 2 // POOL) ** 2

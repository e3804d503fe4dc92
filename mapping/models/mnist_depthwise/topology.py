"""The mnist_depthwise network: a convolution, three depthwise and pointwise pairs, a mean and a layer."""

from dataclasses import dataclass

from mapping.models.digits.topology import ConvLayer

CLASSES = 10


@dataclass(frozen=True, slots=True)
class Block:
    """A 3x3 depthwise convolution that pads by one pixel, and a 1x1 one; each is rectified."""

    name: str
    channels_in: int
    channels_out: int
    stride: int


STEM = ConvLayer("conv", 1, 16, 2)
BLOCKS = (
    Block("block1", 16, 32, 1),
    Block("block2", 32, 64, 2),
    Block("block3", 64, 64, 1),
)

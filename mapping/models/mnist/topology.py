"""The mnist network: three convolutions, the first two of which halve the map, and a fully connected layer."""

from mapping.models.digits.topology import ConvLayer

IMAGE_SIZE = 28
CLASSES = 10
CONVS = (
    ConvLayer("conv1", 1, 8, 2),
    ConvLayer("conv2", 8, 16, 2),
    ConvLayer("conv3", 16, 32, 1),
)
FLAT = 32 * (IMAGE_SIZE // 4) ** 2

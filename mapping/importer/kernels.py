"""Kernels that a crossbar holds as dense ones: of groups and with dilation, their zeros written out.

A zero weight adds nothing, whatever the pixel: values are those of the ONNX operator, to the bit.
"""

import numpy as np
from numpy.typing import NDArray

from pyimc.network import Pair

Kernels = NDArray[np.int16]


def dilated(kernels: Kernels, steps: Pair) -> Kernels:
    """Kernels [Cout, Cin, Kh, Kw] with pixels `steps` apart, as ones without gaps."""
    height, width = ((size - 1) * step + 1 for size, step in zip(kernels.shape[2:], steps, strict=True))
    found = np.zeros((*kernels.shape[:2], height, width), kernels.dtype)
    found[:, :, :: steps[0], :: steps[1]] = kernels
    return found


def transposed(kernels: Kernels, groups: int) -> Kernels:
    """Kernels of a ConvTranspose [Cin, Cout / groups, Kh, Kw] as [Cout, Cin, Kh, Kw], taps where they were."""
    inputs, outputs, *size = kernels.shape
    blocks = kernels.reshape(groups, inputs // groups, outputs, *size).swapaxes(1, 2)
    return ungrouped(blocks.reshape(groups * outputs, inputs // groups, *size), groups)


def ungrouped(kernels: Kernels, groups: int) -> Kernels:
    """Kernels [Cout, Cin / groups, Kh, Kw] as [Cout, Cin, Kh, Kw]: a block on the diagonal for every group."""
    outputs, inputs = kernels.shape[0] // groups, kernels.shape[1]
    found = np.zeros((kernels.shape[0], inputs * groups, *kernels.shape[2:]), kernels.dtype)
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        found[rows, group * inputs : (group + 1) * inputs] = kernels[rows]
    return found

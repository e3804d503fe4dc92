"""Layers whose weights are 0 and 1: each value of the output is one of the input's, to the bit.

A crossbar that holds a selection moves what no engine moves: it puts channels in another order, or takes some of them.
"""

import numpy as np
from numpy.typing import NDArray

from pyimc.network import Mvm, Pair
from pyimc.numerics import UINT8_MAX


def selection(
    name: str, source: str, output: str, zero_point: int, kernels: NDArray[np.int8], stride: Pair = (1, 1)
) -> Mvm:  # fmt: skip
    """A layer without padding.

    Args:
        name: Of the node.
        source: Tensor that it reads.
        output: Tensor that it computes, of the same scale.
        zero_point: Of both.
        kernels: int8 [Cout, Kh, Kw, Cin], a single 1 for each output channel.
        stride: Vertical and horizontal step.
    """
    count, *kernel, _ = kernels.shape
    return Mvm(
        name=name,
        inputs=(source,),
        output=output,
        kernel=(kernel[0], kernel[1]),
        stride=stride,
        pads=(0, 0, 0, 0),
        weights=np.ascontiguousarray(kernels.reshape(count, kernel[0], -1)),
        bias=np.full(count, -zero_point, np.int32),
        multiplier=np.full(count, 1 << 30, np.int32),
        shift=np.full(count, 30, np.uint8),
        input_zero_point=zero_point,
        output_zero_point=zero_point,
        clamp=(0, UINT8_MAX),
    )

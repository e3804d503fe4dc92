"""Windows that slide over a padded map."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pyimc.tensors import Map, Pair, TensorType

Pads = tuple[int, int, int, int]
"""Top, left, bottom, right."""


def window_shape(size: Pair, kernel: Pair, stride: Pair, pads: Pads) -> Pair:
    """Output height and width of a window that slides over a padded map (both below 1 if it does not fit)."""
    height = (size[0] + pads[0] + pads[2] - kernel[0]) // stride[0] + 1
    width = (size[1] + pads[1] + pads[3] - kernel[1]) // stride[1] + 1
    return height, width


def valid_counts(size: Pair, kernel: Pair, stride: Pair, pads: Pads) -> NDArray[np.int64]:
    """How many pixels of each window lie inside the map.

    Args:
        size: Height and width of the map.
        kernel: Height and width of the window.
        stride: Vertical and horizontal step.
        pads: Top, left, bottom, right.

    Returns:
        int64 [output height, output width].
    """
    along = []
    for axis, count in enumerate(window_shape(size, kernel, stride, pads)):
        start = np.arange(count, dtype=np.int64) * stride[axis] - pads[axis]
        along.append(np.minimum(start + kernel[axis], size[axis]) - np.maximum(start, 0))
    rows, columns = (np.maximum(counts, 0) for counts in along)
    return np.multiply.outer(rows, columns)


def windows(image: Map, kernel: Pair, stride: Pair, pads: Pads, fill: int) -> Map:
    """All windows of a padded map, uint8 [height, width, Kh, Kw, channels], as a view."""
    top, left, bottom, right = pads
    padded = np.pad(image, ((top, bottom), (left, right), (0, 0)), constant_values=fill)
    found = sliding_window_view(padded, kernel, axis=(0, 1))[:: stride[0], :: stride[1]]
    return found.transpose(0, 1, 3, 4, 2)


def window_faults(source: TensorType, kernel: Pair, stride: Pair, pads: Pads) -> list[str]:
    """Why no window slides over a map."""
    if min(*kernel, *stride) < 1 or min(pads) < 0:
        return [f"kernel {kernel}, stride {stride} and pads {pads} are not possible"]
    if min(window_shape((source.height, source.width), kernel, stride, pads)) < 1:
        return [f"kernel {kernel} does not fit the padded map {source.shape}"]
    return []

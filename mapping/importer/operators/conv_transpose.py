"""ConvTranspose: a Conv with the pixels of a block as channels, and these channels as pixels.

With strides (s, t) every pixel of a block of s x t meets other weights of the kernel, which falls apart into as many
smaller ones: a Conv with s*t*C outputs on the small map, without zeros between pixels (Shi et al., "Is the
deconvolution layer the same as a convolutional layer?", arXiv 1609.07009).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mapping.importer.kernels import dilated, transposed
from mapping.importer.lowering import bias_vector, conv_weights, mvm, pair
from mapping.importer.values import Activation, Call, Operator, Pending, Target, Unsupported, same_rank
from pyimc.network import Crop, DepthToSpace, Node, Pair


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """How blocks of the result follow from the input, along rows or columns.

    Attributes:
        result: Pixels of the result.
        count: Blocks that hold it; the last one may be cut.
        taps: int [stride, window], for each pixel of a block the taps of the given kernel that the pixels of the small
            one's window meet; one beyond the last is none.
        before: Padding in front.
        behind: Padding behind.
    """

    result: int
    count: int
    taps: NDArray[np.int64]
    before: int
    behind: int


def lower(call: Call) -> Pending:
    """A transposed convolution with constant weights [Cin, Cout / groups, Kh, Kw] and an optional bias [Cout]."""
    source = call.activation(0)
    integers, scale = conv_weights(call, source, channel_axis=1)
    groups = call.attributes.get("group", 1)
    if integers.shape[0] != source.hwc[2] or integers.shape[0] % groups:
        raise Unsupported(f"weights for {integers.shape[0]} channels in {groups} groups on a map of {source.hwc[2]}")
    integers = dilated(transposed(integers, groups), pair(call.attributes.get("dilations", [1, 1])))
    stride, (rows, columns) = _blocks(call, source, (integers.shape[2], integers.shape[3]))
    outputs, pixels = integers.shape[0], stride[0] * stride[1]
    zero = np.pad(integers, ((0, 0), (0, 0), (0, 1), (0, 1)))
    apart = zero[:, :, rows.taps][..., columns.taps].transpose(2, 4, 0, 3, 5, 1)
    kernels = apart.reshape(pixels * outputs, *apart.shape[3:])
    bias = bias_vector(call, 2, outputs)
    if bias is not None:
        scales = None if bias.scale is None else np.tile(np.broadcast_to(bias.scale, outputs), pixels)
        bias = replace(bias, values=np.tile(np.broadcast_to(bias.values.reshape(-1), outputs), pixels), scale=scales)
    scale = np.tile(np.broadcast_to(scale, outputs // groups), groups * pixels)
    pads = (rows.before, columns.before, rows.behind, columns.behind)
    layer = mvm(call, source, kernels, scale, bias, (1, 1), pads)
    if pixels == 1:
        return layer

    def emit(target: Target) -> tuple[Node, ...]:
        blocks = f"{target.output}/blocks"
        kind = replace(target.kind, height=rows.count, width=columns.count, channels=pixels * outputs)
        target.tensors[blocks] = kind
        nodes = layer.emit(replace(target, output=blocks, kind=kind))
        if found[:2] == whole:
            return (*nodes, DepthToSpace(f"{target.name}/pixels", (blocks,), target.output, stride))
        spread = f"{target.output}/pixels"
        target.tensors[spread] = replace(target.kind, height=whole[0], width=whole[1])
        moved = DepthToSpace(f"{target.name}/pixels", (blocks,), spread, stride)
        return (*nodes, moved, Crop(f"{target.name}/crop", (spread,), target.output, (0, 0), (1, 1), found[:2]))

    found = (rows.result, columns.result, outputs)
    whole = (rows.count * stride[0], columns.count * stride[1])
    return Pending(emit, same_rank(source.shape, found), found, name=call.name)


def _blocks(call: Call, source: Activation, kernel: Pair) -> tuple[Pair, tuple[Blocks, Blocks]]:
    """Stride, and the blocks along rows and columns.

    Raises:
        Unsupported: An attribute is outside what the chip can do.
    """
    mode = call.attributes.get("auto_pad", "NOTSET")
    if mode not in ("NOTSET", "VALID"):
        raise Unsupported(f"auto_pad={mode} (only NOTSET and VALID)")
    if "output_shape" in call.attributes:
        raise Unsupported("output_shape is given (only pads and output_padding)")
    stride = pair(call.attributes.get("strides", [1, 1]))
    added = pair(call.attributes.get("output_padding", [0, 0]), 0)
    given = call.attributes.get("pads", [0, 0, 0, 0]) if mode == "NOTSET" else [0, 0, 0, 0]
    starts, ends = (pair(given[side : side + len(given) // 2], 0) for side in (0, len(given) // 2))
    if min(given) < 0:
        raise Unsupported(f"pads={list(given)} (only 0 and more)")
    along = []
    for axis in (0, 1):
        size, step, start = source.hwc[axis], stride[axis], starts[axis]
        result = step * (size - 1) + added[axis] + kernel[axis] - start - ends[axis]
        along.append(_along(kernel[axis], step, start, size, result))
    return stride, (along[0], along[1])


def _along(kernel: int, stride: int, start: int, size: int, result: int) -> Blocks:
    """Pixel r of block q gets tap s * j + r + start of the pixel q - j, for every j for which the kernel has it."""
    count = -(-result // stride)
    furthest = max(0, (kernel - 1 - start) // stride)
    nearest = min(0, count - size, -((stride - 1 + start) // stride))
    back = np.arange(furthest, nearest - 1, -1)
    taps = stride * back + np.arange(stride)[:, np.newaxis] + start
    taps = np.where((taps < 0) | (taps >= kernel), kernel, taps)
    return Blocks(result, count, taps, furthest, count - size - nearest)


LIMITS = (
    "maps and rows; weights and bias are constants; auto_pad is NOTSET or VALID; "
    "no output_shape; a result of no whole blocks of its strides is cut, by a node more"
)
OPERATORS = (Operator("ConvTranspose", lower, limits=LIMITS),)

"""DepthToSpace and SpaceToDepth: channels as pixels of a block, and back."""

from collections.abc import Callable

import numpy as np

from mapping.importer.lowering import copied
from mapping.importer.selection import selection
from mapping.importer.values import Activation, Call, Operator, Pending, Target, Unsupported
from pyimc.network import DepthToSpace, Node


def lower_depth_to_space(call: Call) -> Pending:
    """Both orders of channels: with mode=CRD a layer brings them into that of DCR first, in which pixels come first."""
    source, block = _source(call)
    height, width, channels = source.hwc
    pixels = block * block
    if channels % pixels:
        raise Unsupported(f"blocksize={block} on {channels} channels (only a number of channels that blocks divide)")
    mode = call.attributes.get("mode", "DCR")

    def emit(target: Target) -> tuple[Node, ...]:
        if mode == "DCR":
            return (DepthToSpace(target.name, (source.tensor,), target.output, (block, block)),)
        ordered = f"{target.output}/blocks"
        target.tensors[ordered] = target.tensors[source.tensor]
        order = np.arange(channels).reshape(-1, pixels).T.reshape(-1)
        kernels = np.eye(channels, dtype=np.int8)[order][:, np.newaxis, np.newaxis]
        zero_point = source.quantisation.zero_point
        return (
            selection(f"{target.name}/order", source.tensor, ordered, zero_point, kernels),
            DepthToSpace(target.name, (ordered,), target.output, (block, block)),
        )

    return _moved(call, source, (height * block, width * block, channels // pixels), emit)


def lower_space_to_depth(call: Call) -> Pending:
    """A layer with a kernel of a block, whose weights are 0 and 1."""
    source, block = _source(call)
    height, width, channels = source.hwc
    if height % block or width % block:
        raise Unsupported(f"blocksize={block} on a map of {height}x{width} (only one that blocks fill)")
    outputs = channels * block * block

    def emit(target: Target) -> tuple[Node, ...]:
        kernels = np.eye(outputs, dtype=np.int8).reshape(outputs, block, block, channels)
        zero_point = source.quantisation.zero_point
        return (selection(target.name, source.tensor, target.output, zero_point, kernels, (block, block)),)

    return _moved(call, source, (height // block, width // block, outputs), emit)


def _source(call: Call) -> tuple[Activation, int]:
    source = call.activation(0)
    if len(source.shape) != 4:
        raise Unsupported(f"input of shape {source.shape} (only a map of four dimensions)")
    block = call.attributes["blocksize"]
    if block < 2:
        raise Unsupported(f"blocksize={block} (only 2 and more)")
    return source, block


def _moved(
    call: Call, source: Activation, hwc: tuple[int, int, int], emit: Callable[[Target], tuple[Node, ...]]
) -> Pending:  # fmt: skip
    return Pending(copied(source, emit), (1, hwc[2], *hwc[:2]), hwc, name=call.name)


OPERATORS = (
    Operator("DepthToSpace", lower_depth_to_space, role="copy", limits="maps; mode=CRD takes a 1x1 layer first"),
    Operator(
        "SpaceToDepth",
        lower_space_to_depth,
        role="copy",
        limits="maps of whole blocks; a layer with weights of 0 and 1",
    ),
)

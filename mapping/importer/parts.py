"""Parts of tensors: some of the channels, under a name such as `conv[0:16]`.

Split and Slice cost no hardware where only parts of a tensor are read: what computes it is cut into nodes that compute
the parts, back to the Mvm whose output channels they are. Of a tensor that is read whole as well, and of the network's
input, a 1x1 layer copies the part, so that nothing is computed twice. A Concat of many has parts of its output between
its nodes: what is joined so far.
"""

import re
from dataclasses import replace

import numpy as np

from mapping.importer.selection import selection
from pyimc.network import (
    Concat,
    DepthToSpace,
    Matmul,
    Mvm,
    Network,
    Node,
    Normalise,
    Part,
    Pool,
    Softmax,
    Stored,
    TensorType,
    Transpose,
)

_PART = re.compile(r"(.+)\[(\d+):(\d+)\]")

_MIXING = (DepthToSpace, Matmul, Normalise, Softmax, Transpose)
"""Kinds that read all channels for some of their output, beside layers."""

Tensors = dict[str, TensorType]


def part_name(tensor: str, start: int, stop: int) -> str:
    """The name of some channels of a tensor, which may be a part itself."""
    whole, channels = part_of(tensor)
    offset = channels.start or 0
    return f"{whole}[{offset + start}:{offset + stop}]"


def part_of(name: str) -> tuple[str, slice]:
    """The tensor that a name belongs to, and which of its channels."""
    match = _PART.fullmatch(name)
    return (match[1], slice(int(match[2]), int(match[3]))) if match else (name, slice(None))


def compute_parts(network: Network) -> Network:
    """Add the nodes that compute the parts that are read but that no node computes; a tensor keeps its own node."""
    tensors, read_whole = dict(network.tensors), _read_whole(network)
    producers = {node.output: node for node in network.nodes}
    pieces = {node.output: [node] for node in network.nodes}

    copies: list[Node] = []

    def compute(name: str) -> None:
        if name in tensors:
            return
        whole, channels = part_of(name)
        copied = whole == network.input or isinstance(producers[whole], _MIXING)
        copied |= whole in read_whole and _is_dearer(producers[whole], tensors[whole])
        if copied and not tensors[whole].partial:
            tensors[name] = replace(tensors[whole], channels=channels.stop - channels.start)
            pieces.get(whole, copies).append(_copy(name, tensors[whole], producers.get(whole)))
            return
        node = producers[whole]
        while isinstance(node, Concat) and _begins(node, channels.stop, tensors):
            node = producers[node.inputs[0]]
        tensors[name] = replace(tensors[whole], channels=channels.stop - channels.start)
        piece = _piece(replace(node, name=f"{node.name}[{channels.start}:{channels.stop}]", output=name), tensors)
        for source in piece.inputs:
            compute(source)
        pieces[node.output].append(piece)

    for node in network.nodes:
        for name in node.inputs:
            compute(name)
    for name in network.outputs:
        compute(name)
    nodes = (*copies, *(node for group in pieces.values() for node in group))
    return replace(network, tensors=tensors, nodes=nodes)


def _read_whole(network: Network) -> set[str]:
    """Tensors that are read as they are by what an output depends on, or by the host.

    What treats channels one by one reads no more of its inputs than is read of its output; a layer reads all of them.
    """
    wholes, parts = set(network.outputs), {part_of(name)[0] for name in network.outputs}
    for node in reversed(network.nodes):
        mixes = isinstance(node, (Mvm, *_MIXING))
        if node.output in wholes or (mixes and part_of(node.output)[0] in parts):
            wholes.update(node.inputs)
        if node.output in wholes or part_of(node.output)[0] in parts:
            parts.update(part_of(name)[0] for name in node.inputs)
    return wholes


def _is_dearer(node: Node, output: TensorType) -> bool:
    """Whether computing a part of a node's output again takes more rows of a crossbar than copying it."""
    return not isinstance(node, Mvm) or node.weights[0].size > output.channels


def _copy(name: str, source: TensorType, producer: Node | None) -> Mvm:
    """A layer that copies some channels of a tensor: ones on the diagonal, from the bytes of these channels only."""
    whole, channels = part_of(name)
    count = channels.stop - channels.start
    copying = selection(
        f"{producer.name if producer else whole}[{channels.start}:{channels.stop}]", whole, name, source.zero_point,
        np.eye(count, dtype=np.int8)[:, np.newaxis, np.newaxis],
    )  # fmt: skip
    return replace(copying, part=Part((0, 1), (channels.start, channels.stop), (0, source.width)))


def _begins(node: Concat, stop: int, tensors: Tensors) -> bool:
    """Whether the first input is a part of the output, and goes as far as a channel."""
    first = node.inputs[0]
    return part_of(first)[0] == part_of(node.output)[0] and stop <= tensors[first].channels


def _piece(node: Node, tensors: Tensors) -> Node:
    """What computes the part of its output that a node is named after."""
    channels = part_of(node.output)[1]
    start, stop = channels.start, channels.stop

    def section(source: str, first: int, last: int) -> str:
        return source if (first, last) == (0, tensors[source].channels) else part_name(source, first, last)

    match node:
        case Stored():
            return replace(node, values=node.values[channels])
        case Mvm():
            return replace(
                node,
                inputs=(node.inputs[0], *(section(sums, start, stop) for sums in node.inputs[1:])),
                weights=node.weights[channels],
                bias=node.bias[channels],
                multiplier=node.multiplier[channels],
                shift=node.shift[channels],
                groups=1,
            )
        case Concat(axis="channels"):
            border = tensors[node.inputs[0]].channels
            if start < border < stop:
                first, second = node.inputs
                return replace(node, inputs=(section(first, start, border), section(second, 0, stop - border)))
            side = int(start >= border)
            return Pool(
                name=node.name,
                inputs=(section(node.inputs[side], start - side * border, stop - side * border),),
                output=node.output,
                mode="average",
                kernel=(1, 1),
                stride=(1, 1),
                pads=(0, 0, 0, 0),
                multipliers=np.array([0, node.multipliers[side]], np.int32),
                shift=node.shift,
                input_zero_point=node.input_zero_points[side],
                output_zero_point=node.output_zero_point,
                clamp=node.clamp,
            )
    return replace(node, inputs=tuple(section(source, start, stop) for source in node.inputs))

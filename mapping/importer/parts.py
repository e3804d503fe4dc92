"""Parts of tensors: some of the channels, under a name such as `conv[0:16]`.

Split and Slice cost no hardware: what computes a tensor is cut into nodes that compute the parts, back to the Mvm
whose output channels they are. A Concat of many has parts of its output between its nodes: what is joined so far.
"""

import re
from dataclasses import replace

import numpy as np

from pyimc.errors import UnsupportedOperator
from pyimc.network import Concat, Mvm, Network, Node, Pool, TensorType

_PART = re.compile(r"(.+)\[(\d+):(\d+)\]")

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
    """Add the nodes that compute the parts that are read but that no node computes; a tensor keeps its own node.

    Raises:
        UnsupportedOperator: Parts of the graph input are read.
    """
    tensors = dict(network.tensors)
    producers = {node.output: node for node in network.nodes}
    pieces = {node.output: [node] for node in network.nodes}

    def compute(name: str, reader: str) -> None:
        if name in tensors:
            return
        whole, channels = part_of(name)
        if whole == network.input:
            raise UnsupportedOperator(
                f"model {network.name}: {reader} reads channels {channels.start} to {channels.stop - 1} of the graph "
                "input, which stays whole; split it behind the first layer"
            )
        node = producers[whole]
        while isinstance(node, Concat) and _begins(node, channels.stop, tensors):
            node = producers[node.inputs[0]]
        tensors[name] = replace(tensors[whole], channels=channels.stop - channels.start)
        piece = _piece(replace(node, name=f"{node.name}[{channels.start}:{channels.stop}]", output=name), tensors)
        for source in piece.inputs:
            compute(source, reader)
        pieces[node.output].append(piece)

    for node in network.nodes:
        for name in node.inputs:
            compute(name, node.name)
    for name in network.outputs:
        compute(name, "the host")
    nodes = tuple(node for group in pieces.values() for node in group)
    return replace(network, tensors=tensors, nodes=nodes)


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

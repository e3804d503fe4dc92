"""Relays: a tensor with more consumers than its producer has destinations passes through nodes that hand it on.

A relay is a Lut that leaves every value as it is, on a digital unit: a cycle a word, and a packet to each of its own
consumers. Partial maps have no way through a digital unit and stay as they are; `mapping.actors.graph` refuses them.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pyimc.arch import Arch
from pyimc.network import Lut, Network, Node
from pyimc.program import HOST_SLOTS

IDENTITY = np.arange(256, dtype=np.uint8)


def add_relays(network: Network, arch: Arch) -> Network:
    """The network with as many relays as it takes; without digital units, the network as it is."""
    while arch.dpus and (crowded := next(_crowded(network, arch), None)):
        network = _relayed(network, crowded, arch.destinations)
    return network


def _crowded(network: Network, arch: Arch) -> Iterator[str]:
    """Tensors with more consumers than slots."""
    for tensor, kind in network.tensors.items():
        slots = HOST_SLOTS if tensor == network.input else arch.destinations
        taken = network.outputs.count(tensor)
        consumers = sum(node.inputs.count(tensor) for node in network.nodes)
        if not kind.partial and taken < slots and consumers + taken > slots and arch.destinations > 1:
            yield tensor


def _relayed(network: Network, tensor: str, share: int) -> Network:
    """Consumers in their order, up to `share` of them behind each relay."""
    first = sum(name.startswith(f"{tensor}/relay") for name in network.tensors)
    consumers = 0

    def source(name: str) -> str:
        nonlocal consumers
        consumers += name == tensor
        return f"{tensor}/relay{first + (consumers - 1) // share}" if name == tensor else name

    nodes = [replace(node, inputs=tuple(map(source, node.inputs))) for node in network.nodes]
    names = [f"{tensor}/relay{first + index}" for index in range(-(-consumers // share))]
    relays: list[Node] = [Lut(name, (tensor,), name, IDENTITY) for name in names]
    made = next((index + 1 for index, node in enumerate(network.nodes) if node.output == tensor), 0)
    types = {**network.tensors, **dict.fromkeys(names, network.tensors[tensor])}
    return replace(network, tensors=types, nodes=(*nodes[:made], *relays, *nodes[made:]))

"""Two passes over a network that change no output value: fuse clamps into producers, drop what nobody reads."""

from collections import Counter
from dataclasses import replace

from pyimc.network import Network, Node, Pool


def fuse_clamps(network: Network) -> Network:
    """Fold every 1x1 pool that only clamps into the node before it, where nobody else reads that node.

    A Relu that was quantised separately from its layer, with the same scale on both sides, is such a pool.
    """
    readers = Counter(name for node in network.nodes for name in node.inputs)
    readers.update(network.outputs)
    producers: dict[str, Node] = {}
    for node in network.nodes:
        if isinstance(node, Pool) and _only_clamps(node) and readers[node.inputs[0]] == 1:
            producer = producers.get(node.inputs[0])
            clamped = producer.clamped(node.clamp) if producer else None
            if clamped is not None:
                del producers[node.inputs[0]]
                node = replace(clamped, output=node.output)
        producers[node.output] = node
    return replace(network, nodes=tuple(producers.values()))


def _only_clamps(node: Pool) -> bool:
    same = node.kernel == node.stride == (1, 1) and node.pads == (0, 0, 0, 0)
    exact = int(node.multipliers[1]) == 1 << node.shift
    return same and exact and node.input_zero_point == node.output_zero_point


def prune(network: Network) -> Network:
    """Drop nodes and tensors that no output depends on."""
    needed = {network.input, *network.outputs}
    kept: list[Node] = []
    for node in reversed(network.nodes):
        if node.output in needed:
            kept.append(node)
            needed.update(node.inputs)
    tensors = {name: kind for name, kind in network.tensors.items() if name in needed}
    return replace(network, tensors=tensors, nodes=tuple(reversed(kept)))

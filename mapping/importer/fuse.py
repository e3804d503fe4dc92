"""Two passes over a network that change no output value: fuse clamps into producers, drop what nobody reads."""

from collections import Counter
from dataclasses import replace

import numpy as np

from pyimc.network import Lut, Network, Node, Pair, Pool, Resize


def fuse_clamps(network: Network) -> Network:
    """Fold every 1x1 pool that only clamps into the node before it, where nobody else reads that node.

    A Relu that was quantised separately from its layer, with the same scale on both sides, is such a pool.
    """
    readers = Counter(name for node in network.nodes for name in node.inputs)
    readers.update(network.outputs)
    producers: dict[str, Node] = {}
    for node in network.nodes:
        producer = producers.get(node.inputs[0])
        if isinstance(node, Pool) and _only_clamps(node) and readers[node.inputs[0]] == 1:
            clamped = _clamped(producer, node.clamp)
            if clamped is not None:
                del producers[node.inputs[0]]
                node = replace(clamped, output=node.output)
        producers[node.output] = node
    return replace(network, nodes=tuple(producers.values()))


def _clamped(node: Node | None, limits: Pair) -> Node | None:
    """A node that clamps its result, if it can."""
    match node:
        case None | Resize():
            return None
        case Lut():
            return replace(node, table=np.clip(node.table, *limits).astype(np.uint8))
        case _:
            low, high = (int(np.clip(limit, *limits)) for limit in node.clamp)
            return replace(node, clamp=(low, high))


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

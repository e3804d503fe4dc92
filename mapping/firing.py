"""The firings of an actor for one image: how a node is cut into the steps of its instruction stream.

The grain is one output row per firing. For output row r the head of the input channel is the first image row of
the window, max(0, r * stride - pad); `need` covers the kernel rows inside the image, `free` moves the head to the
first row of the next window, and the last firing frees what is left of the image, rows that no window reads too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pyimc.arch import Arch
from pyimc.errors import UnsupportedOperator
from pyimc.network import Add, Mvm, Network, Node, Pool, TensorType, output_shape

Fired = Mvm | Add | Pool
"""Nodes that an engine computes."""


@dataclass(frozen=True, slots=True)
class Firing:
    """The operands of one FIRE instruction; units as in `pyimc.isa.FIRE`."""

    need: int
    free: int
    take: int
    produce: int
    offset: int
    pixels: int
    x0: int
    top: int
    rows: int

    def needed(self, port: int) -> int:
        """Words that an input channel must hold."""
        return self.take if port else self.need

    def freed(self, port: int) -> int:
        """Words released from an input channel."""
        return self.take if port else self.free


def row_words(kind: TensorType, arch: Arch) -> int:
    """Words of one row of a map: dense bytes, padded to a whole word at the row's end."""
    return arch.words(kind.row_bytes)


def fired(nodes: list[Node]) -> list[Fired]:
    """The nodes themselves.

    Raises:
        UnsupportedOperator: No engine computes one of them.
    """
    others = [f"{type(node).__name__} ({node.name})" for node in nodes if not isinstance(node, Fired)]
    if others:
        raise UnsupportedOperator(f"no engine computes {', '.join(others)} yet")
    return [node for node in nodes if isinstance(node, Fired)]


def image_firings(network: Network, node: Node, arch: Arch) -> tuple[Firing, ...]:
    """All firings of a node for one image, in order.

    Raises:
        UnsupportedOperator: No engine computes it, or an output row's window lies wholly in the padding.
    """
    (node,) = fired([node])
    source = network.tensors[node.inputs[0]]
    produce = row_words(network.tensors[node.output], arch)
    height, width, _ = output_shape(network, node)
    if isinstance(node, Add):
        return (
            Firing(need=produce, free=produce, take=produce, produce=produce, offset=0, pixels=0, x0=0, top=0, rows=1),
        ) * height
    words = row_words(source, arch)
    starts = [row * node.stride[0] - node.pads[0] for row in range(height)]
    heads = [max(0, start) for start in starts] + [source.height]
    firings = []
    for row, start in enumerate(starts):
        rows = min(start + node.kernel[0], source.height) - heads[row]
        if rows < 1:
            raise UnsupportedOperator(
                f"node {node.name}: the window of output row {row} lies wholly in the padding (kernel {node.kernel}, "
                f"pads {node.pads}); pad by less than the kernel"
            )
        free = heads[row + 1] - heads[row]
        firings.append(
            Firing(
                need=max(rows, free) * words,
                free=free * words,
                take=0,
                produce=produce,
                offset=0,
                pixels=width,
                x0=-node.pads[1] * source.channels,
                top=heads[row] - start,
                rows=rows,
            )
        )
    return tuple(firings)


def runs(firings: tuple[Firing, ...]) -> Iterator[tuple[Firing, int]]:
    """Equal consecutive firings as (firing, count)."""
    count = 0
    for firing, following in zip(firings, (*firings[1:], None), strict=True):
        count += 1
        if firing != following:
            yield firing, count
            count = 0


def stream_length(firings: tuple[Firing, ...]) -> int:
    """Instructions of an actor: one or two per run, and the LOOP over the images."""
    return sum(min(count, 2) for _, count in runs(firings)) + 1

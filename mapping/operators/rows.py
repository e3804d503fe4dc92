"""Nodes that read every input from its head on, as much as an output row or some pixels of it need."""

from collections.abc import Sequence
from dataclasses import replace

from mapping.actors.firing import Firing, Pixels, row_words, segments
from pyimc.arch import Arch
from pyimc.network import Network, Node


def whole_rows(network: Network, node: Node, arch: Arch) -> tuple[Firing, ...]:
    """Firings that compute a row each, as one pixel."""
    target = network.target(node)
    reads = [row_words(source, arch) for source in network.sources(node)]
    return (row_firing(reads, row_words(target, arch), 1),) * target.height


def pixel_runs(
    network: Network, node: Node, arch: Arch, grain: Pixels, *, as_words: bool, inputs: int | None = None
) -> tuple[Firing, ...]:  # fmt: skip
    """Firings of some pixels of a row, whose inputs have the pixels of the output.

    Args:
        network: The network of the node.
        node: The node.
        arch: The chip.
        grain: Pixels of a firing.
        as_words: The engine counts words instead of pixels, as it looks at no pixel.
        inputs: How many inputs are read that way, the first ones; None: all.
    """
    target, sources = network.target(node), network.sources(node)[:inputs]
    row = []
    for _, pixels in segments(target, arch, grain, sources):
        words = arch.words(pixels * target.pixel_bytes)
        reads = [arch.words(pixels * source.pixel_bytes) for source in sources]
        row.append(row_firing(reads, words, words if as_words else pixels))
    return tuple(row) * target.height


def readings(network: Network, node: Node, arch: Arch, grain: Pixels, times: int) -> tuple[Firing, ...]:
    """Firings of some pixels of a row, each of which is read so many times in all."""
    found = pixel_runs(network, node, arch, grain, as_words=False)
    return tuple(replace(firing, pixels=firing.pixels * times) for firing in found)


def held(firings: Sequence[Firing], words: int) -> tuple[Firing, ...]:
    """The same with a further input, all of which every firing reads and the last one of the image gives back."""
    found = [replace(each, need=(*each.need, words), free=(*each.free, 0)) for each in firings]
    return (*found[:-1], replace(found[-1], free=(*firings[-1].free, words)))


def row_firing(reads: list[int], words: int, pixels: int) -> Firing:
    """Reads so many words of every input and is done with them."""
    return Firing(need=tuple(reads), free=tuple(reads), produce=words, offset=0, pixels=pixels, x0=0, top=0, rows=1)

"""Copies whose columns a pooling reads: each is pooled by itself, so that what is joined is the smaller map.

A copy then computes the columns that its own pixels of the pooled map need. Windows overlap: neighbouring copies both
compute the columns that both need, at most those of a window but one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pyimc.network import Mvm, Network, Pool, TensorType

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pooled:
    """A pooling behind copies.

    Attributes:
        pool: The pooling.
        columns: Of the layer that every copy computes, (first, end).
        pixels: Of the pooled rows that every copy ends up as, (first, end).
    """

    pool: Pool
    columns: tuple[Span, ...]
    pixels: tuple[Span, ...]

    def parts(self, pieces: Sequence[str], tensors: dict[str, TensorType]) -> Iterator[Pool]:
        """The pooling of every copy; adds the types of their outputs to `tensors`.

        Args:
            pieces: The outputs of the copies.
            tensors: Of the network.
        """
        pool = self.pool
        top, left, bottom, _ = pool.pads
        for index, piece in enumerate(pieces):
            (start, stop), (first, end) = self.columns[index], self.pixels[index]
            output = f"{pool.output}/c{index}"
            tensors[output] = replace(tensors[pool.output], width=end - first)
            before = start - (first * pool.stride[1] - left)
            after = (end - 1) * pool.stride[1] - left + pool.kernel[1] - stop
            pads = top, before, bottom, after
            yield replace(pool, name=f"{pool.name}/c{index}", inputs=(piece,), output=output, pads=pads)


def pool_behind(network: Network, layer: Mvm) -> Pool | None:
    """The pooling that alone reads a layer and makes its rows shorter, if there is one."""
    readers = [node for node in network.nodes if layer.output in node.inputs]
    if len(readers) != 1 or layer.output in network.outputs:
        return None
    (reader,) = readers
    return reader if isinstance(reader, Pool) and reader.stride[1] > 1 else None


def pooled(network: Network, layer: Mvm, ends: Sequence[int]) -> Pooled | None:
    """How copies of a layer are pooled each by itself; None if no pooling alone reads it, or a copy ends no window.

    Args:
        network: Of the whole layer.
        layer: The layer.
        ends: Where the copies' shares of its columns end, the last one at its width.
    """
    pool = pool_behind(network, layer)
    if pool is None or len(ends) < 2:
        return None
    kernel, stride, left = pool.kernel[1], pool.stride[1], pool.pads[1]
    width = network.tensors[layer.output].width
    needs = [min(pixel * stride - left + kernel, width) for pixel in range(network.tensors[pool.output].width)]
    done = [sum(need <= end for need in needs) for end in ends]
    pixels = tuple(zip([0, *done], done, strict=False))
    if any(first == end for first, end in pixels):
        return None
    return Pooled(pool, tuple((max(0, first * stride - left), needs[end - 1]) for first, end in pixels), pixels)

"""Nodes whose windows slide over a map: which words a firing needs, and which no later one does."""

from dataclasses import dataclass

from mapping.actors.firing import Firing, Pixels, row_words, segments
from pyimc.arch import Arch
from pyimc.network import Network, Node, Pads, Pair, TensorType


@dataclass(frozen=True, slots=True)
class Window:
    """How the windows of a node walk over its input.

    Attributes:
        rows: Kernel rows.
        y0: Input row of the first window's first kernel row; negative is padding.
        stride_y: Input rows from one output row to the next.
        x0: Byte of an input row at which the first window of a row starts; negative is padding.
        stride_x: Bytes from one window to the next.
        run: Bytes of one kernel row.
    """

    rows: int
    y0: int
    stride_y: int
    x0: int
    stride_x: int
    run: int


def channelwise(source: TensorType, kernel: Pair, stride: Pair, pads: Pads) -> Window:
    """How windows walk that treat every channel alike."""
    return Window(
        rows=kernel[0],
        y0=-pads[0],
        stride_y=stride[0],
        x0=-pads[1] * source.channels,
        stride_x=stride[1] * source.channels,
        run=kernel[1] * source.channels,
    )


def windowed(network: Network, node: Node, arch: Arch, grain: Pixels, window: Window) -> tuple[Firing, ...]:
    """The firings of a node with one such input; others are read pixel by pixel with the output."""
    (source, *others), target = network.sources(node), network.target(node)
    words, row_bytes = row_words(source, arch), source.row_bytes
    total = words * source.height
    places = [(y, *piece) for y in range(target.height) for piece in segments(target, arch, grain)]
    spans = []  # first word read and the end, of each firing; of one that reads nothing, the end before its start
    for y, first, pixels in places:
        upper = y * window.stride_y + window.y0
        above, below = max(0, upper), min(upper + window.rows, source.height)
        left = max(0, window.x0 + first * window.stride_x)
        right = min(row_bytes, window.x0 + (first + pixels - 1) * window.stride_x + window.run)
        reads = below > above and right > left
        spans.append((above * words + left // arch.lanes, (below - 1) * words + arch.words(right)) if reads else None)
    heads = [total]
    for span in reversed(spans):
        heads.append(min(heads[-1], span[0]) if span else heads[-1])
    heads.reverse()
    heads[0] = 0
    firings = []
    for (y, first, pixels), span, head, following in zip(places, spans, heads, heads[1:], strict=False):
        upper = y * window.stride_y + window.y0
        above, below = max(0, upper), min(upper + window.rows, source.height)
        free = following - head
        beside = [arch.words(pixels * other.pixel_bytes) for other in others]
        firings.append(
            Firing(
                need=(max(span[1] - head if span else head < total, free), *beside),
                free=(free, *beside),
                produce=arch.words(pixels * target.pixel_bytes),
                offset=head - above * words if span else 0,
                pixels=pixels,
                x0=window.x0 + first * window.stride_x,
                top=min(max(0, -upper), window.rows),
                rows=max(0, below - above),
            )
        )
    return tuple(firings)

"""The firings of an actor for one image: how a node is cut into the steps of its instruction stream.

The grain says how much of an output row one firing computes: all of it ("row"), or a number of pixels, rounded up to
whole words of output, or, of a layer, as many pixels as take some multiply-accumulates at most, so that firings of all
layers take the engine for about as long. "map" is row by row too, but the first firing of an image waits for the whole
of it, which makes the chip work layer by layer.

Positions in an input image are counted in words from its start. A firing needs the words up to the last one that any
of its windows reads. The head of the channel then moves to the first word that a later firing reads, so a word is
released as early as can be; the last firing releases what is left of the image, words that no window reads too. One
that reads only padding waits for a word all the same while its image has any left: it must not run ahead of the host.
Resize, and maps that are joined side by side, are row by row at every grain.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd
from typing import Literal

from pyimc.arch import Arch
from pyimc.errors import ConfigError
from pyimc.network import Add, Concat, Lut, Mvm, Network, Node, Pool, Resize, TensorType, output_shape, part_of


@dataclass(frozen=True, slots=True)
class Macs:
    """The multiply-accumulates of a firing, at most, unless a pixel takes more; nodes without any work row by row."""

    most: int

    def __str__(self) -> str:
        return f"{self.most}macs"


Pixels = Literal["row", "map"] | int
"""A number is output pixels per firing."""

Grain = Pixels | Macs


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


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive firings that a stream writes once: `firings` as a body, executed `count` times."""

    firings: tuple[Firing, ...]
    count: int


@dataclass(frozen=True, slots=True)
class _Window:
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


def read_grain(value: int | str) -> Grain:
    """The grain that a user asks for; "pixel" is one pixel.

    Raises:
        ConfigError: Neither a name nor a number of pixels.
    """
    if value == "pixel":
        return 1
    if value == "row":
        return "row"
    if value == "map":
        return "map"
    if isinstance(value, int) and value > 0:
        return value
    if isinstance(value, str) and (number := value.removesuffix("macs")).isdigit() and number != value:
        return Macs(int(number))
    raise ConfigError(
        f"option grain is '{value}', must be pixel, row, map, a number of pixels, 1 or more, or such as 100000macs"
    )


def row_words(kind: TensorType, arch: Arch) -> int:
    """Words of one row of a map: dense bytes, padded to a whole word at the row's end."""
    return arch.words(kind.row_bytes)


def image_firings(network: Network, node: Node, arch: Arch, grain: Grain = "row") -> tuple[Firing, ...]:
    """All firings of a node for one image, in order."""
    source = network.tensors[node.inputs[0]]
    if isinstance(grain, Macs):
        grain = max(1, grain.most // node.weights.size) if isinstance(node, Mvm) else "row"
    match node:
        case Add() | Concat():
            return _rows(network, node, arch, grain)
        case Lut():
            firings = _rows(network, node, arch, grain)
        case Resize():
            firings = _repeated_rows(network, node, arch)
        case _:
            firings = _windowed(network, node, arch, grain)
    if grain == "map":
        return (replace(firings[0], need=row_words(source, arch) * source.height), *firings[1:])
    return firings


def repetition(network: Network, node: Node) -> int:
    """How often the firings of an image do the same, but for its borders: once for an output row, or a read one."""
    return network.tensors[node.inputs[0] if isinstance(node, Resize) else node.output].height


def segments(
    kind: TensorType, arch: Arch, grain: Pixels, inputs: tuple[TensorType, ...] = ()
) -> tuple[tuple[int, int], ...]:
    """First pixel and length of the runs of output pixels that the firings of one row compute.

    All but the last are whole words of the output, and of `inputs`, whose pixels are those of the output.
    """
    if isinstance(grain, str):
        return ((0, kind.width),)
    whole = max(arch.lanes // gcd(each.pixel_bytes, arch.lanes) for each in (kind, *inputs))  # powers of two
    size = -(-grain // whole) * whole
    return tuple((first, min(size, kind.width - first)) for first in range(0, kind.width, size))


def _rows(network: Network, node: Add | Concat | Lut, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    """Firings that read every input from its head on; maps side by side only row by row."""
    kind, sources = network.tensors[node.output], [network.tensors[name] for name in node.inputs]
    if isinstance(node, Concat) and node.axis == "columns":
        pieces = [([row_words(source, arch) for source in sources], row_words(kind, arch), 1)]
    else:
        pieces = []
        for _, pixels in segments(kind, arch, grain, tuple(sources)):
            reads = [arch.words(pixels * source.pixel_bytes) for source in sources]
            words = arch.words(pixels * kind.pixel_bytes)
            pieces.append((reads, words, pixels if isinstance(node, Concat) else words))
    row = tuple(
        Firing(
            need=reads[0],
            free=reads[0],
            take=sum(reads[1:]),
            produce=words,
            offset=0,
            pixels=pixels,
            x0=0,
            top=0,
            rows=1,
        )
        for reads, words, pixels in pieces
    )
    return row * kind.height


def _repeated_rows(network: Network, node: Resize, arch: Arch) -> tuple[Firing, ...]:
    """Firings of whole rows, of which the last one of a kind releases what they read."""
    source, target = network.tensors[node.inputs[0]], network.tensors[node.output]
    words, produce = row_words(source, arch), row_words(target, arch)
    last = Firing(
        need=words, free=words, take=0, produce=produce, offset=0, pixels=target.width, x0=0, top=0, rows=1
    )  # fmt: skip
    return (*[replace(last, free=0)] * (node.factor - 1), last) * source.height


def _window(network: Network, node: Mvm | Pool) -> _Window:
    channels = network.tensors[node.inputs[0]].channels
    if isinstance(node, Pool):
        rows, columns, run = (0, node.kernel[0]), 0, (0, node.kernel[1] * channels)
    else:
        part = part_of(network, node)
        rows, columns, run = part.rows, part.columns[0], part.run
    return _Window(
        rows=rows[1] - rows[0],
        y0=rows[0] - node.pads[0],
        stride_y=node.stride[0],
        x0=(columns * node.stride[1] - node.pads[1]) * channels + run[0],
        stride_x=node.stride[1] * channels,
        run=run[1] - run[0],
    )


def _windowed(network: Network, node: Mvm | Pool, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    source, target = network.tensors[node.inputs[0]], network.tensors[node.output]
    window = _window(network, node)
    words, row_bytes = row_words(source, arch), source.row_bytes
    total = words * source.height
    places = [(y, *piece) for y in range(output_shape(network, node)[0]) for piece in segments(target, arch, grain)]
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
        firings.append(
            Firing(
                need=max(span[1] - head if span else head < total, free),
                free=free,
                take=sum(arch.words(pixels * network.tensors[name].pixel_bytes) for name in node.inputs[1:]),
                produce=arch.words(pixels * target.pixel_bytes),
                offset=head - above * words if span else 0,
                pixels=pixels,
                x0=window.x0 + first * window.stride_x,
                top=min(max(0, -upper), window.rows),
                rows=max(0, below - above),
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


def stream_runs(firings: tuple[Firing, ...], per_row: int) -> Iterator[Run]:
    """The runs of a stream: rows of equal firings, once with their count.

    Args:
        firings: Of one image.
        per_row: Firings of one output row.
    """
    rows = [firings[at : at + per_row] for at in range(0, len(firings), per_row)]
    count = 0
    for row, following in zip(rows, (*rows[1:], None), strict=True):
        count += 1
        if row != following:
            yield Run(row, count)
            count = 0


def stream_length(firings: tuple[Firing, ...], per_row: int) -> int:
    """Instructions of an actor: one or two per run of firings, a LOOP per run of rows, the LOOP over the images."""
    length = 1
    for row in stream_runs(firings, per_row):
        body = sum(min(count, 2) for _, count in runs(row.firings))
        length += body if row.count == 1 else 2 if body == 1 else body + 1
    return length

"""The firings of an actor for one image: how a node is cut into the steps of its instruction stream.

The grain says how much of an output row one firing computes: all of it ("row"), or a number of pixels, rounded up to
whole words of output, or, of a layer, as many pixels as take some multiply-accumulates at most, so that firings of all
layers take the engine for about as long. "map" is row by row too, but the first firing of an image waits for the whole
of it, which makes the chip work layer by layer.

Positions in an input image are counted in words from its start. A firing needs the words up to the last one that any
of its windows reads. The head of the channel then moves to the first word that a later firing reads, so a word is
released as early as can be; the last firing releases what is left of the image, words that no window reads too. One
that reads only padding waits for a word all the same while its image has any left: it must not run ahead of the host.
Resize, DepthToSpace, and maps that are joined side by side, are row by row at every grain.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd
from typing import Literal

from pyimc.arch import Arch
from pyimc.errors import ConfigError
from pyimc.tensors import TensorType


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
    """The operands of one FIRE instruction; units as in `pyimc.isa.FIRE`.

    Attributes:
        need: Words that each input channel must hold.
        free: Words released from each.
        produce: Words sent to every destination.
        offset: From the first row read to the head of channel 0.
        pixels: Output pixels.
        x0: Where the first window starts in its row.
        top: Kernel rows above the image.
        rows: Kernel rows inside it.
        claimed: Room that it takes at every destination, if that is not what it produces.
    """

    need: tuple[int, ...]
    free: tuple[int, ...]
    produce: int
    offset: int
    pixels: int
    x0: int
    top: int
    rows: int
    claimed: int | None = None

    @property
    def claims(self) -> int:
        """Room that it takes at every destination, in words."""
        return self.produce if self.claimed is None else self.claimed


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive firings that a stream writes once: `firings` as a body, executed `count` times."""

    firings: tuple[Firing, ...]
    count: int


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


def waiting(firings: tuple[Firing, ...], source: TensorType, arch: Arch) -> tuple[Firing, ...]:
    """The same firings, of which the first waits for the whole of a map."""
    first, *others = firings
    return (replace(first, need=(row_words(source, arch) * source.height, *first.need[1:])), *others)


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

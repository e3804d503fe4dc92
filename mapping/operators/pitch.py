"""Whole maps that are read pixel by pixel, over the ends of their rows."""

from mapping.actors.firing import row_words
from pyimc.arch import Arch
from pyimc.tensors import TensorType

BYTES_MAX = (1 << 16) - 1
"""That the engine counts in a map which it reads as one row."""


def pixel_pitch(kind: TensorType, arch: Arch) -> int:
    """Bytes in its ring from a pixel to the next; several rows of pixels must fill whole words (`pitch_faults`)."""
    return row_words(kind, arch) * arch.lanes if kind.width == 1 else kind.pixel_bytes


def map_words(kind: TensorType, arch: Arch) -> int:
    """Words of a whole map."""
    return kind.height * row_words(kind, arch)


def pitch_faults(kind: TensorType, arch: Arch) -> tuple[str, ...]:
    """Why a map cannot be read so."""
    if kind.height > 1 and kind.width > 1 and kind.row_bytes % arch.lanes:
        return (
            f"reads a whole map whose rows of {kind.row_bytes} bytes end within a word of {arch.lanes}; "
            "it can with rows of whole words, or with all its pixels in one row or column",
        )
    size = map_words(kind, arch) * arch.lanes
    return (f"reads a whole map of {size} bytes, {BYTES_MAX} is the most",) if size > BYTES_MAX else ()

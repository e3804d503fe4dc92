"""Pictures as pixels of 8 bits, grey or RGB, whatever the file holds; what cannot be read right is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mapping.importer.onnx_model import one_line
from pyimc.errors import ConfigError

ImageShape = tuple[int, int, int]
"""Channels, height, width."""

SUFFIXES = frozenset(Image.registered_extensions())
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def picture(path: Path, channels: int) -> Image.Image:
    """A picture in mode L or RGB, upright as its camera noted.

    Sixteen bits are scaled to eight, float values are of 0..1, palettes and other colour spaces are converted, what is
    transparent shows white.

    Args:
        path: In any format that Pillow reads.
        channels: 1 or 3.

    Raises:
        ConfigError: It is no picture, is damaged, is too large to be one, or its values have no known range.
    """
    if channels not in (1, 3):
        raise ConfigError(f"{path}: a picture has 1 or 3 channels, the model wants {channels}; give a .npy file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                opened.load()
                found = _eight_bits(path, ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError as error:
        raise ConfigError(f"{path}: too large a picture ({one_line(error)}); make it smaller") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, MemoryError) as error:
        raise ConfigError(f"{path}: not a picture ({one_line(error)}); give a picture or a .npy file") from error
    if found.has_transparency_data:
        coloured = found.convert("RGBA")
        found = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return found.convert("L" if channels == 1 else "RGB")


def _eight_bits(path: Path, found: Image.Image) -> Image.Image:
    if found.mode == "F":
        values = np.asarray(found)
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):
            raise ConfigError(
                f"{path}: a picture of float values from {low:g} to {high:g}, needs 0..1; give them as a .npy file"
            )
        return Image.fromarray(np.rint(values * 255).astype(np.uint8))
    if found.mode in _SIXTEEN_BITS:
        values = np.asarray(found).astype(np.int64)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise ConfigError(f"{path}: pixels from {low} to {high}, needs 8 or 16 bits; give them as a .npy file")
        return Image.fromarray(np.rint(values / 257).astype(np.uint8))
    return found


def resized(found: Image.Image, height: int, width: int, shorter: int | None) -> NDArray[np.uint8]:
    """Pixels of a given size, uint8 [C, height, width], with bilinear filtering over the area of each.

    Args:
        found: In mode L or RGB.
        height: In pixels.
        width: In pixels.
        shorter: Of the picture's shorter side before the middle is cut out; None: the whole picture is stretched.

    Raises:
        ConfigError: The middle is larger than the picture.
    """
    if shorter:
        factor = shorter / min(found.size)
        size = (max(1, round(found.width * factor)), max(1, round(found.height * factor)))
        if size[0] < width or size[1] < height:
            raise ConfigError(f"preprocess: resize {shorter} is too small to cut {height} x {width} pixels out")
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        found = found.resize(size, Image.Resampling.BILINEAR).crop((left, top, left + width, top + height))
    else:
        found = found.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(found, np.uint8)
    return np.ascontiguousarray(pixels.reshape(height, width, -1).transpose(2, 0, 1))


def view(found: Image.Image, index: int) -> Image.Image:
    """The whole picture for index 0, then crops of 7/8 of it at shifted places, every other one mirrored."""
    if index == 0:
        return found
    width, height = (side * 7 // 8 or 1 for side in found.size)
    left = index * 37 % (found.width - width + 1)
    top = index * 23 % (found.height - height + 1)
    cut = found.crop((left, top, left + width, top + height))
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if index % 2 else cut

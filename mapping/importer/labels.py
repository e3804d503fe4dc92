"""The true classes of images, from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapping.importer.onnx_model import one_line
from pyimc.errors import ConfigError

FORMS = "give a text with a class a line in the order of the images, or a name and a class; or a .npy file of classes"


def read_labels(
    path: Path, names: tuple[str, ...] | None, count: int, values: NDArray[Any] | None = None
) -> tuple[int, ...]:
    """The class of each image, a number from 0 on.

    Args:
        path: A `.npy` file of whole numbers, or a text: each line a class, in the order of the images, or the name of
            an image and its class.
        names: Of the images' files, within their folder; None if they have none.
        count: How many images there are.
        values: What the file holds, if it has been read.

    Raises:
        ConfigError: It cannot be read, holds other things, or not one class for each image.
    """
    if values is None:
        values = _array(path) if path.suffix == ".npy" else _text(path, names)
    flat = np.asarray(values).reshape(-1)
    if flat.dtype.kind not in "iu" or (flat < 0).any():
        raise ConfigError(f"{path}: holds {flat.dtype}, needs classes as whole numbers from 0 on; {FORMS}")
    if len(flat) != count:
        raise ConfigError(f"{path}: has {len(flat)} classes for {count} images; {FORMS}")
    return tuple(int(value) for value in flat)


def _array(path: Path) -> NDArray[Any]:
    try:
        found: NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ConfigError(f"{path}: not a .npy file ({one_line(error)}); {FORMS}") from error
    return found


def _text(path: Path, names: tuple[str, ...] | None) -> NDArray[np.int64]:
    try:
        lines = [line.rsplit(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({one_line(error)}); {FORMS}") from error
    odd = next((" ".join(words) for words in lines if not words[-1].isdecimal()), None)
    if odd is not None:
        raise ConfigError(f"{path}: '{odd}' does not end in a class, a whole number from 0 on; {FORMS}")
    if all(len(words) == 1 for words in lines):
        return np.array([int(words[0]) for words in lines], np.int64)
    if names is None:
        raise ConfigError(f"{path}: has names, but the images come from an array; {FORMS}")
    known = {words[0].strip(): int(words[-1]) for words in lines if len(words) == 2}
    missing = [name for name in names if name not in known]
    if missing:
        raise ConfigError(f"{path}: says nothing of {len(missing)} of {len(names)} images, {missing[0]} the first")
    return np.array([known[name] for name in names], np.int64)

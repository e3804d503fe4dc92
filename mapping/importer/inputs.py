"""Model inputs: pictures, folders and arrays brought to the shape and range that a model expects, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapping.importer.labels import read_labels
from mapping.importer.onnx_model import one_line
from mapping.importer.pictures import SUFFIXES, ImageShape, picture, resized, view
from mapping.importer.preprocess import Preprocess
from pyimc.errors import ConfigError
from pyimc.network import Network

_ASSETS = Path(__file__).parents[1] / "models"
PHOTO = _ASSETS / "photo.jpg"
KINDS = "a picture, a folder of pictures, a .npy file, or a .npz file with x (and y)"
_FINITE_CHUNK = 64  # images looked at at once

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Images that can be read one at a time, in any order, any number of times.

    Attributes:
        size: How many there are; None: as many as one wants.
        read: Gives the image of an index, float32 [C, H, W].
        names: Files of the images, within their folder; empty if they have none.
        labels: The true class of each, if known.
        pixels: Whether they were pixels that were preprocessed, and not values for the model as they are.
    """

    size: int | None
    read: Callable[[int], Floats]
    names: tuple[str, ...] = ()
    labels: tuple[int, ...] | None = None
    pixels: bool = True

    def first(self, count: int) -> Inputs:
        """The first images, from the start again when there are fewer."""
        return Inputs(self, count)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The first images of a source."""

    source: Source
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Floats]:
        return map(self.__getitem__, range(self.count))

    def __getitem__(self, index: int) -> Floats:
        return self.source.read(self._place(index))

    @property
    def images(self) -> Floats:
        """All of them at once, float32 [N, C, H, W]."""
        return np.stack(list(self))

    @property
    def labels(self) -> tuple[int, ...] | None:
        """The true class of each, if known."""
        known = self.source.labels
        return None if known is None else tuple(known[self._place(index)] for index in range(self.count))

    def _place(self, index: int) -> int:
        return index % self.source.size if self.source.size else index


def load_source(
    path: Path, shape: ImageShape, preprocess: Preprocess, labels: Path | None = None,
    parts: Mapping[str, int] | None = None,
) -> Source:  # fmt: skip
    """Images of a file or a folder.

    A picture gives any number of different images: the whole of it first, then shifted and mirrored crops. A folder
    gives its pictures in the order of their names; if it holds folders instead, these are the classes, in the order of
    theirs. An array holds float32 values for the model as they are, or uint8 pixels to be preprocessed, as CHW or HWC
    with or without a leading N. A `.npz` file holds one as `x`, and may hold classes as `y`; of a model with several
    inputs it holds an array of float32 values by the name of each.

    Args:
        path: As above.
        shape: Channels, height, width of the model's input.
        preprocess: How pixels become model input.
        labels: A file with classes, see `mapping.importer.labels`.
        parts: Channels of each of several inputs by their names, see `mapping.importer.joined`.

    Raises:
        ConfigError: Something is missing, unreadable, or does not match the model.
    """
    if parts:
        source = _of_several(path, shape, parts)
    elif path.is_dir():
        source = _of_folder(path, shape, preprocess)
    elif not path.is_file():
        raise ConfigError(f"{path}: no such file; give {KINDS}")
    elif path.suffix in (".npy", ".npz"):
        source = _of_arrays(path, shape, preprocess)
    else:
        source = _of_picture(path, shape, preprocess)
    if labels is None:
        return source
    if source.size is None:
        raise ConfigError(f"{labels}: {path} is one picture, its crops have no labels; give a folder or an array")
    return replace(source, labels=read_labels(labels, source.names or None, source.size))


def load_inputs(path: Path, shape: ImageShape, count: int, preprocess: Preprocess) -> Inputs:
    """The first `count` images of `load_source`."""
    return load_source(path, shape, preprocess).first(count)


def load_set(path: Path, white: int) -> Source:
    """The labelled test set of a built-in model: uint8 images of 0 to `white`, channels first, values from 0 to 1."""
    with np.load(path) as stored:
        images, labels = stored["images"], stored["labels"]
    if images.ndim == 3:
        images = images[:, np.newaxis]
    return Source(
        len(labels),
        lambda index: images[index].astype(np.float32) / np.float32(white),
        labels=tuple(int(label) for label in labels),
        pixels=False,
    )


def random_inputs(shape: ImageShape, seed: int = 0) -> Source:
    """Uniform values in 0..1 for a model whose input is not a picture."""

    def read(index: int) -> Floats:
        return np.random.default_rng((seed, index)).random(shape, dtype=np.float32)

    return Source(None, read, pixels=False)


def default_source(shape: ImageShape, preprocess: Preprocess) -> Source:
    """The stored photograph, or seeded random values for a model whose input is not a picture."""
    if shape[0] not in (1, 3) or shape[1] == 1:
        return random_inputs(shape)
    return load_source(PHOTO, shape, preprocess)


def quantise_input(network: Network, image: Floats) -> NDArray[np.uint8]:
    """Quantise one image as the host does, in float32 and rounding half to even like ONNX's QuantizeLinear.

    Args:
        network: The network, whose input has scale, zero point and shape.
        image: float32 (C, H, W).

    Returns:
        uint8 [H, W, C].

    Raises:
        ConfigError: The image has another shape than the network's input.
    """
    steps = _steps(network, image)
    return np.ascontiguousarray(np.clip(steps, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def share_outside(network: Network, image: Floats) -> float:
    """The share of an image's values, float32 (C, H, W), that lie outside what the network's input can hold."""
    steps = _steps(network, image)
    return float(np.mean((steps < 0) | (steps > 255)))


def _steps(network: Network, image: Floats) -> Floats:
    kind = network.tensors[network.input]
    expected = (kind.channels, kind.height, kind.width)
    if image.shape != expected:
        raise ConfigError(f"network {network.name}: its input is (C, H, W) = {expected}, got {image.shape}")
    return np.asarray(np.rint(image.astype(np.float32) / np.float32(kind.scale)) + np.float32(kind.zero_point))


def _of_picture(path: Path, shape: ImageShape, preprocess: Preprocess) -> Source:
    channels, height, width = shape
    whole = picture(path, channels)

    def read(index: int) -> Floats:
        return preprocess.apply(resized(view(whole, index), height, width, preprocess.resize))

    return Source(None, read)


def _of_folder(folder: Path, shape: ImageShape, preprocess: Preprocess) -> Source:
    channels, height, width = shape
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and _pictures(path))
    files = _pictures(folder)
    labels = None
    if classes and not files:
        files = [file for each in classes for file in _pictures(each)]
        labels = tuple(classes.index(file.parent) for file in files)
    if not files:
        raise ConfigError(f"{folder}: holds no pictures, nor folders of pictures; give {KINDS}")

    def read(index: int) -> Floats:
        return preprocess.apply(resized(picture(files[index], channels), height, width, preprocess.resize))

    read(0)  # a model of other channels is found out at once
    names = tuple(file.relative_to(folder).as_posix() for file in files)
    return Source(len(files), read, names, labels)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _of_arrays(path: Path, shape: ImageShape, preprocess: Preprocess) -> Source:
    labels: NDArray[Any] | None = None
    with _readable(path):
        if path.suffix == ".npy":
            stored = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            with np.load(path, allow_pickle=False) as arrays:
                if "x" not in arrays:
                    raise ConfigError(f"{path}: holds {', '.join(arrays) or 'nothing'}, needs x (and y)")
                stored, labels = arrays["x"], arrays.get("y")
    batch = _batch(path, stored, shape)
    _require_finite(path, batch)

    def read(index: int) -> Floats:
        image = np.asarray(batch[index])
        return preprocess.apply(image) if image.dtype == np.uint8 else image

    known = None if labels is None else read_labels(path, None, len(batch), labels)
    return Source(len(batch), read, labels=known, pixels=batch.dtype == np.uint8)


def _of_several(path: Path, shape: ImageShape, parts: Mapping[str, int]) -> Source:
    wanted = f"the model has the inputs {', '.join(parts)}; write an array of each by its name into one .npz file"
    if path.suffix != ".npz" or not path.is_file():
        raise ConfigError(f"{path}: {wanted}")
    with _readable(path), np.load(path, allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in arrays}
    if missing := [name for name in parts if name not in stored]:
        raise ConfigError(f"{path}: holds {', '.join(stored) or 'nothing'}, not {', '.join(missing)}; {wanted}")
    batches = [_batch(path, stored[name], (channels, *shape[1:])) for name, channels in parts.items()]
    if any(batch.dtype != np.float32 for batch in batches):
        raise ConfigError(f"{path}: several inputs are float32 values for the model as they are; convert them")
    if len({len(batch) for batch in batches}) > 1:
        counts = ", ".join(f"{name} {len(batch)}" for name, batch in zip(parts, batches, strict=True))
        raise ConfigError(f"{path}: holds {counts} images; every input needs as many")
    for batch in batches:
        _require_finite(path, batch)
    known = read_labels(path, None, len(batches[0]), stored["y"]) if "y" in stored and "y" not in parts else None
    return Source(
        len(batches[0]), lambda index: np.concatenate([batch[index] for batch in batches]), labels=known, pixels=False
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Says that a file of arrays is none in one line."""
    try:
        yield
    except (ValueError, EOFError, OSError, KeyError) as error:
        raise ConfigError(f"{path}: not a {path.suffix} file ({one_line(error)}); write it with numpy") from error


def _require_finite(path: Path, batch: NDArray[Any]) -> None:
    for first in range(0, len(batch), _FINITE_CHUNK):
        if batch.dtype == np.float32 and not np.isfinite(batch[first : first + _FINITE_CHUNK]).all():
            raise ConfigError(f"{path}: holds values that are not finite; clean it")


def _batch(path: Path, stored: NDArray[Any], shape: ImageShape) -> NDArray[Any]:
    """The array as [N, C, H, W]."""
    if stored.dtype not in (np.dtype(np.float32), np.dtype(np.uint8)):
        raise ConfigError(f"{path}: holds {stored.dtype}, needs float32 values or uint8 pixels; convert it")
    if stored.shape == shape or stored.shape == (*shape[1:], shape[0]):
        batch = stored[np.newaxis]
    elif (shape[1:] == (1, 1) and stored.shape[-1:] == shape[:1] and stored.ndim <= 2) or (
        shape[1] == 1 and stored.shape[-2:] == (shape[0], shape[2]) and stored.ndim <= 3
    ):
        batch = stored.reshape(-1, *shape)
    elif shape[0] == 1 and stored.ndim == 3 and stored.shape[1:] == shape[1:]:
        batch = stored[:, np.newaxis]
    else:
        batch = stored
    if batch.ndim == 4 and batch.shape[1:] != shape and batch.shape[1:] == (*shape[1:], shape[0]):
        batch = batch.transpose(0, 3, 1, 2)
    if batch.ndim != 4 or batch.shape[1:] != shape or not len(batch):
        raise ConfigError(
            f"{path}: holds shape {stored.shape}, the model wants (C, H, W) = {shape}, with or without a leading N; "
            "reshape or resize it"
        )
    return batch

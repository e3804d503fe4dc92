"""Model inputs: images and `.npy` files brought to the shape and range that a model expects."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mapping.importer.onnx_model import one_line
from pyimc.errors import ConfigError
from pyimc.network import Network

_ASSETS = Path(__file__).parents[1] / "models"
PHOTO = _ASSETS / "photo.jpg"
DIGITS = _ASSETS / "digits" / "test_set.npz"

ImageShape = tuple[int, int, int]
"""Channels, height, width."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Pixels to model input: (pixel / 255 - mean) / deviation, per channel or with one value for all."""

    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Images for a model.

    Attributes:
        images: float32 [N, C, H, W].
        labels: The true class of each image, if known.
    """

    images: NDArray[np.float32]
    labels: tuple[int, ...] | None = None


def load_inputs(path: Path, shape: ImageShape, count: int, preprocess: Preprocess) -> Inputs:
    """Load images from a file.

    A picture gives `count` different images: the whole of it first, then shifted and mirrored crops. A `.npy`
    file holds float32 values for the model as they are, or uint8 pixels to be preprocessed, as CHW or HWC with
    or without a leading N; when it holds fewer images than asked for, they repeat.

    Args:
        path: A picture in any format that Pillow reads, or a `.npy` file.
        shape: Channels, height, width of the model's input.
        count: How many images, at least 1.
        preprocess: How pixels become model input.

    Raises:
        ConfigError: The file is missing, unreadable, or does not match the model.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; give a picture or a .npy file")
    if path.suffix == ".npy":
        return Inputs(_from_array(path, shape, count, preprocess))
    if shape[0] not in (1, 3):
        raise ConfigError(f"{path}: a picture has 1 or 3 channels, the model wants {shape[0]}; give a .npy file")
    try:
        with Image.open(path) as picture:
            return Inputs(_from_picture(picture, shape, count, preprocess))
    except (UnidentifiedImageError, OSError) as error:
        raise ConfigError(f"{path}: not a picture ({one_line(error)}); give a picture or a .npy file") from error


def load_digits(count: int) -> Inputs:
    """The first held-out digits with their labels, repeated when more are asked for than there are."""
    with np.load(DIGITS) as stored:
        pick = np.arange(count) % len(stored["labels"])
        images = stored["images"][pick, np.newaxis].astype(np.float32) / np.float32(16)
        return Inputs(images, tuple(int(label) for label in stored["labels"][pick]))


def random_inputs(shape: ImageShape, count: int, seed: int = 0) -> Inputs:
    """Uniform values in 0..1 for a model whose input is not a picture."""
    return Inputs(np.random.default_rng(seed).random((count, *shape), dtype=np.float32))


def default_inputs(shape: ImageShape, count: int, preprocess: Preprocess) -> Inputs:
    """The stored photograph, or seeded random values for a model whose input is not a picture."""
    if shape[0] not in (1, 3) or shape[1:] == (1, 1):
        return random_inputs(shape, count)
    return load_inputs(PHOTO, shape, count, preprocess)


def quantise_input(network: Network, image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Quantise one image as the host does, in float32 and rounding half to even like ONNX's QuantizeLinear.

    Args:
        network: The network, whose input has scale, zero point and shape.
        image: float32 (C, H, W).

    Returns:
        uint8 [H, W, C].

    Raises:
        ConfigError: The image has another shape than the network's input.
    """
    kind = network.tensors[network.input]
    expected = (kind.channels, kind.height, kind.width)
    if image.shape != expected:
        raise ConfigError(f"network {network.name}: its input is (C, H, W) = {expected}, got {image.shape}")
    steps = np.rint(image.astype(np.float32) / np.float32(kind.scale)) + np.float32(kind.zero_point)
    return np.ascontiguousarray(np.clip(steps, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def _normalised(pixels: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.float32]:
    """uint8 [..., C, H, W] to float32 of the same shape."""
    mean, deviation = (
        np.array(values, np.float32).reshape(-1, 1, 1) for values in (preprocess.mean, preprocess.deviation)
    )
    scaled = pixels.astype(np.float32) / np.float32(255)
    return np.asarray((scaled - mean) / deviation, np.float32)


def _from_picture(picture: Image.Image, shape: ImageShape, count: int, preprocess: Preprocess) -> NDArray[np.float32]:
    channels, height, width = shape
    picture = picture.convert("L" if channels == 1 else "RGB")
    pixels = np.empty((count, height, width, channels), np.uint8)
    for index in range(count):
        view = _view(picture, index).resize((width, height), Image.Resampling.BILINEAR)
        pixels[index] = np.asarray(view).reshape(height, width, channels)
    return _normalised(pixels.transpose(0, 3, 1, 2), preprocess)


def _view(picture: Image.Image, index: int) -> Image.Image:
    """The whole picture for index 0, then crops of 7/8 of it at shifted places, every other one mirrored."""
    if index == 0:
        return picture
    width, height = (side * 7 // 8 or 1 for side in picture.size)
    left = index * 37 % (picture.width - width + 1)
    top = index * 23 % (picture.height - height + 1)
    view = picture.crop((left, top, left + width, top + height))
    return view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if index % 2 else view


def _from_array(path: Path, shape: ImageShape, count: int, preprocess: Preprocess) -> NDArray[np.float32]:
    try:
        stored = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ConfigError(f"{path}: not a .npy file ({one_line(error)}); write it with numpy.save") from error
    if stored.dtype not in (np.dtype(np.float32), np.dtype(np.uint8)):
        raise ConfigError(f"{path}: holds {stored.dtype}, needs float32 values or uint8 pixels; convert it")
    if stored.shape == shape or stored.shape == (*shape[1:], shape[0]):
        batch = stored[np.newaxis]
    elif shape[1:] == (1, 1) and stored.shape[-1:] == shape[:1] and stored.ndim <= 2:
        batch = stored.reshape(-1, *shape)
    else:
        batch = stored
    if batch.ndim == 4 and batch.shape[1:] != shape and batch.shape[1:] == (*shape[1:], shape[0]):
        batch = batch.transpose(0, 3, 1, 2)
    if batch.ndim != 4 or batch.shape[1:] != shape or not len(batch):
        raise ConfigError(
            f"{path}: holds shape {stored.shape}, the model wants (C, H, W) = {shape}, with or without a leading N; "
            "reshape or resize it"
        )
    if batch.dtype == np.float32 and not np.isfinite(batch).all():
        raise ConfigError(f"{path}: holds values that are not finite; clean it")
    images = batch[np.arange(count) % len(batch)]
    return _normalised(images, preprocess) if images.dtype == np.uint8 else images

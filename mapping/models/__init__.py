"""The built-in models, by name, and loading of any model by name or path."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from mapping.importer.inputs import ImageShape, Inputs, Preprocess, default_inputs, load_digits, load_inputs
from mapping.importer.onnx_model import read
from mapping.models import (
    deep_autoencoder,
    digits,
    ds_cnn,
    mobilenet_v1_025,
    mobilenet_v2,
    resnet8,
    resnet18,
    yolov8n,
)
from pyimc.errors import ConfigError

IMAGENET = Preprocess(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))
UNIT = Preprocess()
"""Pixels from 0 to 1, for every model but resnet18."""
DEFAULT_ARCH = "default"


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in model.

    Attributes:
        build: Makes the float32 ONNX model.
        preprocess: How pixels become its input.
        labelled: Its default inputs are the held-out digits with their labels instead of the photograph.
        arch: The architecture that it runs on unless the user names one.
    """

    build: Callable[[], onnx.ModelProto]
    preprocess: Preprocess = UNIT
    labelled: bool = False
    arch: str = DEFAULT_ARCH


BUILTIN: dict[str, Builtin] = {
    "deep_autoencoder": Builtin(deep_autoencoder.build),
    "digits": Builtin(digits.build, labelled=True),
    "ds_cnn": Builtin(ds_cnn.build),
    "mobilenet_v1_025": Builtin(mobilenet_v1_025.build),
    "mobilenet_v2": Builtin(mobilenet_v2.build, IMAGENET, arch="depthwise"),
    "resnet18": Builtin(resnet18.build, IMAGENET),
    "resnet8": Builtin(resnet8.build),
    "yolov8n": Builtin(yolov8n.build, arch="detector"),
}


def load_model(name_or_path: str) -> onnx.ModelProto:
    """A built-in model by its name, or a model from an `.onnx` file.

    Raises:
        ConfigError: The name is unknown, or the file is missing or not a complete ONNX model.
    """
    if name_or_path in BUILTIN:
        return BUILTIN[name_or_path].build()
    path = Path(name_or_path)
    if path.suffix != ".onnx" and not path.exists():
        raise ConfigError(
            f"model {name_or_path!r}: unknown; built in are {', '.join(BUILTIN)}, or give the path of an .onnx file"
        )
    return read(path)


def model_arch(name_or_path: str) -> str:
    """The name of the architecture that a model, as for `load_model`, runs on unless the user names one."""
    return BUILTIN[name_or_path].arch if name_or_path in BUILTIN else DEFAULT_ARCH


def model_inputs(name_or_path: str, shape: ImageShape, count: int, path: Path | None = None) -> Inputs:
    """Images for a model: from a file, or its default inputs.

    Args:
        name_or_path: As for `load_model`; decides preprocessing and default inputs.
        shape: Channels, height, width of the model's input.
        count: How many images, at least 1.
        path: A picture or `.npy` file; None for the default inputs.

    Raises:
        ConfigError: The file is missing, unreadable, or does not match the model; or count is below 1.
    """
    if count < 1:
        raise ConfigError(f"images: got {count}, needs at least 1")
    builtin = BUILTIN.get(name_or_path)
    preprocess = builtin.preprocess if builtin else UNIT
    if path is not None:
        return load_inputs(path, shape, count, preprocess)
    if builtin and builtin.labelled:
        return load_digits(count)
    return default_inputs(shape, count, preprocess)

"""The built-in models, by name, and loading of any model by name or path."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from mapping.importer.inputs import Inputs, Source, default_source, load_set, load_source, random_inputs
from mapping.importer.onnx_model import read
from mapping.importer.pictures import ImageShape
from mapping.importer.preprocess import SUFFIX, Preprocess, read_preprocess, recognised
from mapping.models import (
    deep_autoencoder,
    digits,
    ds_cnn,
    mnist,
    mnist_depthwise,
    mobilenet_v1_025,
    mobilenet_v2,
    resnet8,
    resnet18,
    vit_tiny,
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
        test_set: Its default inputs instead of the photograph: a file of images with labels, and what is white in it.
        arch: The architecture that it runs on unless the user names one.
    """

    build: Callable[[], onnx.ModelProto]
    preprocess: Preprocess = UNIT
    test_set: tuple[Path, int] | None = None
    arch: str = DEFAULT_ARCH


BUILTIN: dict[str, Builtin] = {
    "deep_autoencoder": Builtin(deep_autoencoder.build),
    "digits": Builtin(digits.build, test_set=(digits.TEST_SET, 16)),
    "ds_cnn": Builtin(ds_cnn.build, arch="depthwise"),
    "mnist": Builtin(mnist.build, test_set=(mnist.TEST_SET, 255)),
    "mnist_depthwise": Builtin(mnist_depthwise.build, test_set=(mnist_depthwise.TEST_SET, 255)),
    "mobilenet_v1_025": Builtin(mobilenet_v1_025.build, arch="depthwise"),
    "mobilenet_v2": Builtin(mobilenet_v2.build, IMAGENET, arch="depthwise"),
    "resnet18": Builtin(resnet18.build, IMAGENET),
    "resnet8": Builtin(resnet8.build),
    "vit_tiny": Builtin(vit_tiny.build, arch="transformer"),
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


def model_preprocess(name_or_path: str, model: onnx.ModelProto, given: Path | None) -> tuple[Preprocess, str]:
    """How pixels become the input of a model, and what says so.

    That is, the first of these that there is: a file that the user names, one beside the model, what a built-in model
    is known to want, what the model's first layer says; else values from 0 to 1.

    Args:
        name_or_path: As for `load_model`.
        model: The model.
        given: A file as `mapping.importer.preprocess.read_preprocess` takes it.

    Raises:
        ConfigError: The file is not one.
    """
    beside = Path(name_or_path).with_suffix(SUFFIX)
    file = given or (beside if name_or_path not in BUILTIN and beside.is_file() else None)
    if file:
        return read_preprocess(file), str(file)
    if name_or_path in BUILTIN:
        return BUILTIN[name_or_path].preprocess, "built in"
    return recognised(model) or (UNIT, "nothing says otherwise: --preprocess FILE.yaml would")


def model_source(
    name_or_path: str, shape: ImageShape, preprocess: Preprocess, path: Path | None = None, labels: Path | None = None,
    parts: Mapping[str, int] | None = None,
) -> Source:  # fmt: skip
    """Images for a model: from a file or a folder, or its default inputs.

    Args:
        name_or_path: As for `load_model`; decides the default inputs.
        shape: Channels, height, width of the model's input.
        preprocess: How pixels become model input.
        path: As for `load_source`; None for the default inputs.
        labels: A file with the classes of the images in `path`.
        parts: Channels of each of several inputs by their names.

    Raises:
        ConfigError: Something is missing, unreadable, or does not match the model.
    """
    if path is not None:
        return load_source(path, shape, preprocess, labels, parts)
    if labels is not None:
        raise ConfigError(f"{labels}: labels are of images of your own; name these with --input")
    test_set = BUILTIN[name_or_path].test_set if name_or_path in BUILTIN else None
    if parts:
        return random_inputs(shape)
    return load_set(*test_set) if test_set else default_source(shape, preprocess)


def model_inputs(name_or_path: str, shape: ImageShape, count: int, path: Path | None = None) -> Inputs:
    """The first images of a model's source, preprocessed as a built-in model wants it or to values from 0 to 1.

    Raises:
        ConfigError: As `model_source`; or count is below 1.
    """
    if count < 1:
        raise ConfigError(f"images: got {count}, needs at least 1")
    preprocess = BUILTIN[name_or_path].preprocess if name_or_path in BUILTIN else UNIT
    return model_source(name_or_path, shape, preprocess, path).first(count)

"""From what the user names to what the chip gets: quantised network, quantised images, the onnxruntime check."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from mapping.importer.calibrate import METHODS
from mapping.importer.exported import bound
from mapping.importer.inputs import Inputs, Source, load_source, quantise_input, share_outside
from mapping.importer.joined import parts
from mapping.importer.onnx_model import feed, image_shape, session
from mapping.importer.preprocess import Preprocess
from mapping.importer.quantise import quantise_whole
from mapping.importer.reference import LayerCheck, compare
from mapping.importer.signal import fidelity
from mapping.importer.tail import operators
from mapping.importer.walk import import_whole
from mapping.models import BUILTIN, load_model, model_preprocess, model_source
from pyimc.errors import ConfigError
from pyimc.network import Network
from pyimc.steady import MANY_IMAGES
from sim.run.answers import Accuracy, Answers, accuracy, keep
from sim.run.chain import Report, report

CALIBRATION_IMAGES = 4  # of the default inputs; always the first, so that a network does not depend on how many run
USERS_IMAGES = 32  # likewise, of the user's own
FEW_IMAGES, LABELLED_IMAGES = 4, 32  # of a run with values: one interval with the chip full; enough for an accuracy
WORTH_A_WORD = 0.001  # share of input values outside the calibrated range


@dataclass(frozen=True, slots=True)
class Material:
    """What a network is calibrated on and asked, beside its images.

    Attributes:
        labels: A file with the images' classes.
        preprocess: A file that says how pixels become model input.
        calibrate: How many of the images, or a file or folder of others; empty: the first of the images.
        method: How ranges come from them, see `mapping.importer.calibrate`.
    """

    labels: Path | None = None
    preprocess: Path | None = None
    calibrate: str = ""
    method: str = METHODS[0]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A model ready to be compiled and run.

    Attributes:
        network: The quantised network.
        model_hash: sha256 of the quantised ONNX model.
        images: uint8 [images, height, width, channels], in a file if they are many.
        calibration: uint8 [images, height, width, channels], what the network is calibrated on.
        labels: True class of each image, if known.
        accuracy: Of the given model in float, if the classes are known and values are asked for.
        checks: Every layer of the golden model against onnxruntime, on the first image.
        tail: What the host computes of the chip's outputs, see `mapping.importer.tail`.
        chain: How near the network is to the model that was given.
        notes: What the user should know of the inputs, a line each.
    """

    network: Network
    model_hash: str
    images: NDArray[np.uint8]
    calibration: NDArray[np.uint8]
    labels: tuple[int, ...] | None
    accuracy: Accuracy | None
    checks: tuple[LayerCheck, ...]
    tail: onnx.ModelProto
    chain: Report
    notes: tuple[str, ...]


def prepare(
    name_or_path: str, images: int | None, path: Path | None, shapes: Mapping[str, int] | None = None,
    cut: Sequence[str] = (), material: Material | None = None, level: str = "golden",
) -> Prepared:  # fmt: skip
    """Loads, calibrates, quantises and imports a model, and quantises its inputs.

    Args:
        name_or_path: Built-in model or path of an `.onnx` file.
        images: How many; None: as many as the level deserves.
        path: Of the images, as `mapping.importer.inputs` reads them; None for the model's default inputs.
        shapes: Sizes of the model's input by their symbols.
        cut: Tensors behind which everything is left to the host.
        material: What else there is to it.
        level: That it is prepared for: rtl, cycle, golden.

    Raises:
        ConfigError: Model or input cannot be used.
        UnsupportedOperator: The model has nodes that the chip cannot run.
    """
    material = material or Material()
    model = bound(load_model(name_or_path), shapes or {})
    shape = image_shape(model)
    preprocess, reason = model_preprocess(name_or_path, model, material.preprocess)
    several = parts(model)
    source = model_source(name_or_path, shape, preprocess, path, material.labels, several)
    count = _default_images(source, level) if images is None else images
    if count < 1:
        raise ConfigError(f"images: got {count}, needs at least 1")
    inputs = source.first(count)
    chosen, calibrated_on = _calibration(material, source, path, preprocess, shape, several)
    calibration = list(chosen)
    quantised = quantise_whole(model, calibration, cut, method=material.method)
    imported = import_whole(quantised.model, model_name(name_or_path), cut)
    network = imported.network
    checks = compare(quantised.model, network, inputs[0])
    stored, answers, outside = _walk(network, inputs, model if inputs.labels and level != "cycle" else None)
    how = f"{preprocess} ({reason})" if source.pixels else "values as they are"
    notes = [f"inputs: {_said(source, count, path)}; {how}; {calibrated_on}"]
    if outside > WORTH_A_WORD:
        notes.append(
            f"warning: {outside:.1%} of the input values lie outside the calibrated range {_range(network)} and are "
            "cut off; calibrate on images like these with --calibrate"
        )
    return Prepared(
        network=network,
        model_hash=hashlib.sha256(quantised.model.SerializeToString(deterministic=True)).hexdigest(),
        images=stored,
        calibration=np.stack([quantise_input(network, image) for image in calibration]),
        labels=inputs.labels,
        accuracy=accuracy(answers, inputs.labels),
        checks=tuple(checks),
        tail=imported.tail,
        chain=report(fidelity(quantised, imported, calibration), operators(imported.tail)),
        notes=tuple(notes),
    )


def model_name(name_or_path: str) -> str:
    """What runs and reports call a model."""
    return name_or_path if name_or_path in BUILTIN else Path(name_or_path).stem


def _default_images(source: Source, level: str) -> int:
    if level == "cycle":
        return MANY_IMAGES
    if source.labels is None:
        return min(FEW_IMAGES, source.size or FEW_IMAGES)
    return len(source.labels) if level == "golden" else min(LABELLED_IMAGES, len(source.labels))


def _calibration(
    material: Material,
    source: Source,
    path: Path | None,
    preprocess: Preprocess,
    shape: tuple[int, int, int],
    several: Mapping[str, int],
) -> tuple[Inputs, str]:
    """What the network is calibrated on, and a word for it. It depends on no count of images that run."""
    wanted = material.calibrate
    if wanted and not wanted.isdecimal():
        other = load_source(Path(wanted), shape, preprocess, parts=several)
        count = other.size or CALIBRATION_IMAGES
        return other.first(count), f"calibrated on {count} images of {wanted} ({material.method})"
    usual = USERS_IMAGES if path and source.size else CALIBRATION_IMAGES
    count = min(int(wanted) if wanted else usual, source.size or int(wanted or usual))
    if count < 1:
        raise ConfigError("--calibrate 0: needs at least 1 image")
    return source.first(count), f"calibrated on the first {count} of them ({material.method})"


def _walk(network: Network, inputs: Inputs, asked: onnx.ModelProto | None) -> tuple[NDArray[np.uint8], Answers, float]:
    """Reads every image once: its integers, in a file without a name; the model's float answers; what is cut off."""
    kind = network.tensors[network.input]
    with tempfile.TemporaryFile() as file:
        stored = np.memmap(file, np.uint8, "w+", shape=(len(inputs), *kind.shape))
    runner = session(asked) if asked else None
    names = [each.name for each in runner.get_outputs()] if runner else []
    answers: Answers = {}
    outside = 0.0
    for index, image in enumerate(inputs):
        stored[index] = quantise_input(network, image)
        outside += share_outside(network, image) / len(inputs)
        if runner and asked:
            for name, values in zip(names, runner.run(names, feed(asked, image)), strict=True):
                keep(answers, name, index, len(inputs), values)
    return stored, answers, outside


def _said(source: Source, count: int, path: Path | None) -> str:
    where = f" of {path}" if path else ""
    if source.size is None:
        return f"{count} image{'s' * (count != 1)}{where}"
    return f"{count} of {source.size} images{where}" if count != source.size else f"all {count} images{where}"


def _range(network: Network) -> str:
    kind = network.tensors[network.input]
    low, high = (kind.scale * (step - kind.zero_point) for step in (0, 255))
    return f"{low:.4g}..{high:.4g}"

"""From what the user names to what the chip gets: quantised network, quantised images, the onnxruntime check."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from mapping.importer.exported import bound
from mapping.importer.inputs import quantise_input
from mapping.importer.onnx_model import image_shape
from mapping.importer.quantise import quantise_whole
from mapping.importer.reference import LayerCheck, compare
from mapping.importer.signal import fidelity
from mapping.importer.tail import operators
from mapping.importer.walk import import_whole
from mapping.models import BUILTIN, load_model, model_inputs
from pyimc.network import Network
from sim.run.chain import Report, report

CALIBRATION_IMAGES = 4  # always the first default inputs, so that a network does not depend on how many images run


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A model ready to be compiled and run.

    Attributes:
        network: The quantised network.
        model_hash: sha256 of the quantised ONNX model.
        images: uint8 [images, height, width, channels].
        labels: True class of each image, if known.
        checks: Every layer of the golden model against onnxruntime, on the first image.
        tail: What the host computes of the chip's outputs, see `mapping.importer.tail`.
        chain: How near the network is to the model that was given.
    """

    network: Network
    model_hash: str
    images: NDArray[np.uint8]
    labels: tuple[int, ...] | None
    checks: tuple[LayerCheck, ...]
    tail: onnx.ModelProto
    chain: Report


def prepare(
    name_or_path: str, images: int, source: Path | None, shapes: Mapping[str, int] | None = None,
    cut: Sequence[str] = (),
) -> Prepared:  # fmt: skip
    """Loads, calibrates, quantises and imports a model, and quantises its inputs.

    Args:
        name_or_path: Built-in model or path of an `.onnx` file.
        images: How many.
        source: A picture or `.npy` file; None for the model's default inputs.
        shapes: Sizes of the model's input by their symbols.
        cut: Tensors behind which everything is left to the host.

    Raises:
        ConfigError: Model or input cannot be used.
        UnsupportedOperator: The model has nodes that the chip cannot run.
    """
    model = bound(load_model(name_or_path), shapes or {})
    shape = image_shape(model)
    inputs = model_inputs(name_or_path, shape, images, source)
    calibration = list(model_inputs(name_or_path, shape, CALIBRATION_IMAGES).images)
    quantised = quantise_whole(model, calibration, cut)
    imported = import_whole(quantised.model, model_name(name_or_path), cut)
    network = imported.network
    checks = compare(quantised.model, network, inputs.images[0])
    return Prepared(
        network=network,
        model_hash=hashlib.sha256(quantised.model.SerializeToString(deterministic=True)).hexdigest(),
        images=np.stack([quantise_input(network, image) for image in inputs.images]),
        labels=inputs.labels,
        checks=tuple(checks),
        tail=imported.tail,
        chain=report(fidelity(quantised, imported, calibration), operators(imported.tail)),
    )


def model_name(name_or_path: str) -> str:
    """What runs and reports call a model."""
    return name_or_path if name_or_path in BUILTIN else Path(name_or_path).stem

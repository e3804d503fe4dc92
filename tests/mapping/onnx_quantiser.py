# SPDX-License-Identifier: Apache-2.0
"""Other int8 forms of a float model than the one mapping.importer.quantise makes, written by onnxruntime."""

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from mapping.importer.fidelity import faithful
from mapping.importer.onnx_model import feed
from tests.random_cnn import calibration


class _Images(CalibrationDataReader):
    def __init__(self, model: onnx.ModelProto) -> None:
        self._feeds = iter([feed(model, image) for image in calibration(model)])

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        return next(self._feeds, None)


def quantised_as(
    model: onnx.ModelProto, form: str, activation: str, *, symmetric: bool = False, per_channel: bool = True
) -> onnx.ModelProto:
    """Quantise a float model as "QDQ" or "QOperator" with "QInt8" or "QUInt8" activations."""
    folded = faithful(model, calibration(model), ()).model
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "quantised.onnx"
            quantize_static(
                folded,
                path,
                _Images(folded),
                quant_format=QuantFormat[form],
                per_channel=per_channel,
                activation_type=QuantType[activation],
                weight_type=QuantType.QInt8,
                extra_options={"ActivationSymmetric": symmetric, "ForceQuantizeNoInputCheck": True},
            )
            return onnx.load(path)
    finally:
        logging.disable(logging.NOTSET)

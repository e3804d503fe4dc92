"""From a float32 ONNX model to an int8 one in QDQ form, by post-training calibration.

Batch normalisation and constants are folded by onnxslim; onnxruntime calibrates activation ranges (minimum and
maximum over the calibration images) and writes the model: uint8 activations with a zero point, int8 weights
symmetric per output channel.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxslim
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from mapping.importer.onnx_model import IR_VERSION, OPSET, feed, graph_input, is_quantised, one_line, session
from mapping.importer.operators import OPERATORS
from mapping.importer.walk import check_float
from pyimc.errors import ConfigError, UnsupportedOperator

_OLDEST_OPSET = 13  # the first with a scale per channel


class _Images(CalibrationDataReader):
    """Feeds calibration images one by one."""

    def __init__(self, model: onnx.ModelProto, images: Sequence[NDArray[np.float32]]) -> None:
        self._feeds = iter([feed(model, image) for image in images])

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        return next(self._feeds, None)


def quantise(model: onnx.ModelProto, images: Sequence[NDArray[np.float32]]) -> onnx.ModelProto:
    """Quantise a float32 model; a model that is already int8 passes through unchanged.

    Args:
        model: One input and static shapes.
        images: Calibration inputs, float32 (C, H, W) each; at least one.

    Returns:
        The int8 model, a function of model and images only.

    Raises:
        UnsupportedOperator: The model's shapes are not static, or it holds operators that the chip cannot compute.
        ConfigError: onnxruntime refuses the model.
    """
    graph_input(model)
    if is_quantised(model):
        session(model)
        return model
    folded = fold(model)
    check_float(folded)
    with tempfile.TemporaryDirectory() as directory, _quiet():
        path = Path(directory) / "quantised.onnx"
        quantize_static(
            folded,
            path,
            _Images(folded, images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=sorted(name for name, operator in OPERATORS.items() if operator.calibrated),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ForceQuantizeNoInputCheck": True},
        )
        return onnx.load(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence advice that onnxruntime's quantiser logs, which does not apply: the model is already folded."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(previous)


def fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold batch normalisation and constants of a float model, update an old opset, write a Sum of two as Add.

    Raises:
        ConfigError: The model is not valid for onnxruntime.
        UnsupportedOperator: Its opset cannot be converted.
    """
    version = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)
    if version < _OLDEST_OPSET:
        try:
            model = onnx.version_converter.convert_version(model, OPSET)
        except Exception as error:  # the converter raises RuntimeError and its own kinds
            raise UnsupportedOperator(
                f"model {model.graph.name}: opset {version} cannot be converted to {OPSET} ({one_line(error)}); "
                f"export it with opset {_OLDEST_OPSET} or later"
            ) from error
    session(model)
    try:
        folded = onnxslim.slim(model)
    except Exception as error:  # onnxslim lets any error of its passes through
        raise ConfigError(f"model {model.graph.name}: onnxslim cannot fold it ({one_line(error)})") from error
    folded.ir_version = min(folded.ir_version, IR_VERSION)
    for node in folded.graph.node:
        if node.op_type == "Sum" and len(node.input) == 2:  # the quantiser knows Add only
            node.op_type = "Add"
    return folded

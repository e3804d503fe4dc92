"""Ranges of tensors over calibration images, by onnxruntime in float."""

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import HistogramCollector

from mapping.importer.onnx_model import feed, session
from pyimc.errors import ConfigError

Range = tuple[float, float]
METHODS = ("minmax", "entropy", "percentile")
_BINS, _LEVELS, _PERCENTILE = 2048, 128, 99.99
"""Of a histogram, of what entropy squeezes it into, and the share of values that percentile keeps."""


def ranges(
    model: onnx.ModelProto, tensors: Sequence[str], images: Sequence[NDArray[np.float32]], method: str = METHODS[0]
) -> dict[str, Range]:
    """The smallest and the largest value of each tensor over all images, or less of it where that costs less.

    Args:
        model: A float model.
        tensors: Names of float tensors of it.
        images: float32 (C, H, W) each, at least one.
        method: `minmax` is all of it; `percentile` leaves out the rarest values; `entropy` the range whose
            distribution in few levels diverges least from the true one (Migacz, GTC 2017). Both by onnxruntime.

    Raises:
        ConfigError: A tensor holds a value that is not finite, or there is no such method.
    """
    if method not in METHODS:
        raise ConfigError(f"unknown calibration '{method}'; known: {', '.join(METHODS)}")
    low = dict.fromkeys(tensors, np.inf)
    high = dict.fromkeys(tensors, -np.inf)
    histograms = HistogramCollector(method, False, _BINS, _LEVELS, _PERCENTILE, None)
    inner = session(model, tuple(tensors))
    for image in images:
        values = dict(zip(tensors, inner.run(list(tensors), feed(model, image)), strict=True))
        for name, each in values.items():
            if not np.isfinite(each).all():
                raise ConfigError(
                    f"model {model.graph.name}: tensor {name} holds values that are not finite on the calibration "
                    "images; mend the model or its inputs"
                )
            low[name] = min(low[name], float(each.min(initial=np.inf)))
            high[name] = max(high[name], float(each.max(initial=-np.inf)))
        if method != METHODS[0]:
            _silently(lambda values=values: histograms.collect_value(values))  # type: ignore[misc]
    whole = {name: (low[name], high[name]) for name in tensors}
    if method == METHODS[0]:
        return whole
    found = _silently(histograms.compute_collection_result)
    cut = {name: (float(found[name][0]), float(found[name][1])) for name in tensors}
    return {name: cut[name] if whole[name][0] < whole[name][1] else whole[name] for name in tensors}


def _silently(step: Callable[[], Any]) -> Any:
    """onnxruntime's calibrators print."""
    with contextlib.redirect_stdout(io.StringIO()):
        return step()

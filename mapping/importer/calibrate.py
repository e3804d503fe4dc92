"""Ranges of tensors over calibration images, by onnxruntime in float."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from mapping.importer.onnx_model import feed, session
from pyimc.errors import ConfigError

Range = tuple[float, float]


def ranges(model: onnx.ModelProto, tensors: Sequence[str], images: Sequence[NDArray[np.float32]]) -> dict[str, Range]:
    """The smallest and the largest value of each tensor over all images.

    Args:
        model: A float model.
        tensors: Names of float tensors of it.
        images: float32 (C, H, W) each, at least one.

    Raises:
        ConfigError: A tensor holds a value that is not finite.
    """
    low = dict.fromkeys(tensors, np.inf)
    high = dict.fromkeys(tensors, -np.inf)
    inner = session(model, tuple(tensors))
    for image in images:
        for name, values in zip(tensors, inner.run(list(tensors), feed(model, image)), strict=True):
            if not np.isfinite(values).all():
                raise ConfigError(
                    f"model {model.graph.name}: tensor {name} holds values that are not finite on the calibration "
                    "images; mend the model or its inputs"
                )
            low[name] = min(low[name], float(values.min(initial=np.inf)))
            high[name] = max(high[name], float(values.max(initial=-np.inf)))
    return {name: (low[name], high[name]) for name in tensors}

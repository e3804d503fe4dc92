"""How pixels become the input of a model: given in a small YAML file, or recognised from the model's first layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import numpy_helper
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mapping.importer.onnx_model import graph_input, one_line
from pyimc.errors import ConfigError

SUFFIX = ".preprocess.yaml"
"""Of the file beside a model, in place of `.onnx`."""

_PIXEL_STEPS = 16  # a constant this large is one of pixels 0..255, and none of values around 0..1
_PASSED = ("Cast", "Identity", "Transpose", "Reshape", "DequantizeLinear")
_Channels = Annotated[tuple[float, ...], Field(min_length=1)]


class Preprocess(BaseModel):
    """Pixels 0..255 to model input: (pixel * scale - mean) / deviation, per channel or with one value for all.

    Attributes:
        scale: 1 / 255 makes values from 0 to 1; 1 leaves pixels as they are.
        mean: In the units of the scaled pixels.
        deviation: Likewise.
        order: Of the channels that the model wants.
        resize: Pixels of a picture's shorter side, before the middle of the model's size is cut out; None: the whole
            picture is stretched to the model's size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1 / 255
    mean: _Channels = (0.0,)
    deviation: _Channels = (1.0,)
    order: Literal["RGB", "BGR"] = "RGB"
    resize: Annotated[int, Field(ge=1)] | None = None

    @field_validator("mean", "deviation", mode="before")
    @classmethod
    def _one_for_all(cls, value: Any) -> Any:
        return (value,) if isinstance(value, (int, float)) else value

    @field_validator("deviation")
    @classmethod
    def _not_zero(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if 0 in value:
            raise ValueError("must not be 0")
        return value

    def __str__(self) -> str:
        factor = {1 / 255: " / 255", 1.0: ""}.get(self.scale, f" * {self.scale:g}")
        parts = [f"pixels{factor}"]
        if any(self.mean):
            parts.append(f"less mean {_listed(self.mean)}")
        if set(self.deviation) != {1.0}:
            parts.append(f"over deviation {_listed(self.deviation)}")
        if self.order == "BGR":
            parts.append("BGR")
        parts.append(f"shorter side {self.resize}, middle cut out" if self.resize else "stretched to the input's size")
        return ", ".join(parts)

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [C, H, W] to float32 of the same shape.

        Raises:
            ConfigError: There is a mean or deviation per channel, but of another number of channels.
        """
        channels = len(pixels)
        for name in ("mean", "deviation"):
            if len(getattr(self, name)) not in (1, channels):
                raise ConfigError(f"preprocess: {name} has {len(getattr(self, name))} values for {channels} channels")
        mean, deviation = (np.array(each, np.float32).reshape(-1, 1, 1) for each in (self.mean, self.deviation))
        ordered = pixels[::-1] if self.order == "BGR" else pixels
        # In this order 255 becomes exactly 1.
        scaled = ordered.astype(np.float32) / np.float32(1 / self.scale)
        return np.asarray((scaled - mean) / deviation, np.float32)


def read_preprocess(path: Path) -> Preprocess:
    """Reads a YAML file with the fields of Preprocess, all of them optional.

    Raises:
        ConfigError: It cannot be read, or holds something else; every fault is named.
    """
    known = ", ".join(Preprocess.model_fields)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a YAML file with any of {known}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({one_line(error)})") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must be a mapping with any of {known}")
    try:
        return Preprocess.model_validate(data)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].lower()}" for fault in error.errors()]
        raise ConfigError(f"{path}: {'; '.join(faults)}; it may hold {known}") from None


def recognised(model: onnx.ModelProto) -> tuple[Preprocess, str] | None:
    """Pixels 0..255 as they are, if the model's first layer says that it wants these; else None.

    Returns:
        How to preprocess, and what says so.
    """
    entry, _ = graph_input(model)
    if entry.type.tensor_type.elem_type == onnx.TensorProto.UINT8:
        return Preprocess(scale=1), "its input is uint8"
    constants = {each.name: each for each in model.graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    name = entry.name
    while readers := [node for node in model.graph.node if name in node.input]:
        node = readers[0]
        values = [
            np.abs(numpy_helper.to_array(constants[each]).astype(np.float64)).reshape(-1)
            for each in node.input
            if each in constants and constants[each].ByteSize() and numpy_helper.to_array(constants[each]).size
        ]
        if _wants_pixels(node.op_type, values):
            return Preprocess(scale=1), f"{node.op_type} {node.name or node.output[0]}"
        if node.op_type not in (*_PASSED, "QuantizeLinear"):
            return None
        name = node.output[0]
    return None


def _wants_pixels(op_type: str, values: Sequence[NDArray[np.float64]]) -> bool:
    match op_type:
        case "Sub" | "Add" | "Div":
            return any(each.max() >= _PIXEL_STEPS for each in values)
        case "Mul":
            return any(each.max() <= 1 / _PIXEL_STEPS for each in values)
        case "BatchNormalization" if len(values) == 4:
            return bool(values[2].max() >= _PIXEL_STEPS)
        case "QuantizeLinear" if values:
            return bool(255 * values[0].max() >= _PIXEL_STEPS * 8)
    return False


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)

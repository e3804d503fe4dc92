"""Resize: enlarging by a whole factor, where that repeats every pixel."""

import numpy as np
from numpy.typing import NDArray

from mapping.importer.lowering import copied
from mapping.importer.values import Call, Operator, Pending, Target, Unsupported
from pyimc.network import Resize

_PLACE = ("coordinate_transformation_mode", "half_pixel")
_LINEAR = "linear by whole factors, half_pixel or asymmetric"


def lower(call: Call) -> Pending:
    """Nearest neighbour by one factor in both directions, given as scales or sizes."""
    source = call.activation(0)
    if len(source.shape) != 4:
        raise Unsupported(f"input of shape {source.shape} (only a map of four dimensions)")
    call.require(axes=[0, 1, 2, 3], antialias=0, keep_aspect_ratio_policy="stretch")
    scales = _scales(call, source.shape)
    factor = round(scales[2])
    if scales != [1, 1, factor, factor] or factor < 2:
        raise Unsupported(f"scales {scales} (only 1, 1 and twice one whole number of 2 or more)")
    for size in source.hwc[:2]:
        if not np.array_equal(_nearest(call, size, factor), np.arange(size * factor) // factor):
            raise Unsupported("its modes do not repeat pixels (mode=nearest, asymmetric and floor do)")

    def emit(target: Target) -> tuple[Resize]:
        return (Resize(name=target.name, inputs=(source.tensor,), output=target.output, factor=factor),)

    height, width, channels = source.hwc
    height, width = height * factor, width * factor
    return Pending(copied(source, emit), (1, channels, height, width), (height, width, channels), name=call.name)


def _scales(call: Call, shape: tuple[int, ...]) -> list[float]:
    if call.argument(2) is not None and call.constant(2).values.size:
        return [float(scale) for scale in call.constant(2).values.reshape(-1)]
    return [int(size) / old for size, old in zip(call.constant(3).values.reshape(-1), shape, strict=True)]


def _nearest(call: Call, size: int, factor: int) -> NDArray[np.int64]:
    """For every row or column of the result, the one that ONNX takes it from."""
    mode, place = (call.attributes.get(key, usual) for key, usual in (("mode", "nearest"), _PLACE))
    if mode != "nearest":
        raise Unsupported(f"mode={mode}, {_PLACE[0]}={place} (only nearest; in float models also {_LINEAR})")
    rounding = call.attributes.get("nearest_mode", "round_prefer_floor")
    result = np.arange(size * factor)
    match place:
        case "asymmetric":
            exact = result / factor
        case "half_pixel" | "half_pixel_symmetric" | "pytorch_half_pixel":
            exact = (result + 0.5) / factor - 0.5
        case _:
            raise Unsupported(f"coordinate_transformation_mode={place} (only asymmetric and half_pixel)")
    rounded = {
        "round_prefer_floor": np.ceil(exact - 0.5),
        "round_prefer_ceil": np.floor(exact + 0.5),
        "floor": np.floor(exact),
        "ceil": np.ceil(exact),
    }[rounding]
    return np.clip(rounded, 0, size - 1).astype(np.int64)


LIMITS = (
    "by one whole factor of 2 or more in both directions, mode=nearest, where coordinate_transformation_mode and "
    "nearest_mode repeat every pixel; axes, antialias and keep_aspect_ratio_policy at their defaults; cubic_coeff_a, "
    "exclude_outside and extrapolation_value do not matter; in float models also by unlike factors, "
    f"{_LINEAR}, and smaller where that takes pixels at equal distances"
)
OPERATORS = (Operator("Resize", lower, role="copy", limits=LIMITS),)

"""Reading scales and zero points, and what they make of constants, activations and limits."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from mapping.importer.values import Activation, Call, Constant, Quantisation, RawInput, Unsupported
from pyimc.numerics import UINT8_MAX

_SIGNED_SHIFT = 128


def scale_at(call: Call, index: int) -> NDArray[np.float64]:
    """The scale at an argument's position, float64 with one value or one per channel."""
    scale = call.constant(index).values.astype(np.float64).reshape(-1)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise Unsupported("a scale is not positive and finite")
    return scale


def zero_point_at(call: Call, index: int) -> NDArray[Any]:
    """The zero point at an argument's position, or 0; its dtype is that of the quantised integers.

    It stands two behind the integers it belongs to, or two behind another one of their dtype.
    """
    if call.argument(index) is not None:
        return call.constant(index).values.reshape(-1)
    integers = call.argument(index - 2)
    if isinstance(integers, Constant) and integers.values.dtype.kind in "iu":
        return np.zeros(1, integers.values.dtype)
    signed = call.attributes.get("output_dtype", 0) == onnx.TensorProto.INT8
    signed |= isinstance(integers, RawInput) and integers.signed
    signed |= isinstance(integers, Activation) and integers.quantisation.signed
    return np.zeros(1, np.int8 if signed else np.uint8)


def quantisation_at(call: Call, index: int) -> Quantisation:
    """What an activation's integers mean, from the scale at an argument's position and the zero point behind it."""
    if call.argument(index) is None:
        raise Unsupported("its output is not quantised")
    scale, zero_point = scale_at(call, index), zero_point_at(call, index + 1)
    if scale.size != 1 or zero_point.size != 1:
        raise Unsupported("an activation has a scale per channel (only one per tensor)")
    if zero_point.dtype not in (np.dtype(np.int8), np.dtype(np.uint8)):
        raise Unsupported(f"an activation is quantised to {zero_point.dtype} (only int8 and uint8)")
    signed = zero_point.dtype == np.int8
    return Quantisation(float(scale[0]), int(zero_point[0]) + _SIGNED_SHIFT * signed, signed)


def dequantised(call: Call, index: int, axis: int) -> Constant:
    """A constant of integers at an argument's position under the scale and zero point behind it."""
    stored = call.constant(index).values
    scale, zero_point = scale_at(call, index + 1), zero_point_at(call, index + 2)
    wide = np.int16 if stored.dtype.itemsize == 1 else np.int64  # holds the difference of any two
    integers = stored.astype(wide) - _along(axis, zero_point.astype(wide), stored.ndim)
    return Constant(integers, scale, axis % stored.ndim if stored.ndim else 0)


def quantised(call: Call, axis: int) -> Constant:
    """The integers that QuantizeLinear makes of a constant."""
    real = call.constant(0).values.astype(np.float32)
    scale, zero_point = scale_at(call, 1), zero_point_at(call, 2)
    limits = np.iinfo(zero_point.dtype)
    steps = np.rint(real / _along(axis, scale.astype(np.float32), real.ndim))
    steps = steps + _along(axis, zero_point.astype(np.float32), real.ndim)
    return Constant(np.clip(steps, limits.min, limits.max).astype(zero_point.dtype))


def stored_limit(limit: float, quantisation: Quantisation) -> int:
    """The uint8 that stands for a real limit, rounded as QuantizeLinear does."""
    steps = np.rint(np.float32(limit) / np.float32(quantisation.scale))
    return int(np.clip(steps + quantisation.zero_point, 0, UINT8_MAX))


def _along(axis: int, values: NDArray[Any], rank: int) -> NDArray[Any]:
    """One value, or several along an axis, in a form that broadcasts."""
    if values.size == 1:
        return values.reshape(())
    shape = [1] * rank
    shape[axis] = values.size
    return values.reshape(shape)

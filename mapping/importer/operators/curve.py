"""Functions of one value, such as Sigmoid, and chains and products of them, such as SiLU: a table of 256 entries.

Our quantiser leaves them in float between two scales, so the table is what onnxruntime computes up to rounding:
dequantise, the functions in float64, quantise with halves to even. In a model that quantises every step, the product
of an activation and a function of it is followed step by step and becomes one table too.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapping.importer.lowering import real_values
from mapping.importer.operators.pairwise import LIMITS, PAIRS, lower_pair
from mapping.importer.values import Call, Constant, Curve, Layout, Operator, Pending, Target, Unsupported
from pyimc.network import Lut

Reals = NDArray[np.float64]
Attributes = Mapping[str, Any]
_erf = np.vectorize(math.erf, otypes=[np.float64])

UNARY: dict[str, Callable[[Reals, Attributes], Reals]] = {
    "Abs": lambda x, _: np.abs(x),
    "Celu": lambda x, a: np.maximum(x, 0) + _elu(np.minimum(x, 0) / a.get("alpha", 1.0), a.get("alpha", 1.0)),
    "Elu": lambda x, a: np.where(x < 0, _elu(x, a.get("alpha", 1.0)), x),
    "Erf": lambda x, _: _erf(x),
    "Exp": lambda x, _: np.exp(x),
    "Gelu": lambda x, a: 0.5 * x * (1 + (_erf(x / 2**0.5) if a.get("approximate", "none") == "none" else _tanh3(x))),
    "HardSigmoid": lambda x, a: np.clip(a.get("alpha", 0.2) * x + a.get("beta", 0.5), 0, 1),
    "HardSwish": lambda x, _: x * np.clip(x / 6 + 0.5, 0, 1),
    "LeakyRelu": lambda x, a: np.where(x < 0, a.get("alpha", 0.01) * x, x),
    "Log": lambda x, _: np.log(x),
    "Mish": lambda x, _: x * np.tanh(np.logaddexp(0, x)),
    "Neg": lambda x, _: -x,
    "Reciprocal": lambda x, _: 1 / x,
    "Selu": lambda x, a: (
        a.get("gamma", 1.0507009873554805) * np.where(x < 0, _elu(x, a.get("alpha", 1.6732632423543772)), x)
    ),
    "Sigmoid": lambda x, _: 0.5 + 0.5 * np.tanh(0.5 * x),
    "Softplus": lambda x, _: np.logaddexp(0, x),
    "Softsign": lambda x, _: x / (1 + np.abs(x)),
    "Sqrt": lambda x, _: np.sqrt(x),
    "Tanh": lambda x, _: np.tanh(x),
    "ThresholdedRelu": lambda x, a: np.where(x > a.get("alpha", 1.0), x, 0),
}
"""The value of each function at an array of values, from the attributes of its node."""

BINARY: dict[str, Callable[[Reals, Reals], Reals]] = {
    "Add": np.add,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Pow": np.power,
    "PRelu": lambda x, slope: np.where(x < 0, slope * x, x),
    "Sub": np.subtract,
}
"""Functions of two values: of an activation and one constant, or of two functions of one activation; see `pairwise`."""

_QUANTISED = {
    "Sigmoid": {"QLinearSigmoid": Layout((0,), output=3)},
    "LeakyRelu": {"QLinearLeakyRelu": Layout((0,), output=3)},
    "Mul": {"QLinearMul": Layout((0, 3), output=6)},
}


def _elu(x: Reals, alpha: float) -> Reals:
    """alpha * (exp(x) - 1), which is wanted below 0 only."""
    return alpha * np.expm1(np.minimum(x, 0))


def _tanh3(x: Reals) -> Reals:
    return np.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3))


def lower_unary(call: Call) -> Pending:
    """A function of one activation."""
    before = _curves(call, 0)[0]
    with np.errstate(all="ignore"):
        values = UNARY[call.op_type](before.values, call.attributes)
    return _pending(call, before, (*before.operators, call.op_type), values)


def lower_binary(call: Call) -> Pending:
    """A function of an activation and one constant, or of two functions of one activation; else of two maps."""
    function = BINARY[call.op_type]
    for index in (0, 1):
        constant = call.argument(index)
        if isinstance(constant, Constant) and constant.values.size != 1 and call.op_type in PAIRS:
            return lower_pair(call)
        if isinstance(constant, Constant):
            before, value = _curves(call, 1 - index)[0], _one_value(call, index)
            sides = (before.values, value) if index else (value, before.values)
            with np.errstate(all="ignore"):
                return _pending(call, before, (*before.operators, call.op_type), function(*sides), 1 - index)
    for left in _curves(call, 0):
        for right in _curves(call, 1):
            if left.source.tensor == right.source.tensor:
                with np.errstate(all="ignore"):
                    operators = (*left.operators, *right.operators, call.op_type)
                    return _pending(call, left, operators, function(left.values, right.values))
    if call.op_type in PAIRS:
        return lower_pair(call)
    raise Unsupported("its inputs are two maps (only a map and a function of it, such as x / (1 + x))")


def _one_value(call: Call, index: int) -> Reals:
    constant = call.constant(index)
    if constant.values.size != 1:
        raise Unsupported(f"its constant has {constant.values.size} values (only one)")
    scale = 1.0 if constant.scale is None else float(constant.scale[0])
    return np.asarray(constant.values.reshape(()) * scale, np.float64)


def _curves(call: Call, index: int) -> list[Curve]:
    """An argument as a function of itself and, if a Lut computes it, of what that reads."""
    value = call.argument(index)
    if isinstance(value, Pending) and value.curve is not None:
        return [replace(value.curve, values=np.clip(value.curve.values, value.low, value.high))]
    source = call.matrix(index)
    if source.turned:
        raise Unsupported(f"its input is a transposed matrix of shape {source.shape} (only a MatMul reads that)")
    if not source.real:
        raise Unsupported("it works on integers (only on a dequantised activation)")
    return [Curve(source, real_values(source.quantisation))] + ([source.curve] if source.curve else [])


def _pending(call: Call, before: Curve, operators: tuple[str, ...], values: Reals, index: int = 0) -> Pending:
    """A table's result, of the shape that the argument at a position has."""
    if np.isnan(values).any():
        raise Unsupported("it is not a number for some values of its input")

    def emit(target: Target) -> tuple[Lut]:
        steps = np.rint(values / target.kind.scale) + target.kind.zero_point
        table = np.clip(steps, *target.clamp).astype(np.uint8)
        return (Lut(name=target.name, inputs=(before.source.tensor,), output=target.output, table=table),)

    value = call.argument(index)
    shape, hwc = (value.shape, value.hwc) if isinstance(value, Pending) else (before.source.shape, before.source.hwc)
    return Pending(emit, shape, hwc, name=call.name, curve=Curve(before.source, values, operators))


_LIMITS = "a map and a constant of one value, or two functions of one map"
_PER_CHANNEL = dict.fromkeys(("Mul", "Div", "Sub", "PRelu"), "; in float models one value per channel, too")
OPERATORS = (
    *(Operator(name, lower_unary, _QUANTISED.get(name, {}), role="function") for name in UNARY),
    *(
        Operator(
            name,
            lower_binary,
            _QUANTISED.get(name, {}),
            role="function",
            limits=_LIMITS + _PER_CHANNEL.get(name, "") + LIMITS.get(name, ""),
        )
        for name in BINARY
        if name != "Add"
    ),
)

"""Functions of one value, such as Sigmoid, and products of them, such as SiLU: a table of 256 entries.

Our quantiser leaves them in float between two scales, so the table is what onnxruntime computes up to rounding:
dequantise, the function in float64, quantise with halves to even. In a model that quantises every step, the product
of an activation and a function of it is followed step by step and becomes one table too.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mapping.importer.lowering import real_values
from mapping.importer.values import Call, Constant, Curve, Layout, Operator, Pending, Target, Unsupported
from pyimc.network import Lut

Reals = NDArray[np.float64]


def sigmoid(values: Reals) -> Reals:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * values)


def lower_sigmoid(call: Call) -> Pending:
    """1 / (1 + exp(-x))."""
    return _function(call, sigmoid)


def lower_tanh(call: Call) -> Pending:
    """The hyperbolic tangent."""
    return _function(call, np.tanh)


def lower_hard_sigmoid(call: Call) -> Pending:
    """alpha * x + beta, within 0..1."""
    alpha, beta = call.attributes.get("alpha", 0.2), call.attributes.get("beta", 0.5)
    return _function(call, lambda values: np.clip(alpha * values + beta, 0, 1))


def lower_hard_swish(call: Call) -> Pending:
    """x times its hard sigmoid."""
    return _function(call, lambda values: values * np.clip(values / 6 + 0.5, 0, 1))


def lower_leaky_relu(call: Call) -> Pending:
    """x, times alpha below 0."""
    alpha = call.attributes.get("alpha", 0.01)
    return _function(call, lambda values: np.where(values < 0, alpha * values, values))


def lower_elu(call: Call) -> Pending:
    """x, and alpha * (exp(x) - 1) below 0."""
    alpha = call.attributes.get("alpha", 1.0)
    return _function(call, lambda values: np.where(values < 0, alpha * np.expm1(np.minimum(values, 0)), values))


def lower_mul(call: Call) -> Pending:
    """The product of two functions of one activation, or of one and a constant."""
    if isinstance(call.argument(0), Constant):
        call = replace(call, arguments=call.arguments[::-1])
    if isinstance(call.argument(1), Constant):
        factor = call.constant(1)
        if factor.values.size != 1:
            raise Unsupported(f"its factor has {factor.values.size} values (only one)")
        scale = 1.0 if factor.scale is None else float(factor.scale[0])
        real = float(factor.values.reshape(())) * scale
        return _function(call, lambda values: values * real)
    for left in _curves(call, 0):
        for right in _curves(call, 1):
            if left.source.tensor == right.source.tensor:
                operators = (*left.operators, *right.operators, call.op_type)
                return _pending(call, Curve(left.source, left.values * right.values, operators))
    raise Unsupported("its inputs are two maps (only a map and a function of it, such as x * sigmoid(x))")


def _function(call: Call, function: Callable[[Reals], Reals]) -> Pending:
    before = _curves(call, 0)[0]
    return _pending(call, Curve(before.source, function(before.values), (*before.operators, call.op_type)))


def _curves(call: Call, index: int) -> list[Curve]:
    """An argument as a function of itself and, if a Lut computes it, of what that reads."""
    value = call.argument(index)
    if isinstance(value, Pending) and value.curve is not None:
        return [replace(value.curve, values=np.clip(value.curve.values, value.low, value.high))]
    source = call.activation(index)
    if not source.real:
        raise Unsupported("it works on integers (only on a dequantised activation)")
    return [Curve(source, real_values(source.quantisation))] + ([source.curve] if source.curve else [])


def _pending(call: Call, curve: Curve) -> Pending:
    def emit(target: Target) -> tuple[Lut]:
        steps = np.rint(curve.values / target.kind.scale) + target.kind.zero_point
        table = np.clip(steps, *target.clamp).astype(np.uint8)
        return (Lut(name=target.name, inputs=(curve.source.tensor,), output=target.output, table=table),)

    return Pending(emit, curve.source.shape, curve.source.hwc, name=call.name, curve=curve)


OPERATORS = (
    Operator("Sigmoid", lower_sigmoid, {"QLinearSigmoid": Layout((0,), output=3)}, calibrated=False),
    Operator("Tanh", lower_tanh, calibrated=False),
    Operator("HardSigmoid", lower_hard_sigmoid, calibrated=False),
    Operator("HardSwish", lower_hard_swish, calibrated=False),
    Operator("LeakyRelu", lower_leaky_relu, {"QLinearLeakyRelu": Layout((0,), output=3)}, calibrated=False),
    Operator("Elu", lower_elu, calibrated=False),
    Operator("Mul", lower_mul, {"QLinearMul": Layout((0, 3), output=6)}, calibrated=False),
)

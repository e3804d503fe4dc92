"""Relu and Clip: limits of the producer where its result is not yet quantised, a 1x1 pool elsewhere."""

from dataclasses import replace

import numpy as np

from mapping.importer.lowering import rescale
from mapping.importer.values import Call, Operator, Pending, Unsupported


def lower_relu(call: Call) -> Pending:
    """Everything below 0 becomes 0."""
    return _limit(call, 0.0, np.inf)


def lower_clip(call: Call) -> Pending:
    """Limits given as constant inputs or, in old models, as attributes; both are optional."""
    low = float(call.attributes.get("min", -np.inf))
    high = float(call.attributes.get("max", np.inf))
    return _limit(call, _bound(call, 1, low), _bound(call, 2, high))


def _bound(call: Call, index: int, default: float) -> float:
    if call.argument(index) is None:
        return default
    limit = call.constant(index)
    if limit.values.size != 1:
        raise Unsupported(f"its limit has {limit.values.size} values (only one)")
    if np.isnan(limit.values).any():
        raise Unsupported("its limit is not a number")
    return float(limit.values.reshape(())) * (1.0 if limit.scale is None else float(limit.scale[0]))


def _limit(call: Call, low: float, high: float) -> Pending:
    source = call.argument(0)
    if not isinstance(source, Pending):
        activation = call.activation(0)
        if not activation.real:
            raise Unsupported("it works on integers (only on a dequantised activation)")
        source = rescale(call, activation)
    new_low, new_high = (float(np.clip(limit, low, high)) for limit in (source.low, source.high))
    curve = source.curve
    if curve and curve.operators:
        curve = replace(curve, operators=(*curve.operators, call.op_type))
    return replace(source, low=new_low, high=new_high, curve=curve)


OPERATORS = (
    Operator("Relu", lower_relu, role="limit"),
    Operator("Clip", lower_clip, role="limit", limits="limits are constants of one value"),
)

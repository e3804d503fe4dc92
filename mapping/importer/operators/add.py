"""Add: the sum of two activations of one shape, each with its own scale."""

from mapping.importer.lowering import fixed_point, rescale
from mapping.importer.operators.curve import lower_binary
from mapping.importer.values import Call, Constant, Layout, Operator, Pending, Target, Unsupported
from pyimc.network import Add


def lower(call: Call) -> Pending:
    """A residual addition; a tensor added to itself is a change of scale, a constant a function of each value."""
    if any(isinstance(call.argument(index), Constant) for index in (0, 1)):
        return lower_binary(call)
    left, right = call.activation(0), call.activation(1)
    if left.hwc != right.hwc or left.shape != right.shape:
        raise Unsupported(f"inputs of shapes {left.shape} and {right.shape} (only equal shapes)")
    if left.tensor == right.tensor:
        return rescale(call, left, gain=2.0)

    def emit(target: Target) -> tuple[Add]:
        scales = [side.quantisation.scale / target.kind.scale for side in (left, right)]
        (left_multiplier, right_multiplier), shift = fixed_point(scales)
        node = Add(
            name=target.name,
            inputs=(left.tensor, right.tensor),
            output=target.output,
            multipliers=(left_multiplier, right_multiplier),
            shift=shift,
            input_zero_points=(left.quantisation.zero_point, right.quantisation.zero_point),
            output_zero_point=target.kind.zero_point,
            clamp=target.clamp,
        )
        return (node,)

    return Pending(emit, left.shape, left.hwc, name=call.name)


LIMITS = "two maps of one shape, or a map and a constant of one value; in float models one value per channel, too"
OPERATORS = (Operator("Add", lower, {"QLinearAdd": Layout(operands=(0, 3), output=6)}, limits=LIMITS),)

"""Add: the sum of two activations, each with its own scale; of one and a constant, a function of each value."""

from mapping.importer.lowering import rescale
from mapping.importer.operators.curve import lower_binary
from mapping.importer.operators.pairwise import lower_pair
from mapping.importer.values import Call, Constant, Layout, Operator, Pending


def lower(call: Call) -> Pending:
    """A residual addition; a tensor added to itself is a change of scale, a constant a function of each value."""
    if any(isinstance(call.argument(index), Constant) for index in (0, 1)):
        return lower_binary(call)
    left, right = call.activation(0), call.activation(1)
    if left.tensor == right.tensor and left.shape == right.shape:
        return rescale(call, left, gain=2.0)
    return lower_pair(call)


LIMITS = "two maps of one shape, or a map and a 1x1 map; one of them may be constant"
OPERATORS = (Operator("Add", lower, {"QLinearAdd": Layout(operands=(0, 3), output=6)}, limits=LIMITS),)

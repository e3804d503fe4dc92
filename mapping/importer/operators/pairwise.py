"""Add, Sub, Mul, Max and Min of two activations: of one shape, or one of them a pixel for every pixel of the other."""

from typing import Literal

from mapping.importer.lowering import fixed_point
from mapping.importer.values import Activation, Call, Pending, Target, Unsupported
from pyimc.network import Add, Extreme, Mul, Pairwise, Sub
from pyimc.tensors import Pair

MODES: dict[str, Literal["max", "min"]] = {"Max": "max", "Min": "min"}
PAIRS = ("Add", "Sub", "Mul", *MODES)
"""Operators on two maps."""
LIMITS = {
    name: "; a node of its own for two maps of one shape, or a map and a 1x1 map"
    + (" that is taken off it" if name == "Sub" else "")
    + (", of one scale in int8 models" if name in MODES else "")
    for name in PAIRS
}
"""What `docs/operators.md` says of them, behind what they are of one map."""


def lower_pair(call: Call) -> Pending:
    """A node on two maps, each with its own scale; what is larger or smaller is only known of maps of one scale.

    Raises:
        Unsupported: Shapes that do not go together, or scales.
    """
    if len(call.arguments) != 2:
        raise Unsupported(f"it has {len(call.arguments)} inputs (only two)")
    left, right = _sides(call)
    alike = left.quantisation == right.quantisation
    if call.op_type in MODES and not alike:
        raise Unsupported("its inputs have two scales (only one, or let pyimc quantise the float model)")

    def emit(target: Target) -> tuple[Pairwise]:
        steps = (left.quantisation.scale, right.quantisation.scale)
        both = steps[0] * steps[1] if call.op_type == "Mul" else steps[1]
        reals = [each / target.kind.scale for each in steps]
        multipliers, shift = fixed_point(reals if call.op_type in ("Add", "Sub") else [0.0, both / target.kind.scale])
        pair: Pair = (multipliers[0], multipliers[1])
        zeros = (left.quantisation.zero_point, right.quantisation.zero_point)
        inputs = (left.tensor, right.tensor)
        scales = (pair, shift, zeros, target.kind.zero_point, target.clamp)
        match call.op_type:
            case "Add":
                return (Add(target.name, inputs, target.output, *scales),)
            case "Sub":
                return (Sub(target.name, inputs, target.output, *scales),)
            case "Mul":
                return (Mul(target.name, inputs, target.output, *scales),)
        return (Extreme(target.name, inputs, target.output, *scales, MODES[call.op_type]),)

    return Pending(emit, left.shape, left.hwc, name=call.name)


def _sides(call: Call) -> tuple[Activation, Activation]:
    """Both inputs, the pixel second if one is only that."""
    left, right = call.activation(0), call.activation(1)
    if not (left.real and right.real):
        raise Unsupported("it works on integers (only on a dequantised activation)")
    if left.hwc == right.hwc and left.shape == right.shape:
        return left, right
    for one, other in ((left, right), (right, left)):
        maps = len(one.shape) == len(other.shape) == 4
        if maps and other.hwc == (1, 1, one.hwc[2]):
            if one is right and call.op_type == "Sub":
                raise Unsupported("a map is taken off a pixel (only a pixel off a map)")
            return one, other
    raise Unsupported(
        f"inputs of shapes {left.shape} and {right.shape} (only equal ones, or one of a pixel with as many channels)"
    )

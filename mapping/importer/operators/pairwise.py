"""Add, Sub, Mul, Max and Min of two maps of one shape, or of a map and a pixel; one of them may be constant."""

from dataclasses import replace
from typing import Literal

import numpy as np

from mapping.importer.lowering import fixed_point
from mapping.importer.stored import StoredMap, stored_map
from mapping.importer.values import Activation, Call, Constant, Pending, Quantisation, Target, Unsupported
from pyimc.network import Add, Extreme, Lut, Mul, Node, Pairwise, Sub, TensorType
from pyimc.numerics import UINT8_MAX

MODES: dict[str, Literal["max", "min"]] = {"Max": "max", "Min": "min"}
PAIRS = ("Add", "Sub", "Mul", *MODES)
"""Operators on two maps."""
LIMITS = {
    name: "; a node of its own for two maps of one shape, or a map and a 1x1 map; one of them may be constant"
    + (", of one scale in int8 models" if name in MODES else "")
    for name in PAIRS
}
"""What `docs/operators.md` says of them, behind what they are of one map."""

Side = Activation | StoredMap


def lower_pair(call: Call) -> Pending:
    """A node on two maps, each with its own scale; what is larger or smaller is only known of maps of one scale.

    Raises:
        Unsupported: Shapes that do not go together, or scales.
    """
    if len(call.arguments) != 2:
        raise Unsupported(f"it has {len(call.arguments)} inputs (only two)")
    first, second = _side(call, 0), _side(call, 1)
    swapped = _swapped(first, second)
    left, right = (second, first) if swapped else (first, second)
    stored = isinstance(left, StoredMap) or isinstance(right, StoredMap)
    if call.op_type in MODES and not stored and left.quantisation != right.quantisation:
        raise Unsupported("its inputs have two scales (only one, or let pyimc quantise the float model)")

    def emit(target: Target) -> tuple[Node, ...]:
        one, other = left, right
        if call.op_type in MODES:
            one, other = _compared(one, other), _compared(other, one)
        before: list[Node] = []
        kind = call.op_type
        if kind == "Sub" and swapped:  # a map is taken off a pixel
            one, kind = _turned(one, target, before), "Add"
        inputs = (_tensor(one, "left", target, before), _tensor(other, "right", target, before))
        return (*before, _node(kind, one.quantisation, other.quantisation, inputs, target))

    return Pending(emit, left.shape, left.hwc, name=call.name, last=stored)


def _node(kind: str, left: Quantisation, right: Quantisation, inputs: tuple[str, str], target: Target) -> Pairwise:
    both = left.scale * right.scale if kind == "Mul" else right.scale
    reals = [left.scale, right.scale] if kind in ("Add", "Sub") else [0.0, both]
    (one, other), shift = fixed_point([each / target.kind.scale for each in reals])
    zeros = (left.zero_point, right.zero_point)
    scales = ((one, other), shift, zeros, target.kind.zero_point, target.clamp)
    match kind:
        case "Add":
            return Add(target.name, inputs, target.output, *scales)
        case "Sub":
            return Sub(target.name, inputs, target.output, *scales)
        case "Mul":
            return Mul(target.name, inputs, target.output, *scales)
    return Extreme(target.name, inputs, target.output, *scales, MODES[kind])


def _side(call: Call, index: int) -> Side:
    """One input: an activation, or a constant that goes together with the other one."""
    if isinstance(call.argument(index), Constant):
        return stored_map(call, index, call.activation(1 - index))
    source = call.activation(index)
    if not source.real:
        raise Unsupported("it works on integers (only on a dequantised activation)")
    return source


def _swapped(left: Side, right: Side) -> bool:
    """Whether the first input is a pixel and the second is not."""
    if left.hwc == right.hwc and left.shape == right.shape:
        return False
    for one, other in ((left, right), (right, left)):
        if len(one.shape) == len(other.shape) > 2 and other.hwc == (1, 1, one.hwc[2]):
            return other is left
    raise Unsupported(
        f"inputs of shapes {left.shape} and {right.shape} (only equal ones, or one of a pixel with as many channels)"
    )


def _compared(side: Side, other: Side) -> Side:
    return side.compared(other.quantisation) if isinstance(side, StoredMap) else side


def _turned(side: Side, target: Target, nodes: list[Node]) -> Side:
    """What is less than zero by as much as a side is more, to the bit."""
    meaning = replace(side.quantisation, zero_point=UINT8_MAX - side.quantisation.zero_point)
    if isinstance(side, StoredMap):
        return replace(side, real=-side.real, quantisation=meaning)
    tensor = f"{target.output}.turned"
    target.tensors[tensor] = TensorType(*side.hwc, meaning.scale, meaning.zero_point)
    table = np.arange(UINT8_MAX, -1, -1, dtype=np.uint8)
    nodes.append(Lut(f"{target.name}.turned", (side.tensor,), tensor, table))
    return replace(side, tensor=tensor, quantisation=meaning)


def _tensor(side: Side, name: str, target: Target, nodes: list[Node]) -> str:
    if isinstance(side, Activation):
        return side.tensor
    nodes += side.nodes(target, name)
    return f"{target.output}.{name}"

"""Flatten, Reshape, Squeeze, Unsqueeze, Transpose, Identity and Dropout: the same pixels under another shape.

A map may become the vector (1, C*H*W), which only a Gemm or MatMul reads, and a map again; a 1x1 map may take either
form, a map of one row that of a row (1, C, W). As a matrix, or as several, a map has a column for every pixel:
(1, C, H*W), or (1, N, C/N, H*W); so it may be transposed for a MatMul. A map as a column (1, C, H*W, 1) is another map.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from mapping.importer.lowering import copied
from mapping.importer.values import Activation, Call, Operator, Pending, Shape, Target, Unsupported, hwc
from pyimc.network import Column

Reshaped = Activation | Pending


def lower_flatten(call: Call) -> Reshaped:
    """Everything from one axis on becomes one dimension."""
    source = _source(call)
    rank = len(source.shape)
    axis = call.attributes.get("axis", 1)
    axis = axis + rank if axis < 0 else axis
    return _reshaped(source, (math.prod(source.shape[:axis]), math.prod(source.shape[axis:])))


def lower_reshape(call: Call) -> Reshaped:
    """A constant shape, in which one -1 is inferred and 0 copies a dimension."""
    source = _source(call)
    shape = _wanted(call, source)
    return _column(call, source, shape) if is_column(source.shape, shape) else _reshaped(source, shape)


def _wanted(call: Call, source: Reshaped) -> Shape:
    wanted = [int(size) for size in call.constant(1).values.reshape(-1)]
    if 0 in wanted:
        call.require(allowzero=0)
    if any(size == 0 and index >= len(source.shape) for index, size in enumerate(wanted)):
        raise Unsupported(f"shape {wanted} copies a dimension that {source.shape} does not have")
    shape = [source.shape[index] if size == 0 else size for index, size in enumerate(wanted)]
    known = math.prod(size for size in shape if size != -1)
    total = math.prod(source.shape)
    return tuple(total // max(known, 1) if size == -1 else size for size in shape)


def is_column(before: Shape, after: Shape) -> bool:
    """Whether a map of several columns becomes one of a single column: its pixels move."""
    return len(before) == 4 and before[3] > 1 and after == (*before[:2], before[2] * before[3], 1)


def _column(call: Call, source: Reshaped, shape: Shape) -> Pending:
    if isinstance(source, Pending):
        raise Unsupported(f"shape {shape} moves what is not quantised yet")
    if not source.is_map:
        raise Unsupported(f"shape {source.shape} becomes {shape} (only a map does)")

    def emit(target: Target) -> tuple[Column]:
        return (Column(target.name, (source.tensor,), target.output),)

    return Pending(copied(source, emit), shape, hwc(shape), name=call.name)


def moves(call: Call) -> bool:
    """Whether a change of shape needs a result's integers: it turns matrices, or makes a column."""
    source = call.argument(0)
    if not isinstance(source, Pending):
        return False
    if call.op_type == "Transpose":
        return not source.turned and turns(call.attributes.get("perm", []), source)
    return call.op_type == "Reshape" and is_column(source.shape, _wanted(call, source))


def lower_squeeze(call: Call) -> Reshaped:
    """Dimensions of 1 go away."""
    source = _source(call)
    axes = _axes(call, len(source.shape))
    kept = [size for axis, size in enumerate(source.shape) if (axis not in axes if axes else size != 1)]
    return _reshaped(source, tuple(kept))


def lower_unsqueeze(call: Call) -> Reshaped:
    """Dimensions of 1 are inserted."""
    source = _source(call)
    shape = list(source.shape)
    for axis in sorted(_axes(call, len(source.shape) + len(_axes(call, 0)))):
        shape.insert(axis, 1)
    return _reshaped(source, tuple(shape))


def lower_transpose(call: Call) -> Reshaped:
    """An order that leaves all dimensions but those of 1 where they are, or changes the two of a matrix."""
    source = _source(call)
    rank = len(source.shape)
    order = call.attributes.get("perm", list(reversed(range(rank))))
    moved = [axis for axis in order if source.shape[axis] != 1]
    if moved != sorted(moved):
        if not turns(order, source):
            raise Unsupported(f"perm={order} of shape {source.shape} moves values (only dimensions of 1)")
        shape = tuple(source.shape[axis] for axis in order)
        if isinstance(source, Pending):
            if not source.turned:
                raise Unsupported(f"perm={order} moves what is not quantised yet")
            return replace(source, shape=shape, turned=False)
        return replace(source, shape=shape, turned=not source.turned, curve=None)
    return _reshaped(source, tuple(source.shape[axis] for axis in order))


def turns(order: Sequence[int], source: Reshaped) -> bool:
    """Whether an order of axes is that of the transposed matrix, or matrices, whose columns are all pixels of a map."""
    axes, pixels = list(range(len(source.shape))), source.hwc[0] * source.hwc[1]
    turned = source.turned
    fits = len(axes) in (3, 4) and source.shape[0] == 1 and source.shape[-2 if turned else -1] == pixels
    return fits and list(order) == [*axes[:-2], axes[-1], axes[-2]]


def lower_identity(call: Call) -> Reshaped:
    """The value itself."""
    return _source(call)


def _source(call: Call) -> Reshaped:
    value = call.argument(0)
    return value if isinstance(value, Pending) else call.matrix(0)


def _axes(call: Call, rank: int) -> list[int]:
    return [axis + rank if axis < 0 else axis for axis in call.axes()]


def _reshaped(source: Reshaped, shape: Shape) -> Reshaped:
    vector = (1, math.prod(source.hwc))
    is_pixel = source.hwc[:2] == (1, 1)
    is_map = len(shape) in (3, 4) and shape[0] == 1 and hwc(shape) == source.hwc
    turned = source.turned
    height, width, channels = source.hwc
    is_matrix = len(shape) in (3, 4) and (shape[0], math.prod(shape[1:-1]), shape[-1]) == (1, channels, height * width)
    if (
        shape == source.shape
        or (not turned and (shape == vector or is_map or is_matrix))
        or (is_pixel and not turned and shape == (*vector, 1, 1))
    ):
        return replace(source, shape=shape)
    raise Unsupported(f"shape {source.shape} becomes {shape} (only the vector {vector})")


_TO = "to a vector, or to matrices for MatMul, and back, or where only dimensions of 1 come and go"
OPERATORS = (
    Operator("Flatten", lower_flatten, role="shape", limits=_TO),
    Operator("Reshape", lower_reshape, role="shape", limits=f"a constant shape; {_TO}"),
    Operator("Squeeze", lower_squeeze, role="shape", limits=_TO),
    Operator("Unsqueeze", lower_unsqueeze, role="shape", limits=_TO),
    Operator(
        "Transpose",
        lower_transpose,
        role="shape",
        limits="of dimensions of 1, or of the channels of the input, or of a matrix for MatMul",
    ),
    Operator("Identity", lower_identity, role="shape"),
    Operator("Dropout", lower_identity, role="shape", limits="its first output only; seed does not matter"),
)

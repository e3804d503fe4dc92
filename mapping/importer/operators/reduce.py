"""ReduceMean, ReduceSum and ReduceMax over rows, columns or both: pools with windows as high or as wide as the map."""

from dataclasses import replace
from typing import Literal

from mapping.importer.lowering import pool, require_map
from mapping.importer.values import Call, Operator, Pending, Unsupported, hwc


def lower_mean(call: Call) -> Pending:
    """The mean along some axes."""
    return _lower(call, "average")


def lower_sum(call: Call) -> Pending:
    """The sum along some axes: as many times the mean as pixels were added."""
    return _lower(call, "average", summed=True)


def lower_max(call: Call) -> Pending:
    """The largest value along some axes."""
    return _lower(call, "max")


def _lower(call: Call, mode: Literal["max", "average"], *, summed: bool = False) -> Pending:
    source = call.activation(0)
    require_map(source)
    rank = len(source.shape)
    if call.argument(1) is not None:
        given = [int(axis) for axis in call.constant(1).values.reshape(-1)]
    else:
        given = list(call.attributes.get("axes", []))
    axes = sorted(axis % rank for axis in given)
    if not axes or axes[0] < 2:
        raise Unsupported(f"axes={given} of shape {source.shape} (only rows and columns of a map, the last ones)")
    height, width = (source.hwc[index] if index + rank - 2 in axes else 1 for index in (0, 1))
    found = pool(call, source, mode, (height, width), (1, 1), (0, 0, 0, 0), gain=float(height * width if summed else 1))
    if call.attributes.get("keepdims", 1):
        return found
    shape = tuple(size for axis, size in enumerate(found.shape) if axis not in axes)
    if hwc(shape) != found.hwc:
        raise Unsupported(f"keepdims=0 along the columns of {source.shape}, which leaves rows that are none (only 1)")
    return replace(found, shape=shape)


_AXES = "rows, columns or both of a map, named as constants (noop_with_empty_axes does not matter)"
_KEPT = "keepdims=0 along the columns only with the rows"
OPERATORS = (
    Operator("ReduceMean", lower_mean, limits=f"{_AXES}; the channels in float models with keepdims=1; {_KEPT}"),
    Operator("ReduceSum", lower_sum, limits=f"{_AXES}; the channels in float models with keepdims=1; {_KEPT}"),
    Operator("ReduceMax", lower_max, limits=f"{_AXES}; {_KEPT}"),
)

"""ReduceMean over rows and columns, which exporters write for a global average pool."""

from dataclasses import replace

from mapping.importer.lowering import pool
from mapping.importer.values import Call, Operator, Pending, Unsupported


def lower_mean(call: Call) -> Pending:
    """The mean of the whole map, as (1, C, 1, 1) or (1, C)."""
    source = call.activation(0)
    rank = len(source.shape)
    if call.argument(1) is not None:
        given = [int(axis) for axis in call.constant(1).values.reshape(-1)]
    else:
        given = list(call.attributes.get("axes", []))
    axes = sorted(axis % rank for axis in given)
    if rank != 4 or axes != [2, 3]:
        raise Unsupported(f"axes={given} of shape {source.shape} (only rows and columns of a map, 2 and 3)")
    mean = pool(call, source, "average", source.hwc[:2], (1, 1), (0, 0, 0, 0))
    return mean if call.attributes.get("keepdims", 1) else replace(mean, shape=(1, source.hwc[2]))


OPERATORS = (Operator("ReduceMean", lower_mean),)

"""MaxPool, AveragePool, GlobalMaxPool and GlobalAveragePool, of maps and of rows."""

from dataclasses import replace
from typing import Literal

from mapping.importer.lowering import pair, pool, require_map, sliding_window
from mapping.importer.values import Activation, Call, Layout, Operator, Pending, Unsupported
from pyimc.network import Pads, Pair


def lower_max(call: Call) -> Pending:
    """The largest pixel of each window; limits that the pixels still wait for apply as well after it."""
    before = call.argument(0)
    if isinstance(before, Pending) and before.limited is not None:
        after = lower_max(replace(call, arguments=(before.limited,)))
        return replace(after, low=before.low, high=before.high)
    return _lower(call, "max")


def lower_average(call: Call) -> Pending:
    """The mean of each window, over all its pixels (count_include_pad) or those inside the map."""
    return _lower(call, "average")


def lower_global_average(call: Call) -> Pending:
    """The mean of the whole map."""
    call.require(channels_last=0)
    return whole(call, "average")


def lower_global_max(call: Call) -> Pending:
    """The largest pixel of the whole map."""
    return whole(call, "max")


def whole(call: Call, mode: Literal["max", "average"]) -> Pending:
    """A pool with one window, the whole map."""
    source = call.activation(0)
    require_map(source)
    return pool(call, source, mode, source.hwc[:2], (1, 1), (0, 0, 0, 0))


def _lower(call: Call, mode: Literal["max", "average"]) -> Pending:
    call.require(channels_last=0, storage_order=0)
    source = call.activation(0)
    require_map(source)
    kernel = pair(call.attributes["kernel_shape"])
    dilations = call.attributes.get("dilations", [1, 1])
    if any(step != 1 and size != 1 for step, size in zip(pair(dilations), kernel, strict=True)):
        raise Unsupported(f"dilations={dilations} (only 1)")
    stride, given = sliding_window(call, source, kernel)
    pads = _ceil_pads(source, kernel, stride, given) if call.attributes.get("ceil_mode", 0) else given
    include_pads = bool(call.attributes.get("count_include_pad", 0))
    if mode == "average" and include_pads and pads != given:
        raise Unsupported("ceil_mode=1 with count_include_pad=1 and a last window that leaves the padded map")
    return pool(call, source, mode, kernel, stride, pads, include_pads=include_pads)


def _ceil_pads(source: Activation, kernel: Pair, stride: Pair, pads: Pads) -> Pads:
    """Bottom and right pads that make room for the partial windows of ceil_mode.

    A partial window counts only if it starts inside the map or the padding before it.
    """
    ends = []
    for axis in (0, 1):
        size, before, after = source.hwc[axis], pads[axis], pads[axis + 2]
        count = -((size + before + after - kernel[axis]) // -stride[axis]) + 1
        if (count - 1) * stride[axis] >= size + before:
            count -= 1
        ends.append(max(after, (count - 1) * stride[axis] + kernel[axis] - size - before))
    return pads[0], pads[1], ends[0], ends[1]


_AVERAGE = {"QLinearAveragePool": Layout((0,), output=3)}
_GLOBAL = {"QLinearGlobalAveragePool": Layout((0,), output=3)}
_ONE = "maps and rows; dilations of 1"
OPERATORS = (
    Operator("MaxPool", lower_max, limits=f"{_ONE}; storage_order=0; its first output only"),
    Operator("AveragePool", lower_average, _AVERAGE, limits=f"{_ONE}; count_include_pad=1 only without ceil_mode"),
    Operator("GlobalMaxPool", lower_global_max, limits="maps and rows"),
    Operator("GlobalAveragePool", lower_global_average, _GLOBAL, limits="maps and rows"),
)

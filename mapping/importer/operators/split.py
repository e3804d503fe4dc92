"""Split and Slice along channels: names for parts of a tensor, no nodes (see `mapping.importer.parts`)."""

from dataclasses import replace
from itertools import accumulate, pairwise

from mapping.importer.parts import part_name
from mapping.importer.values import Activation, Call, Operator, Unsupported


def lower_split(call: Call) -> tuple[Activation, ...]:
    """Parts of given sizes, or equal ones."""
    source = _source(call)
    _require_channels(source, call.attributes.get("axis", 0))
    channels, count = source.hwc[2], len(call.outputs)
    if call.argument(1) is not None:
        sizes = [int(size) for size in call.constant(1).values.reshape(-1)]
    else:
        size = -(-channels // count)
        sizes = list(call.attributes.get("split", [min(size, channels - index * size) for index in range(count)]))
    return tuple(_part(source, start, stop) for start, stop in pairwise(accumulate(sizes, initial=0)))


def lower_slice(call: Call) -> Activation:
    """One range of channels; limits beyond the map end at its edge."""
    source = _source(call)
    starts, ends = (_integers(call, index) for index in (1, 2))
    axes = _integers(call, 3) if call.argument(3) is not None else list(range(len(starts)))
    steps = _integers(call, 4) if call.argument(4) is not None else [1] * len(starts)
    part = source
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = source.shape[axis]
        kept = range(size)[slice(start, end, step)]
        if kept == range(size):
            continue
        _require_channels(source, axis)
        if step != 1 or not kept:
            raise Unsupported(f"channels {start} to {end} in steps of {step} (only one or more in steps of 1)")
        part = _part(source, kept.start, kept.stop)
    return part


def _source(call: Call) -> Activation:
    source = call.activation(0)
    if len(source.shape) == 2 and source.hwc[:2] != (1, 1):
        raise Unsupported("its input is a flattened map (only a map or a vector)")
    return source


def _integers(call: Call, index: int) -> list[int]:
    return [int(value) for value in call.constant(index).values.reshape(-1)]


def _require_channels(source: Activation, axis: int) -> None:
    if axis not in (1, 1 - len(source.shape)):
        raise Unsupported(f"axis={axis} (only 1, the channels)")


def _part(source: Activation, start: int, stop: int) -> Activation:
    height, width, channels = source.hwc
    if (start, stop) == (0, channels):
        return source
    shape = (1, stop - start, *source.shape[2:])
    return replace(
        source,
        tensor=part_name(source.tensor, start, stop),
        shape=shape,
        hwc=(height, width, stop - start),
        curve=None,
    )


OPERATORS = (
    Operator(
        "Split", lower_split, role="copy", limits="along the channels (axis=1), any sizes; num_outputs does not matter"
    ),
    Operator("Slice", lower_slice, role="copy", limits="one range of channels, in steps of 1; limits are constants"),
)

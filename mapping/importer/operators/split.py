"""Split and Slice: along channels names for parts of a tensor (`mapping.importer.parts`), otherwise nodes that copy."""

from dataclasses import replace
from itertools import accumulate, pairwise

from mapping.importer.lowering import copied
from mapping.importer.parts import part_name
from mapping.importer.values import Activation, Call, Operator, Pending, Target, Unsupported, same_rank
from pyimc.network import Crop

Part = Activation | Pending


def lower_split(call: Call) -> tuple[Part, ...]:
    """Parts of given sizes, or equal ones."""
    source = _source(call)
    rank = len(source.shape)
    axis = call.attributes.get("axis", 0)
    axis = axis + rank if axis < 0 else axis
    if not 1 <= axis < rank:
        raise Unsupported(f"axis={axis} (only channels, rows and columns)")
    whole, count = source.shape[axis], len(call.outputs)
    if call.argument(1) is not None:
        sizes = [int(size) for size in call.constant(1).values.reshape(-1)]
    else:
        size = -(-whole // count)
        sizes = list(call.attributes.get("split", [min(size, whole - index * size) for index in range(count)]))
    if min(sizes) < 1:
        raise Unsupported(f"parts of sizes {sizes} (only 1 and more)")
    ranges = [range(start, stop) for start, stop in pairwise(accumulate(sizes, initial=0))]
    return tuple(_part(source, {axis: kept}, name) for kept, name in zip(ranges, call.outputs, strict=True))


def lower_slice(call: Call) -> Part:
    """One range of channels, rows and columns each; limits beyond the map end at its edge."""
    source = _source(call)
    rank = len(source.shape)
    starts, ends = (_integers(call, index) for index in (1, 2))
    axes = _integers(call, 3) if call.argument(3) is not None else list(range(len(starts)))
    steps = _integers(call, 4) if call.argument(4) is not None else [1] * len(starts)
    parts = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = source.shape[axis]
        kept = range(size)[slice(start, end, step)]
        if kept == range(size):
            continue
        kind = "channels" if axis % rank == 1 else "rows or columns"
        if step < 1 or not kept or (kind == "channels" and step > 1):
            steps_allowed = "1" if kind == "channels" else "1 and more"
            raise Unsupported(
                f"{kind} {start} to {end} in steps of {step} (only one or more in steps of {steps_allowed})"
            )
        parts[axis % rank] = kept
    return _part(source, parts, call.name)


def _source(call: Call) -> Activation:
    source = call.activation(0)
    if len(source.shape) == 2 and source.hwc[:2] != (1, 1):
        raise Unsupported("its input is a flattened map (only a map or a vector)")
    return source


def _integers(call: Call, index: int) -> list[int]:
    return [int(value) for value in call.constant(index).values.reshape(-1)]


def _part(source: Activation, ranges: dict[int, range], name: str) -> Part:
    """Ranges along axes of the ONNX shape; of channels first."""
    height, width, channels = source.hwc
    kept = ranges.pop(1, range(channels))
    if kept != range(channels):
        source = replace(
            source,
            tensor=part_name(source.tensor, kept.start, kept.stop),
            shape=(1, len(kept), *source.shape[2:]),
            hwc=(height, width, len(kept)),
            curve=None,
        )
    rank = len(source.shape)
    rows = ranges.get(rank - 2, range(height)) if rank == 4 else range(height)
    columns = ranges.get(rank - 1, range(width)) if rank > 2 else range(width)
    return source if (len(rows), len(columns)) == (height, width) else _crop(source, rows, columns, name)


def _crop(source: Activation, rows: range, columns: range, name: str) -> Pending:
    start, step, size = (rows.start, columns.start), (rows.step, columns.step), (len(rows), len(columns))

    def emit(target: Target) -> tuple[Crop]:
        return (Crop(target.name, (source.tensor,), target.output, start, step, size),)

    hwc = (*size, source.hwc[2])
    return Pending(copied(source, emit), same_rank(source.shape, hwc), hwc, name=name)


OPERATORS = (
    Operator(
        "Split",
        lower_split,
        role="copy",
        limits="any sizes of 1 and more; num_outputs does not matter; rows and columns cost a node each",
    ),
    Operator(
        "Slice",
        lower_slice,
        role="copy",
        limits="channels in steps of 1; rows and columns, which cost a node, of 1 and more; limits are constants",
    ),
)

"""Exact rewritings of what copies parts of a map: borders, selections, repetitions.

Passes like those of `mapping.importer.relayout`, before them. What is repeated is a transposed layer of ones, what is
put in front or behind a Concat.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from mapping.importer.onnx_model import attributes
from mapping.importer.rewriting import MAPS, Rewriting, Substitute, border_of

_OF_TWO = ("Add", "Sub", "Mul", "Div", "Max", "Min")


def borders(model: onnx.ModelProto) -> bool:
    """A Pad by reflection or with the edge is a Concat of parts, with a value other than zero two additions."""
    work = Rewriting(model)
    changed = False
    for node in work.inner("Pad"):
        shape, mode, sizes = (
            work.shapes.get(node.input[0], ()),
            attributes(node).get("mode", "constant"),
            border_of(work, node),
        )
        if len(shape) not in MAPS or sizes is None or sizes[:, :2].any() or sizes.min() < 0:
            continue
        if not sizes.any() and node.output[0] not in work.outputs:
            work.bypass(node)
            changed = True
            continue
        parts, offset = Substitute(work, node), _offset(work, node)
        if mode == "constant" and offset:
            value = parts.constant("value", np.array(offset, np.float32))
            padded = parts.op("Pad", parts.op("Sub", node.input[0], value), parts.constant("sizes", sizes.reshape(-1)))
            parts.op("Add", padded, value)
        elif mode == "edge" or (mode == "reflect" and (sizes[:, 2:] < shape[2:]).all()):
            found = node.input[0]
            for axis in range(2, len(shape)):
                found = _bordered(parts, found, axis, shape[axis], mode, sizes[:, axis])
        else:
            continue
        parts.replace()
        changed = True
    return changed


def _bordered(parts: Substitute, source: str, axis: int, size: int, mode: str, border: NDArray[np.int64]) -> str:
    before, behind = (int(each) for each in border)
    if not before + behind:
        return source
    if mode == "edge":
        places = [*[0] * before, *[size - 1] * behind]
    else:
        places = [*range(before, 0, -1), *range(size - 2, size - 2 - behind, -1)]
    taken = {place: parts.sliced(source, axis, place, place + 1) for place in sorted(set(places))}
    pieces = [taken[place] for place in places]
    return parts.op("Concat", *pieces[:before], source, *pieces[before:], axis=axis)


def _offset(work: Rewriting, node: onnx.NodeProto) -> float:
    """The value of a Pad, 0 if it is not known or no number."""
    value = work.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    found = float(attributes(node).get("value", 0.0) if value is None else value.reshape(-1)[0])
    return found if np.isfinite(found) else 0.0


def selections(model: onnx.ModelProto) -> bool:
    """Channels that a Gather or a Slice in steps takes are a layer that copies, rows and columns of a Gather Slices."""
    work = Rewriting(model)
    changed = False
    for node in work.inner("Gather", "Slice"):
        shape = work.shapes.get(node.input[0], ())
        if len(shape) not in MAPS:
            continue
        axis, places = _places(work, node, shape)
        if places is None or not len(places):
            continue
        parts = Substitute(work, node)
        if axis == 1:
            weights = np.eye(shape[1], dtype=np.float32)[places].reshape(len(places), shape[1], *[1] * (len(shape) - 2))
            parts.op("Conv", node.input[0], parts.constant("weight", weights))
        else:
            steps = set(np.diff(places).tolist())
            if len(steps) < 2 and min(steps, default=1) > 0:
                parts.sliced(node.input[0], axis, places[0], places[-1] + 1, min(steps, default=1))
            else:
                taken = {place: parts.sliced(node.input[0], axis, place, place + 1) for place in sorted(set(places))}
                parts.op("Concat", *(taken[place] for place in places), axis=axis)
        parts.replace()
        changed = True
    return changed


def _places(work: Rewriting, node: onnx.NodeProto, shape: Sequence[int]) -> tuple[int, list[int] | None]:
    """Axis of a map and places along it, if a Gather or a Slice of channels in steps takes them; else None."""
    if node.op_type == "Gather":
        stored, axis = work.constant(node.input[1]), attributes(node).get("axis", 0) % len(shape)
        if stored is None or stored.ndim != 1 or axis == 0:
            return axis, None
        return axis, [int(place) % shape[axis] for place in stored]
    limits = [work.constant(name) if name else None for name in node.input[1:]]
    if len(limits) < 4 or any(each is None or each.size != 1 for each in limits):
        return 0, None
    start, stop, axis, step = (int(each.reshape(())) for each in limits if each is not None)
    axis %= len(shape)
    if axis != 1 or step == 1:
        return axis, None
    places = range(shape[1])[slice(start, stop if stop > -(1 << 31) else None, step)]
    return axis, list(places)


def copies(model: onnx.ModelProto) -> bool:
    """Expand and Tile, and what is broadcast along rows, columns or channels: a layer of ones, a Concat of copies."""
    work = Rewriting(model)
    changed = False
    for node in work.inner("Expand", "Tile", *_OF_TWO):
        shapes = [work.shapes.get(name, ()) for name in node.input]
        whole = work.shapes.get(node.output[0], ())
        if len(whole) not in MAPS or whole[0] != 1:
            continue
        parts = Substitute(work, node)
        if node.op_type in ("Expand", "Tile"):
            if len(shapes[0]) != len(whole) or shapes[0] == whole:
                continue
            copied(parts, node.input[0], shapes[0], whole)
        else:
            if len(node.input) != 2 or any(work.constant(name) is not None for name in node.input):
                continue
            pixel = (1, whole[1], *[1] * (len(whole) - 2))
            odd = [shape not in (whole, pixel) for shape in shapes]
            odd[0] |= shapes == [pixel, pixel] and whole != pixel
            if not any(odd) or any(len(shape) != len(whole) for shape in shapes):
                continue
            sides = [
                copied(parts, name, shape, whole) if is_odd else name
                for name, shape, is_odd in zip(node.input, shapes, odd, strict=True)
            ]
            parts.op(node.op_type, *sides)
        parts.replace()
        changed = True
    return changed


def copied(parts: Substitute, source: str, shape: Sequence[int], whole: Sequence[int]) -> str:
    """A map several times along each axis: what is one row, column or channel by a layer, all else by joining."""
    layer = [size if old == 1 else old for old, size in zip(shape, whole, strict=True)]
    if layer[2:] != [*shape[2:]]:
        factors = [new // old for old, new in zip(shape, layer, strict=True)][2:]
        source = enlarged(parts, source, shape[1], [np.ones(factor) for factor in factors], factors)
    if layer[1] != shape[1]:
        source = parts.op(
            "Conv", source, parts.constant("ones", np.ones((layer[1], 1, *[1] * len(shape[2:])), np.float32))
        )
    for axis, (old, size) in enumerate(zip(layer, whole, strict=True)):
        if old != size:
            source = parts.op("Concat", *[source] * (size // old), axis=axis)
    return source


def enlarged(
    parts: Substitute, source: str, channels: int, along: Sequence[NDArray[np.float64]], factors: Sequence[int],
    pads: Sequence[int] = (),
) -> str:  # fmt: skip
    """A transposed layer that gives every pixel several times.

    Args:
        parts: Gets it.
        source: Its input.
        channels: Of that.
        along: Weights of a pixel in those around it, along rows and columns.
        factors: Pixels of the result for one, likewise.
        pads: Cut off before and behind, if anything is.
    """
    kernel = np.ones(())
    for each in along:
        kernel = np.multiply.outer(kernel, each)
    weights = np.broadcast_to(kernel, (channels, 1, *kernel.shape)).astype(np.float32)
    given = {"pads": pads} if any(pads) else {}
    return parts.op(
        "ConvTranspose", source, parts.constant("spread", weights), strides=factors, group=channels, **given
    )

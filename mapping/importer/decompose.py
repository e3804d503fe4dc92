"""Exact rewritings of operators that no engine has into several that there are.

Passes like those of `mapping.importer.fold`, before those that move values (`mapping.importer.relayout`).
"""

import numpy as np
import onnx

from mapping.importer.exported import opset
from mapping.importer.onnx_model import attributes
from mapping.importer.operators.curve import BINARY, UNARY
from mapping.importer.rewriting import MAPS, Rewriting, Substitute, axes_of

_OF_SEVERAL = ("Max", "Min", "Mean")


def several(model: onnx.ModelProto) -> bool:
    """Max, Min and Mean of several as those of two, one after another."""
    work = Rewriting(model)
    changed = False
    for node in work.inner(*_OF_SEVERAL):
        if len(node.input) < 2 + (node.op_type != "Mean"):
            continue
        parts = Substitute(work, node)
        found = node.input[0]
        for other in node.input[1:]:
            found = parts.op("Add" if node.op_type == "Mean" else node.op_type, found, other)
        if node.op_type == "Mean":
            parts.op("Mul", found, parts.constant("share", np.array(1 / len(node.input), np.float32)))
        parts.replace()
        changed = True
    return changed


def quotients(model: onnx.ModelProto) -> bool:
    """A Div by a map is a Mul by its Reciprocal, a Div by constants a Mul."""
    work = Rewriting(model)
    changed = False
    for node in work.inner("Div"):
        left, right = node.input
        divisor = work.constant(right)
        if work.is_one_value(right) or work.is_one_value(left) or (divisor is not None and not divisor.all()):
            continue
        if not _sources(work, left).isdisjoint(_sources(work, right)):
            continue  # one table
        parts = Substitute(work, node)
        factor = (
            parts.op("Reciprocal", right)
            if divisor is None
            else parts.constant("factor", (1 / divisor.astype(np.float64)).astype(np.float32))
        )
        parts.op("Mul", left, factor)
        parts.replace()
        changed = True
    return changed


def _sources(work: Rewriting, tensor: str) -> set[str]:
    """The tensor and those of whose values alone it is a function."""
    found = {tensor}
    while (node := work.producers.get(tensor)) and (node.op_type in UNARY or node.op_type in BINARY):
        read = {name for name in node.input if work.constant(name) is None}
        if len(read) != 1:
            break
        (tensor,) = read
        found.add(tensor)
    return found


def norms(model: onnx.ModelProto) -> bool:
    """ReduceMin, ReduceL1, ReduceL2, ReduceSumSquare and GlobalLpPool by way of ReduceMax and ReduceSum."""
    work = Rewriting(model)
    changed = False
    for node in work.inner("ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "GlobalLpPool"):
        source, given, rank = node.input[0], attributes(node), len(work.shapes.get(node.input[0], ()))
        axes = axes_of(work, node)
        if node.op_type == "GlobalLpPool":
            axes = list(range(2, rank)) if given.get("p", 2) == 2 else None
        if axes is None or rank not in MAPS:
            continue
        parts = Substitute(work, node)
        keep = {"keepdims": given.get("keepdims", 1)}
        if node.op_type == "ReduceMin":
            parts.op("Neg", _reduced(parts, "ReduceMax", parts.op("Neg", source), axes, model, keep))
        elif node.op_type == "ReduceL1":
            _reduced(parts, "ReduceSum", parts.op("Abs", source), axes, model, keep)
        else:
            total = _reduced(parts, "ReduceSum", parts.op("Mul", source, source), axes, model, keep)
            if node.op_type != "ReduceSumSquare":
                parts.op("Sqrt", total)
        parts.replace()
        changed = True
    return changed


def _reduced(
    parts: Substitute, op_type: str, source: str, axes: list[int], model: onnx.ModelProto, keep: dict[str, int]
) -> str:
    since = 13 if op_type == "ReduceSum" else 18
    if opset(model) >= since:
        return parts.op(op_type, source, parts.constant("axes", np.array(axes, np.int64)), **keep)
    return parts.op(op_type, source, axes=axes, **keep)


def responses(model: onnx.ModelProto) -> bool:
    """LRN: a map times a power of a 1x1 layer on its squares."""
    work = Rewriting(model)
    changed = False
    for node in work.inner("LRN"):
        source, given, shape = node.input[0], attributes(node), work.shapes.get(node.input[0], ())
        if len(shape) not in MAPS:
            continue
        channels, size = shape[1], given["size"]
        parts = Substitute(work, node)
        places = np.arange(channels)
        away = places - places[:, np.newaxis]  # from the channel of a row
        near = (away >= -((size - 1) // 2)) & (away <= size // 2)
        weights = (near * (given.get("alpha", 1e-4) / size)).astype(np.float32)
        kernel = parts.constant("weight", weights.reshape(channels, channels, *[1] * (len(shape) - 2)))
        bias = parts.constant("bias", np.full(channels, given.get("bias", 1.0), np.float32))
        sums = parts.op("Conv", parts.op("Mul", source, source), kernel, bias)
        power = parts.constant("power", np.array(-given.get("beta", 0.75), np.float32))
        parts.op("Mul", source, parts.op("Pow", sums, power))
        parts.replace()
        changed = True
    return changed

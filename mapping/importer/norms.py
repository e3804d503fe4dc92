"""Layer normalisations that an exporter wrote out, as one operator."""

import numpy as np
import onnx
from onnx import helper

from mapping.importer.onnx_model import attributes
from mapping.importer.rewriting import Rewriting, axes_of


def layer_norms(model: onnx.ModelProto) -> bool:
    """ReduceMean, Sub, Pow (or Mul), ReduceMean, Add, Sqrt, Div over the last axis is a LayerNormalization."""
    work = Rewriting(model)
    changed = False
    for node in [node for node in model.graph.node if node.op_type == "Div"]:
        found = _written_out(work, node)
        if found is None:
            continue
        source, epsilon = found
        channels, name = work.shapes[source][-1], node.name or node.output[0]
        gain = work.add_constant(f"{name}.gain", np.ones(channels, np.float32))
        node.CopyFrom(
            helper.make_node("LayerNormalization", [source, gain], list(node.output), name, axis=-1, epsilon=epsilon)
        )
        changed = True
    return changed


def _written_out(work: Rewriting, divided: onnx.NodeProto) -> tuple[str, float] | None:
    """What is normalised and its epsilon, if a quotient is the last step of that."""
    centred, root = (work.producers.get(name) for name in divided.input)
    if centred is None or root is None or (centred.op_type, root.op_type) != ("Sub", "Sqrt"):
        return None
    summed = work.producers.get(root.input[0])
    if summed is None or summed.op_type != "Add":
        return None
    stored = [work.constant(name) for name in summed.input]
    side = next((index for index, each in enumerate(stored) if each is not None and each.size == 1), None)
    variance = work.producers.get(summed.input[1 - side]) if side is not None else None
    mean = work.producers.get(centred.input[1])
    if variance is None or mean is None or not (_of_last_axis(work, variance) and _of_last_axis(work, mean)):
        return None
    square = work.producers.get(variance.input[0])
    if square is None or square.input[0] != centred.output[0] or mean.input[0] != centred.input[0]:
        return None
    exponent = work.constant(square.input[1])
    if square.op_type == "Pow" and (exponent is None or exponent.size != 1 or float(exponent.reshape(())) != 2):
        return None
    if square.op_type not in ("Pow", "Mul") or (square.op_type == "Mul" and square.input[1] != square.input[0]):
        return None
    epsilon = stored[side] if side is not None else None
    assert epsilon is not None
    return centred.input[0], float(epsilon.reshape(()))


def _of_last_axis(work: Rewriting, node: onnx.NodeProto) -> bool:
    """A mean over the last axis, which stays."""
    last = len(work.shapes.get(node.input[0], ())) - 1
    return node.op_type == "ReduceMean" and bool(attributes(node).get("keepdims", 1)) and axes_of(work, node) == [last]

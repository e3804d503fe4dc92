"""Exact rewritings of a float ONNX graph towards layers with weights and a bias.

Each pass changes a model in place, of its initialisers adding to them only, and returns whether it changed anything.
`mapping.importer.fidelity` checks on the user's inputs that no pass changed what the model computes.
"""

import math

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from mapping.importer.onnx_model import attributes, session, without_weights
from mapping.importer.operators import OPERATORS, role
from mapping.importer.rewriting import Rewriting, read_names

Reals = NDArray[np.float64]

_RANDOM = frozenset({"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial"})
_CONSTANTS = {
    "value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64,
}  # fmt: skip
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def constants(model: onnx.ModelProto) -> bool:
    """Compute what depends on constants and static shapes only, and drop what computes nothing or is not read."""
    changed = _drop_copies(model)
    while _fold_shapes(model) | _fold_constants(model):
        changed = True
    nodes = len(model.graph.node)
    Rewriting(model).without_the_unread(constants=False)
    return changed or len(model.graph.node) != nodes


def _drop_copies(model: onnx.ModelProto) -> bool:
    """Identity, Dropout and Cast to the type that its input has."""
    if not any(node.op_type in ("Identity", "Dropout", "Cast") for node in model.graph.node):
        return False
    work = Rewriting(model)
    graph = onnx.shape_inference.infer_shapes(without_weights(model)).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    changed = False
    for node in list(model.graph.node):
        same = node.op_type in ("Identity", "Dropout")
        same |= node.op_type == "Cast" and kinds.get(node.input[0]) == attributes(node)["to"]
        if same and node.output[0] not in work.outputs and not any(work.readers[name] for name in node.output[1:]):
            work.bypass(node)
            changed = True
    return changed


def _fold_shapes(model: onnx.ModelProto) -> bool:
    """Shape and Size of a tensor whose shape is known, and Constant."""
    if not any(node.op_type in ("Shape", "Size", "Constant") for node in model.graph.node):
        return False
    work = Rewriting(model)
    changed = False
    for node in list(model.graph.node):
        values: NDArray[np.generic] | None = None
        shape = work.shapes.get(node.input[0]) if node.input else None
        if node.op_type == "Constant":
            (attribute,) = node.attribute
            if attribute.name == "value":
                values = onnx.numpy_helper.to_array(attribute.t)
            elif attribute.name in _CONSTANTS:
                values = np.array(helper.get_attribute_value(attribute), _CONSTANTS[attribute.name])
        elif node.op_type == "Shape" and shape is not None:
            given = attributes(node)
            values = np.array(shape[given.get("start", 0) : given.get("end")], np.int64)
        elif node.op_type == "Size" and shape is not None:
            values = np.array(math.prod(shape), np.int64)
        if values is not None and node.output[0] not in work.outputs:
            work.remove(node)
            work.graph.initializer.append(onnx.numpy_helper.from_array(values, node.output[0]))
            changed = True
    return changed


def _fold_constants(model: onnx.ModelProto) -> bool:
    """Everything that only depends on initialisers, computed by onnxruntime."""
    work = Rewriting(model)
    known = {tensor.name for tensor in model.graph.initializer}
    folded = []
    for node in model.graph.node:
        names = list(read_names(node))
        if names and known.issuperset(names) and node.op_type not in _RANDOM and not work.outputs & set(node.output):
            folded.append(node)
            known.update(node.output)
    if not folded:
        return False
    inner = {id(node) for node in folded}
    kept = [name for node in folded for name in node.output if any(id(r) not in inner for r in work.readers[name])]
    read = {name for node in folded for name in read_names(node)}
    part = helper.make_graph(
        folded, "constants", [], [onnx.ValueInfoProto(name=name) for name in kept],
        [tensor for tensor in model.graph.initializer if tensor.name in read],
    )  # fmt: skip
    if kept:
        holder = helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)
        results = session(holder).run(kept, {})
        model.graph.initializer.extend(
            onnx.numpy_helper.from_array(np.asarray(values), name) for name, values in zip(kept, results, strict=True)
        )
    for node in folded:
        model.graph.node.remove(node)
    return True


def sums(model: onnx.ModelProto) -> bool:
    """A Sum of several as Adds, one after another."""
    changed = False
    for node in [node for node in model.graph.node if node.op_type == "Sum" and len(node.input) > 1]:
        place = next(index for index, each in enumerate(model.graph.node) if each.output == node.output)
        name, *terms, last = node.name or node.output[0], *node.input
        total = terms[0]
        for number, term in enumerate(terms[1:], 1):
            partial = f"{node.output[0]}.sum{number}"
            model.graph.node.insert(place, helper.make_node("Add", [total, term], [partial], f"{name}.{number}"))
            total, place = partial, place + 1
        del node.input[:]
        node.op_type = "Add"
        node.input.extend([total, last])
        changed = True
    return changed


def slopes(model: onnx.ModelProto) -> bool:
    """A PRelu with a slope per channel is what is positive, and what is negative times the slopes, added up."""
    work = Rewriting(model)
    changed = False
    for node in [node for node in model.graph.node if node.op_type == "PRelu"]:
        source, slope = node.input
        shape = work.shapes.get(source, ())
        values = _per_channel(work.constant(slope), shape)
        if values is None or values.size == 1 or len(shape) not in (3, 4):
            continue
        place = next(index for index, each in enumerate(model.graph.node) if each.output == node.output)
        name, output = node.name or node.output[0], node.output[0]
        zero = work.add_constant(f"{name}.zero", np.zeros((), np.float32))
        parts = (
            helper.make_node("Relu", [source], [f"{output}.above"], f"{name}.above"),
            helper.make_node("Min", [source, zero], [f"{output}.below"], f"{name}.below"),
            helper.make_node("Mul", [f"{output}.below", slope], [f"{output}.sloped"], f"{name}.sloped"),
        )
        for number, part in enumerate(parts):
            model.graph.node.insert(place + number, part)
        node.CopyFrom(helper.make_node("Add", [f"{output}.above", f"{output}.sloped"], [output], name))
        changed = True
    return changed


def softmaxes(model: onnx.ModelProto) -> bool:
    """A Softmax between a Flatten and a Reshape back, as the conversion of an old opset writes it, along one axis."""
    work = Rewriting(model)
    changed = False
    for node in [node for node in model.graph.node if node.op_type in ("Softmax", "LogSoftmax")]:
        flat, back = work.producers.get(node.input[0]), work.only_reader(node.output[0])
        if flat is None or back is None or (flat.op_type, back.op_type) != ("Flatten", "Reshape"):
            continue
        shape = work.shapes.get(flat.input[0], ())
        axes = [axis for axis in range(attributes(flat).get("axis", 1), len(shape)) if shape[axis] > 1]
        single = attributes(node).get("axis", -1) in (1, -1) and len(axes) == 1
        if single and work.only_reader(flat.output[0]) is node and work.shapes.get(back.output[0]) == shape:
            set_attributes(node, axis=axes[0])
            work.bypass(flat)
            work.absorb(back, node)
            changed = True
    return changed


def gemms(model: onnx.ModelProto) -> bool:
    """A Gemm with constant weights has factors of 1 and a bias of shape (N,)."""
    work = Rewriting(model)
    changed = False
    for node in [node for node in model.graph.node if node.op_type == "Gemm"]:
        given = attributes(node)
        weights = work.constant(node.input[1])
        bias = work.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        alpha, beta = given.get("alpha", 1.0), given.get("beta", 1.0)
        if weights is None or (bias is None and len(node.input) > 2 and node.input[2]):
            continue
        columns = weights.shape[0 if given.get("transB", 0) else 1]
        if bias is not None and bias.size not in (1, columns):
            continue
        if alpha != 1 or beta != 1 or (bias is not None and bias.shape != (columns,)):
            set_attributes(node, alpha=None, beta=None)
            node.input[1] = work.add_constant(f"{node.name or node.output[0]}.weight", np.float32(alpha) * weights)
            if bias is not None:
                full = np.broadcast_to(np.float32(beta) * bias.reshape(-1), (columns,))
                node.input[2] = work.add_constant(f"{node.name or node.output[0]}.bias", np.array(full))
            changed = True
    return changed


def affine(model: onnx.ModelProto) -> bool:
    """BatchNormalization, a factor or an offset per channel behind a Conv, Gemm or MatMul go into its weights, bias."""
    work = Rewriting(model)
    changed = False
    for node in list(model.graph.node):
        found = _affine(work, node)
        if found is None:
            continue
        source, factor, offset = found
        layer = work.producers.get(source)
        if layer is None or layer.op_type not in _WEIGHTED or work.only_reader(source) is not node:
            continue
        if factor.size == 1 and not offset.any() and _ends(work, node):
            continue  # the host multiplies where it dequantises
        if _absorbed(work, layer, factor, offset):
            work.absorb(node, layer)
            changed = True
    return changed


def channelwise(model: onnx.ModelProto) -> bool:
    """BatchNormalization, a factor or an offset per channel elsewhere is a 1x1 Conv with a group per channel."""
    work = Rewriting(model)
    changed = False
    for node in list(model.graph.node):
        found = _affine(work, node)
        if found is None:
            continue
        source, factor, offset = found
        shape = work.shapes.get(source, ())
        if len(shape) not in (3, 4) or (max(factor.size, offset.size) == 1 and node.op_type != "BatchNormalization"):
            continue
        channels, name = shape[1], node.name or node.output[0]
        values = np.broadcast_to(factor, channels).reshape(channels, *[1] * (len(shape) - 1))
        inputs = [source, work.add_constant(f"{name}.weight", values.astype(np.float32))]
        inputs.append(work.add_constant(f"{name}.bias", np.broadcast_to(offset, channels).astype(np.float32)))
        layer = helper.make_node(
            "Conv", inputs, list(node.output), name, group=channels, kernel_shape=[1] * (len(shape) - 2)
        )
        node.CopyFrom(layer)
        changed = True
    return changed


def _affine(work: Rewriting, node: onnx.NodeProto) -> tuple[str, Reals, Reals] | None:
    """The tensor, factors and offsets, one or one per channel, if a node is factor * tensor + offset."""
    if node.op_type == "BatchNormalization":
        stored = [work.constant(name) for name in node.input[1:5]]
        if any(each is None for each in stored) or len(node.output) > 1 or attributes(node).get("training_mode", 0):
            return None
        gain, bias, mean, variance = (np.asarray(each, np.float64) for each in stored)
        with np.errstate(invalid="ignore", divide="ignore"):  # what is not finite is refused before it is quantised
            factor = gain / np.sqrt(variance + attributes(node).get("epsilon", 1e-5))
            return node.input[0], factor, bias - mean * factor
    if node.op_type not in ("Mul", "Div", "Add", "Sub"):
        return None
    left, right = (work.constant(name) for name in node.input)
    if (left is None) == (right is None):
        return None
    source = node.input[0] if left is None else node.input[1]
    shape = work.shapes.get(source)
    values = _per_channel(left if right is None else right, shape)
    if values is None:
        return None
    one, nothing = np.ones(1), np.zeros(1)
    match node.op_type:
        case "Mul":
            return source, values, nothing
        case "Add":
            return source, one, values
        case "Sub":
            return (source, one, -values) if left is None else (source, -one, values)
        case _:
            return (source, 1 / values, nothing) if left is None and values.all() else None


def _per_channel(values: NDArray[np.generic] | None, shape: tuple[int, ...] | None) -> Reals | None:
    """A constant that a tensor of that shape meets with one value, or one per channel; otherwise None."""
    if values is None or shape is None or len(shape) < 2 or values.ndim > len(shape):
        return None
    full = (1,) * (len(shape) - values.ndim) + values.shape
    if full[1] not in (1, shape[1]) or any(size != 1 for axis, size in enumerate(full) if axis != 1):
        return None
    return np.asarray(values.reshape(-1), np.float64)


def _ends(work: Rewriting, node: onnx.NodeProto) -> bool:
    """Whether only functions of one value, limits and shapes stand between a node and the outputs."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        constant = any(work.is_one_value(name) for name in current.input)
        if current.op_type in OPERATORS and role(current.op_type, with_constant=constant) in ("layer", "copy"):
            return False
        waiting += [reader for name in current.output for reader in work.readers[name]]
    return True


def _absorbed(work: Rewriting, layer: onnx.NodeProto, factor: Reals, offset: Reals) -> bool:
    """Give a layer factor * weights and factor * bias + offset, if its weights and bias are constant."""
    weights = work.constant(layer.input[1])
    has_bias = len(layer.input) > 2 and bool(layer.input[2])
    bias = work.constant(layer.input[2]) if has_bias else np.zeros(1)
    if weights is None or bias is None or ("Conv" not in layer.op_type and weights.ndim != 2):
        return False
    groups = attributes(layer).get("group", 1) if layer.op_type == "ConvTranspose" else 1
    axis = 0 if layer.op_type == "Conv" or attributes(layer).get("transB", 0) else 1
    channels = weights.shape[axis] * groups
    along = [groups, *[1] * weights.ndim]
    along[axis + 1] = channels // groups
    apart = weights.reshape(groups, weights.shape[0] // groups, *weights.shape[1:])
    total = np.broadcast_to(factor * bias.astype(np.float64) + offset, (channels,))
    if layer.op_type == "MatMul" and total.any():
        if len(work.shapes.get(layer.input[0], ())) != 2:
            return False
        layer.op_type = "Gemm"
    name = layer.name or layer.output[0]
    scaled = (apart * np.broadcast_to(factor, (channels,)).reshape(along)).astype(np.float32).reshape(weights.shape)
    layer.input[1] = work.add_constant(f"{name}.weight", scaled)
    if has_bias or total.any():
        del layer.input[2:]
        layer.input.append(work.add_constant(f"{name}.bias", total.astype(np.float32)))
    return True


def set_attributes(node: onnx.NodeProto, **values: object) -> None:
    """Set attributes; None takes one away."""
    kept = [attribute for attribute in node.attribute if attribute.name not in values]
    added = [helper.make_attribute(name, value) for name, value in values.items() if value is not None]
    del node.attribute[:]
    node.attribute.extend([*kept, *added])

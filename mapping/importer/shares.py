"""Which nodes of a model are the chip's and which the host's, and what is said if the chip's share is too small.

The host gets what no part of the chip can compute and all that depends on it, and functions behind the last layer.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NoReturn

import onnx

from mapping.importer.onnx_model import inferred_shapes
from mapping.importer.rewriting import read_names
from mapping.importer.values import Activation, Constant, Pending, RawInput, Value
from pyimc.errors import UnsupportedOperator, grouped

LARGEST_TAIL = 0.01
"""Of all multiply-accumulates: what the host may compute of its own accord."""

NO_LAYER = "it holds no layer that the chip could compute"
_RECURRENT = ("LSTM", "GRU", "RNN")

Faults = dict[str, list[str]]
"""Names of the nodes, by what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Share:
    """What the host computes.

    Attributes:
        cuts: The tensors at which it takes over, by ONNX name.
        nodes: Its nodes, in order.
    """

    cuts: dict[str, Activation | RawInput | Pending]
    nodes: tuple[onnx.NodeProto, ...]


def ancestors(nodes: Iterable[onnx.NodeProto], tensors: Collection[str]) -> set[str]:
    """The tensors and everything that they depend on."""
    needed = set(tensors)
    for node in reversed(list(nodes)):
        if not needed.isdisjoint(node.output):
            needed.update(read_names(node))
    return needed


def split(
    model: onnx.ModelProto, values: Mapping[str, Value], faults: Faults, cut: Sequence[str] = (), *, dry: bool = False
) -> Share:
    """What the host computes: everything between the tensors that the chip has and the outputs of the model.

    Args:
        model: The model.
        values: Of its tensors, from a walk.
        faults: Of that walk.
        cut: Tensors at which the user cuts it.
        dry: The walk was a dry one, in which results wait for a scale that they will get.

    Raises:
        UnsupportedOperator: That is too much, or a tensor of `cut` is none of the chip's.
    """
    on_chip = set(cut)
    while True:
        share = _share(model, values, on_chip, dry=dry)
        read = ancestors(_chip_nodes(model, share), share.cuts)
        both = {name for node in share.nodes for name in node.output if dry and name in read}
        if both <= on_chip:  # else the chip computes them for others, so the host need not
            break
        on_chip |= both
    missing = [name for name in cut if dry and not isinstance(values.get(name), Activation | Pending)]
    if missing:
        reason = f"--outputs: the chip has no tensor {', '.join(missing)}"
        raise_faults(model, faults, reason)
    if dry and not any(
        isinstance(values.get(name), Pending) for node in _chip_nodes(model, share) for name in node.output
    ):
        raise_faults(model, faults, NO_LAYER)
    hosted, total = (_work(model, nodes, values) for nodes in (share.nodes, model.graph.node))
    if not cut and hosted > LARGEST_TAIL * total:
        raise_faults(model, faults or _unquantised(model, values), NO_LAYER, hosted / total)
    return share


def _unquantised(model: onnx.ModelProto, values: Mapping[str, Value]) -> Faults:
    names = [each.name for each in model.graph.output if isinstance(values.get(each.name), Pending)]
    return {"graph output: it is not quantised": names} if names else {}


def _chip_nodes(model: onnx.ModelProto, share: Share) -> list[onnx.NodeProto]:
    read = ancestors(model.graph.node, share.cuts)
    return [node for node in model.graph.node if not read.isdisjoint(node.output)]


def _share(model: onnx.ModelProto, values: Mapping[str, Value], on_chip: Collection[str], *, dry: bool) -> Share:
    producers = {name: node for node in model.graph.node for name in node.output}
    cuts: dict[str, Activation | RawInput | Pending] = {}
    hosted: set[str] = set()
    waiting = [value.name for value in reversed(model.graph.output)]
    while waiting:
        name = waiting.pop()
        value = values.get(name)
        if name in cuts or name in hosted or isinstance(value, Constant):
            continue
        pending = dry
        if isinstance(value, Pending) and name not in on_chip and _of_one(value):
            pending = False  # a function at the end is the host's
        if isinstance(value, Activation | RawInput) or (pending and isinstance(value, Pending)):
            cuts[name] = value
        elif name in producers:
            hosted.update(producers[name].output)
            waiting += read_names(producers[name])
    nodes = tuple(node for node in model.graph.node if not hosted.isdisjoint(node.output))
    return Share(cuts, nodes)


def _of_one(value: Pending) -> bool:
    """Whether a result is a function of the values of one activation, and maybe of their places or of their row."""
    return value.last or bool(value.curve and value.curve.operators)


def _work(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto], values: Mapping[str, Value]) -> float:
    """Multiply-accumulates of the nodes that have weights."""
    shapes: dict[str, tuple[int, ...]] | None = None
    total = 0.0
    for node in nodes:
        if not ("Conv" in node.op_type or "MatMul" in node.op_type or node.op_type in ("Gemm", "QGemm", *_RECURRENT)):
            continue
        constants = [value for name in node.input if isinstance(value := values.get(name), Constant)]
        weights = max((each.values.shape for each in constants), key=prod, default=())
        if len(weights) < 2 and node.op_type not in ("Conv", "ConvTranspose"):
            continue
        shapes = inferred_shapes(model) if shapes is None else shapes
        weights = weights if len(weights) > 1 else shapes.get(node.input[1], ())  # not constant, but as much work
        result = shapes.get(node.input[0] if node.op_type == "ConvTranspose" else node.output[0], ())
        pixels = prod(result[2:]) if "Conv" in node.op_type else prod(result[:-1])
        total += prod(weights) * max(1, pixels)
    return total


def raise_faults(model: onnx.ModelProto, faults: Faults, otherwise: str, hosted: float = 0.0) -> NoReturn:
    """Say what is wrong, the most frequent first, and what can be done.

    Args:
        model: The model.
        faults: What is wrong, if it is known.
        otherwise: What is wrong if it is not.
        hosted: Share of the multiply-accumulates that would be left to the host.

    Raises:
        UnsupportedOperator: Always.
    """
    if not faults:
        raise UnsupportedOperator(f"model {model.graph.name}: {otherwise}")
    hint = (
        f"; the host could finish a model behind its last layer, but {hosted:.1%} of the multiply-accumulates depend "
        "on these; --outputs NAME,... cuts it by hand before them"
        if LARGEST_TAIL < hosted < 1
        else ""
    )
    raise UnsupportedOperator(
        f"model {model.graph.name}: unsupported: {grouped(faults)}{hint}; docs/operators.md lists what is supported"
    )

"""A float ONNX graph that is being rewritten: who reads and who makes each tensor, and constants as arrays."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mapping.importer.onnx_model import attributes, graph_inputs, inferred_shapes

MAPS = (3, 4)
"""Dimensions of rows, (1, C, W), and of maps, (1, C, H, W)."""

_LAYERS = (
    "Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "Pad", "ReduceMean", "ReduceSum", "SpaceToDepth",
)  # fmt: skip
_SCALED = ("Mul", "Div", "Add", "Sub")  # by a value per channel


class Rewriting:
    """The graph of a model, which is changed in place.

    Attributes:
        graph: The ONNX graph.
        outputs: Names of the graph's outputs.
        shapes: Static shapes of its tensors, as known when a rewriting first asks for them.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self.graph = model.graph
        self.outputs = {value.name for value in model.graph.output}
        self._inputs = {value.name for value in graph_inputs(model)}
        self._constants = {each.name: each for each in model.graph.initializer if each.name not in self._inputs}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        self.producers: dict[str, onnx.NodeProto] = {}
        for node in model.graph.node:
            for name in read_names(node):
                self.readers[name].append(node)
            for name in node.output:
                self.producers[name] = node

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See above: most rewritings find nothing to do and do not ask."""
        return inferred_shapes(self._model)

    def constant(self, name: str) -> NDArray[Any] | None:
        """The values of an initialiser, or None."""
        tensor = self._constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def inner(self, *op_types: str) -> list[onnx.NodeProto]:
        """The nodes of some operators on which a layer with weights depends, in order: the host has what is behind."""
        needed: set[str] = set()
        found = []
        for node in reversed(self.graph.node):
            if not needed.isdisjoint(node.output):
                needed.update(read_names(node))
                found += [node] * (node.op_type in op_types)
            elif self._is_layer(node):
                needed.update(read_names(node))
        return found[::-1]

    def _is_layer(self, node: onnx.NodeProto) -> bool:
        """Whether it is a layer with weights, or other passes make one of it."""
        if node.op_type in _SCALED:
            return any(name in self._constants and not self.is_one_value(name) for name in node.input)
        return node.op_type in _LAYERS

    def is_one_value(self, name: str) -> bool:
        """Whether a tensor is an initialiser of one value."""
        tensor = self._constants.get(name)
        return tensor is not None and math.prod(tensor.dims) == 1

    def is_taken(self, name: str) -> bool:
        """Whether a tensor has this name."""
        return name in self._constants or name in self.producers or name in self._inputs

    def add_constant(self, wanted: str, values: NDArray[Any]) -> str:
        """Add an initialiser and return its name, which is the wanted one or has a number behind it."""
        name, number = wanted, 1
        while self.is_taken(name):
            number += 1
            name = f"{wanted}_{number}"
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        self._constants[name] = self.graph.initializer[-1]
        return name

    def only_reader(self, tensor: str) -> onnx.NodeProto | None:
        """The one node that reads a tensor, if nothing else does."""
        readers = self.readers[tensor]
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def absorb(self, node: onnx.NodeProto, into: onnx.NodeProto) -> None:
        """Remove a node whose work the node before it does now."""
        into.output[0] = node.output[0]
        self.producers[into.output[0]] = into
        self.remove(node)

    def bypass(self, node: onnx.NodeProto) -> None:
        """Remove a node that computes its first input."""
        source, target = node.input[0], node.output[0]
        for reader in self.readers[target]:
            for index, name in enumerate(reader.input):
                if name == target:
                    reader.input[index] = source
        self.remove(node)
        self.readers[source] += self.readers.pop(target, [])

    def remove(self, node: onnx.NodeProto) -> None:
        """Take a node out of the graph."""
        for name in node.input:
            self.readers[name] = [reader for reader in self.readers[name] if reader is not node]
        self.graph.node.remove(node)

    def without_the_unread(self, *, constants: bool = True) -> None:
        """Drop nodes, and initialisers unless these shall stay, that no output depends on."""
        needed = set(self.outputs)
        for node in reversed(self.graph.node):
            if needed.intersection(node.output):
                needed.update(read_names(node))
        _keep(self.graph.node, lambda node: not needed.isdisjoint(node.output))
        if constants:
            _keep(self.graph.initializer, lambda tensor: tensor.name in needed)


class Substitute:
    """The nodes that take the place of one."""

    def __init__(self, work: Rewriting, node: onnx.NodeProto) -> None:
        self.node = node
        self._work = work
        self._name, self._output = node.name or node.output[0], node.output[0]
        self._nodes: list[onnx.NodeProto] = []
        self._taken = {each.name for each in work.graph.node}
        self._number = 0

    def op(self, op_type: str, *inputs: str, **given: Any) -> str:
        """A node; returns its output."""
        output, name = f"{self._output}.{self._number}", f"{self._name}.{self._number}"
        while self._work.is_taken(output) or name in self._taken:
            self._number += 1
            output, name = f"{self._output}.{self._number}", f"{self._name}.{self._number}"
        self._number += 1
        self._nodes.append(helper.make_node(op_type, inputs, [output], name, **given))
        return output

    def constant(self, key: str, values: NDArray[Any]) -> str:
        """An initialiser; returns its name."""
        return self._work.add_constant(f"{self._name}.{key}", values)

    def sliced(self, source: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """A range of a map along an axis."""
        limits = [self.constant(f"limit{len(self._nodes)}", np.array([each])) for each in (start, stop, axis, step)]
        return self.op("Slice", source, *limits)

    def replace(self) -> None:
        """Put the nodes where the node is; the last one computes what it has computed."""
        self._nodes[-1].output[0] = self._output
        self._nodes[-1].name = self._name
        place = next(index for index, each in enumerate(self._work.graph.node) if each is self.node)
        for number, each in enumerate(self._nodes):
            self._work.graph.node.insert(place + number, each)
        self._work.graph.node.remove(self.node)


def axes_of(work: Rewriting, node: onnx.NodeProto) -> list[int] | None:
    """The axes that a reduction names, by an input or by an attribute, from 0 on; None if they are not known."""
    rank = len(work.shapes.get(node.input[0], ()))
    if len(node.input) > 1 and node.input[1]:
        named = work.constant(node.input[1])
    else:
        named = np.array(attributes(node)["axes"]) if "axes" in attributes(node) else None
    return [int(axis) % rank for axis in named.reshape(-1)] if rank and named is not None else None


def border_of(work: Rewriting, node: onnx.NodeProto) -> NDArray[np.int64] | None:
    """What a Pad adds before and behind every axis, int64 [2, rank]; None if it is not known."""
    rank = len(work.shapes.get(node.input[0], ()))
    sizes = (
        work.constant(node.input[1]) if len(node.input) > 1 else np.array(attributes(node).get("pads", []), np.int64)
    )
    axes = work.constant(node.input[3]) if len(node.input) > 3 and node.input[3] else np.arange(rank)
    if sizes is None or axes is None or not rank or len(sizes) != 2 * len(axes):
        return None
    border = np.zeros((2, rank), np.int64)
    border[:, axes % rank] = sizes.reshape(2, -1)
    return border


def read_names(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, the graphs inside it (of If or Loop) included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from read_names(inner)


def _keep(field: Any, wanted: Callable[[Any], bool]) -> None:
    for index in reversed(range(len(field))):
        if not wanted(field[index]):
            del field[index]

"""Maps that tokens are arrangements of, and what is written of them into a new graph.

A map is (1, channels, height, width). What computes it is written when it is first read, so that a factor, a gain or a
bias can go into a layer that is not written yet, and a part of a layer's channels is a layer of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from mapping.importer.rewriting import Rewriting

Reals = NDArray[np.float64]
Places = NDArray[np.int64]

SHAPES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Split", "Slice", "Gather", "Identity")
"""Operators that arrange values anew."""


class Foreign(Exception):
    """An arrangement of values that no map has."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A 1x1 Conv that is not written yet: of a map, weights [outputs, channels] and bias [outputs]."""

    source: Map
    weights: Reals
    bias: Reals


@dataclass(slots=True, eq=False)
class Map:
    """A map (1, channels, height, width) of the new graph.

    Attributes:
        shape: Channels, height, width.
        write: Writes what computes it, times a factor, and returns the name.
        given: It is a tensor of the given graph.
        layer: It is a 1x1 Conv.
        gain: It is a map times a gain and plus a bias per channel: that map, both.
        addend: It is a map plus a constant: that map, the constant of its shape.
        origin: The node of the given graph whose name its own get.
        names: What was written, by factor.
    """

    shape: tuple[int, int, int]
    write: Callable[[float], str]
    given: bool = False
    layer: Layer | None = None
    gain: tuple[Map, Reals, Reals] | None = None
    addend: tuple[Map, Reals] | None = None
    origin: onnx.NodeProto | None = None
    names: dict[float, str] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        return self.shape[1] * self.shape[2]

    def name(self, factor: float = 1.0) -> str:
        if factor not in self.names:
            self.names[factor] = self.write(factor)
        return self.names[factor]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A tensor: `factor` times the values of a map at some places (channel * tokens + token), in the tensor's shape."""

    map: Map
    places: Places
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Heads:
    """A view as matrices beside each other.

    Attributes:
        map: Channels of head after head.
        count: How many heads.
        turned: The rows are channels, the columns tokens; else the other way.
    """

    map: Map
    count: int
    turned: bool
    factor: float


class Writer:
    """The nodes of a new graph.

    Attributes:
        work: The given graph, whose constants it adds to.
        nodes: Those of the new graph so far.
        node: That of the given graph which is being rewritten.
    """

    def __init__(self, work: Rewriting) -> None:
        self.work = work
        self.nodes: list[onnx.NodeProto] = []
        self.node = onnx.NodeProto()
        self.number = 0

    def whole(self, view: View) -> View:
        """The same as an arrangement of all values of a map, which may be a part of the map that it was of."""
        count = view.map.tokens
        channels, places = np.unique(view.places // count), np.unique(view.places % count)
        if channels.size * places.size != view.places.size:
            raise Foreign
        for found in (channels, places):
            if not np.array_equal(found, np.arange(found[0], found[0] + found.size)):
                raise Foreign
        part, moved = view.map, view.places
        if channels.size < part.shape[0]:
            part = self.channels(part, int(channels[0]), channels.size)
            moved = moved - channels[0] * count
        if places.size < count:
            part = self.rows(part, int(places[0]), places.size)
            moved = moved // count * places.size + moved % count - places[0]
        return replace(view, map=part, places=moved)

    def heads(self, view: View) -> Heads:
        """A view whose last two axes are tokens and channels, or channels and tokens, of heads beside each other."""
        view = self.whole(view)
        *others, rows, columns = view.places.shape if view.places.ndim > 1 else (1, view.places.size)
        count, total = math.prod(others), view.map.tokens
        stored = np.arange(view.places.size).reshape(view.map.shape[0], total)
        places = view.places.reshape(count, rows, columns)
        for turned in (False, True):
            inner = rows if turned else columns
            if view.map.shape[0] != count * inner:
                continue
            heads = stored.reshape(count, inner, total)
            if np.array_equal(places, heads if turned else heads.transpose(0, 2, 1)):
                return Heads(view.map, count, turned, view.factor)
        raise Foreign

    def layer(self, source: Map, weights: Reals, bias: Reals) -> Map:
        if source.gain is not None:
            source, gain, offset = source.gain
            weights, bias = weights * gain, bias + weights @ offset
        layer = Layer(source, weights, bias)

        def write(factor: float) -> str:
            kernels = (factor * weights).astype(np.float32)[:, :, None, None]
            inputs = [source.name(), self.constant(kernels), self.constant((factor * bias).astype(np.float32))]
            return self.op("Conv", inputs, kernel_shape=[1, 1])

        return self.map((len(weights), *source.shape[1:]), write, layer=layer)

    def scaled(self, base: Map, gain: Reals, bias: Reals) -> Map:
        """A map with a gain and a bias per channel, which the layers behind it take."""

        def write(factor: float) -> str:
            if factor == 1 and (gain == 1).all() and not bias.any():
                return base.name()
            kernels = self.constant((factor * gain).astype(np.float32)[:, None, None, None])
            inputs = [base.name(), kernels, self.constant((factor * bias).astype(np.float32))]
            return self.op("Conv", inputs, kernel_shape=[1, 1], group=len(gain))

        return self.map(base.shape, write, gain=(base, gain, bias))

    def plus(self, source: Map, values: Reals) -> Map:
        """A map plus a constant of its shape: a layer's bias if it is one value per channel, or part of a constant."""
        alike = per_channel(values)
        if source.layer is not None and alike:
            return self.layer(source.layer.source, source.layer.weights, source.layer.bias + values[:, 0, 0])
        if source.gain is not None and alike:
            base, gain, bias = source.gain
            return self.scaled(base, gain, bias + values[:, 0, 0])
        base, before = source.addend or (source, np.zeros(source.shape))
        total = before + values

        def write(factor: float) -> str:
            return self.op("Add", [base.name(factor), self.constant(narrow((factor * total).astype(np.float32)))])

        return self.map(source.shape, write, addend=(base, total))

    def value(self, view: View) -> str:
        """The map of a view, times its factor behind it: part of a function of one value."""
        if view.factor == 1:
            return view.map.name()
        return self.op("Mul", [view.map.name(), self.constant(np.array(view.factor, np.float32))])

    def column(self, source: Map) -> Map:
        """The same tokens, one below the other."""
        channels, _, width = source.shape
        if width == 1:
            return source
        shape = (channels, source.tokens, 1)
        return self.map(shape, lambda factor: self.op("Reshape", [source.name(factor), self.shape((1, *shape))]))

    def channels(self, source: Map, first: int, count: int) -> Map:
        """Some channels of a map; of a layer, a layer with fewer outputs."""
        kept = slice(first, first + count)
        if source.layer is not None and source.origin is not None:
            reader, self.node = self.node, source.origin
            part = self.layer(source.layer.source, source.layer.weights[kept], source.layer.bias[kept])
            self.node = reader
            return part
        if source.gain is not None:
            base, gain, bias = source.gain
            return self.scaled(self.channels(base, first, count), gain[kept], bias[kept])
        return self.part((count, *source.shape[1:]), source, 1, first)

    def rows(self, source: Map, first: int, count: int) -> Map:
        """Some tokens of a map."""
        if source.gain is not None:
            base, gain, bias = source.gain
            return self.scaled(self.rows(base, first, count), gain, bias)
        return self.part((source.shape[0], count, 1), self.column(source), 2, first)

    def part(self, shape: tuple[int, int, int], source: Map, axis: int, first: int) -> Map:
        def write(factor: float) -> str:
            limits = [self.shape((value,)) for value in (first, first + shape[axis - 1], axis)]
            return self.op("Slice", [source.name(factor), *limits])

        return self.map(shape, write)

    def made(self, name: str, like: Map) -> Map:
        return self.map(like.shape, self.times(name))

    def times(self, name: str) -> Callable[[float], str]:
        def scaled(factor: float) -> str:
            return name if factor == 1 else self.op("Mul", [name, self.constant(np.array(factor, np.float32))])

        return scaled

    def op(self, op_type: str, inputs: Sequence[str], output: str = "", **given: Any) -> str:
        """Write a node under the name of the one that is being rewritten; returns what it computes."""
        self.number += 1
        name = self.node.name or self.node.output[0]
        output = output or f"{name}:{op_type.lower()}{self.number}"
        named = output if op_type in SHAPES else name
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], named, **given))
        return output

    def map(self, shape: tuple[int, int, int], write: Callable[[float], str], **known: Any) -> Map:
        """A map that is written under the name of the node that is being rewritten now, when it is read."""
        origin = self.node

        def named(factor: float) -> str:
            reader, self.node = self.node, origin
            name = write(factor)
            self.node = reader
            return name

        return Map(shape, named, origin=origin, **known)

    def constant(self, values: NDArray[Any]) -> str:
        stored = values.astype(np.float32) if values.dtype == np.float64 else values
        return self.work.add_constant(f"{self.node.name or self.node.output[0]}:constant", stored)

    def shape(self, sizes: Sequence[int]) -> str:
        return self.constant(np.array(sizes, np.int64))


def name_apart(nodes: Sequence[onnx.NodeProto]) -> None:
    """A number behind the names of nodes that have one in common."""
    taken: set[str] = set()
    for node in nodes:
        name, number = node.name, 1
        while node.name and node.name in taken:
            number += 1
            node.name = f"{name}_{number}"
        taken.add(node.name)


def sliced(places: Places, limits: list[NDArray[Any] | None]) -> Places:
    starts, ends, axes, steps = (
        [int(value) for value in np.ravel(each)] if each is not None else None for each in [*limits, None, None][:4]
    )
    assert starts is not None and ends is not None
    kept = [slice(None)] * places.ndim
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        kept[axes[number] if axes else number] = slice(start, end, steps[number] if steps else 1)
    return places[tuple(kept)]


def in_order(view: View) -> bool:
    """The values of a map as they are, under any shape."""
    return np.array_equal(view.places.reshape(-1), np.arange(view.map.tokens * view.map.shape[0]))


def matrix_of(view: View) -> View:
    """The same as rows of what its last axis has, whatever is before that."""
    return replace(view, places=view.places.reshape(-1, view.places.shape[-1]))


def tokens_of(found: Map, shape: Sequence[int]) -> View:
    """A map as tokens with channels last."""
    places = np.arange(found.shape[0] * found.tokens).reshape(found.shape[0], -1)
    return View(found, places.T.reshape(tuple(shape)))


def on_map(constant: NDArray[Any], view: View) -> NDArray[Any]:
    """A constant that meets a view, as the map's shape has it."""
    values = np.empty(view.places.size, constant.dtype)
    values[view.places.reshape(-1)] = np.broadcast_to(constant, view.places.shape).reshape(-1)
    return values.reshape(view.map.shape)


def per_channel(values: NDArray[Any]) -> bool:
    """All tokens have the same."""
    return bool((values == values[:, :1, :1]).all())


def narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Of a constant with a value per channel or one for all only these, as (1, C, 1, 1) or a scalar."""
    if (values == values[:1, :1, :1]).all():
        return values[0, 0, 0]
    if per_channel(values):
        values = values[:, :1, :1]
    return values[None]

"""Tokens, as transformers have them, (1, T, C) with channels last: as maps with channels first, which the chip has.

Every tensor that is another arrangement of a map's values is known as that map and the places of its values in it, so
that a Reshape, a Transpose, a Split or a Gather of tokens or heads is nothing but another arrangement. What computes is
written anew on the maps: a product with constant weights as a 1x1 Conv, one of two activations as a MatMul of matrices
with a column for every token, everything else as it is. A class token is padded to the map, then added with the
positions.

What is not understood stays, and reads tokens that are arranged as it wants them; if that cannot be, all stays as it
is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx

from mapping.importer.onnx_model import attributes
from mapping.importer.operators.curve import UNARY
from mapping.importer.rewriting import Rewriting, axes_of
from mapping.importer.token_maps import (
    SHAPES,
    Foreign,
    Map,
    Places,
    Reals,
    View,
    Writer,
    in_order,
    matrix_of,
    name_apart,
    narrow,
    on_map,
    per_channel,
    sliced,
    tokens_of,
)

_BINARY = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min")


def tokens(model: onnx.ModelProto) -> bool:
    """Write what computes with tokens anew; False if there is none, or an arrangement that is not understood."""
    work = _Tokens(model)
    try:
        return work.run()
    except Foreign:
        return False


class _Tokens(Writer):
    """One pass over a graph in order; nodes are replaced only when all is understood."""

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__(Rewriting(model))
        self.graph = model.graph
        self.views: dict[str, View] = {}
        self.changed = False

    def run(self) -> bool:
        """The whole graph; its nodes are replaced at the end."""
        for node in self.graph.node:
            self.node = node
            made = self._arranged(node) or self._computed(node)
            if made is None:
                for name in dict.fromkeys(node.input):
                    self._arrange(name)
                self.nodes.append(node)
                continue
            for name, view in zip(node.output, made, strict=True):
                self.views[name] = view
            if all(view.map.given for view in made):
                self.nodes.append(node)  # whoever does not know of tokens reads it as it is
        for name in self.work.outputs:
            self._arrange(name)
        if self.changed:
            del self.graph.node[:]
            self.graph.node.extend(self.nodes)
            self.work.without_the_unread(constants=False)
            name_apart(self.graph.node)
        return self.changed

    def _arranged(self, node: onnx.NodeProto) -> list[View] | None:
        """The views that a change of shape makes of one; None if it is no such change."""
        if node.op_type not in SHAPES:
            return None
        view = self._seen(node.input[0])
        shapes = [self.work.shapes.get(name) for name in node.output]
        if view is None or any(shape is None for shape in shapes):
            return None
        if node.op_type in ("Slice", "Split", "Gather") and view.map.given and view.places.ndim == 4 and in_order(view):
            return None  # a part of a map is a map
        found = self._parts(node, view.places)
        if found is None or any(part.shape != shape for part, shape in zip(found, shapes, strict=True)):
            return None
        return [replace(view, places=part) for part in found]

    def _seen(self, name: str) -> View | None:
        """A tensor as a view; a map of the given graph is one of itself."""
        shape = self.work.shapes.get(name, ())
        constant = self.work.constant(name) is not None
        if name in self.views or constant or len(shape) != 4 or shape[0] != 1:
            return self.views.get(name)
        _, channels, height, width = shape
        given = Map((channels, height, width), self.times(name), given=True)
        return View(given, np.arange(math.prod(shape), dtype=np.int64).reshape(shape))

    def _parts(self, node: onnx.NodeProto, places: Places) -> list[Places] | None:
        given = attributes(node)
        constants = [self.work.constant(name) if name else None for name in node.input[1:]]
        if any(name and values is None for name, values in zip(node.input[1:], constants, strict=True)):
            return None
        shapes = [self.work.shapes[name] for name in node.output]
        match node.op_type:
            case "Transpose":
                return [places.transpose(given.get("perm", list(reversed(range(places.ndim)))))]
            case "Gather" if constants[0] is not None:
                return [np.take(places, constants[0], axis=given.get("axis", 0))]
            case "Slice":
                return [sliced(places, constants)]
            case "Split":
                axis = given.get("axis", 0)
                ends = np.cumsum([shape[axis] for shape in shapes])[:-1]
                return list(np.split(places, ends, axis))
        return [places.reshape(shapes[0])] if math.prod(shapes[0]) == places.size else None

    def _arrange(self, name: str) -> None:
        """Write a tensor that is a view of a new map as the given graph has it."""
        view = self.views.get(name)
        if view is None or view.map.given:
            return
        view = self.whole(view)
        channels, height, width = view.map.shape
        rows = np.arange(view.places.size).reshape(channels, -1)
        source, shape = view.map.name(view.factor), view.places.shape
        if np.array_equal(view.places.reshape(-1), rows.reshape(-1)):
            self.op("Reshape", [source, self.shape(shape)], output=name)
        elif np.array_equal(view.places.reshape(-1), rows.T.reshape(-1)):
            matrix = self.op("Reshape", [source, self.shape((1, channels, height * width))])
            turned = self.op("Transpose", [matrix], perm=[0, 2, 1])
            self.op("Reshape", [turned, self.shape(shape)], output=name)
        else:
            raise Foreign
        del self.views[name]

    def _computed(self, node: onnx.NodeProto) -> list[View] | None:
        """The view of what a node computes with tokens; None if it does not."""
        views = [self.views.get(name) for name in node.input]
        known = [view for view in views if view is not None]
        if not known or all(view.map.given and in_order(view) for view in known):
            return None
        if any(view is None and self.work.constant(name) is None for name, view in zip(node.input, views, strict=True)):
            return None
        kinds: dict[str, Callable[[onnx.NodeProto, list[View | None]], View | None]] = {
            "MatMul": self._product, "Gemm": self._product, "Softmax": self._softmax,
            "LayerNormalization": self._normalised, "ReduceMean": self._mean, "Concat": self._joined,
            **dict.fromkeys(_BINARY, self._binary), **dict.fromkeys((*UNARY, "Relu", "Clip", "Sqrt"), self._unary),
        }  # fmt: skip
        if node.op_type not in kinds or len(node.output) > 1:
            return None
        made = kinds[node.op_type](node, views)
        self.changed |= made is not None
        return None if made is None else [made]

    def _product(self, node: onnx.NodeProto, views: list[View | None]) -> View | None:
        """With constant weights a layer; of two activations the transposed product of the transposed."""
        left, right = views[0], views[1]
        if left is not None and right is not None:
            return None if left.map.given and right.map.given else self._attention(left, right)
        weights = self.work.constant(node.input[1])
        given = attributes(node)
        if left is None or weights is None or weights.ndim != 2 or given.get("transA", 0):
            return None
        if left.map.given and left.places.size == left.places.shape[-1]:
            return None  # a fully connected layer of a map reads it as ever
        heads = self.heads(matrix_of(left))
        if heads.count != 1 or heads.turned:
            raise Foreign
        columns = weights if given.get("transB", 0) else weights.T
        matrix = given.get("alpha", 1.0) * heads.factor * columns.astype(np.float64)
        bias: Reals = np.zeros(len(matrix))
        if len(node.input) > 2:
            stored = self.work.constant(node.input[2])
            if stored is None or stored.size not in (1, len(matrix)):
                return None
            bias = bias + given.get("beta", 1.0) * stored.reshape(-1)
        found = self.layer(heads.map, matrix, bias)
        return tokens_of(found, (*left.places.shape[:-1], len(matrix)))

    def _attention(self, left: View, right: View) -> View:
        one, other = self.heads(left), self.heads(right)
        if one.turned or one.count != other.count:
            raise Foreign
        inner = one.map.shape[0] // one.count
        columns = other.map.tokens if other.turned else other.map.shape[0] // one.count
        if inner != (other.map.shape[0] // one.count if other.turned else other.map.tokens):
            raise Foreign
        shape, count = one.map.shape[1:], one.count

        def matrices(source: str, channels: int, size: int) -> str:
            return self.op("Reshape", [source, self.shape((1, count, channels, size))])

        def write(factor: float) -> str:
            first = matrices(one.map.name(factor * one.factor * other.factor), inner, one.map.tokens)
            second = matrices(other.map.name(), other.map.shape[0] // count, other.map.tokens)
            if other.turned:
                second = self.op("Transpose", [second], perm=[0, 1, 3, 2])
            product = self.op("MatMul", [second, first])
            return self.op("Reshape", [product, self.shape((1, count * columns, *shape))])

        found = self.map((count * columns, *shape), write)
        heads = np.arange(count * columns * one.map.tokens).reshape(count, columns, -1).transpose(0, 2, 1)
        return View(found, heads.reshape(*left.places.shape[:-1], columns))

    def _softmax(self, node: onnx.NodeProto, views: list[View | None]) -> View | None:
        view = views[0]
        assert view is not None
        if attributes(node).get("axis", -1) not in (-1, view.places.ndim - 1):
            raise Foreign
        heads = self.heads(view)
        if heads.turned:
            raise Foreign
        channels, height, width = heads.map.shape
        shape = (1, heads.count, channels // heads.count, height * width)
        rows = self.op("Reshape", [heads.map.name(heads.factor), self.shape(shape)])
        shares = self.op("Softmax", [rows], axis=2)
        return View(
            self.made(self.op("Reshape", [shares, self.shape((1, *heads.map.shape))]), heads.map),
            self.whole(view).places,
        )

    def _normalised(self, node: onnx.NodeProto, views: list[View | None]) -> View | None:
        view, given = views[0], attributes(node)
        assert view is not None
        stored = [self.work.constant(name) for name in node.input[1:]]
        if given.get("axis", -1) not in (-1, view.places.ndim - 1) or any(each is None for each in stored):
            raise Foreign
        heads = self.heads(matrix_of(view))
        if heads.turned or heads.count != 1:
            raise Foreign
        channels, height, width = heads.map.shape
        matrix = self.op("Reshape", [heads.map.name(heads.factor), self.shape((1, channels, height * width))])
        turned = self.op("Transpose", [matrix], perm=[0, 2, 1])
        ones = self.constant(np.ones(channels, np.float32))
        normal = self.op("LayerNormalization", [turned, ones], axis=-1, epsilon=given.get("epsilon", 1e-5))
        back = self.op("Transpose", [normal], perm=[0, 2, 1])
        base = self.made(self.op("Reshape", [back, self.shape((1, *heads.map.shape))]), heads.map)
        gain, bias = (np.broadcast_to(np.asarray(each, np.float64), channels) for each in (*stored, np.zeros(1))[:2])
        return View(self.scaled(base, gain, bias), self.whole(view).places)

    def _mean(self, node: onnx.NodeProto, views: list[View | None]) -> View | None:
        """The mean of all tokens."""
        view = views[0]
        assert view is not None
        heads = self.heads(view)
        if heads.turned or heads.count != 1 or axes_of(self.work, node) != [view.places.ndim - 2]:
            raise Foreign
        base, gain, bias = heads.map.gain or (heads.map, np.ones(1), np.zeros(1))
        channels = heads.map.shape[0]
        found = self.map((channels, 1, 1), self.times(self.op("GlobalAveragePool", [base.name()])))
        if heads.map.gain is not None or heads.factor != 1:
            gain, bias = (np.broadcast_to(heads.factor * each, channels) for each in (gain, bias))
            found = self.scaled(found, gain, bias)
        return tokens_of(found, self.work.shapes[node.output[0]])

    def _unary(self, node: onnx.NodeProto, views: list[View | None]) -> View | None:
        view = views[0]
        assert view is not None
        view = self.whole(view)
        name = self.op(node.op_type, [self.value(view), *node.input[1:]], **attributes(node))
        return View(self.made(name, view.map), view.places)

    def _binary(self, node: onnx.NodeProto, views: list[View | None]) -> View | None:
        left, right = views
        if left is not None and right is not None:
            return self._two_maps(node.op_type, self.whole(left), self.whole(right))
        view, index = (left, 1) if left is not None else (right, 0)
        constant = self.work.constant(node.input[index])
        assert view is not None and constant is not None
        view = self.whole(view)
        if np.broadcast_shapes(constant.shape, view.places.shape) != view.places.shape:
            raise Foreign
        if constant.size == 1 and (node.op_type == "Mul" or (node.op_type == "Div" and index)):
            value = float(constant.reshape(()))
            return replace(view, factor=view.factor * value if node.op_type == "Mul" else view.factor / value)
        values = on_map(constant, view)
        sign = {"Add": 1, "Sub": -1 if index else 0}.get(node.op_type, 0)
        if sign and constant.size > 1 and view.factor == 1:
            return replace(view, map=self.plus(view.map, sign * values.astype(np.float64)))
        if view.map.gain is not None and node.op_type == "Mul" and view.factor == 1 and per_channel(values):
            base, gain, bias = view.map.gain
            each = values[:, 0, 0].astype(np.float64)
            return replace(view, map=self.scaled(base, gain * each, bias * each))
        sides = [self.value(view), self.constant(narrow(values.astype(constant.dtype)))]
        return View(self.made(self.op(node.op_type, sides if index else sides[::-1]), view.map), view.places)

    def _two_maps(self, op_type: str, left: View, right: View) -> View:
        if left.map.shape != right.map.shape or not np.array_equal(left.places, right.places):
            raise Foreign
        name = self.op(op_type, [self.value(left), self.value(right)])
        return View(self.made(name, left.map), left.places)

    def _joined(self, node: onnx.NodeProto, views: list[View | None]) -> View | None:
        """Constant tokens before or behind others: zeros around a column of them, to which the constants are added."""
        shape = self.work.shapes.get(node.output[0], ())
        inner = [view for view in views if view is not None]
        if len(inner) != 1 or len(shape) < 2 or attributes(node)["axis"] not in (len(shape) - 2, -2):
            raise Foreign
        heads = self.heads(matrix_of(inner[0]))
        if heads.turned or heads.count != 1:
            raise Foreign
        place = views.index(inner[0])
        stored = [np.asarray(self.work.constant(name), np.float64) for name in node.input if name not in self.views]
        sides = [
            np.concatenate([np.zeros((0, shape[-1])), *(each.reshape(-1, shape[-1]) for each in some)])
            for some in (stored[:place], stored[place:])
        ]
        column, channels = self.column(heads.map), heads.map.shape[0]
        above, below = (len(side) for side in sides)
        kernels = self.constant(np.full((channels, 1, 1, 1), 1, np.float32))
        total = (channels, heads.map.tokens + above + below, 1)

        def write(factor: float) -> str:
            inputs = [column.name(factor * heads.factor), kernels]
            return self.op("Conv", inputs, kernel_shape=[1, 1], group=channels, pads=[above, 0, below, 0])

        values = np.concatenate([sides[0], np.zeros((heads.map.tokens, channels)), sides[1]]).T[:, :, None]
        return tokens_of(self.plus(self.map(total, write), values), shape)

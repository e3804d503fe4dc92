# SPDX-License-Identifier: Apache-2.0
"""Operators that are rewritten into others: each between two layers, within a step of onnxruntime and of its float."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from mapping.importer.quantise import quantise_whole
from mapping.importer.walk import import_model, walk
from mapping.models.builder import GraphBuilder
from pyimc.errors import ConfigError
from pyimc.network import Add, Concat, Crop, DepthToSpace, Extreme, Lut, Mul, Mvm, Network, Node, Pool, Stored, Sub
from tests.mapping.onnx_writer import Quantised, check
from tests.random_cnn import calibration

Make = Callable[[GraphBuilder, str], str]
CHANNELS = 6


def between(make: Make, channels: int, *, positive: bool = False) -> onnx.ModelProto:
    """A map of 6 channels, 6 rows and 5 columns, what is made of it, and a layer on that."""
    graph = GraphBuilder("net", (1, 3, 6, 5), seed=1)
    value = graph.conv("first", graph.input, 3, CHANNELS, (3, 3), pads=(1, 1, 1, 1), bias=True)
    value = graph.relu("positive", value) if positive else value
    return graph.finish(graph.conv("last", make(graph, value), channels, 4, (1, 1)))


def op(op_type: str, *constants: Any, **attributes: Any) -> Make:
    """An operator, which gets its name, whose further inputs are constants: integers of lists, floats of arrays."""

    def make(graph: GraphBuilder, value: str) -> str:
        names = [graph.constant(f"{op_type}.{index}", np.asarray(each)) for index, each in enumerate(constants)]
        return graph.op(op_type, op_type, [value, *names], **attributes)

    return make


def resize(rows: float, columns: float, **attributes: Any) -> Make:
    """A Resize by scales."""

    def make(graph: GraphBuilder, value: str) -> str:
        scales = graph.constant("scales", np.array([1, 1, rows, columns], np.float32))
        return graph.op("Resize", "made", [value, "", scales], **attributes)

    return make


def _slice(*limits: int) -> Make:
    return op("Slice", *([limit] for limit in limits))


def _pixel(graph: GraphBuilder, value: str) -> str:
    return graph.op("GlobalAveragePool", "pixel", [value])


def _one_channel(graph: GraphBuilder, value: str) -> str:
    return graph.op("Sigmoid", "gate", [graph.conv("side", value, CHANNELS, 1, (1, 1))])


def _divisor(graph: GraphBuilder, value: str) -> str:
    gate = graph.op("Sigmoid", "gate", [graph.conv("side", value, CHANNELS, CHANNELS, (1, 1))])
    return graph.op("Add", "above", [gate, graph.constant("least", np.array(0.5, np.float32))])


def _floats(*shape: int) -> NDArray[np.float32]:
    return np.linspace(0.5, 2, int(np.prod(shape)), dtype=np.float32).reshape(shape)


_ASYMMETRIC: dict[str, Any] = {"coordinate_transformation_mode": "asymmetric"}
_FLOOR: dict[str, Any] = {**_ASYMMETRIC, "nearest_mode": "floor"}
_BORDER: list[type[Node]] = [
    Crop,
    Crop,
    Mvm,
    Mvm,
    Mvm,
    Add,
    Add,
    Crop,
    Crop,
    Concat,
    Concat,
]

CASES: dict[str, tuple[Make, int, list[type[Node]]]] = {
    "columns reflected": (op("Pad", [0, 0, 0, 2, 0, 0, 0, 1], mode="reflect"), 6, [Crop] * 3 + [Concat] * 3),
    "rows reflected": (op("Pad", [0, 0, 1, 0, 0, 0, 0, 0], mode="reflect"), 6, [Crop, Mvm, Mvm, Add]),
    "the edge repeated": (op("Pad", [0, 0, 0, 2, 0, 0, 0, 0], mode="edge"), 6, [Crop, Concat, Concat]),
    "another value around": (op("Pad", [0, 0, 1, 1, 0, 0, 0, 2], np.float32(0.7)), 6, [Mvm]),
    "a map by a map": (lambda g, v: g.op("Div", "made", [v, _divisor(g, v)]), 6, [Mvm, Lut, Mul]),
    "a map by constants": (op("Div", _floats(1, 6, 6, 5)), 6, [Stored, Mvm, Mul]),
    "a map by one channel": (
        lambda g, v: g.op("Div", "made", [v, g.op("Exp", "e", [_one_channel(g, v)])]), 6, [Mvm, Lut, Mvm, Lut, Mul],
    ),
    "largest channel": (op("ReduceMax", [1]), 1, [DepthToSpace, Pool]),
    "largest channel of each column": (op("ReduceMax", [1, 2]), 1, [DepthToSpace, Pool]),
    "smallest channel": (op("ReduceMin", [1]), 1, [Lut, DepthToSpace, Pool, Lut]),
    "smallest pixel": (op("ReduceMin", [2, 3]), 6, [Lut, Pool, Lut]),
    "mean of a row of all channels": (op("ReduceMean", [1, 3]), 1, [DepthToSpace, Pool]),
    "length over channels": (op("ReduceL2", [1]), 1, [Lut, Mvm, Lut]),
    "length over pixels": (lambda g, v: g.op("GlobalLpPool", "made", [v], p=2), 6, [Lut, Pool, Lut]),
    "sum of magnitudes": (op("ReduceL1", [3]), 6, [Lut, Pool]),
    "sum of squares": (op("ReduceSumSquare", [2]), 6, [Lut, Pool]),
    "linear, twice": (resize(2, 2, mode="linear"), 6, [*_BORDER, Mvm, DepthToSpace]),
    "linear, three times as high": (resize(3, 1, mode="linear"), 6, [*_BORDER[:7], Mvm, DepthToSpace]),
    "linear from the corner": (
        resize(1, 4, mode="linear", **_ASYMMETRIC), 6, [Crop, Crop, Concat, Concat, Mvm, DepthToSpace]
    ),
    "linear, smaller": (resize(1 / 2, 1 / 5, mode="linear"), 6, [Crop, Mvm]),
    "repeated unequally": (resize(2, 3, mode="nearest", **_FLOOR), 6, [Mvm, DepthToSpace]),
    "nearest, smaller": (resize(1 / 3, 1 / 5, mode="nearest", **_FLOOR), 6, [Crop, Crop]),
    "every other channel": (_slice(1, 6, 1, 2), 3, [Mvm]),
    "channels backwards": (_slice(5, -100, 1, -1), 6, [Mvm]),
    "channels by index": (op("Gather", [4, 0, 0, -1], axis=1), 4, [Mvm]),
    "columns by index": (op("Gather", [0, 2, 4], axis=3), 6, [Crop]),
    "columns in any order": (op("Gather", [3, 0, 1], axis=3), 6, [Crop] * 3 + [Concat] * 2),
    "a pixel expanded": (
        lambda g, v: op("Expand", [1, 6, 3, 4])(g, _pixel(g, v)), 6, [Pool, Mvm, DepthToSpace]
    ),
    "a channel expanded": (lambda g, v: op("Expand", [1, 5, 6, 5])(g, _one_channel(g, v)), 5, [Mvm, Lut, Mvm]),
    "tiles": (op("Tile", [1, 2, 1, 2]), 12, [Concat, Concat]),
    "every channel by one": (lambda g, v: g.op("Mul", "made", [_one_channel(g, v), v]), 6, [Mvm, Lut, Mvm, Mul]),
    "one column less all": (
        lambda g, v: g.op("Sub", "less", [op("ReduceMean", [3])(g, v), v]), 6, [Pool, Mvm, DepthToSpace, Sub]
    ),
    "neighbours in channels": (op("LRN", size=5, alpha=0.5), 6, [Lut, Mvm, Lut, Mul]),
    "the largest of three": (
        lambda g, v: g.op("Max", "made", [v, _one_channel(g, v), g.constant("k", np.array(0.1, np.float32))]),
        6, [Mvm, Lut, Mvm, Extreme, Lut],
    ),
    "the mean of three": (
        lambda g, v: g.op("Mean", "made", [v, g.conv("side", v, 6, 6, (1, 1)), v]), 6, [Mvm, Add, Add, Lut]
    ),
}  # fmt: skip


def imported(model: onnx.ModelProto) -> Network:
    """Folded without loss, quantised and imported, within a step of onnxruntime."""
    whole = quantise_whole(model, calibration(model))
    assert whole.float is not None and all(link.kept for link in whole.float.links)
    network = import_model(whole.model, "net")
    check(whole.model, network)
    return network


@pytest.mark.parametrize("name", CASES)
def test_it_is_made_of_what_there_is(name: str) -> None:
    make, channels, kinds = CASES[name]
    network = imported(between(make, channels))
    assert [type(node) for node in network.nodes] == [Mvm, *kinds, Mvm]


@pytest.mark.parametrize("op_type", ["Sqrt", "Log", "Reciprocal"])
def test_functions_of_what_is_positive(op_type: str) -> None:
    def make(graph: GraphBuilder, value: str) -> str:
        above = graph.op("Add", "above", [value, graph.constant("least", np.array(0.5, np.float32))])
        return graph.op(op_type, "made", [above])

    assert [type(node) for node in imported(between(make, CHANNELS, positive=True)).nodes] == [Mvm, Lut, Mvm]


def test_the_largest_of_many_channels_takes_several_steps() -> None:
    def make(graph: GraphBuilder, value: str) -> str:
        return op("ReduceMax", [1, 3])(graph, graph.conv("wide", value, CHANNELS, 510, (1, 1)))

    kinds = [type(node) for node in imported(between(make, 1)).nodes]
    assert kinds == [Mvm, Mvm, DepthToSpace, Pool, Pool, Pool, Mvm]


def test_channels_of_an_int8_model_are_reduced() -> None:
    write = Quantised((1, 6, 4, 3))
    axes = write.constant([1], np.int64)
    write.qdq("y", write.op("ReduceMean", "mean", write.qdq("x", "image", 0.02, 128), axes), 0.01, 120)
    model = write.model("y_real")
    network = import_model(model, "net")
    assert [type(node) for node in network.nodes] == [DepthToSpace, Pool]
    check(model, network)


@pytest.mark.parametrize(
    ("op_type", "size", "said"),
    [
        ("Div", (4, 3), "Div: its inputs are two maps"),
        ("Add", (1, 3), "Add: inputs of shapes (1, 6, 4, 3) and (1, 6, 1, 3) (only equal ones"),
    ],
)
def test_an_int8_model_is_taken_as_it_is(op_type: str, size: tuple[int, int], said: str) -> None:
    write = Quantised((1, 6, 4, 3))
    image = write.qdq("x", "image", 0.02, 128)
    side = write.op("AveragePool", "pool", image, kernel_shape=[5 - size[0], 4 - size[1]])
    write.qdq("y", write.op(op_type, "pair", image, write.qdq("s", side, 0.02, 128)), 0.05, 120)
    (fault,) = walk(write.model("y_real")).faults
    assert fault.startswith(said)


def test_a_quotient_of_functions_of_one_map_stays_a_table() -> None:
    def make(graph: GraphBuilder, value: str) -> str:
        above = graph.op(
            "Add", "above", [graph.op("Exp", "exp", [value]), graph.constant("one", np.array(1, np.float32))]
        )
        return graph.op("Div", "made", [value, above])

    assert [type(node) for node in imported(between(make, CHANNELS)).nodes] == [Mvm, Lut, Mvm]


def test_behind_the_last_layer_the_host_has_it_as_it_is() -> None:
    graph = GraphBuilder("net", (1, 3, 6, 5), seed=1)
    value = graph.conv("first", graph.input, 3, 6, (3, 3), bias=True)
    length = graph.op("ReduceL2", "length", [value, graph.constant("axes", np.array([1]))])
    model = graph.finish(graph.op("Div", "unit", [value, length]))
    whole = quantise_whole(model, calibration(model))
    assert import_model(whole.model, "net").host_tail == ("ReduceL2", "Div")


def test_a_mean_of_channels_is_a_layer_too() -> None:
    graph = GraphBuilder("net", (1, 3, 6, 5), seed=1)
    value = graph.conv("first", graph.input, 3, CHANNELS, (3, 3), bias=True)
    value = op("Pad", [0, 0, 0, 1, 0, 0, 0, 0], mode="edge")(graph, value)
    network = imported(graph.finish(op("ReduceMean", [1])(graph, value)))
    assert [type(node) for node in network.nodes] == [Mvm, Crop, Concat, Mvm]


def test_a_divisor_that_reaches_zero_is_refused() -> None:
    model = between(
        lambda graph, value: graph.op("Div", "made", [_pixel(graph, value), graph.relu("r", value)]), CHANNELS
    )
    with pytest.raises(ConfigError, match="not finite on the calibration images"):
        quantise_whole(model, calibration(model))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (resize(2, 2, mode="linear", coordinate_transformation_mode="align_corners"), "align_corners"),
        (resize(2, 2, mode="cubic"), "mode=cubic"),
        (op("InstanceNormalization", _floats(6), _floats(6)), "variances of its channels"),
        (op("Gather", 2, axis=1), "Gather: only constant indices of one dimension"),
        (_slice(4, 0, 2, -1), "rows or columns 4 to 0 in steps of -1"),
        (op("Pad", [0, 1, 0, 0, 0, 0, 0, 0], mode="edge"), "Pad: only around rows and columns"),
    ],
)
def test_what_is_left_is_refused_with_a_reason(make: Make, said: str) -> None:
    graph = GraphBuilder("net", (1, CHANNELS, 6, 5), seed=1)
    (fault,) = walk(graph.finish(make(graph, graph.input)), dry=True).faults
    assert said in fault

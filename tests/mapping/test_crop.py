# SPDX-License-Identifier: Apache-2.0
"""Slice, Split and Concat along rows and columns, against onnxruntime."""

from typing import Any

import numpy as np
import onnx
import pytest

from mapping.importer.quantise import quantise
from mapping.importer.reference import compare
from mapping.importer.walk import import_model
from mapping.models.builder import GraphBuilder
from pyimc.network import Add, Concat, Crop, Mvm, Network, Node
from tests.mapping.onnx_writer import Quantised, check, qdq_conv
from tests.random_cnn import calibration


def kinds(network: Network) -> list[type[Node]]:
    """Of its nodes, in order."""
    return [type(node) for node in network.nodes]


def imported(model: onnx.ModelProto) -> Network:
    """Quantised and imported, within a step of onnxruntime; what is only moved is the same."""
    quantised = quantise(model, calibration(model))
    network = import_model(quantised, "net")
    for image in calibration(model):
        checks = compare(quantised, network, image)
        moved = {node.name for node in network.nodes if isinstance(node, Crop)}
        assert not any(each.max_lsb for each in checks if each.node in moved)
    check(quantised, network)
    return network


def sliced(graph: GraphBuilder, name: str, source: str, **limits: list[int]) -> str:
    """A Slice with starts, ends, axes and steps."""
    constants = [graph.constant(f"{name}.{key}", np.array(values)) for key, values in limits.items()]
    return graph.op("Slice", name, [source, *constants])


@pytest.mark.parametrize(
    ("limits", "nodes"),
    [
        ({"starts": [2], "ends": [5], "axes": [2], "steps": [1]}, [Mvm, Crop, Mvm]),
        ({"starts": [-3], "ends": [100], "axes": [3], "steps": [1]}, [Mvm, Crop, Mvm]),
        ({"starts": [1, 0], "ends": [7, 9], "axes": [2, -1], "steps": [2, 3]}, [Mvm, Crop, Mvm]),
        ({"starts": [1, 1, 2], "ends": [4, 6, 8], "axes": [1, 2, 3]}, [Mvm, Crop, Mvm]),
        ({"starts": [0, 0, 0, 0], "ends": [1, 5, 7, 8]}, [Mvm, Mvm]),
    ],
)
def test_a_slice_takes_rows_and_columns(limits: dict[str, list[int]], nodes: list[type]) -> None:
    graph = GraphBuilder("net", (1, 3, 7, 8), seed=1)
    part = sliced(graph, "part", graph.conv("first", graph.input, 3, 5, (3, 3), pads=(1, 1, 1, 1)), **limits)
    channels = 3 if limits.get("axes") == [1, 2, 3] else 5
    assert kinds(imported(graph.finish(graph.conv("last", part, channels, 4, (1, 1))))) == nodes


@pytest.mark.parametrize(("axis", "sizes"), [(2, (4, 3)), (-1, (1, 5, 2))])
def test_a_split_along_rows_or_columns_is_joined_again_in_another_order(axis: int, sizes: tuple[int, ...]) -> None:
    graph = GraphBuilder("net", (1, 3, 7, 8), seed=1)
    pieces = graph.split("split", graph.conv("first", graph.input, 3, 5, (3, 3), pads=(1, 1, 1, 1)), sizes, axis)
    pieces[0] = graph.relu("relu", pieces[0])
    network = imported(graph.finish(graph.op("Concat", "join", pieces[::-1], axis=axis)))
    assert kinds(network).count(Crop) == len(sizes)
    joins = [type(node) for node in network.nodes if isinstance(node, Concat | Add)]
    assert joins == [Add if axis == 2 else Concat] * (len(sizes) - 1)


@pytest.mark.parametrize(("axis", "count"), [(2, 2), (2, 3), (3, 3), (-1, 2)])
def test_maps_of_several_scales_are_joined(axis: int, count: int) -> None:
    graph = GraphBuilder("net", (1, 3, 5, 4), seed=1)
    sides = [graph.input, graph.conv("a", graph.input, 3, 3, (1, 1), bias=True), graph.silu("b", graph.input)][:count]
    joined = graph.op("Concat", "join", sides, axis=axis)
    low = [graph.constant(f"limit{index}", np.array(limit, np.float32)) for index, limit in enumerate((0.2, 1.5))]
    imported(graph.finish(graph.op("Clip", "clip", [joined, *low])))


def test_a_row_is_cut_and_joined() -> None:
    graph = GraphBuilder("net", (1, 3, 11), seed=1)
    weights = graph.constant("weights", graph.normal((4, 3, 1), 0.5))
    value = graph.op("Conv", "first", [graph.input, weights])
    near, far = graph.split("split", value, (5, 6), axis=2)
    network = imported(graph.finish(graph.op("Concat", "join", [far, near], axis=2)))
    assert kinds(network) == [Mvm, Crop, Crop, Concat]


def _integers(write: Quantised, source: str, *, real: bool) -> str:
    """Columns of an int8 map, as QDQ or read directly."""
    limits = [write.constant([value], np.int64) for value in (1, 4, 3)]
    if real:
        return write.qdq("y", write.op("Slice", "slice", write.dq("r", source, 0.05, 100), *limits), 0.05, 100)
    return write.dq("y", write.op("Slice", "slice", source, *limits), 0.05, 100)


@pytest.mark.parametrize("real", [True, False])
def test_integers_are_cut_as_they_are(real: bool) -> None:
    write = Quantised((1, 2, 4, 5))
    first = write.q("c", qdq_conv(write, "first", write.qdq("x", "image", 0.02, 128), 3, 2), 0.05, 100)
    model = write.model(_integers(write, first, real=real))
    network = import_model(model, "net")
    assert kinds(network) == [Mvm, Crop]
    check(model, network)


def test_integers_are_split_as_they_are() -> None:
    write = Quantised((1, 2, 4, 5))
    first = write.q("c", qdq_conv(write, "first", write.qdq("x", "image", 0.02, 128), 3, 2), 0.05, 100)
    attributes: dict[str, Any] = {"axis": 3, "num_outputs": 2}
    write.op("Split", "left", first, **attributes)
    write.nodes[-1].output.append("right")
    model = write.model(write.dq("y", "left", 0.05, 100), write.dq("z", "right", 0.05, 100))
    network = import_model(model, "net")
    assert kinds(network) == [Mvm, Crop, Crop]
    check(model, network)

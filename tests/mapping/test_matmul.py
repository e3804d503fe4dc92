# SPDX-License-Identifier: Apache-2.0
"""Products of two maps: by hand, against sums written out, on the words of a chip, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mapping.compile import compile_network
from mapping.importer.inputs import quantise_input
from mapping.importer.onnx_model import session
from mapping.importer.quantise import quantise
from mapping.importer.tail import Tail
from mapping.importer.walk import import_model, import_whole, walk
from mapping.models.builder import GraphBuilder
from pyimc import golden
from pyimc.energy.events import count
from pyimc.errors import CapacityError, ConfigError
from pyimc.network import Matmul, TensorType, Transpose
from tests.cycle.units import attention
from tests.mapping.networks import Builder, small_arch
from tests.mapping.onnx_writer import Quantised, qdq_conv
from tests.mapping.onnx_writer import check as check_import
from tests.mapping.test_codegen import check
from tests.random_cnn import calibration

ROOM = {"activation_words": 8192, "host_words": 512, "instructions": 512}


def test_one_value_by_hand() -> None:
    node = Matmul("n", ("x", "b"), "y", 1, (0, 3), 1, (20, 4), 200, (0, 255))
    left, right = np.array([[[10, 22]]], np.uint8), np.array([[[7]], [[5]]], np.uint8)
    found = node.run([left, right], TensorType(1, 1, 1, 1.0, 200)).item()
    assert found == 200 + ((-10 * 3 + 2 * 1) * 3 + 1 >> 1)


@pytest.mark.parametrize("stacked", [True, False])
def test_groups_do_not_mix(stacked: bool) -> None:
    """Sums written out: group g has its own channels, and pixels or channels of its own in the second map."""
    groups, inner, columns, pixels = 3, 4, 5, 6
    random = np.random.default_rng(1)
    left = random.integers(0, 256, (2, 3, groups * inner), np.uint8)
    shape = (groups * inner, 1, columns) if stacked else (2, 2, groups * columns)
    right = random.integers(0, 256, shape, np.uint8)
    node = Matmul("n", ("x", "b"), "y", groups, (0, 5), 9, (7, 250), 100, (0, 255))
    kinds = [TensorType(each.shape[0], each.shape[1], each.shape[2], 1.0, 0) for each in (left, right)]
    target = TensorType(*node.shape(kinds), 1.0, 100)
    assert target.shape == (2, 3, groups * columns) and node.macs(kinds) == pixels * groups * inner * columns
    found = node.run([left, right], target).reshape(pixels, -1)
    rows, matrix = left.reshape(pixels, -1).astype(int) - 7, right.reshape(-1, shape[2]).astype(int) - 250
    for pixel in range(pixels):
        for group in range(groups):
            for column in range(columns):
                total = sum(
                    int(rows[pixel, group * inner + k])
                    * int(matrix[group * inner + k, column] if stacked else matrix[k, group * columns + column])
                    for k in range(inner)
                )
                value = min(255, max(0, 100 + (total * 5 + 256 >> 9)))
                assert found[pixel, group * columns + column] == value


def test_transpose_by_hand() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    found = Transpose("n", ("x",), "y").run([image], TensorType(3, 1, 4, 1.0, 0))
    assert found[:, 0].tolist() == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]


@pytest.mark.parametrize("grain", ["row", "map", 1, 3])
@pytest.mark.parametrize("shape", [(1, 9, 6, 2), (7, 1, 5, 1), (3, 2, 8, 4), (1, 1, 12, 3), (2, 4, 10, 5)], ids=str)
def test_the_words_of_a_chip(shape: tuple[int, int, int, int], grain: str | int) -> None:
    """One row, one column, rows of whole words, a pixel; groups in both ways of the second map."""
    network = attention(*shape)()
    sources = [network.sources(node) for node in network.nodes if isinstance(node, Matmul)]
    assert [kind.shape for kind, _ in sources] == [(*shape[:2], shape[2]), (*shape[:2], shape[3] * shape[0] * shape[1])]
    check(compile_network(network, small_arch(**ROOM), options={"grain": grain}))


@pytest.mark.parametrize("shape", [(1, 9, 6, 2), (7, 1, 5, 1), (2, 4, 10, 5)], ids=str)
def test_every_cycle_reads_a_word_and_every_product_counts(shape: tuple[int, int, int, int]) -> None:
    program = compile_network(attention(*shape)(), small_arch(**ROOM))
    counts = count(program)
    for node in program.network.nodes:
        if isinstance(node, Matmul):
            actor, events = program.actor(node.name), counts.operators[node.name]
            firings = counts.firings[node.name]
            assert events["reads"] == actor.cycles - firings * 3  # from a firing's last read to the first of the next
            assert events["products"] == node.macs(program.network.sources(node))


def test_the_second_map_stays_until_the_last_firing() -> None:
    program = compile_network(attention(5, 1, 8, 2)(), small_arch(**ROOM))
    (ring,) = (channel for channel in program.channels if (channel.consumer, channel.port) == ("mixed", 1))
    assert ring.size >= 5 * program.arch.words(8)


def test_rows_that_end_within_a_word_are_refused() -> None:
    with pytest.raises(CapacityError, match=r"rows of 15 bytes end within a word of 8; .*keys, mixed"):
        compile_network(attention(3, 3, 5, 1)(), small_arch(**ROOM))


def test_a_map_that_is_too_large_is_refused() -> None:
    net = Builder(1, 4096, 16)
    with pytest.raises(CapacityError, match=r"reads a whole map of 65536 bytes, 65535 is the most .*turned"):
        compile_network(net.finish(net.transpose("turned", "x")), small_arch(**ROOM))


@pytest.mark.parametrize(
    ("left", "right", "groups", "reason"),
    [
        ((1, 2, 6), (1, 6, 4), 4, "6 channels, which are no 4 groups"),
        ((1, 2, 6), (1, 4, 4), 1, "4 pixels for 6 channels"),
        ((1, 2, 6), (1, 3, 5), 2, "5 channels, which are no 2 groups"),
        ((1, 1, 33026), (33026, 1, 1), 1, "33026 products needs more than 32 bits"),
    ],
)
def test_shapes_that_do_not_go_together(
    left: tuple[int, int, int], right: tuple[int, int, int], groups: int, reason: str
) -> None:
    kinds = [TensorType(*shape, 1.0, 0) for shape in (left, right)]
    node = Matmul("n", ("x", "b"), "y", groups, (0, 5), 9, (7, 250), 100, (0, 255))
    assert any(reason in fault for fault in node.faults(kinds, kinds[0]))


def test_a_transpose_keeps_the_scale() -> None:
    net = Builder(1, 4, 3)
    value = net.transpose("turned", "x")
    net.tensors[value] = replace(net.tensors[value], scale=2.0)
    with pytest.raises(ConfigError, match="node turned: its input and output differ in scale or zero point"):
        net.finish(value)


def attend(graph: GraphBuilder, heads: int) -> str:
    """A block of attention over the pixels of a map as exporters write it, with a table where the softmax would be."""
    shape = graph.constant("matrices", np.array([1, heads, 8 // heads, 16] if heads > 1 else [1, 8, 16], np.int64))
    back = graph.constant("map", np.array([1, 8, 4, 4], np.int64))
    last = [0, 1, 3, 2] if heads > 1 else [0, 2, 1]
    stem = graph.conv("stem", graph.input, 3, 8, (3, 3), (2, 2), (1, 1, 1, 1))
    query, key, value = (
        graph.op("Reshape", f"{name}.matrix", [graph.conv(name, stem, 8, 8, (1, 1), bias=True), shape])
        for name in ("query", "key", "value")
    )
    scores = graph.op("MatMul", "scores", [graph.op("Transpose", "turned", [query], perm=last), key])
    weights = graph.op("Sigmoid", "weights", [scores])
    mixed = graph.op("Reshape", "mixed.map", [graph.op("MatMul", "mixed", [value, weights]), back])
    return graph.add("sum", graph.conv("out", mixed, 8, 8, (1, 1), bias=True), stem)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_from_float_to_words(heads: int) -> None:
    """Every node at most a step from onnxruntime, and what the chip's instructions compute equal to the bit."""
    graph = GraphBuilder("attention", (1, 3, 8, 8), seed=3)
    model = graph.finish(attend(graph, heads))
    stored = quantise(model, calibration(model))
    network = import_model(stored, "attention")
    kinds = [type(node) for node in network.nodes]
    assert (kinds.count(Matmul), kinds.count(Transpose)) == (2, 1)
    assert {node.groups for node in network.nodes if isinstance(node, Matmul)} == {heads}
    check_import(stored, network)
    arch = small_arch(crossbar={"planes": 64}, contexts=16, **ROOM)
    check(compile_network(network, arch))


@pytest.mark.parametrize("turned", ["left", "right", "both", ""])
def test_it_is_within_a_step_of_onnxruntime(turned: str) -> None:
    """Two maps of as many channels as pixels, in each of the four ways."""
    write = Quantised((1, 5, 3, 4))
    image = write.qdq("x", "image", 0.02, 120)
    sides = []
    for name, scale, channels in (("left", 0.011, 12), ("right", 0.02, 12)):
        shape = write.constant([1, channels, 12], np.int64)
        value = write.qdq(name, qdq_conv(write, f"{name}.conv", image, channels, 5), scale, 100)
        value = write.op("Reshape", f"{name}.matrix", value, shape)
        if turned in (name, "both"):
            value = write.op("Transpose", f"{name}.turned", value, perm=[0, 2, 1])
        sides.append(value)
    write.qdq("y", write.op("MatMul", "product", *sides), 0.4, 110)
    model = write.model("y_real")
    network = import_model(model, "net")
    assert sum(isinstance(node, Transpose) for node in network.nodes) == {"": 0, "both": 2}.get(turned, 1)
    check_import(model, network)


def test_a_transposed_matrix_goes_to_the_host_as_the_graph_has_it() -> None:
    write = Quantised((1, 5, 4, 4))
    image = write.qdq("x", "image", 0.02, 120)
    value = write.qdq("c", qdq_conv(write, "conv", image, 6, 5), 0.011, 100)
    shaped = write.op("Reshape", "shaped", value, write.constant([1, 6, 16], np.int64))
    model = write.model(write.op("Softmax", "soft", write.op("Transpose", "turned", shaped, perm=[0, 2, 1]), axis=-1))
    whole = import_whole(model, "net")
    (values,) = (quantise_input(whole.network, each) for each in calibration(model)[:1])
    found = Tail(whole.tail).run([golden.run(whole.network, values)[whole.network.outputs[0]]], values)["soft"]
    (expected,) = session(model, ("soft",)).run(["soft"], {"image": calibration(model)[0][np.newaxis]})
    assert found.shape == expected.shape == (1, 16, 6) and np.abs(found - expected).max() < 0.02


def heads(graph: GraphBuilder, matrix: str) -> str:
    """A matrix of six rows as two of three."""
    return graph.op("Reshape", "heads", [matrix, graph.constant("two", np.array([1, 2, 3, 16], np.int64))])


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda g, m, t: g.op("MatMul", "y", [heads(g, m), t]), r"shapes \(1, 2, 3, 16\) and \(1, 16, 6\)"),
        (lambda g, m, t: g.op("MaxPool", "y", [t], kernel_shape=[1]), r"its input 0 is a matrix of shape \(1, 16, 6\)"),
        (lambda g, m, t: g.op("Relu", "y", [t]), r"its input 0 is a matrix of shape \(1, 16, 6\)"),
        (lambda g, m, t: g.op("Sigmoid", "y", [t]), r"its input is a transposed matrix of shape \(1, 16, 6\)"),
    ],
)
def test_what_matrices_are_not(write: Callable[[GraphBuilder, str, str], str], reason: str) -> None:
    graph = GraphBuilder("net", (1, 3, 4, 4), seed=3)
    shape = graph.constant("shape", np.array([1, 6, 16], np.int64))
    matrix = graph.op("Reshape", "matrix", [graph.conv("c", graph.input, 3, 6, (1, 1)), shape])
    turned = graph.op("Transpose", "turned", [matrix], perm=[0, 2, 1])
    value = graph.op("MatMul", "late", [matrix, turned])
    other = write(graph, matrix, turned)
    model = graph.finish(value, other)
    assert any(re.search(reason, fault) for fault in walk(model, dry=True).faults)

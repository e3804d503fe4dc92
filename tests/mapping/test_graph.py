"""The deployment graph: structure, firings, cycles, and what no architecture can hold."""

import re
from dataclasses import replace

import pytest

from mapping.cost import add_cycles, mvm_cycles, pool_cycles
from mapping.firing import Firing, image_firings, runs, stream_length
from mapping.graph import Graph, build_graph
from pyimc.errors import CapacityError, ConfigError, UnsupportedOperator
from pyimc.network import Add, Mvm, Pool
from tests.mapping.networks import Builder, residual, resnet18, small_arch

ARCH = small_arch()  # 8 bytes a word, crossbar 64 x 32, 8 adcs, 4 dac steps


def test_edges_and_slots_of_a_residual_network() -> None:
    graph = build_graph(residual(), ARCH)
    assert list(graph.nodes) == [node.name for node in residual().nodes]
    assert [edge.name for edge in graph.outputs("stem")] == ["stem.y->b.one.0", "stem.y->b.add.0"]
    assert [edge.producer for edge in graph.inputs("b.add")] == ["stem", "b.two"]
    assert [edge.name for edge in graph.outputs("last")] == ["last.y->host.0"]
    assert graph.ancestors()["b.add"] == {"stem", "b.one", "b.two"}
    assert {name: graph.depths()[name] for name in ("stem", "b.add", "c.short", "c.add", "host")} == {
        "stem": 1, "b.add": 4, "c.short": 5, "c.add": 7, "host": 10,
    }  # fmt: skip


def test_longest_path_goes_through_the_block() -> None:
    path = build_graph(residual(), ARCH).longest_path()
    assert path == ("stem", "b.one", "b.two", "b.add", "c.one", "c.two", "c.add", "mean", "last")


def test_nodes_without_use_are_left_out() -> None:
    net = Builder(4, 4, 2)
    used = net.conv("used", "x", 4)
    net.conv("unused", used, 4)
    assert list(build_graph(net.finish(used), ARCH).nodes) == ["used"]


def _mvm(channels: int, outputs: int, width: int, kernel: int, pad: int) -> int:
    net = Builder(width, width, channels)
    output = net.conv("c", "x", outputs, (kernel, kernel), (1, 1), (pad, pad, pad, pad))
    network = net.finish(output)
    node = network.nodes[0]
    assert isinstance(node, Mvm)
    return mvm_cycles(network, node, ARCH)


def test_cycles_of_a_crossbar_layer() -> None:
    # 4x4 windows, 3 row tiles of 16 channels x 9, 4 dac steps, 40 columns: 4 + 1 groups of 8
    assert _mvm(16, 40, 4, 3, 1) == 4 * 4 * 3 * 4 * 5
    # one column group: the gather is slower. A row tile holds 64 channels of one tap: 8 words against 4 steps
    assert _mvm(64, 8, 4, 1, 0) == 4 * 4 * 8
    # 3 channels, 1x1, byte offsets 0, 3, 6 (two words), 9: conversion hides it
    assert _mvm(3, 8, 4, 1, 0) == 4 * 4 * 4


def test_gather_counts_the_words_that_a_run_touches() -> None:
    # runs of 3*13 bytes, 3 of them; the row tile of 64 bytes cuts the second after 25
    words = []
    for x in range(4):
        offset = (x - 1) * 13
        tile_0 = -(-(offset % 8 + 39) // 8) + -(-(offset % 8 + 25) // 8)
        tile_1 = -(-((offset + 25) % 8 + 14) // 8) + -(-(offset % 8 + 39) // 8)
        words.append(max(4, tile_0) + max(4, tile_1))
    assert _mvm(13, 8, 4, 3, 1) == 4 * sum(words)


def test_cycles_of_the_vector_engine() -> None:
    net = Builder(5, 5, 9)
    net.add("a", "x", "x")
    net.pool("p", "a.y", "max", (3, 2), (1, 1))
    network = net.finish("p.y")
    add, pool = network.nodes
    assert isinstance(add, Add)
    assert isinstance(pool, Pool)
    assert add_cycles(network, add, ARCH) == 2 * 5 * 6  # rows of 45 bytes in 6 words
    assert pool_cycles(network, pool, ARCH) == 3 * 4 * 2 * 6  # 9 channels in 2 words, 6 taps


def test_runs_and_stream_length() -> None:
    one, two = Firing(1, 1, 1, 1, 0, 0, 1), Firing(2, 1, 1, 1, 0, 0, 1)
    assert list(runs((one, two, two, one, one, one))) == [(one, 1), (two, 2), (one, 3)]
    assert stream_length((one, two, two, one, one, one)) == 1 + 2 + 2 + 1


def test_window_in_the_padding_is_refused() -> None:
    net = Builder(2, 2, 1)
    net.conv("c", "x", 1, (1, 1), (1, 1), (1, 0, 0, 0))
    network = net.finish("c.y")
    with pytest.raises(UnsupportedOperator, match=r"node c: the window of output row 0 lies wholly in the padding"):
        image_firings(network, network.nodes[0], ARCH)


def test_what_no_unit_can_hold_is_listed_at_once() -> None:
    net = Builder(2, 2, 1)
    wide = net.conv("wide", "x", 200)
    network = net.finish(*(net.conv(f"c{n}", wide, 1) for n in range(5)))
    message = "node wide: needs 200 output columns, a PU has 128; node wide: needs 5 destinations, an actor has 4"
    with pytest.raises(CapacityError, match=re.escape(message)):
        build_graph(network, ARCH)


def test_consumers_of_the_input_are_limited_by_the_host() -> None:
    net = Builder(2, 2, 1)
    network = net.finish(*(net.conv(f"c{n}", "x", 1) for n in range(9)))
    with pytest.raises(CapacityError, match="input x: has 9 consumers, the host has 8 slots"):
        build_graph(network, ARCH)


def test_networks_without_work_or_with_a_reserved_name_are_refused() -> None:
    network = residual()
    with pytest.raises(ConfigError, match="output x is its input; there is nothing to compute"):
        build_graph(replace(network, outputs=("x",)), ARCH)
    net = Builder(2, 2, 1)
    with pytest.raises(ConfigError, match="a node must not be called 'host'; rename it"):
        build_graph(net.finish(net.conv("host", "x", 1)), ARCH)


def test_resnet18_totals() -> None:
    """Sanity figures: 201 crossbar tiles, about 2.1 M crossbar cycles per image, the first layer the longest."""
    from pyimc.arch import load_arch

    graph: Graph = build_graph(resnet18(), load_arch("default"))
    imc = [node for node in graph.nodes.values() if node.kind == "imc"]
    assert sum(node.planes for node in imc) == 201
    assert sum(node.cycles for node in imc) == 2111040
    assert max(imc, key=lambda node: node.cycles).name == "conv1"

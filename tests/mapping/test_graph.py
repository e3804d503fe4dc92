"""The deployment graph: structure, firings, cycles, and what no architecture can hold."""

import re
from dataclasses import replace

import pytest

from mapping.actors.firing import Firing, runs, stream_length
from mapping.actors.graph import Graph, build_graph
from mapping.operators import image_firings
from pyimc.arch import load_arch
from pyimc.errors import CapacityError, ConfigError
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


def test_inputs_are_in_the_order_of_ports_whichever_tensor_is_older() -> None:
    net = Builder(8, 8, 3)
    older = net.conv("older", "x", 16)
    newer = net.conv("newer", older, 16)
    graph = build_graph(net.finish(net.concat("both", newer, older, "channels")), ARCH)
    assert [(edge.producer, edge.port) for edge in graph.inputs("both")] == [("newer", 0), ("older", 1)]


def test_longest_path_goes_through_the_block() -> None:
    path = build_graph(residual(), ARCH).longest_path()
    assert path == ("stem", "b.one", "b.two", "b.add", "c.one", "c.two", "c.add", "mean", "last")


def test_nodes_without_use_are_left_out() -> None:
    net = Builder(4, 4, 2)
    used = net.conv("used", "x", 4)
    net.conv("unused", used, 4)
    assert list(build_graph(net.finish(used), ARCH).nodes) == ["used"]


def test_runs_and_stream_length() -> None:
    one, two = (Firing((need,), (1,), 1, 0, 1, 0, 0, 1) for need in (1, 2))
    assert list(runs((one, two, two, one, one, one))) == [(one, 1), (two, 2), (one, 3)]
    assert stream_length((one, two, two, one, one, one), 1) == 1 + 2 + 2 + 1
    assert stream_length((one, two, two, one, two, two), 3) == 3 + 1 + 1  # a loop over two rows
    assert stream_length((one, two, two, one, one, one), 3) == 3 + 2 + 1


def test_resize_reads_a_row_several_times() -> None:
    net = Builder(3, 2, 5)
    network = net.finish(net.resize("r", "x", 3))
    row, produced = 2, 4  # 10 and 30 bytes in words of 8
    kept = Firing((row,), (0,), produced, 0, 6, 0, 0, 1)
    assert image_firings(network, network.nodes[0], ARCH) == (kept, kept, replace(kept, free=(row,))) * 3
    assert build_graph(network, ARCH).nodes["r"].instructions == 3 + 2


def test_concat_takes_a_row_of_each() -> None:
    net = Builder(3, 2, 5)
    wide = net.concat("wide", "x", "x", "columns")
    network = net.finish(net.concat("deep", wide, wide, "channels"))
    wide_firing, deep_firing = (image_firings(network, node, ARCH)[0] for node in network.nodes)
    assert wide_firing == Firing(need=(2, 2), free=(2, 2), produce=3, offset=0, pixels=1, x0=0, top=0, rows=1)
    assert deep_firing == Firing(need=(3, 3), free=(3, 3), produce=5, offset=0, pixels=4, x0=0, top=0, rows=1)


def test_concat_in_parts_reads_whole_words_of_each() -> None:
    """5 channels and 12: eight pixels, or multiples, are whole words of both and of the output."""
    net = Builder(1, 20, 5)
    network = net.finish(net.concat("join", "x", net.conv("c", "x", 12), "channels"))
    first, second, last = image_firings(network, network.nodes[1], ARCH, 3)
    assert first == second == Firing(need=(5, 12), free=(5, 12), produce=17, offset=0, pixels=8, x0=0, top=0, rows=1)
    assert last == Firing(need=(3, 6), free=(3, 6), produce=9, offset=0, pixels=4, x0=0, top=0, rows=1)


def test_what_no_unit_can_hold_is_listed_at_once() -> None:
    net = Builder(2, 2, 1)
    wide = net.conv("wide", "x", 200)
    network = net.finish(*(net.conv(f"c{n}", wide, 1) for n in range(5)))
    message = (
        "needs 200 output columns, a PU has 128; output_columns of 256 would do (wide); "
        "needs 5 destinations, an actor has 4; destinations of 8 would do (wide)"
    )
    with pytest.raises(CapacityError, match=re.escape(message)):
        build_graph(network, ARCH)


def test_equal_faults_are_told_once() -> None:
    net = Builder(2, 2, 1)
    network = net.finish(*(net.conv(name, "x", 200) for name in "abcd"), net.conv("e", "x", 131))
    message = (
        "needs 200 output columns, a PU has 128; output_columns of 256 would do (4 times: a, b, c and 1 more); "
        "needs 131 output columns, a PU has 128; output_columns of 256 would do (e)"
    )
    with pytest.raises(CapacityError, match=re.escape(message)):
        build_graph(network, ARCH)


def test_a_digital_unit_would_hand_on_what_many_read() -> None:
    net = Builder(2, 2, 1)
    first = net.conv("first", "x", 1)
    network = net.finish(*(net.conv(f"c{n}", first, 1) for n in range(8)), first)
    message = "needs 9 destinations, an actor has 4; a dpu PU, which would hand it on, would do (first)"
    with pytest.raises(CapacityError, match=re.escape(message)):
        build_graph(network, small_arch(dpus=[]))


def test_consumers_of_the_input_are_limited_by_the_host() -> None:
    net = Builder(2, 2, 1)
    network = net.finish(*(net.conv(f"c{n}", "x", 1) for n in range(9)))
    with pytest.raises(CapacityError, match=re.escape("has 9 consumers, the host has 8 slots (x)")):
        build_graph(network, ARCH)


def test_networks_without_work_or_with_a_reserved_name_are_refused() -> None:
    network = residual()
    with pytest.raises(ConfigError, match="output x is its input; there is nothing to compute"):
        build_graph(replace(network, outputs=("x",)), ARCH)
    net = Builder(2, 2, 1)
    with pytest.raises(ConfigError, match="a node must not be called 'host'; rename it"):
        build_graph(net.finish(net.conv("host", "x", 1)), ARCH)


def test_resnet18_takes_201_planes() -> None:
    graph: Graph = build_graph(resnet18(), load_arch("default"))
    assert sum(node.planes for node in graph.nodes.values()) == 201

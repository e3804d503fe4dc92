"""The baseline strategies where their placements can be worked out by hand."""

import importlib
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mapping.actors.buffers import size_edges
from mapping.actors.cost import mean_hops
from mapping.actors.graph import Graph, build_graph
from mapping.compile import compile_network
from mapping.placement.ledger import (
    Choice,
    Ledger,
    NoRoom,
    Options,
    Placement,
    Whole,
    loads,
    read_options,
    retry,
    with_room,
)
from mapping.placement.strategies import find, names
from mapping.placement.strategies.heft import earliest, upward_rank
from pyimc.arch import Arch, arch_from_dict, load_arch
from pyimc.errors import ConfigError
from pyimc.program import HOST
from pyimc.routing import hops
from tests.mapping.hand_graphs import graph_of, row_of
from tests.mapping.networks import residual, resnet18, small_arch


def test_lpt_reaches_its_guarantee() -> None:
    """Graham's worst case for two units: 7 against an optimum of 6, 4/3 - 1/6 times as much."""
    graph, arch = graph_of({"a": 3, "b": 3, "c": 2, "d": 2, "e": 2}), row_of(2)
    placement = find("lpt").place(graph, arch, {}, 0)
    assert placement.nodes == {"a": 1, "b": 2, "c": 1, "d": 2, "e": 1}
    assert loads(graph, arch, placement) == {1: 7, 2: 5}


def test_optimal_beats_lpt_and_proves_it() -> None:
    graph, arch = graph_of({"a": 3, "b": 3, "c": 2, "d": 2, "e": 2}), row_of(2)
    placement = find("optimal").place(graph, arch, {}, 0)
    assert placement.bound == 6 == max(loads(graph, arch, placement).values())
    assert placement.nodes["a"] == placement.nodes["b"]


def test_optimal_keeps_to_the_planes() -> None:
    """Without them 6 and 6; but c, d and e take 63 of 64 planes, so that one of them goes with a, one with b."""
    graph = graph_of({"a": 3, "b": 3, "c": 2, "d": 2, "e": 2}, planes={"c": 21, "d": 21, "e": 21, "a": 2, "b": 2})
    placement = find("optimal").place(graph, row_of(2, crossbar={"planes": 62}), {}, 0)
    assert placement.bound == 7 == max(loads(graph, row_of(2), placement).values())


def test_optimal_without_time_says_what_is_proven() -> None:
    """ResNet-18 on four units: a second of search does not do, and takes the same steps again."""
    arch = few_large(4, 54)
    graph = size_edges(build_graph(resnet18(), arch))
    placement = find("optimal").place(graph, arch, {"seconds": 1}, 3)
    largest = max(loads(graph, arch, placement).values())
    assert 527718 <= (placement.bound or 0) < largest <= 546176  # the mean over four units; what LPT reaches
    assert find("optimal").place(graph, arch, {"seconds": 1}, 3) == placement


def test_weight_balance_looks_at_planes_only() -> None:
    graph = graph_of({"a": 1, "b": 1, "c": 900, "d": 900}, planes={"a": 9, "b": 5, "c": 4, "d": 4})
    placement = find("weight_balance").place(graph, row_of(2), {}, 0)
    assert placement.nodes == {"a": 1, "b": 2, "c": 2, "d": 1}


def test_heft_on_a_diamond() -> None:
    """a -> (b, c) -> d on two units, 5 flits an edge, 1 hop between neighbours and on average."""
    graph = graph_of({"a": 10, "b": 20, "c": 15, "d": 10}, [("a", "b", 4), ("a", "c", 4), ("b", "d", 4), ("c", "d", 4)])
    arch = row_of(2)
    assert upward_rank(graph, arch) == {"d": 16, "b": 42, "c": 37, "a": 58, "host": 0}
    # a on 1: 6..16. b: on 1 16..36, on 2 22..42. c: on 1 36..51, on 2 22..37. d: on 1 43..53, on 2 42..52
    assert find("heft").place(graph, arch, {}, 0).nodes == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_heft_fills_a_gap() -> None:
    """b waits long for its input from a on the other kind of unit; c, of lower rank, goes before it."""
    graph = graph_of({"a": 50, "b": 60, "c": 9}, [("a", "b", 4)], kinds={"a": "dpu"})
    assert sorted(graph.nodes, key=lambda name: -upward_rank(graph, row_of(1, 1))[name]) == ["a", "b", "c"]
    assert earliest([(61, 121)], 7, 9) == 7
    assert earliest([(5, 10), (20, 30)], 0, 5) == 0
    assert earliest([(5, 10), (20, 30)], 0, 6) == 10
    assert earliest([(5, 10), (20, 30)], 12, 9) == 30


def test_mean_hops() -> None:
    for arch in (load_arch("default"), load_arch("tiny"), row_of(2), row_of(7)):
        pairs = [hops(arch.mesh.columns, one, two) for one in range(arch.nodes) for two in range(arch.nodes)]
        assert mean_hops(arch) == sum(pairs) // (len(pairs) - arch.nodes)


def test_random_is_uniform_over_the_units_with_room() -> None:
    graph, arch = graph_of({"a": 1, "b": 1}, planes={"a": 60, "b": 5}), row_of(4)
    place = find("random").place
    drawn = [place(graph, arch, {}, seed).nodes for seed in range(400)]
    counts = np.bincount([nodes["a"] for nodes in drawn], minlength=5)
    assert counts[0] == 0 and all(70 < count < 130 for count in counts[1:])
    assert all(nodes["a"] != nodes["b"] for nodes in drawn), "b does not fit beside a"


def test_lblp_counts_transfers_in_the_longest_path() -> None:
    """a-b computes for longer, c-d has more to send: 40 words, 10 heads and a hop against 5 and 1."""
    graph = graph_of({"a": 50, "b": 50, "c": 40, "d": 30}, [("a", "b", 4), ("c", "d", 40)])
    arch = row_of(2)
    assert find("lblp").place(graph, arch, {}, 0).nodes == {"a": 1, "b": 2, "c": 1, "d": 2}
    assert find("lblp").place(graph, arch, {"transfer": "mesh"}, 0).nodes == {"a": 2, "b": 1, "c": 1, "d": 2}
    assert graph.longest_path() == ("a", "b")
    assert graph.longest_path(lambda edge: edge.row_words) == ("c", "d")


def test_lblp_weighs_parallel_nodes() -> None:
    """Branches b and c of a: c goes beside b only if the other unit's load outweighs the penalty."""
    graph = graph_of({"a": 100, "b": 50, "c": 10}, [("a", "b", 4), ("a", "c", 4)])
    place, arch = find("lblp").place, row_of(2)
    assert place(graph, arch, {}, 0).nodes == {"a": 1, "b": 2, "c": 1}
    assert place(graph, arch, {"parallel": "ignore"}, 0).nodes["c"] == 2
    assert place(graph, arch, {"parallel": "penalty"}, 0).nodes["c"] == 1  # 100 against 50 + 50, the lower
    assert place(graph, arch, {"parallel": "penalty", "penalty": 99}, 0).nodes["c"] == 2


def few_large(imcs: int, planes: int) -> Arch:
    """The default architecture with a few PUs of many planes."""
    data = load_arch("default").model_dump(mode="json")
    mesh = {"columns": imcs + 2, "rows": 1, "fifo_depth": 4}
    crossbar = data["crossbar"] | {"planes": planes}
    return arch_from_dict(data | {"mesh": mesh, "dpus": [1], "activation_words": 65535, "crossbar": crossbar}, "few")


@pytest.mark.parametrize(
    "strategy",
    [pytest.param(name, marks=[pytest.mark.sweep] if name == "lblp_plus" else []) for name in names()],
)
def test_resnet18_fits_few_large_units(strategy: str) -> None:
    """205 planes for 201: in the order of most strategies the large layers come too late."""
    arch = few_large(5, 41)
    graph = size_edges(build_graph(resnet18(), arch))
    placement = find(strategy).place(graph, arch, {}, 0)
    assert placement.nodes.keys() == graph.nodes.keys()
    assert strategy != "optimal" or placement.bound == 539904
    if strategy == "lblp":
        assert placement.moved == ("layer4.0.conv1", "layer4.1.conv2", "layer4.1.conv1", "layer4.0.conv2")


def test_what_fits_in_no_order_is_refused_as_at_first() -> None:
    graph = graph_of({"a": 3, "b": 2, "c": 1}, planes={"a": 40, "b": 40, "c": 40})
    for strategy in names():
        with pytest.raises(NoRoom, match=re.escape("planes: needed 40, available 24 of 64")):
            find(strategy).place(graph, row_of(2), {}, 0)


def test_rings_get_room_for_a_row_of_slack_if_there_is() -> None:
    """Loads alone would put c behind b, where only its smallest ring fits."""
    graph = graph_of({"a": 5, "b": 4, "c": 3, "d": 2}, [(HOST, name, 8) for name in "abcd"])
    slack = {"a": 8, "b": 8, "c": 16}
    graph = replace(graph, edges=tuple(replace(edge, slack_words=slack.get(edge.consumer, 0)) for edge in graph.edges))
    by_load = {"a": 1, "b": 2, "c": 2, "d": 1}

    def place(words: int, slack_rows: int) -> tuple[Placement, Graph]:
        arch = row_of(2, activation_words=words)
        return with_room(graph, slack_rows, lambda graph: find("lpt").place(graph, arch, {}, 0))

    placement, roomy = place(32, 2)
    assert placement == Placement({"a": 2, "b": 2, "c": 1, "d": 1}, moved=("c",))
    assert {edge.consumer: edge.least_words for edge in roomy.edges if edge.producer == HOST} == {
        "a": 16, "b": 16, "c": 24, "d": 8,
    }  # fmt: skip
    assert place(32, 0) == (Placement(by_load), graph)
    assert place(24, 2) == (Placement(by_load), graph)
    with pytest.raises(NoRoom, match=re.escape("activation words: needed 8, available 0 of 16")):
        with_room(graph, 2, lambda graph: find("lpt").place(graph, row_of(1, activation_words=16), {}, 0))


@pytest.mark.parametrize(("strategy", "roomy"), [("optimal", False), ("lpt", True)])
def test_a_bound_is_proven_for_the_smallest_rings(strategy: str, roomy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    least = {edge.name: edge.least_words for edge in size_edges(build_graph(residual(), small_arch())).edges}
    module, placed = importlib.import_module(f"mapping.placement.strategies.{strategy}"), []
    place = module.place

    def note(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
        placed.append({edge.name: edge.least_words for edge in graph.edges})
        return place(graph, arch, options, seed)

    monkeypatch.setattr(module, "place", note)
    compile_network(residual(), small_arch(), strategy)
    assert (placed[0] != least) == roomy


def test_a_node_that_no_empty_unit_holds_is_not_tried_again() -> None:
    orders = []

    def attempt(order: Sequence[str]) -> Placement:
        orders.append(list(order))
        raise NoRoom("c", "never")

    with pytest.raises(NoRoom):
        retry("abcd", attempt)
    assert orders == [["a", "b", "c", "d"], ["c", "a", "b", "d"]]


@pytest.mark.parametrize(("words", "hopeless"), [(16, True), (24, False)])
def test_no_other_order_is_tried_where_all_units_have_too_little(words: int, hopeless: bool) -> None:
    """Of words for rings; planes may be shared by equal weights, so that their sum says nothing."""
    graph = graph_of({"a": 5, "b": 4, "c": 3}, [(HOST, name, 8) for name in "abc"], planes=dict.fromkeys("abc", 30))
    orders: list[list[str]] = []

    def attempt(order: Sequence[str]) -> Placement:
        orders.append(list(order))
        ledger = Ledger(graph, row_of(1, activation_words=words))
        for name in order:
            ledger.place(name, ledger.feasible(name)[0])
        return ledger.placement()

    with pytest.raises(NoRoom) as refused:
        retry("abc", attempt)
    assert refused.value.hopeless == hopeless
    assert (len(orders) == 1) == hopeless


def test_options_that_are_whole_numbers() -> None:
    allowed: dict[str, Choice | Whole] = {"depth": Whole(3, 1, 9), "tie": Choice(("low", "high"))}
    assert read_options({}, "s", allowed) == {"depth": 3, "tie": "low"}
    assert read_options({"depth": 9, "tie": "high"}, "s", allowed) == {"depth": 9, "tie": "high"}
    message = "strategy s: depth is '10', must be a whole number from 1 to 9; tie is '2', must be one of low, high"
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_options({"depth": 10, "tie": 2}, "s", allowed)
    for wrong in (0, "few", True, -1):
        with pytest.raises(ConfigError, match="depth is"):
            read_options({"depth": wrong}, "s", allowed)

"""Placement strategies: what holds for all of them, and pinned results."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.actors.buffers import allocate, size_edges
from mapping.actors.graph import Graph, build_graph
from mapping.actors.validate import check_placement, check_schedule
from mapping.cuts.split import Cut, split_network
from mapping.placement.ledger import Ledger, loads
from mapping.placement.room import Refusal, Room, Shortage, Windows, capacity, demand
from mapping.placement.strategies import find, names, optimal
from pyimc.arch import Arch, load_arch
from pyimc.errors import CapacityError, ConfigError
from pyimc.network import Network
from tests.mapping.networks import Builder, networks, residual, resnet18, small_arch

LARGE = small_arch(destinations=8, host_words=256, instructions=512)


def sized(network: Network, arch: Arch) -> Graph:
    """The graph that strategies see."""
    return size_edges(build_graph(network, arch))


@settings(max_examples=100)
@given(networks(), st.sampled_from(names()), st.integers(0, 3))
def test_every_strategy_keeps_the_rules(network: Network, strategy: str, seed: int) -> None:
    graph = sized(network, LARGE)
    placement = find(strategy).place(graph, LARGE, {}, seed)
    assert list(placement.nodes) == list(graph.nodes)  # all of them, once, producers before consumers
    for name, node in placement.nodes.items():
        assert node in (LARGE.imcs if graph.nodes[name].kind == "imc" else LARGE.dpus)
        assert graph.ancestors()[name] <= set(list(placement.nodes)[: list(placement.nodes).index(name)])
    for unit in set(placement.nodes.values()):
        used = [demand(graph, name) for name, node in placement.nodes.items() if node == unit]
        full = capacity(LARGE, LARGE.kinds[unit])
        assert all(sum(each[resource] for each in used) <= full[resource] for resource in full)
    check_placement(graph, LARGE, placement)
    check_schedule(graph, LARGE, placement, allocate(graph, LARGE, placement))
    assert sum(loads(graph, LARGE, placement).values()) == sum(node.cycles for node in graph.nodes.values())
    assert find(strategy).place(graph, LARGE, {}, seed) == placement


@pytest.mark.parametrize(("strategy", "period", "digital"), [("lblp", 216216, 112336), ("round_robin", 263424, 133898)])
def test_resnet18_loads(strategy: str, period: int, digital: int) -> None:
    arch = load_arch("default")
    graph = sized(resnet18(), arch)
    found = loads(graph, arch, find(strategy).place(graph, arch, {}, 0))
    assert max(found[node] for node in arch.imcs) == period
    assert max(found[node] for node in arch.dpus) == digital


@settings(max_examples=40)
@given(networks(), st.integers(0, 3))
def test_none_is_below_the_optimum(network: Network, seed: int) -> None:
    """On a chip with little room; where a list strategy finds a placement, so does the search."""
    arch = small_arch(destinations=8, host_words=256, instructions=512, crossbar={"planes": 24})
    graph = sized(network, arch)
    largest = {}
    for strategy in names():
        try:
            largest[strategy] = max(loads(graph, arch, find(strategy).place(graph, arch, {}, seed)).values())
        except CapacityError:
            continue
    if largest:
        assert largest["optimal"] == min(largest.values())
        assert find("optimal").place(graph, arch, {}, seed).bound == largest["optimal"]


def test_lblp_on_a_known_graph() -> None:
    """Two parallel branches off the longest path go to units of their own."""
    graph = sized(residual(), small_arch())
    cycles = {name: node.cycles for name, node in graph.nodes.items()}
    assert cycles == {
        "stem": 512, "b.one": 1536, "b.two": 1536, "b.add": 320, "c.one": 960, "c.two": 1920, "c.short": 320,
        "c.add": 172, "mean": 82, "last": 9,
    }  # fmt: skip
    # c.two, b.one, b.two, c.one, then stem to the least loaded (5), last to 5 (1472 is the least of them);
    # c.short is parallel to c.one on 5 and to c.two on 1: of 2 and 3 with 1536 each, the lower
    assert find("lblp").place(graph, small_arch(), {}, 0).nodes == {
        "stem": 5, "b.one": 2, "b.two": 3, "b.add": 4, "c.one": 5, "c.two": 1, "c.short": 2, "c.add": 4, "mean": 4,
        "last": 5,
    }  # fmt: skip


def test_options_of_lblp() -> None:
    graph = sized(residual(), small_arch())
    place = find("lblp").place
    assert place(graph, small_arch(), {"parallel": "ignore"}, 0).nodes["c.short"] == 5
    assert place(graph, small_arch(), {"tie": "highest"}, 0).nodes["c.two"] == 5
    assert place(graph, small_arch(), {"path_order": "topological"}, 0).nodes["stem"] == 1
    message = (
        "strategy lblp: unknown option 'x' (known: other_order, parallel, path_order, penalty, tie, transfer); "
        "tie is '1', must be one of lowest, highest"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        place(graph, small_arch(), {"x": 1, "tie": 1}, 0)


def test_lblp_without_a_unit_apart_takes_the_least_loaded() -> None:
    arch = small_arch(mesh={"columns": 3, "rows": 1, "fifo_depth": 2}, dpus=[1])
    graph = sized(residual(), arch)
    assert set(find("lblp").place(graph, arch, {}, 0).nodes.values()) == {1, 2}


def test_round_robin_counts_per_kind_and_skips_full_units() -> None:
    graph = sized(residual(), small_arch())
    placed = find("round_robin").place(graph, small_arch(), {}, 0).nodes
    assert [placed[name] for name in ("stem", "b.one", "b.two", "c.one", "c.two", "c.short", "last")] == [
        1, 2, 3, 5, 1, 2, 3,
    ]  # fmt: skip
    net = Builder(4, 4, 40)
    value = net.conv("large", "x", 40)  # 12 planes
    for name in "abcd":
        value = net.conv(name, value, 8, (1, 1), pads=(0, 0, 0, 0))
    tight = small_arch(crossbar={"planes": 12})
    placed = find("round_robin").place(sized(net.finish(value), tight), tight, {}, 0).nodes
    assert placed == {"large": 1, "a": 2, "b": 3, "c": 5, "d": 2}
    with pytest.raises(ConfigError, match=re.escape("strategy round_robin: unknown option 'x' (known: none)")):
        find("round_robin").place(graph, small_arch(), {"x": 1}, 0)


def test_unknown_strategy() -> None:
    with pytest.raises(ConfigError, match=r"unknown strategy 'magic'; known: .*lblp, .*round_robin"):
        find("magic")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crossbar": {"planes": 10}},
         "node c.two fits no imc PU of architecture tiny; on the nearest, node 1, planes: needed 12, "
         "available LEFT of 10; the network takes 28 planes, 4 PUs have 40"),
        ({"dpus": []}, ": needs a PU of kind dpu, architecture tiny has none"),
        ({"activation_words": 16}, "activation words: needed"),
        ({"contexts": 1}, "contexts: needed 1, available LEFT of 1"),
        ({"instructions": 4}, "instructions: needed 5, available LEFT of 4"),
        ({"parameters": 32}, "parameter channels: needed 40, available LEFT of 32"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("strategy", names())
def test_refusal_names_resource_needed_and_available(strategy: str, changes: dict[str, object], message: str) -> None:
    arch = small_arch(**changes)
    with pytest.raises(CapacityError, match=re.escape(message).replace("LEFT", r"\d+")):
        find(strategy).place(sized(residual(), arch), arch, {}, 0)


def test_ledger_keeps_books() -> None:
    graph = sized(residual(), small_arch())
    ledger = Ledger(graph, small_arch())
    ledger.place("stem", 1)
    assert ledger.load[1] == graph.nodes["stem"].cycles
    assert ledger.rooms[1].used == demand(graph, "stem")
    assert ledger.feasible("b.one") == (1, 2, 3, 5)


def test_a_room_gives_windows_until_it_refuses_with_what_is_lacking() -> None:
    """`b.one` and `b.two` have 9 planes each; a twin of `b.one` shares its planes."""
    graph = sized(residual(), small_arch())
    one, two = graph.nodes["b.one"], graph.nodes["b.two"]
    twin = replace(two, name="twin", weights=one.weights, planes=one.planes)
    room = Room(small_arch(crossbar={"planes": one.planes + two.planes - 1}), "imc")
    first = room.try_add(one, demand(graph, "b.one"))
    assert first == Windows(0, one.planes, 0, 0)
    again = room.try_add(twin, demand(graph, "b.one"))
    assert again == Windows(0, one.planes, one.parameters, one.instructions)
    assert room.used["planes"] == one.planes and room.used["contexts"] == 2
    refused = room.try_add(two, demand(graph, "b.two"))
    assert isinstance(refused, Refusal) and refused.actor == "b.two"
    lacking = Shortage("planes", two.planes, two.planes - 1, one.planes + two.planes - 1, "crossbar.planes")
    assert refused.shortages == (lacking,)
    assert room.used["contexts"] == 2, "a refusal takes nothing"


def test_a_dpu_has_no_planes() -> None:
    assert "planes" in capacity(LARGE, "imc") and "planes" not in capacity(LARGE, "dpu")


def test_the_optimum_counts_planes_that_copies_share_once() -> None:
    """Two copies of a layer with as many planes as the only crossbar PU has."""
    net = Builder(4, 8, 64)
    network = split_network(net.finish(net.conv("c", "x", 32)), {"c": Cut(copies=2)})
    planes = build_graph(network, LARGE).nodes["c/c0"].planes
    arch = small_arch(mesh={"columns": 3, "rows": 1, "fifo_depth": 2}, dpus=[1], crossbar={"planes": planes})
    graph = sized(network, arch)
    for strategy in ("lpt", "optimal"):
        assert find(strategy).place(graph, arch, {}, 0).nodes == {"c/c0": 2, "c/c1": 2, "c/join": 1}
    start = {"c/c0": 0, "c/c1": 0}
    solution = optimal._solve(graph, arch, "imc", [], 5, 0)
    assert solution is not None and solution.nodes == start


def test_input_with_several_consumers() -> None:
    net = Builder(4, 4, 4)
    network = net.finish(net.add("a", net.conv("c", "x", 4), "x"))
    graph = sized(network, small_arch())
    assert [edge.consumer for edge in graph.outputs("host")] == ["c", "a"]

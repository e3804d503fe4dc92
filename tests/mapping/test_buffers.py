"""Channel sizes: the smallest that work, slack on top, rings in memory."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from mapping.actors.buffers import allocate, size_edges
from mapping.actors.graph import Graph, build_graph
from mapping.actors.validate import check_schedule
from mapping.placement.ledger import Placement
from mapping.placement.strategies import find
from pyimc.arch import Arch
from pyimc.errors import CapacityError, ScheduleError
from pyimc.network import Network
from pyimc.program import Channel
from tests.mapping.networks import Builder, networks, residual, small_arch

LARGE = small_arch(destinations=8, host_words=256, instructions=512)


def placed(network: Network, arch: Arch) -> tuple[Graph, Placement]:
    """A sized graph and a placement of it."""
    graph = size_edges(build_graph(network, arch))
    return graph, find("lblp").place(graph, arch, {}, 0)


def rows(graph: Graph) -> dict[str, int]:
    """Smallest sizes in rows of the tensor."""
    return {edge.name: edge.least_words // edge.row_words for edge in graph.edges}


def test_smallest_sizes_of_a_residual_network() -> None:
    graph, _ = placed(residual(), small_arch())
    assert rows(graph) == {
        "x->stem.0": 3, "stem.y->b.one.0": 3,
        "stem.y->b.add.0": 3,  # two 3x3 layers of the branch look two rows ahead
        "b.one.y->b.two.0": 3, "b.two.y->b.add.1": 1,
        "b.add.y->c.one.0": 3, "b.add.y->c.short.0": 2,  # c.short is asked first and is a row ahead
        "c.one.y->c.two.0": 3, "c.two.y->c.add.1": 1, "c.short.y->c.add.0": 1,
        "c.add.y->mean.0": 4, "mean.y->last.0": 1, "last.y->host.0": 1,
    }  # fmt: skip


def test_rings_around_a_product_get_an_image_more() -> None:
    """At its inputs and behind it, likewise of a transposition, and beside them; not before and behind."""
    net = Builder(4, 4, 16)
    source = net.conv("before", "x", 16)
    product = net.matmul("product", source, net.transpose("turned", source))
    network = net.finish(net.conv("last", net.add("sum", net.conv("behind", product, 16), source), 8))
    graph = size_edges(build_graph(network, LARGE))
    more = {edge.name: edge.ahead_words for edge in graph.edges}
    maps = {edge.name: network.tensors[edge.tensor].height * edge.row_words for edge in graph.edges}
    given = {name for name, words in more.items() if words}
    assert given == {
        "before.y->turned.0", "before.y->product.0", "turned.y->product.1", "product.y->behind.0", "before.y->sum.1",
    }  # fmt: skip
    assert all(more[name] == maps[name] for name in given)


@settings(max_examples=60)
@given(networks())
def test_smallest_sizes_do_not_deadlock(network: Network) -> None:
    graph, placement = placed(network, LARGE)
    check_schedule(graph, LARGE, placement, allocate(graph, LARGE, placement, slack_rows=0))


@pytest.mark.parametrize(
    "edge", ["x->stem.0", "stem.y->b.one.0", "stem.y->b.add.0", "b.add.y->c.one.0", "c.add.y->mean.0"]
)
def test_one_row_less_is_refused(edge: str) -> None:
    arch = small_arch()
    graph, placement = placed(residual(), arch)
    channels = allocate(graph, arch, placement, slack_rows=0)
    row = next(e.row_words for e in graph.edges if e.name == edge)
    smaller = tuple(replace(c, size=c.size - row) if c.name == edge else c for c in channels)
    with pytest.raises(ScheduleError, match=r"deadlock|a firing needs"):
        check_schedule(graph, arch, placement, smaller)


def sizes(channels: tuple[Channel, ...]) -> dict[str, int]:
    """Ring sizes in words."""
    return {channel.name: channel.size for channel in channels}


def test_slack_counts_steps_of_the_consumer_and_actors_on_the_way() -> None:
    arch = small_arch()
    graph, placement = placed(residual(), arch)
    words = {edge.name: edge.row_words for edge in graph.edges}
    least, more = (sizes(allocate(graph, arch, placement, slack)) for slack in (0, 2))
    slack = {name: (more[name] - least[name]) // words[name] for name in words if not name.endswith("host.0")}
    assert slack == {
        "x->stem.0": 2, "stem.y->b.one.0": 2, "stem.y->b.add.0": 6, "b.one.y->b.two.0": 2, "b.two.y->b.add.1": 2,
        "b.add.y->c.one.0": 4, "b.add.y->c.short.0": 4,  # they stride by two rows
        "c.one.y->c.two.0": 2, "c.two.y->c.add.1": 2, "c.short.y->c.add.0": 4, "c.add.y->mean.0": 2,
        "mean.y->last.0": 2,
    }  # fmt: skip


def test_slack_that_finds_no_room_is_given_row_by_row_short_ways_first() -> None:
    arch = small_arch()
    graph, placement = placed(residual(), arch)
    here = [edge for edge in graph.edges if placement.nodes.get(edge.consumer) == 4]
    short, skip = [edge.name for edge in here if edge.name != "stem.y->b.add.0"], "stem.y->b.add.0"
    none, one, two = (sizes(allocate(graph, arch, placement, slack)) for slack in (0, 1, 2))
    dpu = {name: sum(found[edge.name] for edge in here) for name, found in (("none", none), ("one", one))}

    small = sizes(allocate(graph, small_arch(activation_words=dpu["one"] - 1), placement, 2))
    assert {name: small[name] for name in short} == {name: one[name] for name in short}
    assert small[skip] == one[skip] - 1, "a row for each before another for any"
    assert all(small[name] == two[name] for name in two if name not in (*short, skip)), "other memories have room"

    small = sizes(allocate(graph, small_arch(activation_words=dpu["one"] + 1), placement, 2))
    assert sum(small[edge.name] for edge in here) == dpu["one"] + 1, "the last word is used"
    assert small[skip] == one[skip]

    with pytest.raises(
        CapacityError,
        match=f"node 4: its channels need {dpu['none']} words .* it has {dpu['none'] - 1}; use more",
    ):
        allocate(graph, small_arch(activation_words=dpu["none"] - 1), placement, 2)


def test_rings_fill_the_memory_without_gaps() -> None:
    arch = small_arch()
    graph, placement = placed(residual(), arch)
    for node in {*placement.nodes.values(), arch.host}:
        rings = [channel for channel in allocate(graph, arch, placement) if channel.node == node]
        assert [ring.base for ring in rings] == [sum(r.size for r in rings[:index]) for index in range(len(rings))]


def test_partial_sums_have_a_memory_of_their_own() -> None:
    """A row of 5 pixels of 8 accumulators is 20 words of two; both parts of the chain are on the one imc PU."""
    net = Builder(4, 5, 3)
    network = net.finish(net.chain("c", "x", 8, [(3, 3), (1, 1), (3, 3)]))
    arch = small_arch(mesh={"columns": 2, "rows": 1, "fifo_depth": 2}, dpus=[], partial_words=80)
    graph, placement = placed(network, arch)
    assert {edge.name: edge.least_words for edge in graph.edges if edge.partial} == {
        "c.0.y->c.1.1": 20, "c.1.y->c.2.1": 20,
    }  # fmt: skip
    channels = allocate(graph, arch, placement)
    check_schedule(graph, arch, placement, channels)
    rings = {channel.name: (channel.base, channel.size) for channel in channels}
    assert rings["c.0.y->c.1.1"] == (0, 40) and rings["c.1.y->c.2.1"] == (40, 40), "slack gives way to this memory"
    assert [rings[f"x->c.{n}.0"] for n in range(3)] == [(0, 10), (10, 12), (22, 18)], "and not to the other"
    with pytest.raises(ScheduleError, match=r"channel c.1.y->c.2.1 ends at word 80 of node 1, which has 79"):
        check_schedule(graph, arch.model_copy(update={"partial_words": 79}), placement, channels)
    with pytest.raises(CapacityError, match="partial words: needed 20, available 10 of 30"):
        placed(network, arch.model_copy(update={"partial_words": 30}))
    with pytest.raises(CapacityError, match=r"need 40 words of partial memory, it has 30; use .* more partial_words"):
        allocate(graph, arch.model_copy(update={"partial_words": 30}), placement)


def test_host_buffer_is_shared_evenly() -> None:
    net = Builder(4, 4, 4)
    one = net.conv("one", "x", 8)
    network = net.finish(one, net.conv("two", one, 24))
    graph, placement = placed(network, small_arch())
    rings = [channel for channel in allocate(graph, small_arch(), placement) if channel.consumer == "host"]
    assert [(ring.port, ring.base, ring.size) for ring in rings] == [(0, 0, 32), (1, 32, 32)]
    with pytest.raises(
        CapacityError, match="host: 2 outputs with rows of up to 12 words need host_words of 24 words, it has 16"
    ):
        allocate(graph, small_arch(host_words=16), placement)

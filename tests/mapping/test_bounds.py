"""Lower bounds: by hand, and below what every strategy reaches in the cycle model, that is, in RTL."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.actors.buffers import size_edges
from mapping.actors.graph import build_graph
from mapping.compile import compile_network
from mapping.placement.bounds import bounds, load_bound
from mapping.placement.ledger import loads
from mapping.placement.strategies import find, names
from pyimc.cycle import simulate
from pyimc.network import Network
from tests.mapping.hand_graphs import graph_of, row_of
from tests.mapping.networks import Builder, networks, small_arch

LARGE = small_arch(destinations=8, host_words=4096, instructions=512)


def test_load() -> None:
    arch = row_of(2, 1)
    assert load_bound(graph_of({"a": 7, "b": 2}), arch, "imc") == (7, "a")
    assert load_bound(graph_of({"a": 3, "b": 3, "c": 3}), arch, "imc") == (5, "2 imc PUs")
    assert load_bound(graph_of({"a": 3, "b": 3}, kinds={"a": "dpu", "b": "dpu"}), arch, "dpu") == (6, "1 dpu PUs")
    assert load_bound(graph_of({"a": 7}), arch, "dpu") == (0, "")


def test_latency_of_a_single_firing() -> None:
    """64 channels of one pixel: 8 words in 2 packets, gather, conversion, drain, one word in a packet of two flits."""
    net = Builder(1, 1, 64)
    graph = build_graph(net.finish(net.dense("n", "x", 8)), small_arch())
    arrival = 8 + 2 + 4
    engine = (3 + 8) + 4 + 2 + 6 + 1  # first chunk, chunks; 4 DAC steps; drain, its latency, packer
    assert bounds(graph, small_arch()).latency == arrival + engine + 2


def test_the_host_can_be_the_limit() -> None:
    net = Builder(4, 4, 64)
    found = bounds(build_graph(net.finish(net.conv("n", "x", 8, (1, 1), (4, 4), (0, 0, 0, 0))), LARGE), LARGE)
    assert (found.interval, found.limit) == (4 * (32 + 8), "link from host")
    assert found.load < found.interval


@settings(max_examples=60)
@given(networks(), st.sampled_from(names()), st.integers(0, 3))
def test_no_placement_beats_them(network: Network, strategy: str, seed: int) -> None:
    graph = size_edges(build_graph(network, LARGE))
    least = bounds(graph, LARGE)
    assert max(loads(graph, LARGE, find(strategy).place(graph, LARGE, {}, seed)).values()) >= least.load
    program = compile_network(network, LARGE, strategy, seed=seed)
    proven = program.origin.bounds  # of the network as the strategy has cut it
    result = simulate(program, 16)
    assert result.last_cycles[0] - result.first_cycles[0] + 1 >= proven["latency"]
    assert result.last_cycles[-1] - result.first_cycles[0] + 1 >= 16 * proven["interval"]


def test_a_shared_engine_may_be_faster_than_the_sum_of_its_loads() -> None:
    """A gather-bound layer hides behind the conversions of another one: the load is no bound of the interval then."""
    net = Builder(4, 8, 64)
    narrow = net.conv("narrow", "x", 8, (1, 1), (1, 1), (0, 0, 0, 0))
    wide = net.conv("wide", narrow, 64, (1, 1), (1, 1), (0, 0, 0, 0))
    arch = row_of(1, 1)
    network = net.finish(wide)
    least = bounds(size_edges(build_graph(network, arch)), arch)
    last = simulate(compile_network(network, arch), 16).last_cycles
    interval = (last[-2] - last[1]) / 13
    assert least.interval <= interval < least.load

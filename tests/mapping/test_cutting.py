"""mapping.cuts.cutting: layers in copies that give all crossbar PUs the same load."""

from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.actors.graph import Graph
from mapping.actors.plan import planned_graph, read_settings
from mapping.cuts.cutting import cuttings, uncut_bound
from mapping.placement.ledger import Placement, loads
from mapping.placement.sized import sized
from mapping.placement.strategies import lpt
from pyimc.arch import Arch, load_arch
from pyimc.network import Network
from tests.mapping.networks import networks, resnet18, small_arch


def crossbar_loads(graph: Graph, arch: Arch, nodes: dict[str, int]) -> list[int]:
    digital = lpt.place(graph, arch, {}, 0).nodes
    found = loads(graph, arch, Placement({**digital, **nodes}))
    return [found[unit] for unit in arch.imcs]


@settings(max_examples=60)
@given(networks(), st.integers(1, 4))
def test_every_cutting_places_the_cut_network(network: Network, copies: int) -> None:
    arch = small_arch(destinations=8, host_words=256, instructions=512)
    whole = planned_graph(network, arch, {}, read_settings({}))
    for cutting in islice(cuttings(whole, arch, copies), 3):
        graph = planned_graph(network, arch, cutting.cuts, read_settings({}))
        assert set(cutting.nodes) == {name for name, node in graph.nodes.items() if node.kind == "imc"}
        assert all(len(cut.columns) <= copies for cut in cutting.cuts.values())
        if not cutting.cuts:
            assert max(crossbar_loads(graph, arch, dict(cutting.nodes))) <= cutting.load


def test_resnet18_is_within_two_percent_of_the_mean_load() -> None:
    arch = load_arch("default")
    whole = planned_graph(resnet18(), arch, {}, read_settings({}))
    cutting = next(iter(cuttings(whole, arch, 16)))
    graph = planned_graph(resnet18(), arch, cutting.cuts, read_settings({}))
    load = crossbar_loads(graph, arch, dict(cutting.nodes))
    work = sum(node.cycles for node in whole.nodes.values() if node.kind == "imc")
    assert sum(load) <= 1.002 * work  # the copies together take what the layers took, and a column for the pooling
    assert max(load) <= cutting.load <= 1.02 * work / len(arch.imcs)
    assert len(cutting.cuts) < len(arch.imcs)


def test_a_pooling_behind_copies_does_not_bound_the_load() -> None:
    arch = sized(load_arch("default"), 32, resnet18())
    whole = planned_graph(resnet18(), arch, {}, read_settings({}))
    work = sum(node.cycles for node in whole.nodes.values() if node.kind == "imc")
    assert uncut_bound(whole, arch) == -(-work // 32) < whole.nodes["maxpool"].cycles

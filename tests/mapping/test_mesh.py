"""mapping.placement.mesh: units exchanged so that no link of the mesh is crowded."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.actors.buffers import size_edges
from mapping.actors.cost import tensor_flits
from mapping.actors.graph import Graph, build_graph
from mapping.placement.ledger import Placement, loads
from mapping.placement.mesh import spread_routes
from mapping.placement.strategies import find
from pyimc.arch import Arch
from pyimc.network import Network
from pyimc.program import HOST
from pyimc.routing import route
from tests.mapping.hand_graphs import graph_of, row_of
from tests.mapping.networks import networks, small_arch

MESH = small_arch(
    mesh={"columns": 4, "rows": 3, "fifo_depth": 2}, dpus=[5, 6], destinations=8, host_words=256, instructions=512
)


def links(graph: Graph, arch: Arch, placement: Placement) -> Counter[tuple[int, int]]:
    """Flits of an image on every link."""
    hosts = {**placement.nodes, HOST: arch.host}
    found: Counter[tuple[int, int]] = Counter()
    for edge in graph.edges:
        for link in pairwise(route(arch.mesh.columns, hosts[edge.producer], hosts[edge.consumer])):
            found[link] += tensor_flits(graph.network.tensors[edge.tensor], arch)
    return found


def test_neighbours_in_the_network_become_neighbours_on_the_mesh() -> None:
    graph = graph_of({"a": 1, "b": 1, "c": 1, "d": 1}, [("a", "b", 40), ("b", "c", 40), ("c", "d", 40)])
    after = spread_routes(graph, row_of(6), Placement({"a": 5, "b": 1, "c": 6, "d": 3}))
    assert all(abs(one - other) == 1 for one, other in pairwise(after.nodes.values()))
    assert max(links(graph, row_of(6), after).values()) == 50, "40 words and their heads, once on each link"


def test_a_crowded_link_is_relieved_though_no_route_becomes_shorter() -> None:
    arch = small_arch(mesh={"columns": 3, "rows": 2, "fifo_depth": 2}, dpus=[])
    graph = graph_of(dict.fromkeys("abcd", 1), [("a", "b", 16), ("b", "d", 16), ("a", "d", 8)])
    before = Placement({"a": 4, "b": 5, "c": 1, "d": 2})
    loads_before, loads_after = links(graph, arch, before), links(graph, arch, spread_routes(graph, arch, before))
    assert sum(loads_after.values()) == sum(loads_before.values()), "flits times links"
    assert (max(loads_before.values()), max(loads_after.values())) == (30, 20)


@settings(max_examples=40)
@given(networks(), st.integers(0, 9))
def test_an_exchange_keeps_the_loads_and_never_crowds(network: Network, seed: int) -> None:
    graph = size_edges(build_graph(network, MESH))
    before = find("random").place(graph, MESH, {}, seed)
    after = spread_routes(graph, MESH, before)
    assert sorted(loads(graph, MESH, after).values()) == sorted(loads(graph, MESH, before).values())
    assert all((after.nodes[name] in MESH.dpus) == (unit in MESH.dpus) for name, unit in before.nodes.items())
    squares = [sum(flits**2 for flits in links(graph, MESH, placement).values()) for placement in (before, after)]
    assert squares[1] <= squares[0]
    assert spread_routes(graph, MESH, after) == after

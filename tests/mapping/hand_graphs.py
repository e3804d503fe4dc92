"""Deployment graphs with cycles and transfers given by hand, for schedules that can be worked out on paper."""

from collections.abc import Mapping, Sequence

from mapping.actors.graph import Edge, Graph, GraphNode
from pyimc.arch import Arch
from pyimc.engines.dpu.task import VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.network import Add, Network, TensorType
from pyimc.program import HOST, Kind
from tests.mapping.networks import small_arch


def row_of(imcs: int, dpus: int = 0, **changes: object) -> Arch:
    """A mesh of one row: the host as node 0, then the dpu PUs, then the imc PUs; packets of 4 words."""
    mesh = {"columns": 1 + imcs + dpus, "rows": 1, "fifo_depth": 2}
    return small_arch(mesh=mesh, dpus=list(range(1, 1 + dpus)), **changes)


def graph_of(
    cycles: Mapping[str, int],
    edges: Sequence[tuple[str, str, int]] = (),
    planes: Mapping[str, int] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> Graph:
    """Nodes in the given order; every edge carries one row of so many words. Nodes without an edge hang on the host."""
    linked = [*edges]
    linked += [(HOST, name, 4) for name in cycles if not any(name == consumer for _, consumer, _ in edges)]
    linked += [(name, HOST, 4) for name in cycles if not any(name == producer for producer, _, _ in edges)]
    tensors = {f"{producer}>{consumer}": TensorType(1, words, 8, 1.0, 0) for producer, consumer, words in linked}
    network = Network("hand", "x", ("y",), tensors, ())
    operator = Add("any", ("x", "x"), "y", (1, 1), 0, (0, 0), 0, (0, 255))  # no strategy looks at it
    nothing = VectorTask(Walk(0, 1, 1, 1), 1, ())
    nodes = {
        name: GraphNode(
            name, (kinds or {}).get(name, "imc"), operator, nothing, (), 0, time, (planes or {}).get(name, 1), 0, 1
        )
        for name, time in cycles.items()
    }  # fmt: skip
    ports = {edge: [other for other in linked if other[1] == edge[1]].index(edge) for edge in linked}
    return Graph(
        network,
        nodes,
        tuple(Edge(f"{edge[0]}>{edge[1]}", edge[0], edge[1], ports[edge], edge[2], edge[2]) for edge in linked),
    )

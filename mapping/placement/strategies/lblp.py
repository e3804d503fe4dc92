"""LBLP, Load-Balance-Longest-Path: a reconstruction of the strategy of Bougioukou and Antonakopoulos.

Source: "Efficient Deployment of CNN Models on Multiple In-Memory Computing Units", arXiv 2511.04682. Its abstract
says that LBLP assigns all nodes of a CNN to the processing units for the highest rate and the lowest latency; the
steps below are our reconstruction of how, and what was a choice is an option:

1. The longest path, by cycles per image.
2. Its nodes by decreasing cycles: each to the least loaded feasible unit of its kind.
3. The other nodes by decreasing cycles: among the feasible units that host no node parallel to it (neither its
   ancestor nor its descendant), the least loaded; if there is none, the least loaded feasible unit.

Feasible means planes, activation memory, contexts, parameters and instruction memory left.

Options, the default first:
    path_order, other_order: "cycles" (decreasing; equal ones in topological order) or "topological".
    parallel: "exclude" (step 3), "penalty" (in step 3 all feasible units, but the cycles of the parallel nodes that a
        unit hosts count once more, `penalty` percent of them) or "ignore" (step 3 without its condition).
    penalty: 100; 0 to 1000.
    transfer: "none" or "mesh" (the longest path counts what its edges take on the mesh, too: flits and mean hops).
    tie: "lowest" or "highest" node id among equally loaded units.
"""

from collections.abc import Sequence

from mapping.actors.cost import mean_hops, tensor_flits
from mapping.actors.graph import Edge, Graph
from mapping.placement.ledger import Choice, Ledger, Options, Placement, Whole, read_options, retry
from pyimc.arch import Arch

OPTIONS: dict[str, Choice | Whole] = {
    "path_order": Choice(("cycles", "topological")),
    "other_order": Choice(("cycles", "topological")),
    "parallel": Choice(("exclude", "penalty", "ignore")),
    "penalty": Whole(100, 0, 1000),
    "transfer": Choice(("none", "mesh")),
    "tie": Choice(("lowest", "highest")),
}


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError, or ConfigError for a wrong option."""
    del seed  # nothing random
    chosen = read_options(options, "lblp", OPTIONS)
    ancestors = graph.ancestors()
    sign = 1 if chosen["tie"] == "lowest" else -1
    percent = chosen["penalty"] if chosen["parallel"] == "penalty" else 0
    hops = mean_hops(arch)

    def transfer(edge: Edge) -> int:
        return tensor_flits(graph.network.tensors[edge.tensor], arch) + hops if chosen["transfer"] == "mesh" else 0

    path = graph.longest_path(transfer)

    def attempt(order: Sequence[str]) -> Placement:
        ledger = Ledger(graph, arch)

        def parallel_cycles(name: str, node: int) -> int:
            return sum(
                graph.nodes[other].cycles
                for other in ledger.hosted[node]
                if name not in ancestors[other] and other not in ancestors[name]
            )

        def choose(name: str) -> int:
            nodes = ledger.feasible(name)
            if name in path:
                return min(nodes, key=lambda node: (ledger.load[node], sign * node))
            parallel = {node: parallel_cycles(name, node) for node in nodes}
            if chosen["parallel"] == "exclude":
                nodes = tuple(node for node in nodes if not parallel[node]) or nodes
            return min(nodes, key=lambda node: (100 * ledger.load[node] + percent * parallel[node], sign * node))

        for name in order:
            ledger.place(name, choose(name))
        return ledger.placement()

    rest = tuple(name for name in graph.nodes if name not in path)
    return retry(_ordered(graph, path, chosen["path_order"]) + _ordered(graph, rest, chosen["other_order"]), attempt)


def _ordered(graph: Graph, names: tuple[str, ...], order: str) -> list[str]:
    if order == "topological":
        return list(names)
    return sorted(names, key=lambda name: -graph.nodes[name].cycles)

"""LBLP, Load-Balance-Longest-Path: a reconstruction of the strategy of Bougioukou and Antonakopoulos.

Source: "Efficient Deployment of CNN Models on Multiple In-Memory Computing Units", arXiv 2511.04682. Its abstract
says that LBLP assigns all nodes of a CNN to the processing units for the highest rate and the lowest latency; the
steps below are our reconstruction of how, and what was a choice is an option:

1. The longest path, by cycles per image.
2. Its nodes by decreasing cycles: each to the least loaded feasible unit of its kind.
3. The other nodes by decreasing cycles: among the feasible units that host no node parallel to it (neither its
   ancestor nor its descendant), the least loaded; if there is none, the least loaded feasible unit.

Feasible means planes, activation memory, contexts, parameters and instruction memory left.

Options:
    path_order, other_order: "cycles" (decreasing; equal ones in topological order) or "topological".
    parallel: "exclude" (step 3) or "ignore" (step 3 without its condition).
    tie: "lowest" or "highest" node id among equally loaded units.
"""

from mapping.graph import Graph
from mapping.placement import Ledger, Options, Placement, read_options
from pyimc.arch import Arch

OPTIONS = {
    "path_order": ("cycles", "topological"),
    "other_order": ("cycles", "topological"),
    "parallel": ("exclude", "ignore"),
    "tie": ("lowest", "highest"),
}


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError, or ConfigError for a wrong option."""
    del seed  # nothing random
    chosen = read_options(options, "lblp", OPTIONS)
    ledger = Ledger(graph, arch)
    ancestors = graph.ancestors()
    sign = 1 if chosen["tie"] == "lowest" else -1

    def least_loaded(nodes: tuple[int, ...]) -> int:
        return min(nodes, key=lambda node: (ledger.load[node], sign * node))

    def parallel(one: str, other: str) -> bool:
        return one not in ancestors[other] and other not in ancestors[one]

    path = graph.longest_path()
    for name in _ordered(graph, path, chosen["path_order"]):
        ledger.place(name, least_loaded(ledger.feasible(name)))
    rest = tuple(name for name in graph.nodes if name not in path)
    for name in _ordered(graph, rest, chosen["other_order"]):
        feasible = ledger.feasible(name)
        apart = tuple(node for node in feasible if not any(parallel(name, other) for other in ledger.hosted[node]))
        ledger.place(name, least_loaded(apart if apart and chosen["parallel"] == "exclude" else feasible))
    return ledger.placement()


def _ordered(graph: Graph, names: tuple[str, ...], order: str) -> list[str]:
    if order == "topological":
        return list(names)
    return sorted(names, key=lambda name: -graph.nodes[name].cycles)

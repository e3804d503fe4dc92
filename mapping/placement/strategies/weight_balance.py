"""Weight balance: spreads what is stored, not what is computed; a baseline that knows nothing of time.

Definition (ours): nodes by decreasing weights, each to the feasible unit of its kind that stores the fewest. Weights
are counted in crossbar planes, as a plane is what a layer takes; among equals, and for nodes without weights, in
parameter channels. Ties: the topological order of nodes, the lowest unit.
"""

from collections.abc import Sequence

from mapping.actors.graph import Graph
from mapping.placement.ledger import Ledger, Options, Placement, read_options, retry
from pyimc.arch import Arch


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError, or ConfigError for any option."""
    del seed  # nothing random
    read_options(options, "weight_balance", {})

    def stored(names: Sequence[str]) -> tuple[int, int]:
        nodes = [graph.nodes[name] for name in names]
        return sum(node.planes for node in nodes), sum(node.parameters for node in nodes)

    def attempt(order: Sequence[str]) -> Placement:
        ledger = Ledger(graph, arch)
        for name in order:
            ledger.place(name, min(ledger.feasible(name), key=lambda node: (stored(ledger.hosted[node]), node)))
        return ledger.placement()

    return retry(sorted(graph.nodes, key=lambda name: stored([name]), reverse=True), attempt)

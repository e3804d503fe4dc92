"""Round robin: the i-th node of a kind goes to the i-th processing unit of that kind, counted modulo their number.

Nodes are taken in topological order; one that does not fit goes to the next unit that can take it. A baseline.
"""

from collections import Counter
from collections.abc import Sequence

from mapping.actors.graph import Graph
from mapping.placement.ledger import Ledger, Options, Placement, read_options, retry
from pyimc.arch import Arch


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError, or ConfigError for any option."""
    del seed  # nothing random
    read_options(options, "round_robin", {})

    def attempt(order: Sequence[str]) -> Placement:
        ledger = Ledger(graph, arch)
        seen: Counter[str] = Counter()
        for name in order:
            kind = graph.nodes[name].kind
            fitting = ledger.feasible(name)
            nodes = arch.places(kind)
            turn = seen[kind] % len(nodes)
            ledger.place(name, next(unit for unit in nodes[turn:] + nodes[:turn] if unit in fitting))
            seen[kind] += 1
        return ledger.placement()

    return retry(list(graph.nodes), attempt)

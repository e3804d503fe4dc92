"""Round robin: the i-th node of a kind goes to the i-th processing unit of that kind, counted modulo their number.

Nodes are taken in topological order; one that does not fit goes to the next unit that can take it. A baseline.
"""

from collections import Counter

from mapping.graph import Graph
from mapping.placement import Ledger, Options, Placement, read_options, units
from pyimc.arch import Arch


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError, or ConfigError for any option."""
    del seed  # nothing random
    read_options(options, "round_robin", {})
    ledger = Ledger(graph, arch)
    seen: Counter[str] = Counter()
    for name, node in graph.nodes.items():
        nodes = units(arch, node.kind)
        turn = seen[node.kind] % max(1, len(nodes))
        fitting = ledger.feasible(name)
        ledger.place(name, next(unit for unit in nodes[turn:] + nodes[:turn] if unit in fitting))
        seen[node.kind] += 1
    return ledger.placement()

"""LPT, longest processing time first: nodes by decreasing cycles, each to the least loaded feasible unit of its kind.

Source: R. L. Graham, "Bounds on Multiprocessing Timing Anomalies", SIAM J. Appl. Math. 17 (1969): on m identical
units the largest load is at most 4/3 - 1/(3m) of the optimal one. That holds as long as every unit has room; the
resources of ours are limited. Ties: the topological order of nodes, the lowest unit. A baseline that knows loads only.
"""

from collections.abc import Sequence

from mapping.actors.graph import Graph
from mapping.placement.ledger import Ledger, Options, Placement, read_options, retry
from pyimc.arch import Arch


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError, or ConfigError for any option."""
    del seed  # nothing random
    read_options(options, "lpt", {})

    def attempt(order: Sequence[str]) -> Placement:
        ledger = Ledger(graph, arch)
        for name in order:
            ledger.place(name, ledger.least_loaded(ledger.feasible(name)))
        return ledger.placement()

    return retry(sorted(graph.nodes, key=lambda name: -graph.nodes[name].cycles), attempt)

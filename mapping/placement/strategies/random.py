"""Random: every node on a feasible unit of its kind, drawn uniformly; what a strategy has to beat, over many seeds.

Definition (ours): nodes that are hard to place come first, so that chance does not waste the room that they need: by
the largest share of a unit's planes, activation memory, contexts, parameters or instructions that they take,
decreasing; ties in topological order. The draws come from numpy's default generator with the run's seed.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from mapping.actors.graph import Graph
from mapping.placement.ledger import Ledger, Options, Placement, read_options, retry
from mapping.placement.room import capacity, demand
from pyimc.arch import Arch

DRAWS = True


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError, or ConfigError for any option."""
    read_options(options, "random", {})
    generator = np.random.default_rng(seed)

    def share(name: str) -> Fraction:
        full = capacity(arch, graph.nodes[name].kind)
        return max(Fraction(need, full[resource]) for resource, need in demand(graph, name).items())

    def attempt(order: Sequence[str]) -> Placement:
        ledger = Ledger(graph, arch)
        for name in order:
            ledger.place(name, int(generator.choice(ledger.feasible(name))))
        return ledger.placement()

    return retry(sorted(graph.nodes, key=share, reverse=True), attempt)

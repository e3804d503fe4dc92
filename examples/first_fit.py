"""A strategy of one's own: every node on the first unit of its kind that has room and is not too busy yet.

    make sim MODEL=resnet8 STRATEGY=examples/first_fit.py OPTION="percent=150"

Option: percent (120): how far the load of a unit may exceed the mean before the next unit is tried.
"""

from pyimc.mapping.actors.graph import Graph
from pyimc.mapping.placement.ledger import Ledger, Options, Placement, Whole, read_options

from pyimc.arch import Arch


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError if one finds no room, ConfigError for a wrong option."""
    percent = read_options(options, "first_fit", {"percent": Whole(120, 100, 1000)})["percent"]
    ledger = Ledger(graph, arch)  # keeps the books: loads, and what is left of every resource
    for name, node in graph.nodes.items():  # topological order; node.cycles is its engine time per image
        total = sum(other.cycles for other in graph.nodes.values() if other.kind == node.kind)
        limit = percent * total / len(arch.places(node.kind)) / 100
        feasible = ledger.feasible(name)
        roomy = [unit for unit in feasible if ledger.load[unit] + node.cycles <= limit]
        ledger.place(name, roomy[0] if roomy else ledger.least_loaded(feasible))
    return ledger.placement()

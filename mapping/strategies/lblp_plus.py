"""LBLP+: replicates the layers that bound the rate, places copies and layers evenly, improves on the cycle model. Ours.

LBLP leaves every layer whole, so the largest one bounds the rate however well the others are spread. Three steps:

1. Cut. `mapping.cutting` replicates layers so that all crossbar PUs get the same load, for several largest loads: the
   lower the load, the more joins for the dpu PUs. Those go on that are better than all others in one of the two, and
   the network without cuts, placed by LBLP and by LPT. The joins and all else that is digital are placed longest
   first; units of a kind are exchanged on the mesh so that flits travel fewer hops.
2. Set. Short firings go first on a unit, and large ones are made smaller (`grain`), so that nobody waits long for a
   unit; how much slack the rings get is tried, as is the plain setting. What the user has asked for stays.
3. Search. For `steps` steps nodes move off the most loaded units.

Each candidate runs on the cycle model; the shortest interval wins, then the lowest latency.

Options:
    steps: Moves tried on the cycle model.
    copies: The most copies of a layer.
"""

from collections.abc import Iterator
from dataclasses import replace

from mapping.cutting import cuttings
from mapping.firing import Macs
from mapping.graph import Graph
from mapping.mesh import shorten_routes
from mapping.placement import Options, Placement, Whole, loads, read_options
from mapping.plan import Plan, Settings, planned_graph, read_settings
from mapping.search import NEVER, balance, fits, improve, measure
from mapping.strategies import lblp, lpt
from pyimc.arch import Arch
from pyimc.errors import CapacityError
from pyimc.network import Network, macs

OPTIONS = {"steps": Whole(16, 0, 1000), "copies": Whole(16, 1, 256)}
STARTS = 6
"""Cuttings that are run on the cycle model."""
FIRINGS = 32
"""Firings in which a PU should do its share of an image, at least."""
SLACK = (3, 8, 16)


def plan(network: Network, arch: Arch, options: Options, seed: int, asked: Options) -> Plan:
    """Cuts, places and sets; raises CapacityError, or ConfigError for a wrong option."""
    read = read_options(options, "lblp_plus", OPTIONS)
    firing = max(1, sum(macs(network, node) for node in network.nodes) // (FIRINGS * max(1, len(arch.imcs))))
    plain = read_settings(asked)
    first = read_settings(asked, Settings(SLACK[1], Macs(firing), "short"))
    trials = [
        (measure(graph, arch, candidate), candidate)
        for settings in dict.fromkeys((plain, first))
        for graph, candidate in _starts(network, arch, settings, int(read["copies"]), seed)
    ]
    score, best = min(trials, key=lambda trial: trial[0])
    for slack in SLACK:
        settings = read_settings(asked, replace(best.settings, slack_rows=slack))
        if settings != best.settings:
            other = replace(best, settings=settings)
            found = measure(planned_graph(network, arch, best.cuts, settings), arch, other)
            if found < score:
                score, best = found, other
    graph = planned_graph(network, arch, best.cuts, best.settings)
    return improve(graph, arch, best, score, int(read["steps"]))[1]


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places a graph as it is; raises CapacityError, or ConfigError for a wrong option."""
    steps = int(read_options(options, "lblp_plus", OPTIONS)["steps"])
    trials = [(measure(graph, arch, Plan(placement)), Plan(placement)) for placement in _uncut(graph, arch, seed)]
    score, best = min(trials, key=lambda trial: trial[0])
    return improve(graph, arch, best, score, steps)[1].placement


def _uncut(graph: Graph, arch: Arch, seed: int) -> Iterator[Placement]:
    for strategy in (lblp.place, lpt.place):
        yield shorten_routes(graph, arch, balance(graph, arch, strategy(graph, arch, {}, seed)))


def _starts(network: Network, arch: Arch, settings: Settings, copies: int, seed: int) -> Iterator[tuple[Graph, Plan]]:
    """The network without cuts, then cuttings: each with the lowest load of crossbar PUs for that of the dpu PUs."""
    whole = planned_graph(network, arch, {}, settings)
    for placement in _uncut(whole, arch, seed):
        yield whole, Plan(placement, {}, settings)
    least = NEVER  # of the loads of dpu PUs
    found = 0
    for cutting in cuttings(whole, arch, copies):
        try:
            graph = planned_graph(network, arch, cutting.cuts, settings)
            digital = lpt.place(graph, arch, {}, seed).nodes
        except CapacityError:
            continue
        placement = Placement({name: cutting.nodes.get(name, digital[name]) for name in graph.nodes})
        totals = loads(graph, arch, placement)
        joins = max((totals[unit] for unit in arch.dpus), default=0)
        if joins < least and fits(graph, arch, placement):
            least = joins
            yield graph, Plan(shorten_routes(graph, arch, placement), cutting.cuts, settings)
            found += 1
            if found == STARTS:
                return

"""LBLP+: replicates the layers that bound the rate, places copies and layers evenly, improves on the cycle model. Ours.

LBLP leaves every layer whole, so the largest one bounds the rate however well the others are spread. Three steps:

1. Cut. `cuts/cutting.py` replicates layers so that all crossbar PUs get the same load, for several largest loads: the
   lower the load, the more joins for the dpu PUs. The best in one or the other go on, and the network without cuts,
   placed by LBLP and by LPT. The joins and all else that is digital are placed longest first; units of a kind are
   exchanged on the mesh so that no link is crowded.
2. Set. Large layers fire in parts of a row (`grain`), so that nobody waits long for a unit; the slack of the rings and
   whether short firings go first are tried, as is the plain setting. What the user has asked for stays.
3. Search. For `steps` steps nodes move off the units that the cycle model shows to be busiest: one that sends much to
   where others send, too, is busy for longer than its load.

Each candidate runs on the cycle model; the shortest interval wins, among alike ones the lowest latency of a full chip.

Options:
    steps: Moves tried on the cycle model.
    copies: The most copies of a layer.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from mapping.actors.firing import Macs
from mapping.actors.graph import Graph
from mapping.actors.plan import Plan, Settings, planned_graph, read_settings
from mapping.cuts.cutting import cuttings
from mapping.placement.ledger import Options, Placement, Whole, loads, read_options, with_room
from mapping.placement.mesh import spread_routes
from mapping.placement.search import NEVER, Trial, balance, failed, fits, improve, measure
from mapping.placement.strategies import lblp, lpt
from mapping.placement.watch import expect
from pyimc.arch import Arch
from pyimc.errors import CapacityError
from pyimc.network import Network

OPTIONS = {"steps": Whole(16, 0, 1000), "copies": Whole(16, 1, 256)}
STARTS = 5
"""Cuttings that are run on the cycle model."""
MARGIN = 1.15
"""The largest load of a cutting, in that of the best, up to which fewer joins may be worth it."""
FIRINGS = 32
"""Firings in which a PU should do its share of an image, at least."""
TILES = 32
"""Full crossbar planes that a firing is worth, at least, so that its start does not count."""
SLACK = (2, 4, 8, 16, 32)
UNCUT = (lblp.place, lpt.place)
"""What places the network without cuts."""


def plan(network: Network, arch: Arch, options: Options, seed: int, asked: Options) -> Plan:
    """Cuts, places and sets; raises CapacityError, or ConfigError for a wrong option."""
    read = read_options(options, "lblp_plus", OPTIONS)
    share = network.macs() // max(1, len(arch.imcs))
    firing = max(share // FIRINGS, TILES * arch.crossbar.rows * arch.crossbar.outputs)
    wanted = dict.fromkeys(
        read_settings(asked, settings)
        for settings in (
            Settings(),
            Settings(SLACK[-1], Macs(firing), "output"),
            Settings(SLACK[-1], Macs(firing), "short"),
            Settings(SLACK[1], "row", "short"),
        )
    )
    steps = int(read["steps"])
    expect((STARTS + len(UNCUT)) * len(wanted) + len(SLACK) + steps)
    best: Trial | None = None
    for start in _starts(network, arch, read_settings(asked), int(read["copies"]), seed):
        for settings in wanted:
            best = _better(network, arch, replace(start, settings=settings), best)
    assert best is not None
    found = best.plan
    for slack in SLACK:
        settings = read_settings({"slack_rows": slack, **asked}, found.settings)
        if settings != found.settings:
            best = _better(network, arch, replace(found, settings=settings), best)
    graph = planned_graph(network, arch, best.plan.cuts, best.plan.settings)
    expect(steps)
    return improve(graph, arch, best, steps).plan


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places a graph as it is; raises CapacityError, or ConfigError for a wrong option."""
    steps = int(read_options(options, "lblp_plus", OPTIONS)["steps"])
    expect(len(UNCUT) + steps)
    trials = [measure(graph, arch, Plan(placement)) for placement in _uncut(graph, arch, Settings(), seed)]
    return improve(graph, arch, min(trials, key=lambda trial: trial.score), steps).plan.placement


def _better(network: Network, arch: Arch, plan: Plan, best: Trial | None) -> Trial:
    """The better one of a plan and the best so far; smaller firings may need more instructions than there are."""
    graph = planned_graph(network, arch, plan.cuts, plan.settings)
    if not fits(graph, arch, plan.placement):
        return best or failed(graph, plan)
    trial = measure(graph, arch, plan, best.score if best else NEVER)
    return min(best or trial, trial, key=lambda trial: trial.score)


def _uncut(graph: Graph, arch: Arch, settings: Settings, seed: int) -> Iterator[Placement]:
    for place in UNCUT:
        placement, roomy = with_room(graph, settings.slack_rows, partial(place, arch=arch, options={}, seed=seed))
        yield spread_routes(graph, arch, balance(roomy, arch, placement))


def _complete(graph: Graph, arch: Arch, crossbar: Mapping[str, int], seed: int) -> Placement:
    """Places what is digital, longest first, given the units of all else."""
    digital = lpt.place(graph, arch, {}, seed).nodes
    placement = Placement({name: crossbar.get(name, digital[name]) for name in graph.nodes})
    if not fits(graph, arch, placement):
        raise CapacityError(f"network {graph.network.name}: copies and joins do not fit architecture {arch.name}")
    return placement


def _starts(network: Network, arch: Arch, settings: Settings, copies: int, seed: int) -> Iterator[Plan]:
    """Cuttings, each with the lowest load of crossbar PUs for that of the dpu PUs; then the network without cuts."""
    whole = planned_graph(network, arch, {}, settings)
    found: list[tuple[int, Graph, Plan]] = []
    lightest = sys.maxsize  # of the loads of dpu PUs
    for cutting in cuttings(whole, arch, copies):
        if found and cutting.load > MARGIN * min(load for load, _, _ in found):
            break
        complete = partial(_complete, arch=arch, crossbar=cutting.nodes, seed=seed)
        try:
            graph = planned_graph(network, arch, cutting.cuts, settings)
            placement, graph = with_room(graph, settings.slack_rows, complete)
        except CapacityError:
            continue
        totals = loads(graph, arch, placement)
        joins = max((totals[unit] for unit in arch.dpus), default=0)
        if joins < lightest:
            lightest = joins
            found.append((max(totals.values()), graph, Plan(placement, cutting.cuts)))
    for _, graph, plan in sorted(found, key=lambda entry: entry[0])[:STARTS]:
        yield replace(plan, placement=spread_routes(graph, arch, balance(graph, arch, plan.placement)))
    try:
        yield from map(Plan, _uncut(whole, arch, settings, seed))
    except CapacityError:
        if not found:
            raise

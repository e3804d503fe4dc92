"""Local search: moves and swaps of nodes between units of a kind, by loads or on the cycle model."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from mapping.graph import Graph
from mapping.placement import Ledger, Placement, loads
from mapping.plan import Plan, program_of
from pyimc.arch import Arch
from pyimc.cycle.model import simulate
from pyimc.errors import CapacityError
from pyimc.program import Origin
from pyimc.steady import steady_interval

IMAGES = 32
"""Images of a run on the cycle model."""
IN_FLIGHT = 4
"""Images in the chip at a time, at most: more only add to the latency."""
SUSTAINED = 0.985
"""Of the largest load: only the starts of firings can hide, so that with a shorter interval the chip still fills."""
NEVER = 1 << 62

Score = tuple[int, int]
"""Cycles between images, the largest load at least, then cycles of the first one: the smaller the better."""


def measure(graph: Graph, arch: Arch, plan: Plan) -> Score:
    """Runs a plan on the cycle model; `NEVER` if its rings find no room or the chip fills with images."""
    try:
        program = program_of(graph, arch, plan, Origin(graph.network.name, "", {}, 0, [], {}, ""))
    except CapacityError:
        return NEVER, NEVER
    result = simulate(program, IMAGES)
    if result.deadlock or result.last_cycles[-1 - IN_FLIGHT] > result.first_cycles[-1]:
        return NEVER, NEVER
    interval = steady_interval(result.first_cycles, result.last_cycles)
    largest = max(loads(graph, arch, plan.placement).values())
    assert interval is not None
    if interval < SUSTAINED * largest:
        return NEVER, NEVER
    return max(largest, interval), result.last_cycles[0] - result.first_cycles[0]


def improve(graph: Graph, arch: Arch, plan: Plan, score: Score, steps: int) -> tuple[Score, Plan]:
    """Tries changes of a plan's placement on the cycle model, those with the lowest loads first; keeps what is better.

    Args:
        graph: Of the plan.
        arch: The chip.
        plan: Where to start.
        score: Of the plan.
        steps: Changes tried, at most.
    """
    tried = {tuple(plan.placement.nodes.items())}
    while steps:
        fresh = (
            changed
            for changed in _by_loads(graph, arch, plan.placement)
            if tuple(changed.nodes.items()) not in tried and fits(graph, arch, changed)
        )
        better = False
        for changed in islice(fresh, steps):
            steps -= 1
            tried.add(tuple(changed.nodes.items()))
            other = replace(plan, placement=changed)
            found = measure(graph, arch, other)
            if found < score:
                score, plan, better = found, other, True
                break
        if not better:
            break
    return score, plan


def balance(graph: Graph, arch: Arch, placement: Placement) -> Placement:
    """Moves nodes off the most loaded units, or swaps them with smaller ones, while the loads fall."""
    best = placement
    while True:
        before = _falling(graph, arch, best)
        changes = (changed for changed in _changes(graph, arch, best) if _falling(graph, arch, changed) < before)
        better = next((changed for changed in changes if fits(graph, arch, changed)), None)
        if better is None:
            return best
        best = better


def fits(graph: Graph, arch: Arch, placement: Placement) -> bool:
    """Every unit has room for what is on it."""
    ledger = Ledger(graph, arch)
    try:
        for name, unit in placement.nodes.items():
            if unit not in ledger.feasible(name):
                return False
            ledger.place(name, unit)
    except CapacityError:
        return False
    return True


def _falling(graph: Graph, arch: Arch, placement: Placement) -> list[int]:
    """Loads, largest first."""
    return sorted(loads(graph, arch, placement).values(), reverse=True)


def _by_loads(graph: Graph, arch: Arch, placement: Placement) -> Iterator[Placement]:
    yield from sorted(_changes(graph, arch, placement), key=lambda changed: _falling(graph, arch, changed))


def _changes(graph: Graph, arch: Arch, placement: Placement) -> Iterator[Placement]:
    """Every move of a node from the most loaded unit of its kind to another, and every swap that lightens it."""
    totals = loads(graph, arch, placement)
    for kind in ("imc", "dpu"):
        own = [unit for unit in totals if (unit in arch.dpus) == (kind == "dpu")]
        if len(own) < 2:
            continue
        full = max(own, key=lambda unit: totals[unit])
        here = [name for name, unit in placement.nodes.items() if unit == full]
        for other in sorted((unit for unit in own if unit != full), key=lambda unit: totals[unit]):
            gap = totals[full] - totals[other]
            there = [name for name, unit in placement.nodes.items() if unit == other]
            for name in here:
                cycles = graph.nodes[name].cycles
                if 0 < cycles < gap:
                    yield replace(placement, nodes={**placement.nodes, name: other})
                for partner in there:
                    if 0 < cycles - graph.nodes[partner].cycles < gap:
                        yield replace(placement, nodes={**placement.nodes, name: other, partner: full})

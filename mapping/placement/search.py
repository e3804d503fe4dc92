"""Local search: moves and swaps of nodes between units of a kind, by loads or on the cycle model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from math import log, log1p

from mapping.actors.graph import Graph
from mapping.actors.plan import Plan, program_of
from mapping.placement.ledger import Ledger, Placement, loads, totals
from mapping.placement.watch import step
from pyimc.arch import Arch
from pyimc.cycle import Run
from pyimc.engines import ENGINES
from pyimc.errors import CapacityError
from pyimc.program import Origin
from pyimc.steady import MANY_IMAGES

LOOKS = ((32, 0.05), (96, 0.02))
"""Images that have left when a run is looked at, and by how much the interval may become shorter after that. What would
have to become shorter still to be better than the best is given up."""

Score = tuple[int, int, int]
"""Whether nobody knows its rate, as fewer than half of the images left while new ones entered (1), or it does not run
at all (2); then cycles between images, the largest load at least, in steps of `ALIKE`; then the latency of a full chip.
The smaller the better."""
ALIKE = 0.005
"""Intervals that differ by less are as good: the lower latency decides."""
NEVER: Score = (2, 0, 0)


@dataclass(frozen=True, slots=True)
class Trial:
    """A plan that has run on the cycle model.

    Attributes:
        plan: The plan.
        score: `NEVER` if it is not worth a whole run, its rings find no room, or it deadlocks.
        busy: By node, the cycles per image that it kept its engine: more than its load where others were in the way
            of what it sends. Its load if the score is `NEVER`.
    """

    plan: Plan
    score: Score
    busy: Mapping[str, int]


def measure(graph: Graph, arch: Arch, plan: Plan, beat: Score = NEVER) -> Trial:
    """Runs a plan on the cycle model, unless its largest load or a look at it says that it does not beat a score."""
    trial = _measure(graph, arch, plan, beat)
    step()
    return trial


def _measure(graph: Graph, arch: Arch, plan: Plan, beat: Score) -> Trial:
    largest = max(loads(graph, arch, plan.placement).values())
    if (0, _steps(largest), 0) > beat:
        return failed(graph, plan)
    try:
        program = program_of(graph, arch, plan, Origin(graph.network.name, "", {}, 0, [], {}, ""))
    except CapacityError:
        return failed(graph, plan)
    run = Run(program, MANY_IMAGES)
    for images, scatter in LOOKS:
        look = run.until(images)
        early = look.steady  # not known if some output is far behind another
        if look.deadlock or (early and (0, _steps(int(early.interval * (1 - scatter))), 0) > beat):
            return failed(graph, plan)
    result = run.until(MANY_IMAGES)
    if result.deadlock:
        return failed(graph, plan)
    steady = result.steady
    assert steady is not None
    fills = int(result.last_cycles[MANY_IMAGES // 2 - 1] > result.first_cycles[-1])
    score = fills, _steps(max(largest, steady.interval)), steady.latency
    return Trial(plan, score, {name: actor["busy"] // MANY_IMAGES for name, actor in result.actors.items()})


def _steps(interval: int) -> int:
    return int(log(interval) / log1p(ALIKE))


def failed(graph: Graph, plan: Plan) -> Trial:
    """A plan that is none to go on with."""
    return Trial(plan, NEVER, graph.cycles())


def improve(graph: Graph, arch: Arch, trial: Trial, steps: int) -> Trial:
    """Tries changes of a plan's placement on the cycle model, off the busiest units first; keeps what is better.

    Args:
        graph: Of the plan.
        arch: The chip.
        trial: Where to start.
        steps: Changes tried, at most.
    """
    tried = {tuple(trial.plan.placement.nodes.items())}
    while steps:
        changes = sorted(
            _changes(arch, trial.plan.placement, trial.busy),
            key=lambda changed: _falling(arch, changed, trial.busy),
        )
        fresh = (
            changed for changed in changes if tuple(changed.nodes.items()) not in tried and fits(graph, arch, changed)
        )
        better = None
        for changed in islice(fresh, steps):
            steps -= 1
            tried.add(tuple(changed.nodes.items()))
            other = measure(graph, arch, replace(trial.plan, placement=changed), trial.score)
            if other.score < trial.score:
                better = other
                break
        if better is None:
            break
        trial = better
    return trial


def balance(graph: Graph, arch: Arch, placement: Placement) -> Placement:
    """Moves nodes off the most loaded units, or swaps them with smaller ones, while the loads fall."""
    best, cycles = placement, graph.cycles()
    while True:
        before = _falling(arch, best, cycles)
        changes = (changed for changed in _changes(arch, best, cycles) if _falling(arch, changed, cycles) < before)
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


def _falling(arch: Arch, placement: Placement, cycles: Mapping[str, int]) -> list[int]:
    """Loads, largest first."""
    return sorted(totals(arch, placement, cycles).values(), reverse=True)


def _changes(arch: Arch, placement: Placement, cycles: Mapping[str, int]) -> Iterator[Placement]:
    """Every move of a node from the most loaded unit of its kind to another, and every swap that lightens it."""
    load = totals(arch, placement, cycles)
    for kind in ENGINES:
        own = arch.places(kind)
        if len(own) < 2:
            continue
        full = max(own, key=lambda unit: load[unit])
        here = [name for name, unit in placement.nodes.items() if unit == full]
        for other in sorted((unit for unit in own if unit != full), key=lambda unit: load[unit]):
            gap = load[full] - load[other]
            there = [name for name, unit in placement.nodes.items() if unit == other]
            for name in here:
                if 0 < cycles[name] < gap:
                    yield replace(placement, nodes={**placement.nodes, name: other})
                for partner in there:
                    if 0 < cycles[name] - cycles[partner] < gap:
                        yield replace(placement, nodes={**placement.nodes, name: other, partner: full})

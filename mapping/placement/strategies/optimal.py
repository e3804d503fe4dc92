"""Optimal: the smallest largest load that the resources allow, by constraint programming (CP-SAT of Google OR-Tools).

Definition (ours): every node on one unit of its kind, no unit over any of its resources, and the largest sum of cycles
on a unit minimal. The kinds share nothing, so each is solved on its own, its own largest load minimised. Units of a
kind are alike: with nodes in order of decreasing cycles, a unit may only take a node if the unit before it has an
earlier one, which leaves one of all the placements that differ in the units' names.

The search starts from the better of LPT and weight balance, and from the bound of `placement/bounds.py`; if the start
reaches it, there is nothing to search. It ends with a proof or with its time, and the placement carries the bound
proven by then. It takes the same steps for a seed on every machine: one thread, and the solver's deterministic time.

Options: seconds: 20; 1 to 3600. Deterministic time for each kind, about as many seconds of a fast core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mapping.actors.graph import Graph
from mapping.placement.bounds import load_bound
from mapping.placement.ledger import NoRoom, Options, Placement, Whole, read_options
from mapping.placement.room import capacity, demand
from mapping.placement.strategies import lpt, weight_balance
from pyimc.arch import Arch
from pyimc.errors import CapacityError
from pyimc.program import Kind

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

PROVES = True


@dataclass(frozen=True, slots=True)
class Solution:
    """Unit of every node of a kind, by its position among the units, and the proven bound of the largest load."""

    nodes: dict[str, int]
    bound: int


def place(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    """Places all nodes; raises CapacityError, or ConfigError for a wrong option."""
    seconds = read_options(options, "optimal", {"seconds": Whole(20, 1, 3600)})["seconds"]
    starts: list[dict[str, int]] = []
    refusals: list[NoRoom] = []
    for strategy in (lpt, weight_balance):
        try:
            starts.append(strategy.place(graph, arch, {}, seed).nodes)
        except NoRoom as refusal:
            refusals.append(refusal)
    where: dict[str, int] = {}
    bound = 0
    for kind in {node.kind: None for node in graph.nodes.values()}:
        solution = _solve(graph, arch, kind, starts, seconds, seed)
        if solution is None:
            raise refusals[0]
        where |= {name: arch.places(kind)[index] for name, index in solution.nodes.items()}
        bound = max(bound, solution.bound)
    return Placement({name: where[name] for name in graph.nodes}, bound=bound)


def _solve(
    graph: Graph, arch: Arch, kind: Kind, starts: list[dict[str, int]], seconds: int, seed: int
) -> Solution | None:
    """The best placement of the nodes of a kind; None if there is none."""
    names = [name for name, node in graph.nodes.items() if node.kind == kind]
    names.sort(key=lambda name: -graph.nodes[name].cycles)
    bound, _ = load_bound(graph, arch, kind)
    start = min((_in_order(names, nodes) for nodes in starts), key=lambda nodes: _largest(graph, nodes), default=None)
    if start and _largest(graph, start) == bound:
        return Solution(start, bound)

    from ortools.sat.python import cp_model  # takes a second to load

    count = len(arch.places(kind))
    model = cp_model.CpModel()
    takes = {name: [model.new_bool_var(f"{name}@{unit}") for unit in range(count)] for name in names}
    needs = {name: demand(graph, name) for name in names}
    shared: dict[str, list[str]] = {}  # nodes with equal weights have their planes in common
    for name in names:
        if graph.nodes[name].planes:
            shared.setdefault(graph.nodes[name].weights or name, []).append(name)
    for resource, full in capacity(arch, kind).items():
        for unit in range(count):
            if resource == "planes":
                held = [(needs[group[0]][resource], _any(model, [takes[name][unit] for name in group]))
                        for group in shared.values()]  # fmt: skip
                model.add(sum(need * taken for need, taken in held) <= full)
            else:
                model.add(sum(needs[name][resource] * takes[name][unit] for name in names) <= full)
    for index, name in enumerate(names):
        model.add_exactly_one(takes[name])
        for unit in range(1, count):
            model.add(takes[name][unit] <= sum(takes[earlier][unit - 1] for earlier in names[:index]))
    total = sum(graph.nodes[name].cycles for name in names)
    most = model.new_int_var(bound, _largest(graph, start) if start else total, "most")
    for unit in range(count):
        model.add(sum(graph.nodes[name].cycles * takes[name][unit] for name in names) <= most)
    model.minimize(most)
    for name, unit in (start or {}).items():
        for other, taken in enumerate(takes[name]):
            model.add_hint(taken, other == unit)

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed % 2**31
    solver.parameters.max_deterministic_time = seconds
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        found = {name: next(unit for unit in range(count) if solver.value(takes[name][unit])) for name in names}
        return Solution(found, max(bound, round(solver.best_objective_bound)))
    if status == cp_model.UNKNOWN and not start:
        raise CapacityError(
            f"network {graph.network.name} on architecture {arch.name}: no placement found in {seconds} seconds of "
            "search, nor a proof that there is none; give more seconds or PUs"
        )
    return Solution(start, bound) if start else None


def _any(model: cp_model.CpModel, taken: list[cp_model.IntVar]) -> cp_model.IntVar:
    """A variable that is 1 if one of some is."""
    if len(taken) == 1:
        return taken[0]
    found = model.new_bool_var("")
    for each in taken:
        model.add_implication(each, found)
    return found


def _in_order(names: list[str], nodes: dict[str, int]) -> dict[str, int]:
    """The placement of these nodes with the units renamed in the order of their first nodes."""
    index = {node: position for position, node in enumerate(dict.fromkeys(nodes[name] for name in names))}
    return {name: index[nodes[name]] for name in names}


def _largest(graph: Graph, nodes: dict[str, int]) -> int:
    """The largest load of a placement."""
    return max(sum(graph.nodes[name].cycles for name in nodes if nodes[name] == unit) for unit in nodes.values())

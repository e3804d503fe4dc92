"""What a placement strategy gets to work with: demands, capacities, loads and options."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mapping.actors.graph import Graph, GraphNode
from mapping.placement.room import Refusal, Room, Windows, demand
from mapping.placement.windows import Window
from pyimc.arch import Arch
from pyimc.errors import CapacityError, ConfigError
from pyimc.operators.load import LoadedMvm

Options = Mapping[str, int | str]
Priority = Literal["output", "short"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where everything goes.

    Attributes:
        nodes: Node id of the processing unit of every network node, by name.
        bound: A largest load that no placement can be below, if the strategy has proven one, in cycles.
        priority: Which actors of a unit go first, see `mapping.code.codegen.priority`.
        moved: Nodes that had to be placed before all others to find room, see `retry`.
        windows: Of nodes that share crossbar planes.
    """

    nodes: dict[str, int]
    bound: int | None = None
    moved: tuple[str, ...] = ()
    priority: Priority = "output"
    windows: Mapping[str, Window] = field(default_factory=dict)


class NoRoom(CapacityError):
    """A node that fits none of the processing units as they are filled.

    Attributes:
        name: Of the node.
        lacking: Keys of an architecture that would give more of what the nearest unit has too little of.
        hopeless: All units together have too little of it, in whatever order nodes are placed.
    """

    def __init__(self, name: str, message: str, lacking: tuple[str, ...] = (), *, hopeless: bool = False) -> None:
        super().__init__(message)
        self.name = name
        self.lacking = lacking
        self.hopeless = hopeless


def loads(graph: Graph, arch: Arch, placement: Placement) -> dict[int, int]:
    """Cycles per image of every processing unit, unused ones included."""
    return totals(arch, placement, graph.cycles())


def totals(arch: Arch, placement: Placement, cycles: Mapping[str, int]) -> dict[int, int]:
    """The same, with cycles of nodes that were measured, say."""
    found = dict.fromkeys(arch.kinds, 0)
    for name, node in placement.nodes.items():
        found[node] += cycles[name]
    return found


class Ledger:
    """Who is placed where, and what is left: the state of a strategy at work."""

    def __init__(self, graph: Graph, arch: Arch) -> None:
        self.graph = graph
        self.arch = arch
        self.load: dict[int, int] = dict.fromkeys(arch.kinds, 0)
        self.rooms: dict[int, Room] = {
            node: Room(arch, kind, share=graph.packing == "windows") for node, kind in arch.kinds.items()
        }
        self.hosted: dict[int, list[str]] = {node: [] for node in self.load}
        self._demand = {name: demand(graph, name) for name in graph.nodes}

    def feasible(self, name: str) -> tuple[int, ...]:
        """Processing units that still have all that a node needs, ascending.

        Raises:
            NoRoom: There is none.
        """
        node, needs = self.graph.nodes[name], self._demand[name]
        units = self.arch.places(node.kind)
        refusals = {unit: self.rooms[unit].refusal(node, needs) for unit in units}
        found = tuple(unit for unit, refusal in refusals.items() if refusal is None)
        if isinstance(node.operator, LoadedMvm):  # in turn with others: where they are
            found = tuple(unit for unit in found if self.rooms[unit].holds(node)) or found
        if not found:
            raise self._no_room(node, {unit: why for unit, why in refusals.items() if why})
        return found

    def least_loaded(self, nodes: Iterable[int]) -> int:
        """Of some processing units the one with the fewest cycles; the lowest of equals."""
        return min(nodes, key=lambda node: (self.load[node], node))

    def place(self, name: str, node: int, cycles: int | None = None) -> None:
        """Puts a network node on a processing unit, or a copy of it that takes so many cycles."""
        found = self.rooms[node].try_add(self.graph.nodes[name], self._demand[name])
        assert isinstance(found, Windows), f"{name} on {node}: {found}"
        self.hosted[node].append(name)
        self.load[node] += self.graph.nodes[name].cycles if cycles is None else cycles

    def placement(self) -> Placement:
        """What has been placed, in the graph's order."""
        where = {name: node for node, names in self.hosted.items() for name in names}
        return Placement({name: where[name] for name in self.graph.nodes})

    def _no_room(self, node: GraphNode, refusals: Mapping[int, Refusal]) -> NoRoom:
        """What the user is told: of the unit that comes nearest, and of planes in all."""
        if not refusals:
            return NoRoom(
                node.name, f"node {node.name}: needs a PU of kind {node.kind}, architecture {self.arch.name} has none"
            )
        best = max(refusals, key=lambda unit: refusals[unit].met)
        shortages = refusals[best].shortages
        levers = " or ".join(dict.fromkeys(shortage.lever for shortage in shortages))
        in_all = {resource: self._in_all(node, resource, len(refusals)) for resource in self.rooms[best].capacity}
        too_little = {resource for resource, (needed, have) in in_all.items() if needed > have}
        total = "".join(
            f"; the network takes {needed} {resource}, {len(refusals)} PUs have {have}"
            for resource, (needed, have) in in_all.items()
            if resource in too_little or (resource == "planes" and node.planes)
        )
        return NoRoom(
            node.name,
            f"node {node.name} fits no {node.kind} PU of architecture {self.arch.name}; on the nearest, node {best}, "
            f"{refusals[best]}{total}; use more PUs or more {levers}",
            tuple(shortage.lever for shortage in shortages),
            hopeless=any(shortage.resource in too_little - {"planes"} for shortage in shortages),
        )

    def _in_all(self, node: GraphNode, resource: str, units: int) -> tuple[int, int]:
        """What all nodes of a kind take of a resource, and what its units have."""
        needed = sum(
            self._demand[name].get(resource, 0) for name, other in self.graph.nodes.items() if other.kind == node.kind
        )
        return needed, units * self.rooms[self.arch.places(node.kind)[0]].capacity[resource]


def retry(order: Sequence[str], attempt: Callable[[Sequence[str]], Placement]) -> Placement:
    """Places nodes in an order; one that finds no room goes to the front of it, and all starts again.

    Args:
        order: All nodes.
        attempt: Places them in the order it is given.

    Returns:
        The first placement that succeeds, with the nodes that were moved.

    Raises:
        NoRoom: A node finds no room though it is the first, or whatever comes first, or none has succeeded in as many
            attempts as there are nodes; the error is that of the first attempt.
    """
    moved: list[str] = []
    first: NoRoom | None = None
    for _ in order:
        try:
            placement = attempt([*moved, *(name for name in order if name not in moved)])
        except NoRoom as refusal:
            first = first or refusal
            if refusal.hopeless or moved[:1] == [refusal.name]:
                break  # it was the first to be placed, or all are too much: no order helps
            moved = [refusal.name, *(name for name in moved if name != refusal.name)]
        else:
            return replace(placement, moved=tuple(moved))
    if first is None:
        raise ValueError("there is nothing to place")
    raise first


def with_room(graph: Graph, slack_rows: int, attempt: Callable[[Graph], Placement]) -> tuple[Placement, Graph]:
    """Places a graph with room for a row of slack in every ring or, if there is none, for the smallest rings.

    Actors whose rings have no slack take turns instead of working at the same time (`mapping.actors.buffers`).

    Args:
        graph: With the smallest rings.
        slack_rows: That rings are to have; 0: no room is asked for.
        attempt: Places the graph that it is given.

    Returns:
        The placement, and the graph that was placed: its rings are as large as there is room for.

    Raises:
        CapacityError: The smallest rings find no room, either; the error is that of `attempt`.
    """
    if slack_rows:
        edges = tuple(replace(edge, least_words=edge.least_words + edge.slack_words) for edge in graph.edges)
        roomy = replace(graph, edges=edges)
        with suppress(CapacityError):
            return attempt(roomy), roomy
    return attempt(graph), graph


@dataclass(frozen=True, slots=True)
class Whole:
    """An option that is a whole number: its default, and the least and the most that it can be."""

    default: int
    least: int
    most: int

    def __contains__(self, value: object) -> bool:
        return type(value) is int and self.least <= value <= self.most

    def __str__(self) -> str:
        return f"a whole number from {self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class Choice:
    """An option that is one of some words, the default first."""

    words: tuple[str, ...]

    @property
    def default(self) -> str:
        """The first word."""
        return self.words[0]

    def __contains__(self, value: object) -> bool:
        return value in self.words

    def __str__(self) -> str:
        return f"one of {', '.join(self.words)}"


def read_options(options: Options, where: str, allowed: Mapping[str, Whole | Choice]) -> dict[str, Any]:
    """Checks a strategy's options.

    Args:
        options: What the user gave.
        where: Name for error messages.
        allowed: What every option can be.

    Returns:
        Every option with its value or default.

    Raises:
        ConfigError: Unknown options or values, all of them.
    """
    faults = [
        f"unknown option '{name}' (known: {', '.join(sorted(allowed)) or 'none'})"
        for name in sorted(options)
        if name not in allowed
    ]
    faults += [
        f"{name} is '{options[name]}', must be {values}"
        for name, values in allowed.items()
        if name in options and options[name] not in values
    ]
    if faults:
        raise ConfigError(f"strategy {where}: {'; '.join(faults)}")
    return {name: options.get(name, values.default) for name, values in allowed.items()}

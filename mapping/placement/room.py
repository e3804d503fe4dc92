"""The room of a processing unit: what actors take of it, where, and why one more does not fit.

Actors with equal weights on one unit have their planes in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mapping.actors.graph import Graph, GraphNode
from mapping.placement.sharing import shared, shares
from mapping.placement.windows import Packed, Window
from pyimc.arch import Arch
from pyimc.engines import ENGINES
from pyimc.program import Kind

Amounts = Mapping[str, int]
"""Of resources, by name."""

SHELL = {
    "activation words": "activation_words",
    "contexts": "contexts",
    "parameter channels": "parameters",
    "instructions": "instructions",
}
"""What every processing unit has, and the key of an architecture that gives more."""


@dataclass(frozen=True, slots=True)
class Windows:
    """What an actor has of its unit.

    Attributes:
        plane: First plane.
        planes: Planes, one after the other.
        parameter: First parameter, in channels.
        instruction: First instruction.
        weight: First word of the weight memory of a vector engine.
        row: In its planes, first row of the last row tile.
        column: In its planes, first column of the last column tile.
    """

    plane: int
    planes: int
    parameter: int
    instruction: int
    weight: int = 0
    row: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Shortage:
    """A resource of which a unit has too little left.

    Attributes:
        lever: The key of an architecture that gives more.
    """

    resource: str
    needed: int
    available: int
    capacity: int
    lever: str

    def __str__(self) -> str:
        return f"{self.resource}: needed {self.needed}, available {self.available} of {self.capacity}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an actor does not fit a unit.

    Attributes:
        actor: Its name.
        met: Resources of which there is enough.
        shortages: The others.
    """

    actor: str
    met: int
    shortages: tuple[Shortage, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.shortages))


def levers(kind: Kind) -> dict[str, str]:
    """The resources of a kind of unit, each with the key of an architecture that gives more."""
    return {resource.name: resource.lever for resource in ENGINES[kind].resources} | SHELL


def capacity(arch: Arch, kind: Kind) -> dict[str, int]:
    """What a unit of a kind has of its resources."""
    own = {resource.name: resource.amount(arch) for resource in ENGINES[kind].resources}
    return own | {name: getattr(arch, key) for name, key in SHELL.items()}


def demand(graph: Graph, name: str) -> dict[str, int]:
    """What an actor takes of the resources of its unit, if it has them for itself."""
    node, inputs = graph.nodes[name], graph.inputs(name)
    rings = [edge for edge in inputs if not edge.weights]
    words = {partial: sum(edge.least_words for edge in rings if edge.partial == partial) for partial in (False, True)}
    found = {
        "planes": node.planes,
        "partial words": words[True],
        "weight words": node.weight_words,
        "activation words": words[False],
        "contexts": 1,
        "parameter channels": node.parameters,
        "instructions": node.instructions,
    }
    return {resource: found[resource] for resource in levers(node.kind)}


class Room:
    """A unit that fills up: layers with windows in its first planes, others in planes of their own behind them.

    While it is not known which layers a unit will have, nor are the windows that they will share: where these are to be
    chosen (`share`), what counts is the planes that all layers so far take together.
    """

    def __init__(self, arch: Arch, kind: Kind, packed: Packed = Packed(), share: bool = False) -> None:  # noqa: B008
        self._arch = arch
        self._share, self._sharing = share, list[GraphNode]()
        self.kind = kind
        self.capacity = capacity(arch, kind)
        self.used = dict.fromkeys(self.capacity, 0)
        if packed.planes:
            self.used["planes"] = packed.planes
        self._windows = packed.windows
        self._planes: dict[str, int] = {}  # first plane, by what is in them

    def refusal(self, node: GraphNode, needs: Amounts) -> Refusal | None:
        """Why an actor with these demands does not fit; None if it does."""
        lacking = []
        for resource, need in needs.items():
            left = self.capacity[resource] - self.used[resource]
            need = self._needed(node, resource, need)
            if need > left:
                lacking.append(
                    Shortage(resource, need, left, self.capacity[resource], levers(self.kind)[resource])
                )  # fmt: skip
        return Refusal(node.name, len(needs) - len(lacking), tuple(lacking)) if lacking else None

    def try_add(self, node: GraphNode, needs: Amounts) -> Windows | Refusal:
        """Places an actor, if there is room for it."""
        refusal = self.refusal(node, needs)
        if refusal:
            return refusal
        behind = self._planes.get(node.weights, self.used["planes"]) if node.planes else 0
        window = self._windows.get(node.name, Window(behind, 0, 0))
        windows = Windows(
            window.plane, node.planes, self.used["parameter channels"], self.used["instructions"],
            self.used.get("weight words", 0), window.row, window.column,
        )  # fmt: skip
        for resource, need in needs.items():
            self.used[resource] += self._needed(node, resource, need)
        if self._shares(node):
            self._sharing.append(node)
        elif node.weights and node.name not in self._windows:
            self._planes[node.weights] = window.plane
        return windows

    def reserve(self, node: GraphNode) -> None:
        """Sets planes aside for an actor to come. Those of weights that travel come first, where rings can be."""
        if node.weights not in self._planes:
            self._planes[node.weights] = self.used["planes"]
            self.used["planes"] += node.planes

    def holds(self, node: GraphNode) -> bool:
        """Planes with the same contents are there."""
        return node.weights in self._planes

    def _needed(self, node: GraphNode, resource: str, need: int) -> int:
        """Planes with the same contents are there once, those of windows from the beginning."""
        if resource == "planes" and self._shares(node):
            sharing = self._sharing
            return shared([*sharing, node], self._arch).planes - shared(sharing, self._arch).planes
        there = node.weights in self._planes or node.name in self._windows
        return 0 if resource == "planes" and there else need

    def _shares(self, node: GraphNode) -> bool:
        return self._share and shares(node)

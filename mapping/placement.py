"""What a placement strategy gets to work with: demands, capacities, loads and options."""

from collections.abc import Mapping
from dataclasses import dataclass

from mapping.graph import Graph
from pyimc.arch import Arch
from pyimc.errors import CapacityError, ConfigError
from pyimc.program import Kind

Options = Mapping[str, int | str]
RESOURCES = ("planes", "activation words", "contexts", "parameter channels", "instructions")


@dataclass(frozen=True, slots=True)
class Placement:
    """Node id of the processing unit of every network node, by name."""

    nodes: dict[str, int]


def units(arch: Arch, kind: Kind) -> tuple[int, ...]:
    """Node ids of the processing units of a kind, ascending."""
    return arch.imcs if kind == "imc" else tuple(sorted(arch.dpus))


def demand(graph: Graph, name: str) -> tuple[int, ...]:
    """What a node takes of each of `RESOURCES`."""
    node = graph.nodes[name]
    return (
        node.planes,
        sum(edge.least_words for edge in graph.inputs(name)),
        1,
        node.parameters,
        node.instructions,
    )


def capacity(arch: Arch) -> tuple[int, ...]:
    """What a processing unit has of each of `RESOURCES`."""
    return arch.crossbar.planes, arch.activation_words, arch.contexts, arch.parameters, arch.instructions


def loads(graph: Graph, arch: Arch, placement: Placement) -> dict[int, int]:
    """Cycles per image of every processing unit, unused ones included."""
    totals = {node: 0 for kind in ("imc", "dpu") for node in units(arch, kind)}
    for name, node in placement.nodes.items():
        totals[node] += graph.nodes[name].cycles
    return dict(sorted(totals.items()))


class Ledger:
    """Who is placed where, and what is left: the state of a strategy at work."""

    def __init__(self, graph: Graph, arch: Arch) -> None:
        self.graph = graph
        self.arch = arch
        self.load: dict[int, int] = {node: 0 for kind in ("imc", "dpu") for node in units(arch, kind)}
        self.left: dict[int, tuple[int, ...]] = {node: capacity(arch) for node in self.load}
        self.hosted: dict[int, list[str]] = {node: [] for node in self.load}
        self._demand = {name: demand(graph, name) for name in graph.nodes}

    def feasible(self, name: str) -> tuple[int, ...]:
        """Processing units that still have all that a node needs, ascending.

        Raises:
            CapacityError: There is none.
        """
        needs = self._demand[name]
        kind = self.graph.nodes[name].kind
        found = tuple(
            node
            for node in units(self.arch, kind)
            if all(need <= left for need, left in zip(needs, self.left[node], strict=True))
        )
        if not found:
            raise CapacityError(self._refusal(name, kind))
        return found

    def place(self, name: str, node: int) -> None:
        """Puts a network node on a processing unit."""
        self.hosted[node].append(name)
        self.load[node] += self.graph.nodes[name].cycles
        self.left[node] = tuple(left - need for left, need in zip(self.left[node], self._demand[name], strict=True))

    def placement(self) -> Placement:
        """What has been placed, in the graph's order."""
        where = {name: node for node, names in self.hosted.items() for name in names}
        return Placement({name: where[name] for name in self.graph.nodes})

    def _refusal(self, name: str, kind: Kind) -> str:
        nodes = units(self.arch, kind)
        if not nodes:
            return f"node {name}: needs a PU of kind {kind}, architecture {self.arch.name} has none"

        def met(node: int) -> int:
            return sum(need <= left for need, left in zip(self._demand[name], self.left[node], strict=True))

        best = max(nodes, key=met)
        rows = zip(RESOURCES, self._demand[name], self.left[best], capacity(self.arch), strict=True)
        short = [f"{what}: needed {need}, available {left} of {full}" for what, need, left, full in rows if need > left]
        total = sum(self._demand[other][0] for other in self.graph.nodes)
        planes = f"; the network takes {total} planes, {len(nodes)} PUs have {len(nodes) * capacity(self.arch)[0]}"
        return (
            f"node {name} fits no {kind} PU of architecture {self.arch.name}; on the nearest, node {best}, "
            f"{'; '.join(short)}{planes if kind == 'imc' else ''}"
        )


def read_options(options: Options, where: str, allowed: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Checks a strategy's options.

    Args:
        options: What the user gave.
        where: Name for error messages.
        allowed: The choices of every option, the default first.

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
        f"{name} is '{options[name]}', must be one of {', '.join(choices)}"
        for name, choices in allowed.items()
        if name in options and options[name] not in choices
    ]
    if faults:
        raise ConfigError(f"strategy {where}: {'; '.join(faults)}")
    return {name: str(options.get(name, choices[0])) for name, choices in allowed.items()}

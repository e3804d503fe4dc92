"""Which engine computes a depthwise layer: a rewriting of those that the vector engines take over.

The importer makes every grouped layer an Mvm, whose weights between groups are 0: on a crossbar a depthwise layer takes
the planes and the cycles of a dense one. A vector engine multiplies a pixel of the kernel by a word of weights a
cycle, and as it multiplies nothing by 0, it is often the faster one; but there are few of them, and they pool, add and
join as well. So `auto` takes the layers to them one by one, first those that gain the most, and keeps the division
with the smallest load of the most loaded unit, if nodes go to the unit with the least to do, longest first. Among
equals it keeps one whose vector engines are shared by as few nodes as possible, as those wait for each other where
rings are small; then the one that takes the fewest planes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import heapreplace
from typing import Literal

import numpy as np

from mapping.actors.cost import node_cycles
from mapping.actors.firing import Grain
from mapping.operators import image_firings, task
from pyimc.arch import Arch
from pyimc.engines.task import Task
from pyimc.errors import ConfigError
from pyimc.network import Depthwise, Mvm, Network, Node
from pyimc.program import Kind

OPTION = "depthwise"
AUTO, ALL, NONE = "auto", "dpu", "imc"


def on_engines(network: Network, arch: Arch, how: str, grain: Grain = "row") -> tuple[Network, str]:
    """The network with some depthwise layers on vector engines.

    Args:
        network: A verified network.
        arch: The chip.
        how: "auto", "dpu" (all of them), "imc" (none), or the names of those for vector engines, divided by ";".
        grain: For the cycles that `auto` compares.

    Returns:
        The network, and how, as names; "" if it has no depthwise layer.

    Raises:
        ConfigError: A name that is none of a depthwise layer.
    """
    found = dict(_candidates(network))
    if how == AUTO:
        chosen = _balanced(network, arch, found, grain) if found and arch.dpus and arch.imcs else []
    elif how in (ALL, NONE):
        chosen = list(found) if how == ALL else []
    else:
        chosen = how.split(";")
        if unknown := next((name for name in chosen if name not in found), None):
            known = ", ".join([*found][:8]) or "none"
            raise ConfigError(
                f"option {OPTION}: '{unknown}' is no depthwise layer of {network.name}; it is {AUTO}, {ALL}, {NONE} "
                f"or some of {known}, divided by ';'"
            )
    if not found:
        return network, ""
    moved = {name: layer for name, layer in found.items() if name in chosen}
    nodes = tuple(moved.get(node.name, node) for node in network.nodes)
    return (replace(network, nodes=nodes) if moved else network), ";".join(moved) or NONE


def _candidates(network: Network) -> Iterator[tuple[str, Depthwise]]:
    """Whole layers with a kernel for every channel, as what a vector engine computes."""
    for node in network.nodes:
        if not isinstance(node, Mvm) or node.part:
            continue
        (source, *_), target = network.sources(node), network.target(node)
        if 1 < node.groups == source.channels == node.bias.size:
            found = _depthwise(node)
            if not found.faults([source], target):
                yield node.name, found


def _depthwise(node: Mvm) -> Depthwise:
    channels = np.arange(node.groups)
    weights = node.weights.reshape(node.groups, *node.kernel, node.groups)[channels, :, :, channels]
    return Depthwise(
        node.name, node.inputs, node.output, node.kernel, node.stride, node.pads, np.ascontiguousarray(weights),
        node.bias, node.multiplier, node.shift, node.input_zero_point, node.output_zero_point, node.clamp,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Way:
    """A layer on one kind of unit."""

    kind: Kind
    cycles: int
    planes: int
    weights: int
    parameters: int


def _way(node: Node, asked: Task, network: Network, arch: Arch, grain: Grain) -> _Way:
    destinations = sum(other.inputs.count(node.output) for other in network.nodes)
    cycles = node_cycles(asked, arch, image_firings(network, node, arch, grain), max(1, destinations))
    parameters = arch.words(asked.parameter_count) * arch.lanes
    return _Way(asked.engine, cycles, asked.plane_count(arch), asked.weight_words(arch), parameters)


def _balanced(network: Network, arch: Arch, found: Mapping[str, Depthwise], grain: Grain) -> list[str]:
    """The layers that vector engines take over so that the most loaded unit has the least to do."""
    ways = {node.name: _way(node, task(node, network, arch), network, arch, grain) for node in network.nodes}
    other = {name: _way(node, task(node, network, arch), network, arch, grain) for name, node in found.items()}
    order = [name for name in sorted(other, key=lambda name: other[name].cycles / ways[name].cycles)
             if other[name].weights <= arch.weight_words]  # fmt: skip
    divisions = [order[:count] for count in range(len(order) + 1)]
    return min(divisions, key=lambda names: _price({**ways, **{name: other[name] for name in names}}.values(), arch))


def _price(ways: Iterable[_Way], arch: Arch) -> tuple[int, int, int, int]:
    """What is lacking, the load of the most loaded unit, nodes of a vector engine, planes."""
    all_ways = list(ways)
    lacking = load = 0
    for kind, places in ((NONE, arch.imcs), (ALL, arch.dpus)):
        here = [way for way in all_ways if way.kind == kind]
        loads = [0] * len(places)
        for cycles in sorted((way.cycles for way in here), reverse=True):
            heapreplace(loads, loads[0] + cycles)
        load = max(load, *loads)
        room: tuple[tuple[Literal["planes", "weights", "parameters"], int], ...] = (
            ("planes", arch.crossbar.planes), ("weights", arch.weight_words), ("parameters", arch.parameters),
        )  # fmt: skip
        lacking += sum(
            max(0, sum(getattr(way, name) for way in here) - len(places) * each)
            for name, each in room
            if kind == NONE or name != "planes"
        )
        lacking += max(0, len(here) - len(places) * arch.contexts)
    shared = -(-sum(way.kind == ALL for way in all_ways) // len(arch.dpus))
    return lacking, load, shared, sum(way.planes for way in all_ways)

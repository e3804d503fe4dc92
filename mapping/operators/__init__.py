"""Kinds of nodes on the compiler's side: a file each, found by being in this package.

Each says its firings and what its engine is told; shape, faults and meaning are in `pyimc/operators/`. For further
kinds an entry point of the group `mapping.operators` names a module.
"""

import importlib
import pkgutil
from importlib.metadata import entry_points

from mapping.actors.firing import Firing, Grain, Macs, waiting
from mapping.operators import contract
from pyimc.arch import Arch
from pyimc.network import Network, Node

for _info in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_info.name}")
for _point in entry_points(group="mapping.operators"):
    _point.load()

repetition = contract.repetition
task = contract.task


def image_firings(network: Network, node: Node, arch: Arch, grain: Grain = "row") -> tuple[Firing, ...]:
    """All firings of a node for one image, in order."""
    if isinstance(grain, Macs):
        height, width, _ = network.target(node).shape
        work = node.macs(network.sources(node)) // (height * width)
        grain = max(1, grain.most // work) if work else "row"
    found = contract.firings(node, network, arch, grain)
    if grain == "map" and 1 in node.ports:
        return waiting(found, network.sources(node)[0], arch)
    return found

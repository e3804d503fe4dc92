"""What the compiler asks of a kind of node; its file in this package registers the answers."""

from functools import singledispatch

from mapping.actors.firing import Firing, Pixels
from pyimc.arch import Arch
from pyimc.engines.task import Task
from pyimc.network import Network, Node


@singledispatch
def firings(node: Node, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    """All firings of a node for one image, in order."""
    raise NotImplementedError(f"mapping/operators has no firings for {type(node).__name__}")


@singledispatch
def task(node: Node, network: Network, arch: Arch) -> Task:
    """What its engine is told of a node; which engine that is."""
    raise NotImplementedError(f"mapping/operators has no task for {type(node).__name__}")


@singledispatch
def repetition(node: Node, network: Network) -> int:
    """How often the firings of an image do the same, but for its borders: once for an output row."""
    return network.target(node).height

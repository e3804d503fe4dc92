"""Placement strategies: which processing unit hosts which node.

A strategy is a module of this package with a function `place` of type `Strategy`; its file name is its name, so
that a new file is all that a new strategy takes. Its arguments are the graph with the smallest channel sizes, the
architecture, the options of the user (see `mapping.placement.read_options`) and the seed of anything random.
"""

import importlib
import pkgutil
from collections.abc import Callable

from mapping.graph import Graph
from mapping.placement import Options, Placement
from pyimc.arch import Arch
from pyimc.errors import ConfigError

Strategy = Callable[[Graph, Arch, Options, int], Placement]


def names() -> tuple[str, ...]:
    """All strategies, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def find(name: str) -> Strategy:
    """The strategy of that name; raises ConfigError if there is none."""
    if name not in names():
        raise ConfigError(f"unknown strategy '{name}'; known: {', '.join(names())}")
    strategy: Strategy = importlib.import_module(f"{__name__}.{name}").place
    return strategy

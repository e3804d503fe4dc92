"""Placement strategies: which processing unit hosts which node.

A strategy is a Python file with a function `place` of type `Strategy`: a module of this package, by its name, or any
other file, by its path. Its arguments are the graph with the smallest channel sizes, the architecture, the options of
the user (see `mapping.placement.read_options`) and the seed of anything random.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from mapping.graph import Graph
from mapping.placement import Options, Placement
from pyimc.arch import Arch
from pyimc.errors import ConfigError

Strategy = Callable[[Graph, Arch, Options, int], Placement]


def names() -> tuple[str, ...]:
    """All strategies, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def find(name: str) -> Strategy:
    """The strategy of that name, or of that path if it ends in `.py`; raises ConfigError if there is none."""
    if name.endswith(".py"):
        return _load(Path(name))
    if name not in names():
        raise ConfigError(f"unknown strategy '{name}'; known: {', '.join(names())}, or the path of a .py file")
    strategy: Strategy = importlib.import_module(f"{__name__}.{name}").place
    return strategy


def draws(name: str) -> bool:
    """Whether a strategy depends on the seed: then its file says `DRAWS = True`; raises ConfigError as `find`."""
    return bool(getattr(sys.modules[find(name).__module__], "DRAWS", False))


def _load(path: Path) -> Strategy:
    if not path.is_file():
        raise ConfigError(f"strategy {path}: no such file")
    module = ModuleType(str(path))
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(f"strategy {path}: it cannot be loaded ({reason})") from error
    place: Strategy | None = getattr(module, "place", None)
    if not callable(place):
        raise ConfigError(f"strategy {path}: has no function place(graph, arch, options, seed)")
    return place

"""Placement strategies: which processing unit hosts which node.

A strategy is a Python file, a module of this package by its name or any other file by its path, with a function
`place` of type `Place`: it gets the graph, the architecture, the options of the user (see
`mapping.placement.ledger.read_options`) and the seed of anything random. `DRAWS = True` says that it uses the seed.

The graph's channels ask for room for a row of slack or, if `place` finds none and is called again, for their smallest
sizes. `PROVES = True` says that placements carry a bound; it is to hold for all that fits, so only the smallest sizes
are asked for.

A strategy that also cuts layers, or chooses grain, buffers and priorities, has a function `plan` of type `Planner` as
well, which is called instead: it gets the network, and the settings that the user has asked for.
"""

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from mapping.actors.graph import Graph
from mapping.actors.plan import Plan
from mapping.placement.fixed import SUFFIXES, Fixed, read_placement
from mapping.placement.ledger import Options, Placement
from pyimc.arch import Arch
from pyimc.errors import ConfigError, ImcError, StrategyError
from pyimc.network import Network

Place = Callable[[Graph, Arch, Options, int], Placement]
Planner = Callable[[Network, Arch, Options, int, Options], Plan]


@dataclass(frozen=True, slots=True)
class Strategy:
    """The functions of a strategy.

    Attributes:
        place: Places the nodes of a graph.
        plan: Says everything about a deployment; None: `place` on the network as it is.
        draws: It depends on the seed; its file says `DRAWS = True`.
        proves: Its placements carry a bound; its file says `PROVES = True`.
    """

    place: Place
    plan: Planner | None
    draws: bool
    proves: bool


def names() -> tuple[str, ...]:
    """All strategies, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def find(name: str) -> Strategy:
    """The strategy of that name, or of that path if it ends in `.py`, or a placement file (`mapping.placement.fixed`).

    Raises:
        ConfigError: There is none.
    """
    if name.endswith(SUFFIXES):
        return as_placed(read_placement(Path(name)))
    if name.endswith(".py"):
        module = _load(Path(name))
    elif name in names():
        module = importlib.import_module(f"{__name__}.{name}")
    else:
        raise ConfigError(f"unknown strategy '{name}'; known: {', '.join(names())}, or the path of a .py file")
    draws, proves = (bool(getattr(module, flag, False)) for flag in ("DRAWS", "PROVES"))
    place, plan = module.place, getattr(module, "plan", None)
    if name.endswith(".py"):
        place = guarded(name, place, Placement)
        plan = guarded(name, plan, Plan) if plan else None
    return Strategy(place, plan, draws, proves)


def as_placed(placement: Fixed) -> Strategy:
    """A placement that is known already, as a strategy."""
    return Strategy(_nothing, placement.plan, draws=False, proves=False)


def _nothing(graph: Graph, arch: Arch, options: Options, seed: int) -> Placement:
    raise AssertionError("a placement file is a plan")


def guarded(path: str, function: Callable[..., Any], wanted: type) -> Callable[..., Any]:
    """The function of a user's file; whatever goes wrong in it is a StrategyError that says where."""

    def call(*arguments: Any) -> Any:
        try:
            found = function(*arguments)
        except ImcError:  # what does not fit, say
            raise
        except Exception as error:
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
            said = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise StrategyError(f"{path}:{lines[-1] if lines else '?'}: {function.__name__} raised {said}") from error
        if not isinstance(found, wanted):
            line = function.__code__.co_firstlineno
            raise StrategyError(
                f"{path}:{line}: {function.__name__} returned {type(found).__name__}, a {wanted.__name__} is needed"
            )
        return found

    return call


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"strategy {path}: no such file")
    module = ModuleType(str(path))
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(f"strategy {path}: it cannot be loaded ({reason})") from error
    if not callable(getattr(module, "place", None)):
        raise ConfigError(f"strategy {path}: has no function place(graph, arch, options, seed)")
    return module

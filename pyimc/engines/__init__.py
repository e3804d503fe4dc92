"""What is on a processing unit besides its shell: a folder per kind, found by being in this package.

A folder has `ENGINE`, its kind in a few words (`engine.Engine`), and `task.py`: what an actor asks of it, as tables and
as cycles (`task.Task`). Which operators a kind computes is said by the files of `mapping/operators/`. Further kinds
come from installed packages: an entry point of the group `pyimc.engines` names an `ENGINE`.
"""

import importlib
import pkgutil
from importlib.metadata import entry_points

from pyimc.engines.engine import Engine


def _numbered(engines: list[Engine]) -> dict[str, Engine]:
    return {engine.kind: engine for engine in sorted(engines, key=lambda engine: engine.number)}


BUILT_IN: dict[str, Engine] = _numbered(
    [importlib.import_module(f"{__name__}.{info.name}").ENGINE for info in pkgutil.iter_modules(__path__) if info.ispkg]
)
"""The kinds that have a folder here, by name."""

ENGINES: dict[str, Engine] = _numbered(
    [*BUILT_IN.values(), *(point.load() for point in entry_points(group="pyimc.engines"))]
)
"""Every kind, by name."""

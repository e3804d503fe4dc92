"""What is on a processing unit besides its shell: a folder per kind, found by being in this package.

A folder has `ENGINE`, its kind in a few words (`engine.Engine`), and `task.py`: what an actor asks of it, as tables and
as cycles (`task.Task`). Which operators a kind computes is said by the files of `mapping/operators/`.
"""

import importlib
import pkgutil

from pyimc.engines.engine import Engine

ENGINES: dict[str, Engine] = {
    engine.kind: engine
    for info in pkgutil.iter_modules(__path__)
    if info.ispkg
    for engine in [importlib.import_module(f"{__name__}.{info.name}").ENGINE]
}
"""Every kind, by name."""

# SPDX-License-Identifier: Apache-2.0
"""Engines beside the crossbars' and the vector engine: each kind's module has `accept`, `step`, `stays`.

accept(s, u, row, at, now)   a firing, actor row and instruction, is accepted in cycle `now`
step(s, u, taken, now)       one cycle; leaves in P_OFFERED what the packer is offered in the next one
stays(s, u, now)             it has something to do in the next cycle
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyimc.cycle.jit import cold
from pyimc.cycle.state import P_KIND
from pyimc.engines import ENGINES

MODULES = {engine.number: importlib.import_module(engine.cycle) for engine in ENGINES.values() if engine.cycle}
FILES = tuple(Path(str(module.__file__)) for module in MODULES.values())
"""What the compiled loop depends on, besides this package."""


def _chosen(name: str, arguments: str, otherwise: str) -> Callable[..., Any]:
    """One compiled function for all kinds: it asks for the kind of the unit."""
    names: dict[str, Any] = {f"{name}_{number}": getattr(module, name) for number, module in MODULES.items()}
    lines = [f"def {name}(s, u, {arguments}):"]
    for number in MODULES:
        lines += [f"    if s[u + P_KIND] == {number}:", f"        return {name}_{number}(s, u, {arguments})"]
    namespace = {**names, "P_KIND": P_KIND}
    exec("\n".join([*lines, f"    return {otherwise}"]), namespace)
    chosen: Callable[..., Any] = cold(namespace[name])
    return chosen


accept = _chosen("accept", "row, at, now", "None")
step = _chosen("step", "taken, now", "None")
stays = _chosen("stays", "now", "False")

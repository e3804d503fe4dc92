"""The kinds of nodes that a network is made of: a file each, found by being in this package.

Further kinds come from installed packages: an entry point of the group `pyimc.operators` names a class.

A kind says its shape, its faults, its work and its meaning (`operator.Operator`); on the side of the compiler a file of
the same name in `mapping/operators/` says which engine computes it and how.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from inspect import isabstract

from pyimc.operators.operator import Operator


def _found() -> Iterator[type[Operator]]:
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for member in vars(module).values():
            if isinstance(member, type) and issubclass(member, Operator) and member.__module__ == module.__name__:
                yield member
    for point in entry_points(group="pyimc.operators"):
        yield point.load()


KINDS: dict[str, type[Operator]] = {kind.__name__: kind for kind in _found() if not isabstract(kind)}
"""Every kind, by name."""

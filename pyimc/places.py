"""Where pyimc's files lie: `rtl/`, `mapping/`, `sim/` beside this package in a repository, inside of it in a wheel.

A wheel must not take the names `sim` and `mapping` from others, so there they are `pyimc.sim` and `pyimc.mapping`. Who
writes a strategy, or a script, spells them like that and is right in both: `import pyimc` in a repository makes the
longer names lead to the same modules (docs/adr/0016).
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
IMPORTED = HERE.parent
"""What is on Python's path."""
INSTALLED = (HERE / "rtl").is_dir()
ROOMS = ("mapping", "sim")


def place(name: str) -> Path:
    """A file or folder by its path in the repository, such as `rtl/pu.v` or `pyimc/configs`."""
    return (HERE if INSTALLED and not name.startswith("pyimc/") and name != "pyimc" else IMPORTED) / name


def open_rooms() -> None:
    """In a repository: `pyimc.sim.x` is `sim.x`, `pyimc.mapping.x` is `mapping.x`."""
    if not INSTALLED:
        sys.meta_path.insert(0, _Rooms())


class _Rooms(MetaPathFinder, Loader):
    """Finds a module under its longer name, as the very same object."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for whatever is in no room."""
        first, _, rest = fullname.partition(".")
        if first != __package__ or rest.split(".")[0] not in ROOMS:
            return None
        return spec_from_loader(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module of the shorter name, whose spec is put aside: the import system writes another one over it."""
        module = importlib.import_module(spec.name.partition(".")[2])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run already."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state

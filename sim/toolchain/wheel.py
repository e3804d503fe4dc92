"""Builds the wheel: the repository's folders inside of the one package `pyimc`, and its imports with them.

Hatchling calls it (`[tool.hatch.build.targets.wheel.hooks.custom]`). A repository has `sim`, `mapping` and `rtl` beside
`pyimc`; a wheel that installed those names would meet other people's. So `sim/x.py` goes to `pyimc/sim/x.py`
with `from sim.y` become `from pyimc.sim.y`; nothing else of a file changes, not even the number of its lines.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOMS = ("mapping", "sim")
DATA = ("rtl", "examples")
# What installs, lints, proves and synthesises a repository.
LEFT_OUT = (
    "sim/toolchain/bootstrap.py", "sim/toolchain/lint_rtl.py", "sim/toolchain/prove.py", "sim/toolchain/synth.py",
    "sim/toolchain/wheel.py", "rtl/formal",
)  # fmt: skip


class RoomsHook(BuildHookInterface[Any]):
    """Adds the rooms to a wheel; an editable installation is the repository itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling."""
        if version != "standard":
            return
        root = Path(self.root)
        scratch = root / "build" / "wheel"
        for name in sorted(contents(root)):
            source = root / name
            if name.endswith(".py") and name.split("/")[0] in ROOMS:
                moved = scratch / name
                moved.parent.mkdir(parents=True, exist_ok=True)
                moved.write_text(inside(source.read_text(encoding="utf-8"), name), encoding="utf-8")
                source = moved
            build_data["force_include"][str(source)] = f"pyimc/{name}"


def contents(root: Path) -> set[str]:
    """The files of a repository that go into the package besides those of `pyimc/`."""
    files = (path for folder in (*ROOMS, *DATA) for path in (root / folder).rglob("*") if path.is_file())
    names = {path.relative_to(root).as_posix() for path in files if "__pycache__" not in path.parts}
    return {name for name in names if not name.startswith(LEFT_OUT)}


def inside(text: str, name: str = "text") -> str:
    """A module's text as it is inside of `pyimc`.

    Raises:
        ValueError: It binds the name of a room, which would be another one there.
    """
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and any(
            alias.name.split(".")[0] in ROOMS and (alias.asname is None or len(node.names) > 1) for alias in node.names
        ):
            raise ValueError(f"{name}:{node.lineno}: write `from x import y`, or `import x as y` alone")
        imported = node.names[0].name if isinstance(node, ast.Import) else getattr(node, "module", None)
        if not isinstance(node, (ast.Import, ast.ImportFrom)) or (imported or "").split(".")[0] not in ROOMS:
            continue
        line, column = lines[node.lineno - 1], node.col_offset
        word = "import " if isinstance(node, ast.Import) else "from "
        head = line.encode()[:column].decode()  # ast counts bytes
        tail = line[len(head) :]
        assert tail.startswith(f"{word}{imported}"), f"{name}:{node.lineno}: {line}"
        lines[node.lineno - 1] = f"{head}{word}pyimc.{tail.removeprefix(word)}"
    return "".join(lines)

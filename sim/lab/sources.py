"""What a file depends on: hashes of the sources that decide the figures of a row.

A row of one strategy is not measured again because another strategy has changed.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pyimc.places import IMPORTED, place


@cache
def hashed(*places: str) -> str:
    """sha256 of files, with all of this repository that they import, and of all files in folders."""
    digest = hashlib.sha256()
    for path in sorted({file for each in places for file in _files(place(each))}):
        digest.update(f"{path.relative_to(IMPORTED)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> set[Path]:
    if path.is_dir():
        return {file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    found, todo = set[Path](), {path}
    while todo:
        found |= todo
        todo = {module for file in todo for module in _imports(file)} - found
    return found


def _imports(file: Path) -> Iterator[Path]:
    """Modules of this repository that a file imports, wherever in it, and the packages that they are in."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                module = IMPORTED.joinpath(*parts[:end])
                yield from (path for path in (module.with_suffix(".py"), module / "__init__.py") if path.is_file())

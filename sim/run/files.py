"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write_bytes(path: Path, contents: bytes) -> None:
    """Writes a file in one step."""
    scratch = path.with_name(f".{path.name}")
    scratch.write_bytes(contents)
    scratch.replace(path)

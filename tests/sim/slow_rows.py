"""Rows that take their time and say which process has measured them, for tests/sim/test_cluster.py."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """A number."""

    number: int

    def key(self) -> str:
        """Of its file."""
        return f"row{self.number}"

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return {"number": self.number}


@dataclass(frozen=True, slots=True)
class Figures:
    """Its square, and who has found it."""

    square: int
    process: int


def measure(case: Case, folder: Path) -> Figures:
    """Takes a second; leaves a file that says that it has begun."""
    folder.with_suffix(f".begun.{os.getpid()}").write_text("")
    time.sleep(1)
    return Figures(case.number**2, os.getpid())


def deadly(case: Case, folder: Path) -> Figures:
    """Row 1 ends every process that measures it."""
    if case.number == 1:
        os._exit(1)
    return measure(case, folder)


def wrong(case: Case, folder: Path) -> Figures:
    """Raises."""
    raise ValueError(f"row {case.number}")

"""Rows of figures, each under the key of all that decides it: those that an earlier call has left, and the others,
measured by several workers. Comparison and studies are such rows.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from sim.lab.workers import Workers, finished


class Case(Protocol):
    """What to measure: a dataclass that can be sent to another process."""

    def key(self) -> str:
        """A file name, from all that decides the figures, the sources included."""

    def said(self) -> dict[str, Any]:
        """The case for readers of its file, as JSON."""


C = TypeVar("C", bound=Case)
F = TypeVar("F")


@dataclass(frozen=True)  # slots and a subscripted generic do not go together
class Row(Generic[C, F]):
    """A case and what it gave: figures, or the reason why there are none."""

    case: C
    figures: F | None
    reason: str


@dataclass(frozen=True, slots=True)
class Experiment(Generic[C, F]):
    """How the rows of a kind come about.

    Attributes:
        measure: From a case and a folder of its own to its figures, or to one line that says why there are none; a
            function of a module, so that other processes find it.
        figures: The dataclass of the figures.
        folder: Where rows are kept.
    """

    measure: Callable[[C, Path], F | str]
    figures: type[F]
    folder: Path

    def rows(
        self, cases: Sequence[C], workers: Workers, say: Callable[[int], None] = lambda done: None
    ) -> list[Row[C, F]]:
        """Measures what no earlier call has; every finished row is kept at once, so that a call can be cut short.

        Args:
            cases: What to measure; the rows come in their order.
            workers: Who measures; see `sim.lab.workers`.
            say: Told how many rows there are whenever there is one more.

        Raises:
            ImcError: What `measure` raises; ToolError if a worker died or there are none.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        paths = [self.folder / f"{case.key()}.json" for case in cases]
        distinct = dict(zip(paths, cases, strict=True))
        missing = [(case, path) for path, case in distinct.items() if not path.is_file()]
        done = len(distinct) - len(missing)
        say(done)
        for _ in finished(self._measure_and_keep, missing, workers):
            say(done := done + 1)
        return [self._read(case, path) for case, path in zip(cases, paths, strict=True)]

    def _measure_and_keep(self, case: C, path: Path) -> None:
        if path.is_file():  # by a worker that died before it could say so
            return
        found = self.measure(case, path.with_suffix(""))
        kept = {"reason": found} if isinstance(found, str) else {"figures": asdict(found)}  # type: ignore[call-overload]
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        scratch.write_text(json.dumps({"case": case.said()} | kept, indent=1) + "\n")
        scratch.replace(path)

    def _read(self, case: C, path: Path) -> Row[C, F]:
        kept = json.loads(path.read_text())
        figures = TypeAdapter(self.figures).validate_python(kept["figures"]) if "figures" in kept else None
        return Row(case, figures, kept.get("reason", ""))


def key_of(said: dict[str, Any]) -> str:
    """sha256 of what decides a row."""
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()

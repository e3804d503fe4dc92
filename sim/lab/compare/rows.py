"""Rows of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sim.lab import rows as lab
from sim.lab.compare.case import Case
from sim.lab.compare.measure import Figures, measure
from sim.lab.workers import Workers

Row = lab.Row[Case, Figures]


def rows(cases: Sequence[Case], folder: Path, jobs: Workers, say: Callable[[int], None]) -> list[Row]:
    """The rows of these cases, kept in `folder`; see `sim.lab.rows`."""
    return lab.Experiment(measure, Figures, folder).rows(cases, jobs, say)

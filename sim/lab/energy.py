# SPDX-License-Identifier: Apache-2.0
"""`pyimc energy`: parameters of a table of costs from measured chips, and how far the fit is from each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyimc.energy.fit import Fit, fit, load_rows


def fit_lines(path: Path) -> Iterator[str]:
    """A Markdown table, a line for every quantity of a file of measured rows."""
    yield "| measured | unit | parameters | residual of each row | rms |"
    yield "|---|---|---|---|---:|"
    for found in map(fit, load_rows(path)):
        yield _line(found)


def _line(found: Fit) -> str:
    parameters = ", ".join(f"{term} {value:.4g}" for term, value in found.parameters.items())
    residuals = " ".join(f"{100 * residual:+.1f}" for residual in found.residuals)
    return f"| {found.rows.name} | {found.rows.unit} | {parameters} | {residuals} % | {found.rms:.1%} |"

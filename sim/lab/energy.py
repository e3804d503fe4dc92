# SPDX-License-Identifier: Apache-2.0
"""`pyimc energy`: parameters of a table of costs from measured chips, and how far the fit is from each of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyimc.energy.fit import SILICON, Fit, fit, load_rows
from sim.arguments import json_argument

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Any]


def add_energy(commands: Commands) -> None:
    """Declares `pyimc energy`."""
    what = commands.add_parser("energy", help="parameters of a table of costs").add_subparsers(
        required=True, metavar="what"
    )
    fitting = what.add_parser("fit", help="fit parameters to measured rows by least squares and print the residuals")
    fitting.add_argument("rows", type=Path, nargs="?", default=SILICON, help="a .yaml file (default: measured chips)")
    json_argument(fitting)
    fitting.set_defaults(command=_fit)


def _fit(parsed: argparse.Namespace) -> None:
    if parsed.json:
        print(json.dumps([record(found) for found in map(fit, load_rows(parsed.rows))], indent=1))
    else:
        print("\n".join(fit_lines(parsed.rows)))


def fit_lines(path: Path) -> Iterator[str]:
    """A Markdown table, a line for every quantity of a file of measured rows."""
    yield "| measured | unit | parameters | residual of each row | rms |"
    yield "|---|---|---|---|---:|"
    for found in map(fit, load_rows(path)):
        yield _line(found)


def record(found: Fit) -> dict[str, Any]:
    """As JSON; residuals are shares of what was measured."""
    return {
        "measured": found.rows.name, "unit": found.rows.unit, "parameters": dict(found.parameters),
        "residuals": [float(residual) for residual in found.residuals], "rms": float(found.rms),
    }  # fmt: skip


def _line(found: Fit) -> str:
    parameters = ", ".join(f"{term} {value:.4g}" for term, value in found.parameters.items())
    residuals = " ".join(f"{100 * residual:+.1f}" for residual in found.residuals)
    return f"| {found.rows.name} | {found.rows.unit} | {parameters} | {residuals} % | {found.rms:.1%} |"

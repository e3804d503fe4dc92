"""`pyimc explain` and `pyimc diff`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sim.arguments import json_argument
from sim.report.diff import diff, read_run
from sim.report.explain import IMAGES, explain, lines
from sim.run.progress import terminal

FEWEST_IMAGES = 4
"""That have an interval with the chip full."""


def add_report_commands(commands: Any) -> None:
    """Adds both to the subparsers of the command line."""
    explaining = commands.add_parser("explain", help="say why a run is not faster, and measure what would help")
    explaining.add_argument("run", type=Path, help="a folder such as build/digits-default-lblp-cycle")
    explaining.add_argument("--images", type=int, default=IMAGES, help=f"for every lever (default {IMAGES})")
    json_argument(explaining)
    explaining.set_defaults(command=_explain)

    differ = commands.add_parser("diff", help="say what changed from one run to another: plan, cycles, values")
    differ.add_argument("first", type=Path)
    differ.add_argument("second", type=Path)
    json_argument(differ)
    differ.set_defaults(command=_diff)


def _explain(parsed: argparse.Namespace) -> None:
    program, _ = read_run(parsed.run)
    console = terminal(aside=parsed.json)
    with console.status("running") as status:
        found = explain(program, max(FEWEST_IMAGES, parsed.images), status.update)
    if parsed.json:
        print(json.dumps({"lines": list(lines(found)), "gains": [asdict(gain) for gain in found.gains]}, indent=1))
        return
    for line in lines(found):
        console.print(line)


def _diff(parsed: argparse.Namespace) -> None:
    if parsed.json:
        print(json.dumps(list(diff(parsed.first, parsed.second)), indent=1))
        return
    console, count = terminal(), 0
    for line in diff(parsed.first, parsed.second):
        console.print(line)
        count += 1
    console.print(f"{count} changes" if count else "nothing changed")

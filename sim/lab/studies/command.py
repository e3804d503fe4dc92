"""`pyimc study`: runs studies and rewrites their sections of docs/results.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sim.lab.results_page import PAGE, replace_section
from sim.lab.studies import buffers, dataflow, packing, split, travel
from sim.lab.workers import Workers

STUDIES: dict[str, Callable[[Workers, Path], str]] = {
    "split": split.study,
    "dataflow": dataflow.study,
    "buffers": buffers.study,
    "packing": packing.study,
    "travel": travel.study,
}
"""By name: from the number of processes and a folder for plots to the text of a section."""


def study(names: Sequence[str], jobs: Workers) -> None:
    """Runs the studies of these names, or all, and rewrites section `study-<name>` of each."""
    for name in names or STUDIES:
        replace_section(f"study-{name}", STUDIES[name](jobs, PAGE.parent / "plots"))
        print(f"{name}: {PAGE}", flush=True)

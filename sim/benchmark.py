"""Measures the figures of docs/results.md: each command runs as a process of its own, and the page is rewritten."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyimc.errors import ToolError
from sim.results_page import replace_section

RUNS = (
    ("resnet18", "lblp"),
    ("resnet18", "round_robin"),
    ("resnet8", "lblp"),
    ("resnet8", "round_robin"),
    ("digits", "lblp"),
)


@dataclass(frozen=True, slots=True)
class Process:
    """A finished command: wall seconds, and the largest resident set of it and its children."""

    seconds: float
    peak_bytes: int


def measure(arguments: list[str]) -> Process:
    """Runs `pyimc` with the arguments.

    Raises:
        ToolError: It did not exit with 0.
    """
    start = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "sim.cli", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise ToolError(f"pyimc {' '.join(arguments)} exited with {os.waitstatus_to_exitcode(status)}")
    return Process(time.monotonic() - start, usage.ru_maxrss * 1024)


def benchmark() -> None:
    """Runs everything (several minutes) and rewrites the measured section of docs/results.md."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        f"Measured on {machine}.",
        "",
        "| command | latency (cycles) | interval (cycles) | run (s) | cycles/s | M MAC/s | s/image | in all (s) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for model, strategy in RUNS:
        process = measure(["sim", "--model", model, "--strategy", strategy])
        report = json.loads(Path(f"build/{model}-default-{strategy}-rtl/result.json").read_text())
        print(f"{model} {strategy}: {process.seconds:.1f} s", flush=True)
        lines.append(_row(model, strategy, report, process))
    process = measure(["compile", "--model", "resnet18"])
    lines += [
        "",
        "| command | seconds | peak memory (MB) |",
        "|---|---|---|",
        f"| `pyimc compile --model resnet18` (import, calibration, check, Program) | {process.seconds:.1f} "
        f"| {process.peak_bytes / 1e6:.0f} |",
    ]
    replace_section("bench", "\n".join(lines))


def _row(model: str, strategy: str, report: dict[str, Any], process: Process) -> str:
    run = report["wall_seconds"]["run"]
    return (
        f"| `make sim MODEL={model} STRATEGY={strategy}` | {report['latency_cycles']} | {report['interval_cycles']} "
        f"| {run:.1f} | {report['cycles_per_second']:.0f} | {report['macs_per_second'] / 1e6:.1f} "
        f"| {run / report['images']:.1f} | {process.seconds:.1f} |"
    )

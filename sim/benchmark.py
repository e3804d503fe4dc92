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

from pyimc.arch import load_arch
from pyimc.errors import ToolError
from sim.results_page import replace_section

RTL_RUNS = (("resnet18", "lblp"), ("resnet8", "lblp"), ("resnet8", "round_robin"), ("digits", "lblp"))
CYCLE_RUNS = (
    ("resnet18", "lblp", "default"),
    ("resnet18", "round_robin", "default"),
    ("resnet18", "lblp", "examples/large.yaml"),
    ("resnet8", "lblp", "default"),
    ("resnet8", "round_robin", "default"),
    ("digits", "lblp", "default"),
)
CYCLE_IMAGES = 20


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
    """Runs everything (several minutes) and rewrites the measured sections of docs/results.md."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        f"Measured on {machine}.",
        "",
        "| command | latency (cycles) | interval (cycles) | run (s) | cycles/s | M MAC/s | s/image | in all (s) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    speeds = {}
    for model, strategy in RTL_RUNS:
        report, process = _run(model, strategy, "default", "rtl")
        speeds[model, strategy, "default"] = report["cycles_per_second"]
        lines.append(_rtl_row(f"make sim MODEL={model} STRATEGY={strategy}", report, process))
    process = measure(["compile", "--model", "resnet18"])
    lines += [
        "",
        "| command | seconds | peak memory (MB) |",
        "|---|---|---|",
        f"| `pyimc compile --model resnet18` (import, calibration, check, Program) | {process.seconds:.1f} "
        f"| {process.peak_bytes / 1e6:.0f} |",
    ]
    replace_section("bench", "\n".join(lines))
    lines = [
        "| command | latency (cycles) | interval (cycles) | M cycles/s | times RTL | peak memory (MB) |",
        "|---|---|---|---|---|---|",
    ]
    for model, strategy, arch in CYCLE_RUNS:
        report, process = _run(model, strategy, arch, "cycle")
        command = f"make sim LEVEL=cycle IMAGES={CYCLE_IMAGES} MODEL={model} STRATEGY={strategy}"
        command += "" if arch == "default" else f" ARCH={arch}"
        speed, rtl = report["cycles_per_second"], speeds.get((model, strategy, arch))
        lines.append(
            f"| `{command}` | {report['latency_cycles']} | {report['interval_cycles']} | {speed / 1e6:.2f} "
            f"| {f'{speed / rtl:.0f}' if rtl else '-'} | {process.peak_bytes / 1e6:.0f} |"
        )
    replace_section("cycle", "\n".join(lines))


def _run(model: str, strategy: str, arch: str, level: str) -> tuple[dict[str, Any], Process]:
    arguments = ["sim", "--model", model, "--strategy", strategy, "--arch", arch, "--level", level]
    process = measure([*arguments, *(["--images", str(CYCLE_IMAGES)] if level == "cycle" else [])])
    folder = Path("build") / f"{model}-{load_arch(arch).name}-{strategy}-{level}"
    print(f"{folder.name}: {process.seconds:.1f} s", flush=True)
    return json.loads((folder / "result.json").read_text()), process


def _rtl_row(command: str, report: dict[str, Any], process: Process) -> str:
    run = report["wall_seconds"]["run"]
    return (
        f"| `{command}` | {report['latency_cycles']} | {report['interval_cycles']} | {run:.1f} "
        f"| {report['cycles_per_second']:.0f} | {report['macs_per_second'] / 1e6:.1f} "
        f"| {run / report['images']:.1f} | {process.seconds:.1f} |"
    )

"""Runs `pyimc` commands as processes of their own and measures them."""

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
from sim.run.folder import BUILD

COMMAND = __name__.replace(".run.measure", ".cli")
"""The command line's module."""
LAUNCHER = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024)
"""
"""A small process between: the peak of a process begins with that of the one that started it."""


@dataclass(frozen=True, slots=True)
class Process:
    """A finished command: wall seconds, and the largest resident set of any process in it."""

    seconds: float
    peak_bytes: int

    @property
    def peak_mb(self) -> str:
        """For a table, in MB of 10^6 bytes."""
        return f"{self.peak_bytes / 1e6:.0f}"


def measure(*arguments: object) -> Process:
    """Runs `pyimc` with the arguments.

    Raises:
        ToolError: It did not exit with 0.
    """
    words = [str(argument) for argument in arguments]
    start = time.monotonic()
    command = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", COMMAND, *words]
    exit_code, peak_bytes = map(int, subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split())
    if exit_code:
        raise ToolError(f"pyimc {' '.join(words)} exited with {exit_code}")
    seconds = time.monotonic() - start
    print(f"pyimc {' '.join(words)}: {seconds:.1f} s", flush=True)
    return Process(seconds, peak_bytes)


def run_folder(model: str, arch: str, strategy: str, level: str) -> Path:
    """Where a measurement leaves a run."""
    return BUILD / f"{model}-{load_arch(arch).name}-{strategy}-{level}"


def report(folder: Path) -> dict[str, Any]:
    """The `result.json` of a run."""
    contents: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return contents


def machine() -> str:
    """What the seconds depend on."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"Measured on {system}, Python {platform.python_version()}."

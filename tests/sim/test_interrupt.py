# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, once, at any moment: one line, exit code 130, no process left, nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.entry import INTERRUPTED, TERMINATED
from tests.sim.runs import ROOT, pyimc
from tests.sim.test_simulators import needs_verilator

COMMAND = (sys.executable, "-m", "sim.entry", "sim", "--model", "digits", "--arch", "tiny")


def children_of(folder: Path) -> list[str]:
    """Command lines of simulators that run in a folder or have files of it open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where, words = os.readlink(process / "cwd"), (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if where.startswith(str(folder.resolve())) and words[0] and int(process.name) != os.getpid():
            found.append(b" ".join(words).decode(errors="replace"))
    return found


def interrupted(
    workspace: Path, ready: Callable[[], bool], number: int, simulator: str = "icarus", images: int = 300
) -> tuple[int, str]:
    """Sends a signal to a run once it is ready for it; returns its exit code and what it said."""
    command = (*COMMAND, "--sim", simulator, "--images", str(images))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not ready():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert not children_of(workspace)
    return process.returncode, said


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)], ids=["ctrl-c", "terminated"]
)
@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=needs_verilator)])
def test_while_the_simulator_runs(workspace: Path, number: int, code: int, simulator: str) -> None:
    assert pyimc(*COMMAND[3:], "--sim", simulator, "--images", "1").code == 0  # the chip is compiled
    folder = Path("build/digits-tiny-lblp-rtl")
    (folder / "progress.json").unlink(missing_ok=True)
    before = time.monotonic()
    found, said = interrupted(workspace, (folder / "progress.json").is_file, number, simulator)
    assert (found, said.count("\n")) == (code, 1) and said.startswith("pyimc: "), said
    assert time.monotonic() - before < 120
    assert not (folder / "result.json").exists() and not (folder / "outcome.json").exists()


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_while_it_prepares(workspace: Path, seconds: float) -> None:
    start = time.monotonic()
    found, said = interrupted(workspace, lambda: time.monotonic() - start > seconds, signal.SIGINT)
    assert (found, said.count("\n")) == (INTERRUPTED, 1), said


def test_in_the_middle_of_a_dataclass(tmp_path: Path) -> None:
    """While a text is executed: Python run with -m then ends by the signal unless it is told otherwise."""
    (tmp_path / "interrupted.py").write_text(
        "import sim.cli, sim.entry, sys\n"
        "sim.cli.main = lambda: exec('raise KeyboardInterrupt')\n"
        "sys.exit(sim.entry.main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = (sys.executable, "-m", "interrupted")
    ended = subprocess.run(command, env=environment, cwd=tmp_path, stderr=-1, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (INTERRUPTED, "pyimc: interrupted\n")

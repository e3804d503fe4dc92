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

COMMAND = (sys.executable, "-m", "sim.entry", "sim", "--model", "digits", "--arch", "tiny", "--images")


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


def interrupted(workspace: Path, ready: Callable[[], bool], number: int, images: int = 300) -> tuple[int, str]:
    """Sends a signal to a run once it is ready for it; returns its exit code and what it said."""
    process = subprocess.Popen(
        (*COMMAND, str(images)), env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
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
def test_while_the_simulator_runs(workspace: Path, number: int, code: int) -> None:
    assert pyimc(*COMMAND[3:], "1").code == 0  # the chip is compiled
    folder = Path("build/digits-tiny-lblp-rtl")
    (folder / "progress.json").unlink(missing_ok=True)
    before = time.monotonic()
    found, said = interrupted(workspace, (folder / "progress.json").is_file, number)
    assert (found, said.count("\n")) == (code, 1) and said.startswith("pyimc: "), said
    assert time.monotonic() - before < 120
    assert not (folder / "result.json").exists() and not (folder / "outcome.json").exists()


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_while_it_prepares(workspace: Path, seconds: float) -> None:
    start = time.monotonic()
    found, said = interrupted(workspace, lambda: time.monotonic() - start > seconds, signal.SIGINT)
    assert (found, said.count("\n")) == (INTERRUPTED, 1), said

"""Copies of the checkout, one per worker, in which one file is broken at a time and tests are run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("rtl", "sim", "pyimc", "mapping", "tests", "pyproject.toml")
PATIENCE = 4.0  # times what the test takes on the sound RTL
LEAST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test said, or that it did not come to an end; `why` is the line that says so."""

    test: str
    passed: bool
    seconds: float
    why: str


class Copy:
    """A copy of what the tests need, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)

    def write(self, file: str, text: str) -> None:
        """Breaks a file, or mends it."""
        (self.folder / file).write_text(text)

    def elaborates(self, file: str) -> bool:
        """Whether the file's module, with everything below it, is still Verilog."""
        command = ["iverilog", "-g2005", "-tnull", "-y", "rtl", "-I", "rtl", "-s", Path(file).stem, file]
        return subprocess.run(command, cwd=self.folder, capture_output=True, check=False).returncode == 0

    def run(self, test: str, patience: float | None = None) -> Verdict:
        """One test file or function; lint and slow tests are left out.

        Raises:
            ValueError: It neither passed nor failed: no such test, say.
        """
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=line", "-p", "no:cacheprovider"]
        command += ["-k", "not lint and not refused", "-m", "not slow", test]
        begin = time.monotonic()
        # a session of its own, so that simulators end with the test that is given up
        with subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                said = process.communicate(timeout=patience)[0]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return Verdict(test, passed=False, seconds=time.monotonic() - begin, why="no end")
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode not in (0, 1):
            raise ValueError(f"{test}: pytest ended with {process.returncode}\n{said[-2000:]}")
        lines = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return Verdict(test, process.returncode == 0, time.monotonic() - begin, lines[0] if lines else "")

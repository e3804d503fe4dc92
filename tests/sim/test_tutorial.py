# SPDX-License-Identifier: Apache-2.0
"""docs/tutorial.md does what it says: its files are written and its commands run, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.runs import ROOT

BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXT = (ROOT / "docs" / "tutorial.md").read_text()
LEFT = (
    "mine.onnx", "program/manifest.json", "run/report.html", "build/sweep/sweep.csv", "build/sweep/sweep.svg",
    "build/compare/mine.svg", "build/compare/compare.html",
)  # fmt: skip


@pytest.mark.slow
def test_it_does_what_it_says(workspace: Path) -> None:
    blocks = BLOCK.findall(TEXT)
    assert len(blocks) == TEXT.count("```") / 2
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said: dict[str, str] = {}
    for language, name, text in blocks:
        if name:
            Path(name).write_text(text)
            continue
        assert language == "console"
        for command in text.splitlines():
            ran = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
            said[" ".join(command.split()[:2])] = ran.stdout
    assert said["pyimc validate"].splitlines()[-1] == "PASS"
    assert "classes" in said["pyimc show"]
    rows = Path("build/sweep/sweep.csv").read_text().splitlines()
    assert len(rows) == 1 + 8
    assert not [name for name in LEFT if not Path(name).is_file()]

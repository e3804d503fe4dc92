# SPDX-License-Identifier: Apache-2.0
"""The pages that teach do what they say: files are written and commands run, in order, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.runs import ROOT

BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT = (
    "mine.onnx", "program/manifest.json", "run/report.html", "build/sweep/sweep.csv", "build/sweep/sweep.svg",
    "build/compare/mine.svg", "build/compare/compare.html",
)  # fmt: skip


def _run(page: str) -> dict[str, str]:
    """Writes the files of a page and runs its commands; what each kind of command printed last."""
    text = (ROOT / "docs" / page).read_text()
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("```") / 2
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said: dict[str, str] = {}
    for language, name, lines in blocks:
        if name:
            Path(name).write_text(lines)
            continue
        assert language == "console"
        for command in lines.splitlines():
            ran = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
            said[" ".join(command.split()[:2])] = ran.stdout
    return said


@pytest.mark.slow
def test_the_tutorial(workspace: Path) -> None:
    said = _run("tutorial.md")
    assert said["pyimc validate"].splitlines()[-1] == "PASS"
    assert "classes" in said["pyimc show"]
    rows = Path("build/sweep/sweep.csv").read_text().splitlines()
    assert len(rows) == 1 + 8
    assert not [name for name in LEFT if not Path(name).is_file()]


@pytest.mark.slow
def test_extending(workspace: Path) -> None:
    said = _run("extending.md")
    runs = {name: json.loads(Path(name, "result.json").read_text()) for name in ("first", "second", "cheaper")}
    assert runs["first"]["latencies_cycles"] == runs["second"]["latencies_cycles"], (
        "a placement that is given back is the same schedule"
    )
    assert runs["cheaper"]["energy"]["costs"] == "mine"
    assert said["pyimc regress"].splitlines()[-1] == "PASS"

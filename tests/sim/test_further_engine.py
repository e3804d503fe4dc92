# SPDX-License-Identifier: Apache-2.0
"""A third kind of engine, from a package of its own, runs at every level; no file of the shell knows it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pyimc.engines import ENGINES

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "examples" / "negate_engine"


def _installed(folder: Path) -> dict[str, str]:
    """The environment of a Python in which the package is installed, as pip leaves it: its folder and its metadata."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    metadata = folder / "negate_engine-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(PACKAGE), str(folder)])}


@pytest.mark.slow
def test_values_and_cycles_of_a_third_kind_are_exact(tmp_path: Path) -> None:
    assert "negate" not in ENGINES, "it is known where it is installed, only"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.sim.negated", str(tmp_path / "run")], cwd=tmp_path, env=_installed(tmp_path),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    events, _, words, _ = ran.stdout.split()[-4:]
    assert int(events) > 100 and int(words) > 100


@pytest.mark.slow
def test_its_module_is_linted_and_synthesised_as_those_of_the_shell(tmp_path: Path) -> None:
    for command in (["lint_rtl", "negate_engine"], ["synth", "--arch", "tiny", "negate_engine"]):
        ran = subprocess.run(
            [sys.executable, "-m", f"sim.toolchain.{command[0]}", *command[1:]], cwd=ROOT, env=_installed(tmp_path),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0 and "negate_engine" in ran.stdout, ran.stdout + ran.stderr


def test_the_shell_does_not_know_it() -> None:
    files = [*(ROOT / "rtl").glob("*.v"), *(ROOT / "pyimc").rglob("*.py"), *(ROOT / "sim").rglob("*.py")]
    assert not [path for path in files if "negate_engine" in path.read_text()]

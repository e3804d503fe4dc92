# SPDX-License-Identifier: Apache-2.0
"""The wheel: one name, everything inside, and it works in an empty folder of a machine without the repository.

The environment is a new one. The packages that pyimc depends on are those of this environment, since a test downloads
nothing; the repository is not on its path.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import pyimc
import sim.lab.compare.case
from pyimc.places import place
from sim.toolchain.wheel import contents, inside

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this state."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in whose environment the wheel is installed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, capture_output=True, check=True)
    return python


def run(python: Path, folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of the environment, in a folder."""
    command = [str(python.parent / words[0]), *words[1:]]
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        command, cwd=folder, env={**outside, **variables}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_it_has_one_name_and_all_that_a_run_needs(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"pyimc"}
    assert wheel.name.startswith(f"pyimc-{pyimc.__version__}-")
    assert {f"pyimc/{name}" for name in contents(ROOT)} < names
    for name in (
        "rtl/pu.v", "rtl/imc_isa.vh", "sim/rtl/tb.v", "sim/run/bench.py", "configs/tiny.yaml", "energy/silicon.yaml",
        "mapping/models/digits/weights.npz", "mapping/models/photo.jpg", "examples/large.yaml",
    ):  # fmt: skip
        assert f"pyimc/{name}" in names
    assert not [name for name in names if "bootstrap" in name or "formal" in name or "__pycache__" in name]


@pytest.mark.slow
def test_it_runs_in_an_empty_folder(python: Path, tmp_path: Path) -> None:
    for level in ("cycle", "rtl"):
        said = run(python, tmp_path, "pyimc", "sim", "--model", "digits", "--arch", "tiny", "--level", level,
                   "--images", "2")  # fmt: skip
        assert said.returncode == 0, said.stderr
        assert said.stdout.splitlines()[-1] == "PASS"
        assert not said.stderr
    (rtl,) = (tmp_path / "build").glob("digits-*rtl*/result.json")
    (cycle,) = (tmp_path / "build").glob("digits-*cycle*/result.json")
    results = [json.loads(path.read_text()) for path in (rtl, cycle)]
    assert results[0]["latencies_cycles"] == results[1]["latencies_cycles"]
    assert all(node["values_compared"] for node in results[0]["nodes"].values())
    assert {path.name for path in tmp_path.iterdir()} == {"build"}


@pytest.mark.slow
def test_nothing_of_the_repository_is_in_it(python: Path, tmp_path: Path) -> None:
    code = (
        "import pyimc, pyimc.sim.api, pyimc.sim.cli, sys\n"
        f"assert pyimc.__version__ == {pyimc.__version__!r}\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('sim', 'mapping')]\n"
        f"assert not [module for module in sys.modules.values() if {str(ROOT / 'pyimc')!r} in str(module)]\n"
    )
    said = run(python, tmp_path, "python", "-c", code)
    assert said.returncode == 0, said.stderr


@pytest.mark.slow
def test_the_same_strategy_runs_beside_both(python: Path, tmp_path: Path) -> None:
    strategy = tmp_path / "mine.py"
    strategy.write_bytes((ROOT / "examples" / "first_fit.py").read_bytes())
    said = run(python, tmp_path, "pyimc", "compile", "--model", "digits", "--arch", "tiny", "--strategy", "mine.py")
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1].startswith("build/digits-tiny-mine-program ")


@pytest.mark.slow
@pytest.mark.parametrize("sim", ["icarus", "verilator"])
def test_what_the_machine_lacks_is_one_line(python: Path, tmp_path: Path, sim: str) -> None:
    said = run(python, tmp_path, "pyimc", "sim", "--model", "digits", "--sim", sim, PATH="/nowhere")
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert "apt-get install" in said.stderr


@pytest.mark.slow
def test_measurements_get_a_page_of_their_own(python: Path, tmp_path: Path) -> None:
    code = (
        "from pyimc.sim.lab.results_page import *\nfor text in 'ab':\n    replace_section('bench', text)\nprint(PAGE)"
    )
    said = run(python, tmp_path, "python", "-c", code)
    assert said.stdout == "build/results.md\n", said.stderr
    assert (tmp_path / "build" / "results.md").read_text() == "<!-- bench -->\nb\n<!-- /bench -->\n"


def test_the_long_names_are_the_same_modules() -> None:
    assert importlib.import_module("pyimc.sim.lab.compare.case") is sim.lab.compare.case
    assert importlib.import_module("pyimc.sim.lab.compare").case.Case is sim.lab.compare.case.Case
    assert sim.lab.compare.case.__spec__ is not None and sim.lab.compare.case.__spec__.name == "sim.lab.compare.case"
    assert place("rtl/pu.v").is_file() and place("pyimc/configs/tiny.yaml").is_file()


def test_only_imports_of_rooms_change() -> None:
    text = (
        '"""From sim."""\nfrom sim.a import b\nfrom simx import c\n\ndef f() -> None:\n    "é"; from mapping import d\n'
    )
    moved = inside(text)
    assert moved == text.replace("from sim.a", "from pyimc.sim.a").replace("from mapping", "from pyimc.mapping")
    assert inside("import sim.a as b\n") == "import pyimc.sim.a as b\n"


@pytest.mark.parametrize("text", ["import sim\n", "import mapping.compile\n", "import os as a, sim.x as y\n"])
def test_an_import_that_would_bind_another_name_ends_the_build(text: str) -> None:
    with pytest.raises(ValueError, match=r"here\.py:1: "):
        inside(text, "here.py")


def test_no_file_names_a_room_in_a_string() -> None:
    """Which the rewriting of imports would not find."""
    faults = []
    for name in sorted(contents(ROOT)):
        if name.endswith(".py") and name.split("/")[0] in ("sim", "mapping"):
            for node in ast.walk(ast.parse((ROOT / name).read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    words = node.value.split(".")
                    module = ROOT.joinpath(*words)
                    known = len(words) > 1 and (module.is_dir() or module.with_suffix(".py").is_file())
                    if known and words[0] in ("sim", "mapping"):
                        faults.append(f"{name}:{node.lineno}: {node.value}")
    assert faults == [f"mapping/operators/__init__.py:{_group_line()}: mapping.operators"]  # a group of entry points


def _group_line() -> int:
    lines = (ROOT / "mapping" / "operators" / "__init__.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if 'group="mapping.operators"' in line)

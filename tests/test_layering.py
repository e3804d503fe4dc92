# SPDX-License-Identifier: Apache-2.0
"""The shape of the repository: who may import whom, how long a file may be, how a Verilog file starts.

Every rule is a function of the text alone, so that each has a test here which sees it fail.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A layer sees itself and what stands before it.
LAYERS = ("pyimc", "mapping", "sim", "tests")
# Who may import a package that would tie a layer to a format, a simulator or a runtime.
TIED = {
    "onnx": {"mapping", "sim", "tests"},
    "onnxruntime": {"mapping", "sim", "tests"},
    "cocotb": {"sim", "tests"},
    "cocotb_tools": {"sim", "tests"},
}
CEILINGS = {".py": 400, ".v": 300}
TEST_CEILING = 600  # the tests of one module stay together
NOT_OURS = {".git", ".venv", ".hypothesis", "build", "dist", "__pycache__"}
LICENCE = "// SPDX-License-Identifier: Apache-2.0"


def _files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(part in NOT_OURS or part.endswith("_cache") for part in parts):
            yield path


FILES = tuple(_files())
PYTHON = tuple(path for path in FILES if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in LAYERS)
VERILOG = tuple(path for path in FILES if path.suffix == ".v" and path.relative_to(ROOT).parts[0] == "rtl")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Yields line and top-level name of every import, also of those inside functions and of importlib calls."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name.split(".")[0]) for alias in names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield node.lineno, module.split(".")[0]
            case ast.ImportFrom():
                yield node.lineno, package
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                yield node.lineno, module.split(".")[0]


def import_faults(source: str, layer: str) -> list[str]:
    """What a file of `layer` imports and must not."""
    above = LAYERS[LAYERS.index(layer) + 1 :]
    return [
        f"line {line}: {layer} must not import {name}"
        for line, name in imported(source, layer)
        if name in above or layer not in TIED.get(name, {layer})
    ]


def outside_faults(text: str, folder: PurePosixPath) -> list[str]:
    """Paths in the text of a file in `folder` that lead out of the repository or into somebody's home."""
    faults = []
    for match in re.finditer(r"(?<![\w./])(?:\.{1,2}/)+[\w./-]*", text):
        depth = len(folder.parts)
        for part in match[0].split("/"):
            depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
            if depth < 0:
                faults.append(match[0])
                break
    return faults + re.findall(r"(?<![\w.$}/-])/(?:home|root|work)/[\w./-]*", text)


def verilog_faults(text: str, stem: str) -> list[str]:
    """What the start, the end or the modules of a Verilog file lack."""
    modules = re.findall(r"^\s*module\s+(\w+)", text, re.MULTILINE)
    rules = {
        f"its first line is not: {LICENCE}": text.startswith(LICENCE + "\n"),
        f"its second line is not: // {stem} - what it is": text.split("\n")[1:2] != []
        and text.split("\n")[1].startswith(f"// {stem} - "),
        "`default_nettype none is missing": re.search(r"^`default_nettype none$", text, re.MULTILINE) is not None,
        "it does not end with `default_nettype wire": text.rstrip().endswith("`default_nettype wire"),
        f"its modules are {modules}, not [{stem}]": modules == [stem],
    }
    return [fault for fault, holds in rules.items() if not holds]


@pytest.mark.parametrize("path", PYTHON, ids=_name)
def test_imports_point_one_way(path: Path) -> None:
    assert not import_faults(path.read_text(), path.relative_to(ROOT).parts[0])


@pytest.mark.parametrize("path", VERILOG, ids=_name)
def test_verilog_file_has_its_frame(path: Path) -> None:
    assert not verilog_faults(path.read_text(), path.stem)


@pytest.mark.parametrize("path", [*PYTHON, *VERILOG], ids=_name)
def test_file_is_short(path: Path) -> None:
    ceiling = TEST_CEILING if path.is_relative_to(ROOT / "tests") else CEILINGS[path.suffix]
    assert len(path.read_text().splitlines()) <= ceiling, "split it by what it is about"


def test_no_path_leads_out() -> None:
    faults = {}
    for path in FILES:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # an image, an ONNX file
        faults[_name(path)] = outside_faults(text, PurePosixPath(path.relative_to(ROOT).parent.as_posix()))
    assert len(faults) > 10, "hardly any file was read"
    assert not {name: found for name, found in faults.items() if found}


def test_bootstrap_needs_nothing_installed() -> None:
    """It runs before the environment exists."""
    names = {name for _, name in imported((ROOT / "sim" / "toolchain" / "bootstrap.py").read_text(), "sim")}
    assert names <= {*sys.stdlib_module_names, "__future__"}


def test_makefile_recipes_are_thin() -> None:
    recipes = re.findall(r"(?:^\t.*\n?)+", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(recipes) > 5
    assert max(recipe.count("\n") for recipe in recipes) <= 3


def test_there_is_something_to_check() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in PYTHON} == set(LAYERS)
    assert VERILOG


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("pyimc", "import mapping"),
        ("pyimc", "def f():\n    from onnx import helper"),
        ("pyimc", "import importlib\nimportlib.import_module('cocotb.triggers')"),
        ("pyimc", "import onnxruntime as ort"),
        ("mapping", "from cocotb.triggers import Timer"),
        ("mapping", "import sim.cli"),
        ("sim", "from tests.rtl import bench"),
    ],
)
def test_wrong_import_is_seen(layer: str, source: str) -> None:
    assert import_faults(source, layer)


@pytest.mark.parametrize(
    ("layer", "source"),
    [("pyimc", "from . import isa"), ("mapping", "import onnx, pyimc"), ("tests", "import sim, mapping, cocotb")],
)
def test_right_import_is_not(layer: str, source: str) -> None:
    assert not import_faults(source, layer)


UP = "../"  # from tests/, this alone stays inside


@pytest.mark.parametrize(
    "text", [f"see {UP * 3}notes.md", f"`./{UP * 3}a`", f"a {UP}x/{UP * 3}y", "/home" + "/me/x", "(/work" + "/x)"]
)
def test_outside_path_is_seen(text: str) -> None:
    assert outside_faults(text, PurePosixPath("docs/adr"))


@pytest.mark.parametrize("text", [f"[fifo]({UP}rtl/fifo.v)", UP * 2, "./x", "1 ... 2", f"a/{UP}b", "$ROOT/work/x"])
def test_inside_path_is_not(text: str) -> None:
    assert not outside_faults(text, PurePosixPath("docs/adr"))


GOOD = f"{LICENCE}\n// m - one.\n`default_nettype none\nmodule m;\nendmodule\n`default_nettype wire\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [(LICENCE, "//"), ("// m - ", "// "), ("none", "wire"), ("e wire\n", "e\n"), ("module m", "module n")],
)
def test_missing_frame_is_seen(old: str, new: str) -> None:
    assert not verilog_faults(GOOD, "m")
    assert verilog_faults(GOOD.replace(old, new, 1), "m")

# SPDX-License-Identifier: Apache-2.0
"""What the command line teaches: examples and exit codes of every command, completion, JSON, progress when piped."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

import pyimc as package
from sim.cli import command_parser
from sim.completion import SHELLS, script
from sim.manual import PAGES, leaves
from sim.run.progress import rows_progress
from tests.sim.runs import pyimc

COMMANDS = dict(leaves(command_parser()))
DIGITS = ("--model", "digits", "--arch", "tiny")
LEFT = Path("build/digits-tiny-lblp-cycle")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_and_exit_codes(name: str) -> None:
    said = pyimc(*name.split(), "--help")
    assert said.code == 0
    _, found, rest = said.out.partition("\nexamples:\n")
    examples, codes, meanings = rest.partition("\nexit codes:\n")
    assert found and codes
    assert f"  {PAGES[name][0][0]}\n" in examples
    assert [int(line.split()[0]) for line in meanings.splitlines()] == sorted({*PAGES[name][1], 2, 130})


def test_no_page_is_of_a_command_that_is_gone() -> None:
    assert [*PAGES] == [*dict.fromkeys(PAGES)] and {*PAGES} == {*COMMANDS}


@pytest.mark.parametrize(("name", "example"), [(name, each) for name, page in PAGES.items() for each in page[0]])
def test_every_example_is_understood(name: str, example: str) -> None:
    words = shlex.split(example.removeprefix('eval "$(').removesuffix(')"').split(" | ")[0].split(" > ")[0])
    assert words[0] == "pyimc" and " ".join(words[1:]).startswith(name)
    assert command_parser().parse_args(words[1:]).command


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_commands_arguments_and_names(shell: str) -> None:
    text = script(command_parser(), shell)
    for word in ("validate", "weight_balance", "detector", "resnet18", "verilator", "strategy"):
        assert word in text


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("val", "validate"),
        ("sim --model res", "resnet18 resnet8"),
        ("sim --strategy weight", "weight_balance"),
        ("sim --level c", "cycle"),
        ("show sch", "schedule"),
        ("sim --ar", "--arch --array"),
        ("compile --output fol", "folder"),
    ],
)
def test_bash_completes(tmp_path: Path, words: str, completed: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "script").write_text(script(command_parser(), "bash"))
    typed = ["pyimc", *words.split()]
    code = (
        f"source ./script; COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}; "
        "$(complete -p pyimc | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo ${COMPREPLY[@]}"
    )
    ran = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert sorted(ran.stdout.split()) == completed.split(), ran.stderr


def test_version() -> None:
    assert pyimc("--version").out == f"pyimc {package.__version__}\n"


def test_json_is_all_that_stdout_has(workspace: Path) -> None:
    said = pyimc("sim", *DIGITS, "--level", "cycle", "--images", "4", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out) == json.loads((LEFT / "result.json").read_text())
    again = pyimc("rerun", LEFT, "--level", "cycle", "--json")
    assert json.loads(again.out)["latency_cycles"] == json.loads(said.out)["latency_cycles"]
    explained = json.loads(pyimc("explain", LEFT, "--images", "4", "--json").out)
    assert explained["gains"] and explained["lines"]
    assert json.loads(pyimc("diff", LEFT, LEFT, "--json").out) == []
    compared = pyimc("compare", *DIGITS, "--strategy", "lblp", "--images", "4", "--jobs", "1", "--json")
    (row,) = json.loads(compared.out)
    assert row["strategy"] == "lblp" and row["interval"] > 0
    assert "1 of 1 rows" in compared.err
    compiled = json.loads(pyimc("compile", *DIGITS, "--json").out)
    assert sum(len(pu["actors"]) for pu in compiled["pus"]) > 5 and len(compiled["sha256"]) == 64
    assert all(ring["words"] >= ring["least_words"] > 0 for ring in compiled["rings"])
    fits = json.loads(pyimc("energy", "fit", "--json").out)
    assert fits and all(len(fit["residuals"]) >= 2 and fit["rms"] >= 0 for fit in fits)


def test_a_validation_as_json(workspace: Path) -> None:
    said = pyimc("validate", *DIGITS, "--images", "1", "--json")
    assert said.code == 0 and "PASS" not in said.out
    found = json.loads(said.out)
    assert found["events"] > 100 and found["words"] > 100 and found["result"]["level"] == "rtl"


def test_a_line_for_every_finished_row_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    with rows_progress(Console(highlight=False), "starting") as begin:
        say = begin(3)
        for done in (1, 2, 3):
            say(done)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["1 of 3 rows", "2 of 3 rows", "3 of 3 rows"]
    assert ["left" in line for line in lines] == [False, True, False]

# SPDX-License-Identifier: Apache-2.0
"""`pyimc compare`: figures, order, what is kept, what is refused, and what is written."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from rich.console import Console

from mapping.compile import compile_network
from mapping.placement.sized import sized
from pyimc import network_file
from pyimc.arch import CONFIGS, load_arch
from pyimc.cycle import simulate
from pyimc.errors import MismatchError
from pyimc.places import IMPORTED, place
from pyimc.steady import steady_state
from sim.lab.compare import command
from sim.lab.compare.case import Case
from sim.lab.compare.measure import Figures, measure
from sim.lab.compare.rows import Row
from sim.lab.sources import _files
from sim.run.result import largest_load
from tests.sim import small
from tests.sim.runs import Said, pyimc

MEASURE = "sim.lab.compare.rows.measure"
FIGURES = Figures(10, 15, 100, 2, 0.5, 90, 80, "a", 9, 20, 10, 3, 0.1, "hash", 5e6, 1.5)


def compare(*arguments: object) -> Said:
    """A comparison of digits on small chips; in this process unless the arguments say otherwise."""
    return pyimc("compare", "--model", "digits", "--arch", "tiny", "--images", 6, "--jobs", 1, *arguments)


def records(folder: Path = Path("build/compare")) -> list[dict[str, Any]]:
    """What `rows.json` has."""
    found: list[dict[str, Any]] = json.loads((folder / "rows.json").read_text())
    return found


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """The cases that are measured, as they come."""
    cases: list[Case] = []

    def counted(case: Case, folder: Path) -> Figures | str:
        cases.append(case)
        return measure(case, folder)

    monkeypatch.setattr(MEASURE, counted)
    return cases


def test_rows_have_the_figures_of_their_runs(workspace: Path) -> None:
    said = compare("--strategy", "lblp", "--strategy", "round_robin", "--pus", "2,3", "--option", "slack_rows=1")
    assert (said.code, said.err) == (0, "")
    found = records()
    names = [(row["arch"], row["strategy"], row["seed"], row["level"], row["images"]) for row in found]
    assert names == [(f"tiny-{n}", name, 0, "cycle", 6) for n in (2, 3) for name in ("lblp", "round_robin")]
    (directory,) = Path("build/compare/models").iterdir()
    network = network_file.load(directory)
    for row in found:
        arch = sized(load_arch("tiny"), row["imcs"], network)
        program = compile_network(network, arch, row["strategy"], {"slack_rows": 1})
        result = simulate(program, 6)
        assert row["latency"] == result.last_cycles[0] - result.first_cycles[0] + 1
        steady = steady_state(result.first_cycles, result.last_cycles)
        assert steady is not None and (row["interval"], row["steady_latency"]) == (steady.interval, steady.latency)
        assert row["interval"] == round(1e6 / row["rate"])
        assert row["load"] == largest_load(program) and row["bound"] == program.origin.bounds["interval"]
        assert row["gap_percent"] == pytest.approx(100 * (row["interval"] / row["bound"] - 1), abs=0.05)
        assert row["bound"] <= row["interval"] and row["latency_bound"] <= row["latency"]
        busy = [result.counters[str(node)]["busy"] / 6 / row["interval"] for node in program.pus if node in arch.imcs]
        assert row["busy"] == pytest.approx(sum(busy) / len(busy)) and 0.2 < row["busy"] <= 1
        assert row["busy_of_all"] == pytest.approx(sum(busy) / len(arch.imcs))
        tight = compile_network(network, arch, row["strategy"], {"slack_rows": 0})
        words = [sum(c.size for c in some.channels if c.consumer != "host") for some in (program, tight)]
        assert [row["ring_words"], row["least_words"]] == words and words[0] > words[1]
        assert row["options"] == "slack_rows=1" and row["reason"] == ""


def test_table_csv_and_plots(workspace: Path) -> None:
    assert (
        compare("--strategy", "random", "--strategy", "lblp", "--pus", "2,4", "--seeds", 5, "--output", "out").code == 0
    )
    text = Path("out/compare.md").read_text().splitlines()
    assert text[0].startswith("| model | PUs (imc + dpu) | planes a PU | strategy | level | rate | interval | gap |")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text[2:]]
    assert all(len(line) == len(text[0].strip("|").split("|")) for line in cells)
    for count in ("2 + 1", "4 + 1"):
        competing = [line for line in cells if line[1] == count]
        assert sorted(line[3] for line in competing) == [
            "lblp",
            *(f"random, {n} of 5" for n in ("best", "median", "worst")),
        ]
        intervals = [int(line[6]) for line in competing]
        assert intervals == sorted(intervals)
        drawn = sorted(
            row["interval"]
            for row in records(Path("out"))
            if (row["imcs"], row["strategy"]) == (int(count[0]), "random")
        )
        assert [int(line[6]) for line in competing if "random" in line[3]] == [drawn[0], drawn[2], drawn[4]]
        assert len(drawn) == 5 and drawn[0] < drawn[4]
    with Path("out/compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["strategy"], int(row["seed"]), int(row["interval"])) for row in rows] == [
        (row["strategy"], row["seed"], row["interval"]) for row in records(Path("out"))
    ]
    plot = Path("out/digits.svg").read_bytes()
    drawn_text = "".join(ElementTree.fromstring(plot).itertext())
    for label in ("lblp", "random, 5 seeds", "bound", "crossbar PUs", "latency (cycles)"):
        assert label in drawn_text
    Path("out/digits.svg").unlink()
    assert (
        compare("--strategy", "random", "--strategy", "lblp", "--pus", "2,4", "--seeds", 5, "--output", "out").code == 0
    )
    assert Path("out/digits.svg").read_bytes() == plot


def test_a_second_call_measures_nothing(workspace: Path, measured: list[Case]) -> None:
    arguments = ("--strategy", "lblp", "--strategy", "lpt", "--pus", "2")
    first = compare(*arguments)
    assert len(measured) == 2
    assert re.match(r"0 of 2 rows, \d+ s\n1 of 2 rows, \d+ s, \d+ s left\n2 of 2 rows, \d+ s\n", first.out)
    table = Path("build/compare/compare.md").read_bytes()
    again = compare(*arguments)
    assert again.out == "2 of 2 rows, 0 s\n" + first.out.split("\n", 3)[3]
    assert len(measured) == 2 and Path("build/compare/compare.md").read_bytes() == table
    assert compare(*arguments, "--strategy", "heft").code == 0
    assert [case.strategy for case in measured] == ["lblp", "lpt", "heft"]


def test_a_call_that_was_cut_short_goes_on(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--strategy", "lblp", "--strategy", "round_robin", "--strategy", "lpt", "--pus", "2")
    measured: list[str] = []

    def until(stop: int) -> Callable[[Case, Path], Figures | str]:
        def counted(case: Case, folder: Path) -> Figures | str:
            if len(measured) == stop:
                raise KeyboardInterrupt
            measured.append(case.strategy)
            return measure(case, folder)

        return counted

    monkeypatch.setattr(MEASURE, until(1))
    said = compare(*arguments)
    assert said.code == 130 and "what was finished is kept" in said.err
    assert not Path("build/compare/compare.md").exists()
    (path,) = Path("build/compare/rows").glob("*.json")
    finished = path.read_bytes()
    monkeypatch.setattr(MEASURE, until(-1))
    assert compare(*arguments).code == 0
    assert measured == ["lblp", "round_robin", "lpt"]
    assert path.read_bytes() == finished and len(records()) == 3


def test_processes_give_the_same_rows_in_the_same_order(workspace: Path) -> None:
    arguments = ("--strategy", "lpt", "--strategy", "random", "--seeds", 2, "--pus", "3,2")
    assert compare(*arguments, "--output", "one").code == 0
    for path in Path("build/compare/rows").iterdir():
        path.unlink()
    assert compare(*arguments, "--output", "two", "--jobs", 2).code == 0
    one, two = ([row | {"compile_seconds": 0} for row in records(Path(name))] for name in ("one", "two"))
    assert one == two and [row["imcs"] for row in one] == [3, 3, 3, 2, 2, 2]


def test_what_does_not_fit_is_a_row_with_its_reason(workspace: Path) -> None:
    chip = yaml.safe_load((CONFIGS / "tiny.yaml").read_text())
    chip |= {"name": "full", "contexts": 2}  # 4 imc PUs hold 5 layers, the 2 vector nodes fit the dpu PU; heft wants 3
    Path("full.yaml").write_text(yaml.safe_dump(chip))
    chip |= {"name": "none", "contexts": 1}
    Path("none.yaml").write_text(yaml.safe_dump(chip))
    said = compare("--arch", "full.yaml", "--arch", "none.yaml", "--strategy", "lblp")
    assert said.code == 0
    rows = {row["arch"]: row for row in records()}
    assert "interval" in rows["tiny"] and "interval" in rows["full"] and "interval" not in rows["none"]
    assert "fits no" in rows["none"]["reason"] and "contexts: needed 1, available 0 of 1" in rows["none"]["reason"]
    line = next(line for line in Path("build/compare/compare.md").read_text().splitlines() if line.startswith("- "))
    assert line == f"- digits on none, lblp, seed 0: {rows['none']['reason']}"
    assert line[2:] in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model", "nothing"), "model 'nothing': unknown"),
        (("--strategy", "nothing"), "unknown strategy 'nothing'"),
        (("--arch", "nothing"), "architecture 'nothing' not found"),
        (("--option", "tie=left"), "tie is 'left', must be one of lowest, highest"),
        (("--option", "nothing=1"), "unknown option 'nothing'"),
        (("--option", "slack_rows=-1"), "option slack_rows is -1"),
        (("--pus", "2,x"), "got 'x', must be a whole number"),
        (("--pus", "0"), "got '0', must be a whole number, 1 or more"),
        (("--pus", "300"), "300 imc PUs: must be 1 or more, and fit a mesh of 16 x 16"),
        (("--seeds", "0"), "got '0'"),
        (("--images", "0"), "got '0'"),
        (("--rtl", "1", "--sim", "nothing"), "unknown simulator 'nothing'"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(workspace: Path, arguments: tuple[str, ...], says: str) -> None:
    said = compare("--strategy", "lblp", *arguments)
    assert said.code == 2 and says in said.err
    assert said.err.startswith("pyimc: ") and said.err.count("\n") == 1
    assert not Path("build/compare/compare.md").exists()


def test_a_mistake_in_another_process_is_one_line(workspace: Path) -> None:
    said = compare("--strategy", "lblp", "--option", "tie=left", "--jobs", 2)
    assert said.code == 2 and said.err.startswith("pyimc: strategy lblp: tie is 'left'") and said.err.count("\n") == 1


def _case(**changes: Any) -> Case:
    return replace(Case("m", Path("a/model"), load_arch("tiny"), "lblp", 0, {}, 4), **changes)


def test_the_key_is_of_all_that_decides_the_figures(workspace: Path) -> None:
    strategy = Path("mine.py")
    strategy.write_text("one")
    cases = [
        _case(), _case(network=Path("a/other")), _case(arch=load_arch("default")), _case(strategy="lpt"), _case(seed=1),
        _case(options={"slack_rows": 1}), _case(images=5), _case(level="rtl", sim="icarus"),
        _case(level="rtl", sim="verilator"), _case(strategy="mine.py"),
    ]  # fmt: skip
    keys = [case.key() for case in cases]
    assert len(set(keys)) == len(keys) and keys == [case.key() for case in cases]
    assert _case(network=Path("elsewhere/model")).key() == keys[0]
    strategy.write_text("two")
    assert _case(strategy="mine.py").key() not in keys


def test_a_row_depends_on_its_own_strategy_and_not_on_the_others() -> None:
    def files(*places: str) -> set[str]:
        return {str(file.relative_to(IMPORTED)) for each in places for file in _files(place(each))}

    every = files("sim/lab/compare/measure.py")
    assert {
        "mapping/compile.py",
        "mapping/placement/strategies/__init__.py",
        "pyimc/cycle/model.py",
        "pyimc/isa.py",
    } <= every
    assert not [
        file for file in every if file.startswith("mapping/placement/strategies/") and not file.endswith("__init__.py")
    ]
    plus = files("mapping/placement/strategies/lblp_plus.py")
    assert {
        "mapping/cuts/cutting.py",
        "mapping/placement/strategies/lblp_plus.py",
        "mapping/placement/strategies/lblp.py",
    } <= plus
    assert not {"mapping/cuts/cutting.py", "mapping/placement/strategies/lblp_plus.py"} & (
        every | files("mapping/placement/strategies/lblp.py")
    )


def test_the_best_and_the_worst_of_every_model_go_to_rtl_first() -> None:
    intervals = {"a": (30, 10, 20, 40), "b": (5, 7, None)}
    rows = [
        Row(_case(model=model), replace(FIGURES, interval=interval) if interval else None, "" if interval else "full")
        for model, found in intervals.items()
        for interval in found
    ]
    order = [set(command._chosen(rows, count)) for count in range(8)]
    assert order[1:] == [{1}, {1, 4}, {1, 4, 3}, {1, 4, 3, 5}, {1, 4, 3, 5, 2}, *2 * [{0, 1, 2, 3, 4, 5}]]


def test_chips_are_derived_from_the_models_own_architecture(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("net").mkdir()
    network_file.save(small.network(), Path("net"))
    monkeypatch.setattr(command, "prepared", lambda model, folder: Path("net"))

    def chips(*archs: str) -> list[str]:
        matrix = command.Matrix(("resnet8", "yolov8n"), ("lblp",), archs, (2,), 1, 4, 0, "", {})
        return [case.arch.name for case in command._cases(matrix, Console())]

    assert chips() == ["default-2", "detector-2"]
    assert chips("tiny") == ["tiny-2", "tiny-2"]


def test_other_cycles_on_rtl_are_a_mismatch() -> None:
    row = Row(_case(), FIGURES, "")
    command._check(row, row)
    with pytest.raises(MismatchError, match=r"lblp, seed 0: latency and interval are \(10, 101\) on RTL, \(10, 100\)"):
        command._check(row, Row(_case(), replace(FIGURES, interval=101), ""))
    with pytest.raises(MismatchError, match="deadlock"):
        command._check(row, Row(_case(), None, "deadlock"))


@pytest.mark.slow
def test_rows_on_rtl(workspace: Path) -> None:
    arguments = ("--strategy", "heft", "--strategy", "random", "--seeds", 2, "--images", 3)
    assert compare(*arguments).code == 0
    cycle = records()
    assert compare(*arguments, "--rtl", 2).code == 0
    rtl = records()
    levels = [row["level"] for row in rtl]
    assert sorted(levels) == ["cycle", "rtl", "rtl"]
    unmeasured = {"level", "compile_seconds"}
    for one, other in zip(cycle, rtl, strict=True):
        assert {k: v for k, v in one.items() if k not in unmeasured} == {
            k: v for k, v in other.items() if k not in unmeasured
        }
    intervals = [row["interval"] for row in cycle]
    assert {levels[intervals.index(min(intervals))], levels[intervals.index(max(intervals))]} == {"rtl"}
    results = list(Path("build/compare/rows").glob("*/run/result.json"))
    assert [json.loads(path.read_text())["level"] for path in results] == ["rtl", "rtl"]

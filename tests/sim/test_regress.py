# SPDX-License-Identifier: Apache-2.0
"""Baselines: what changed is named, what is malformed is refused on one line, what is recorded stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from junitparser import JUnitXml

from pyimc.measurement import CYCLE, DONE, ISSUE, WORD
from sim.cli import main
from sim.lab.regress import command
from sim.lab.regress.case import Case, read_cases
from sim.lab.regress.changes import changes
from sim.lab.regress.measure import Figures, measure, packed, unpacked
from tests.mutants.bench import ROOT, Copy

GOLDEN = "rows:\n  - {models: [digits], levels: [golden], images: 1, quick: true}\n"
EVENTS = np.array([[3, 1, ISSUE, 0], [9, 1, DONE, 0], [12, 1, WORD, 0], [12, 2, ISSUE, 4]], np.int64)
FIGURES = Figures(
    program="a" * 64, values={"conv1": "b" * 64}, cycles={"latency": 20, "interval": None, "total": 30},
    pus={"1": {"busy": 7}}, actors={"conv1": {"firings": 1}}, places={"1:0": "conv1", "2:4": "fc"},
    divisors=[1, 1, 2, 4, 1], events=4, events_sha256="c", first_events=packed(EVENTS), model="",
)  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with a small manifest."""
    monkeypatch.chdir(tmp_path)
    Path("regress.yaml").write_text(GOLDEN)
    return tmp_path


def regress(*arguments: str) -> int:
    """`pyimc regress` with one process."""
    return main(["regress", "--jobs", "1", "--baselines", "baselines", *arguments])


def test_nothing_changed() -> None:
    assert changes(FIGURES, FIGURES) == []


def test_events_survive_being_packed() -> None:
    assert (unpacked(packed(EVENTS)) == EVENTS).all()
    assert unpacked(packed(EVENTS[:0])).shape == (0, 4)


@pytest.mark.parametrize(
    ("at", "was", "now"),
    [
        (1, "cycle 9: done of conv1 at PU 1", "cycle 10: done of conv1 at PU 1"),
        (3, "cycle 12: issue of fc at PU 2", "cycle 13: issue of fc at PU 2"),
    ],
)
def test_one_cycle_more_names_the_first_event(at: int, was: str, now: str) -> None:
    later = EVENTS.copy()
    later[at:, CYCLE] += 1
    found = changes(FIGURES, replace(FIGURES, events_sha256="d", first_events=packed(later)))
    assert [(change.what, change.was, change.now) for change in found] == [("first differing event", was, now)]


def test_a_missing_event_is_named() -> None:
    fewer = replace(FIGURES, events=3, events_sha256="d", first_events=packed(EVENTS[:3]))
    assert changes(FIGURES, fewer)[0].now == "no event"


def test_every_kind_of_figure_is_compared() -> None:
    now = replace(
        FIGURES, program="d" * 64, values={"conv1": "e" * 64}, cycles=FIGURES.cycles | {"latency": 22},
        pus={"1": {"busy": 8}}, actors={"conv1": {"firings": 2}}, model="PU 1: 3, 4",
    )  # fmt: skip
    found = {change.what: change.by for change in changes(FIGURES, now)}
    assert found == {
        "Program sha256": "", "latency": "+2 (+10.00%)", "RTL against cycle model": "", "conv1": "",
        "PU 1 busy": "+1 (+14.29%)", "actor conv1 firings": "+1 (+100.00%)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rows: [", "not YAML"),
        ("", "Manifest"),
        ("rows: []", "rows"),
        ("rows: [{models: [digits], colour: red}]", "rows.0.colour"),
        ("rows: [{models: digits}]", "rows.0.models"),
        ("rows: [{models: [digits], images: 0}]", "rows.0.images"),
        ("rows: [{models: [digits], levels: [gate]}]", "rows.0.levels.0"),
        ("rows: [{models: [digits], simulators: [modelsim]}]", "unknown simulator 'modelsim'"),
        ("rows: [{models: [a/x.onnx, b/x.onnx]}]", "two rows have the same name"),
    ],
)
def test_a_malformed_manifest_is_one_line(text: str, says: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("regress.yaml").write_text(text)
    assert regress() == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("pyimc: regress.yaml: ")
    assert says in told
    assert not Path("build").exists()


def test_no_manifest_and_nothing_quick_are_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert regress("--manifest", "none.yaml") == 2
    Path("regress.yaml").write_text("rows: [{models: [digits]}]")
    assert regress("--quick") == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_a_simulator_only_counts_at_level_rtl(here: Path) -> None:
    Path("regress.yaml").write_text(
        "rows: [{models: [digits], levels: [cycle, rtl], simulators: [icarus, verilator], arrays: [verilog, numpy]}]"
    )
    names = [case.name for case in read_cases(Path("regress.yaml"), quick=False)]
    assert len(names) == 5
    assert names[0] == "digits-default-lblp-cycle-2"


def tamper(edit: Callable[[dict[str, object]], object]) -> Path:
    """Edits the one baseline there is."""
    (path,) = Path("baselines").glob("*.json")
    said = json.loads(path.read_text())
    edit(said)
    path.write_text(json.dumps(said))
    return path


def test_from_a_record_to_a_difference(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert regress() == 1  # no baseline
    assert "NEW" in capsys.readouterr().out
    assert regress("--accept", "") == 2
    assert regress("--accept", "first record") == 0
    assert regress() == 0
    assert "1 of 1 rows" in capsys.readouterr().out
    recorded = next(Path("baselines").glob("*.json")).read_bytes()
    assert regress("--accept", "again") == 0
    assert next(Path("baselines").glob("*.json")).read_bytes() == recorded, "the same figures need no new record"

    tamper(lambda said: said["figures"].update(program="0" * 64))  # type: ignore[attr-defined]
    capsys.readouterr()
    assert regress("--json") == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["verdict"] == "CHANGED" and row["changes"][0]["was"] == "000000000000"
    assert regress("--json", "--accept", "why") == 2
    assert regress() == 1
    told = capsys.readouterr()
    assert "Program sha256  000000000000" in told.out
    assert "first record" in told.out
    assert "1 of 1 rows are not as they were" in told.err
    (suite,) = JUnitXml.fromfile("build/regress/junit.xml")
    assert (suite.tests, suite.failures) == (1, 1)
    assert "Program sha256" in Path("build/regress/report.html").read_text()
    assert regress("--accept", "meant") == 0
    assert regress() == 0


@pytest.mark.parametrize(
    "edit",
    [
        lambda said: said.update(schema=99),
        lambda said: said.pop("figures"),
        lambda said: said["figures"].update(events="many"),
        lambda said: said["figures"].update(first_events="!!"),
        lambda said: said["case"].update(images=7),
    ],
)
def test_a_malformed_baseline_is_one_line(
    edit: Callable[[dict[str, object]], object], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert regress("--accept", "first record") == 0
    path = tamper(edit)
    before = path.read_bytes()
    assert regress() == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(path) in told
    assert path.read_bytes() == before


def test_finished_rows_are_not_run_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert regress("--accept", "first record") == 0

    def never(case: Case, folder: Path) -> Figures | str:
        raise AssertionError(f"{case.name} is run again")

    monkeypatch.setattr(command, "measure", never)
    assert regress() == 0


def test_a_failing_row_is_told_and_not_recorded(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("regress.yaml").write_text(GOLDEN + "  - {models: [digits], archs: [none], levels: [cycle]}\n")
    assert regress("--accept", "first record") == 1
    assert not Path("baselines").exists()
    assert regress() == 1
    assert "FAILED   digits-none-lblp-cycle-2" in capsys.readouterr().out
    (suite,) = JUnitXml.fromfile("build/regress/junit.xml")
    assert suite.errors == 1


def test_the_shipped_manifest_has_baselines_of_its_quick_rows() -> None:
    cases = read_cases(ROOT / "regress.yaml", quick=True)
    assert {case.level for case in cases} == {"rtl", "cycle", "golden"}
    assert {f"{case.name}.json" for case in cases} <= {path.name for path in (ROOT / "tests" / "baselines").iterdir()}


@pytest.mark.slow
def test_one_cycle_more_in_egress_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet waits one cycle before its head is offered."""
    case = Case("digits", "tiny", "lblp", "rtl", "icarus", "verilog", 1)
    monkeypatch.chdir(tmp_path)
    before = measure(case, tmp_path / "before")
    copy = Copy(tmp_path / "copy")
    text = (ROOT / "rtl" / "egress.v").read_text()
    idle = "if (full_q[send_bank_q]) state_q <= ST_HEAD;"
    assert text.count(idle) == 1
    waits = "reg waited_q;\n    always @(posedge clk) waited_q <= state_q == ST_IDLE && full_q[send_bank_q];\n    {}"
    first = "wire awake = "
    text = text.replace(idle, "if (full_q[send_bank_q]) begin if (waited_q) state_q <= ST_HEAD; end")
    copy.write("rtl/egress.v", text.replace(first, waits.format(first), 1))
    for reader in ("chip_parameters", "simulator"):
        monkeypatch.setattr(f"sim.toolchain.{reader}.RTL", copy.folder / "rtl")
    after = measure(case, tmp_path / "after")
    assert isinstance(before, Figures) and isinstance(after, Figures)
    assert not before.model
    found = {change.what: change for change in changes(before, after)}
    assert int(found["latency"].now) > int(found["latency"].was)
    event = found["first differing event"]
    assert event.was.split(":")[1:] != [] and event.was != event.now
    assert "RTL has" in after.model
    assert not [what for what in found if found[what].kind == "values"], "values do not depend on it"
    shutil.rmtree(copy.folder)

# SPDX-License-Identifier: Apache-2.0
"""`pyimc validate` and `--level cycle`: the two levels agree, and a difference is named."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimc.cycle.model import simulate
from pyimc.measurement import CYCLE, DONE, KIND, WORD, Measurement, named_events, sorted_events
from pyimc.program import Program
from pyimc.program_file import load
from sim.run import validation
from sim.run.record import rtl_measurement
from sim.run.validation import compare
from tests.sim import small
from tests.sim.runs import ROOT, pyimc

RUN = Path("build/digits-tiny-lblp-rtl")


def test_rtl_and_cycle_model_agree_and_one_cycle_is_noticed(workspace: Path) -> None:
    said = pyimc("validate", "--model", "digits", "--arch", "tiny", "--images", "3")
    assert (said.code, said.err) == (0, "")
    events, words = map(int, re.search(r"(\d+) events, (\d+) words and every figure", said.out).groups())  # type: ignore[union-attr]
    assert events > 500 and words > 500

    program = load(RUN / "program")
    measured, model = rtl_measurement(program, RUN), simulate(program, 3, events=100_000)

    def differences(**changed: Any) -> list[str]:
        return compare(program, replace(measured, **changed), model, ("RTL", "the cycle model")).differences

    assert not differences()
    for kind in (DONE, WORD):
        late = measured.events.copy()
        at = np.flatnonzero(late[:, KIND] == kind)[50]
        event = named_events(program, late[at : at + 1])[0]
        late[at, CYCLE] += 1
        (said_late,) = differences(events=sorted_events(late))
        assert said_late.startswith(
            f"PU {event.node}, actor {event.actor}, {event.kind}, cycle {event.cycle}: RTL has "
        )
        assert "around it, RTL: " in said_late
    assert "nothing more" in differences(events=measured.events[:-1])[0]
    assert differences(events=np.concatenate([measured.events, measured.events[-1:]])), "twice the same"
    assert differences(last_cycles=[cycle + 1 for cycle in measured.last_cycles])[0].startswith("last output flits")
    node = next(iter(measured.counters))
    counters = measured.counters | {node: measured.counters[node] | {"busy": 0}}
    assert differences(counters=counters)[0].startswith(f"PU {node}: ")
    name = program.actors[0].name
    actors = measured.actors | {name: measured.actors[name] | {"last_word": 1}}
    assert differences(actors=actors)[0].startswith(f"actor {name}: ")


def test_validate_ends_at_the_first_difference(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(program: Program, images: int, events: int = 0) -> Measurement:
        model = simulate(program, images, events)
        words = model.events[:, KIND] == WORD
        model.events[np.flatnonzero(words)[10], CYCLE] += 1
        return model

    monkeypatch.setattr(validation, "simulate", late)
    said = pyimc("validate", "--model", "digits", "--arch", "tiny", "--images", "2")
    assert said.code == 1 and ", word, cycle " in said.err and "PASS" not in said.out


def test_the_cycle_level_reports_what_rtl_reports(workspace: Path) -> None:
    for level in ("rtl", "cycle"):
        said = pyimc("sim", "--model", "digits", "--arch", "tiny", "--images", "4", "--level", level)
        assert (said.code, said.err) == (0, "") and said.out.endswith("PASS\n")
    rtl, cycle = (
        json.loads(Path(f"build/digits-tiny-lblp-{level}/result.json").read_text()) for level in ("rtl", "cycle")
    )
    timed = ("cycles_total", "latencies_cycles", "intervals_cycles", "interval_cycles", "pus", "network_flits")
    assert {name: rtl[name] for name in timed} == {name: cycle[name] for name in timed}
    for name, node in rtl["nodes"].items():
        same = ("pu", "firings", "busy_cycles", "first_issue_cycle", "inputs_read_cycle", "last_word_cycle")
        assert [node[field] for field in same] == [cycle["nodes"][name][field] for field in same]
    assert not any(node["values_compared"] for node in cycle["nodes"].values())
    assert rtl["images"] == cycle["images"] == 4


def test_the_cycle_level_runs_images_enough_to_settle(workspace: Path) -> None:
    said = pyimc("sim", "--model", "digits", "--arch", "tiny", "--level", "cycle")
    report = json.loads(Path("build/digits-tiny-lblp-cycle/result.json").read_text())
    assert said.code == 0 and report["images"] == 192 and report["settled"]
    assert "few images" not in said.out and "in all for 192 images" in said.out


def test_a_rerun_at_cycle_level_loads_no_onnx(workspace: Path) -> None:
    """It would be half of the memory."""
    run = small.prepared(Path("run"))
    loaded = "{name.partition('.')[0] for name in sys.modules}"
    script = f"""
import sys
from sim.cli import main
assert main(["rerun", {str(run)!r}, "--level", "cycle"]) == 0
print(sorted({loaded} & {{"onnx", "onnxruntime", "numba"}}))
"""
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}  # no simulator either
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.endswith("PASS\n['numba']\n")
    report = json.loads(Path("build/run-rerun-cycle/result.json").read_text())
    assert report["level"] == "cycle" and report["interval_cycles"] > 0


def test_a_rerun_at_an_unknown_level(workspace: Path) -> None:
    said = pyimc("rerun", small.prepared(Path("run")), "--level", "spice")
    assert said.code == 2 and "unknown level 'spice'; known: rtl, cycle, golden" in said.err

# SPDX-License-Identifier: Apache-2.0
"""`pyimc validate` and `--level cycle`: the two levels agree, and a difference is named."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pyimc.cycle.model import simulate
from pyimc.errors import MismatchError
from pyimc.program_file import load
from sim.run.job import Outcome
from sim.run.validation import compare_events, compare_figures, rtl_events
from tests.sim import small
from tests.sim.runs import ROOT, pyimc

RUN = Path("build/digits-tiny-lblp-rtl")


def test_rtl_and_cycle_model_agree_and_one_cycle_is_noticed(workspace: Path) -> None:
    said = pyimc("validate", "--model", "digits", "--arch", "tiny", "--images", "3")
    assert (said.code, said.err) == (0, "")
    assert int(re.search(r"(\d+) events and every figure", said.out)[1]) > 500  # type: ignore[index]

    program, outcome = load(RUN / "program"), Outcome.read(RUN)
    model = simulate(program, 3, events=10_000)
    measured = rtl_events(program, RUN, outcome.begin_cycle)
    compare_figures(outcome, model)

    late = list(measured)
    late[100] = late[100]._replace(cycle=late[100].cycle + 1)
    with pytest.raises(MismatchError, match=rf"^PU {late[100].node}, actor {re.escape(late[100].actor)}, .* around it"):
        compare_events(late, measured)
    with pytest.raises(MismatchError, match="nothing more"):
        compare_events(measured[:-1], measured)
    with pytest.raises(MismatchError, match=r"^last output flits"):
        compare_figures(replace(outcome, last_cycles=[cycle + 1 for cycle in outcome.last_cycles]), model)
    node = next(iter(outcome.counters))
    counters = outcome.counters | {node: outcome.counters[node] | {"busy": 0}}
    with pytest.raises(MismatchError, match=rf"^PU {node}: "):
        compare_figures(replace(outcome, counters=counters), model)


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
        same = ("pu", "firings", "busy_cycles", "first_cycle", "last_cycle")
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
print(sorted({loaded} & {{"onnx", "onnxruntime", "onnxslim", "numba"}}))
"""
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}  # no simulator either
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.endswith("PASS\n['numba']\n")
    report = json.loads((run / "result.json").read_text())
    assert report["level"] == "cycle" and report["interval_cycles"] > 0


def test_a_rerun_at_an_unknown_level(workspace: Path) -> None:
    said = pyimc("rerun", small.prepared(Path("run")), "--level", "spice")
    assert said.code == 2 and "unknown level 'spice'; known: rtl, cycle, golden" in said.err

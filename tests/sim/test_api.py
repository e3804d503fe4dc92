# SPDX-License-Identifier: Apache-2.0
"""`sim.api`: the flow from Python, and the notebook that shows it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import sim.api as imc
from pyimc.cycle.model import simulate
from tests.sim.runs import ROOT, read_result

NOTEBOOK = ROOT / "examples" / "schedule.ipynb"


@pytest.fixture(scope="module")
def model() -> imc.Model:
    return imc.load_model("digits", images=3)


def test_every_level_gives_its_figures_and_rows(model: imc.Model, workspace: Path) -> None:
    program = imc.compile(model, imc.load_arch("tiny"))
    found = {level: imc.simulate(model, program, level) for level in ("rtl", "cycle", "golden")}
    rtl, cycle, golden = found.values()
    assert (rtl.latency, rtl.interval) == (cycle.latency, cycle.interval) and golden.latency is None
    measured = simulate(program, 3)
    assert rtl.latency == measured.latency and measured.steady is not None
    assert rtl.interval == measured.steady.interval
    (name,) = rtl.outputs
    assert np.array_equal(rtl.outputs[name], golden.outputs[name]) and not cycle.outputs
    assert rtl.waits() == cycle.waits() and rtl.rings() == cycle.rings() and rtl.pus() == cycle.pus()
    for rows in (rtl.nodes(), rtl.pus(), rtl.waits(), rtl.rings()):
        assert len(rows) > 1 and len({tuple(row) for row in rows}) == 1, "every row has the same columns"
    assert [row["node"] for row in rtl.nodes()] == [actor.name for actor in program.actors]
    assert len({result.folder for result in found.values()}) == 3
    assert read_result(rtl.folder)["cycles_total"] == measured.cycles_total
    assert (rtl.folder / "report.html").is_file() and (rtl.folder / "placement.yaml").is_file()
    with pytest.raises(imc.ImcError, match="no cycles; simulate at level"):
        golden.waits()


def test_a_placement_by_hand_is_taken_or_refused(model: imc.Model) -> None:
    arch = imc.load_arch("tiny")
    nodes = {actor.name: actor.node for actor in imc.compile(model, arch).actors}
    graph = imc.graph(model, arch)
    assert list(graph.nodes) == list(nodes)
    moved = nodes | {"conv4": next(unit for unit in arch.imcs if unit != nodes["conv4"])}
    program = imc.compile(model, arch, placement=moved, options={"slack_rows": 1})
    assert {actor.name: actor.node for actor in program.actors} == moved
    assert program.origin.options["slack_rows"] == 1
    same = imc.compile(model, arch, placement=nodes)
    assert simulate(same, 2) == simulate(imc.compile(model, arch), 2)
    with pytest.raises(imc.ImcError, match="node conv1 is on 4, must be on one of the imc PUs"):
        imc.compile(model, arch, placement=nodes | {"conv1": 4})


def test_more_images_than_the_model_has(model: imc.Model, workspace: Path) -> None:
    program = imc.compile(model, imc.load_arch("tiny"))
    result = imc.simulate(model, program, "cycle", images=40)
    assert result.settled and result.report["images"] == 40


def test_explained_from_python(model: imc.Model) -> None:
    found = imc.explain(imc.compile(model, imc.load_arch("tiny"), options={"slack_rows": 0}), images=8)
    assert found.gains[0].interval < found.interval and found.bottleneck.chain


def test_the_notebook_runs_from_top_to_bottom(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells assert what they say."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) >= 6 and all(not cell.outputs for cell in cells), "kept without outputs"
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(workspace)}}
    ).execute()
    assert all(output.output_type != "error" for cell in cells for output in cell.outputs)
    assert any("interval" in output.get("text", "") for cell in cells for output in cell.outputs)

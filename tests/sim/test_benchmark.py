# SPDX-License-Identifier: Apache-2.0
"""What `make bench` and `make growth` do with their measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimc.arch import load_arch
from pyimc.errors import ToolError
from sim.lab import growth
from sim.lab.benchmark import _check_same, _ratio_row
from sim.lab.results_page import PAGE, replace_section
from sim.run.measure import Process, measure


def figures(**changes: Any) -> dict[str, Any]:
    """Of a run."""
    intact = {
        "model": "net",
        "program_sha256": "a",
        "latency_cycles": 5,
        "cycles_per_second": 2e3,
        "macs_per_second": 3e6,
    }
    return intact | changes


@pytest.mark.parametrize("changes", [{"program_sha256": "b"}, {"latency_cycles": 6}])
def test_runs_of_different_programs_are_not_compared(changes: dict[str, Any]) -> None:
    _check_same([figures(), figures()])
    with pytest.raises(ToolError, match=f"runs of net cannot be compared: {next(iter(changes))}"):
        _check_same([figures(), figures(**changes)])


def test_a_ratio_is_to_icarus() -> None:
    runs = {"icarus": figures(), "verilator": figures(cycles_per_second=50e3)}
    assert _ratio_row("net, lblp", "verilator", runs) == "| net, lblp | verilator | 50000 | 3.0 | 25 |"


def test_a_command_that_fails_is_not_measured() -> None:
    with pytest.raises(ToolError, match="pyimc compile --arch nowhere exited with 2"):
        measure("compile", "--arch", "nowhere")


def test_a_measured_command_has_a_size_and_a_time() -> None:
    """It is a process of its own, whose memory is not ours."""
    ours = np.ones(500_000_000, np.uint8)
    small = measure("disasm", "--help")
    assert 10e6 < small.peak_bytes < ours.nbytes and small.seconds > 0.01


@pytest.mark.parametrize("mesh", growth.MESHES)
def test_a_mesh_has_room_for_every_kind(workspace: Path, mesh: tuple[int, int]) -> None:
    arch = load_arch(growth._mesh(*mesh))
    assert arch.nodes == mesh[0] * mesh[1] == len(arch.imcs) + len(arch.dpus) + 1
    assert len(arch.dpus) == arch.nodes // 4


def test_growth_is_tabled_and_plotted(tmp_path: Path) -> None:
    process = Process(2.0, 300_000_000)
    point = growth.Point(4, "4", 0.5, process, 0.25, 1000, process, None, None, None)
    measured = growth.Point(8, "8", 1.0, process, 0.5, 1000, process, 4.0, 400, process)
    rows = growth._table("nodes", [point, measured], "net")
    assert rows[2] == "| 4 | 0.50 | 2.0 | 300 | 0.250 | 4000 | 300 | - | - | - |"
    assert rows[3] == "| 8 | 1.00 | 2.0 | 300 | 0.500 | 2000 | 300 | 4.00 | 100 | 300 |"
    paths = [tmp_path / "one.svg", tmp_path / "two" / "one.svg"]
    paths[1].parent.mkdir()
    for path in paths:
        growth._plot([point, measured], "nodes", path)
    assert paths[0].read_bytes() == paths[1].read_bytes() and paths[0].read_text().count("<svg") == 1


@pytest.mark.parametrize("name", ["bench", "ratios", "cycle", "growth", "synth", "equality"])
def test_the_page_has_a_section_for_every_table(tmp_path: Path, name: str) -> None:
    """Else a quarter of an hour of measuring ends in an error."""
    copy = tmp_path / "results.md"
    copy.write_text(PAGE.read_text())
    replace_section(name, "measured", copy)
    assert f"<!-- {name} -->\nmeasured\n<!-- /{name} -->" in copy.read_text()

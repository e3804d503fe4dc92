# SPDX-License-Identifier: Apache-2.0
"""What must not matter does not: whose array, which door for the weights, which of two equal runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.run.result import Run
from tests.sim import small
from tests.sim.runs import assert_sound, images_for, pyimc, read_result, run_rtl

WALL = {"wall_seconds", "peak_memory_bytes", "cycles_per_second", "macs_per_second"}


def timeless(report: dict[str, Any], *others: str) -> dict[str, Any]:
    """A report without what depends on the machine, and without `others`."""
    return {name: value for name, value in report.items() if name not in WALL | set(others)}


def captures(run: Run) -> dict[str, bytes]:
    """Everything that the run captured: words with their cycles, and outputs."""
    files = [*run.folder.glob("capture_*.bin"), *run.folder.glob("output_*.bin")]
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture
def behavioural(workspace: Path) -> Run:
    program = small.program()
    return run_rtl(program, images_for(program, small.IMAGES), Path("behavioural"))


def test_the_numpy_array_gives_the_same_bits_in_the_same_cycles(behavioural: Run) -> None:
    run = run_rtl(behavioural.program, behavioural.images, Path("numpy"), array="numpy")
    assert captures(run) == captures(behavioural)
    assert len(captures(run)) == small.program().arch.nodes  # one a PU, one output
    assert timeless(assert_sound(run), "array") == timeless(assert_sound(behavioural), "array")


@pytest.mark.parametrize("array", ["verilog", "numpy"])
def test_the_front_door_gives_the_same_bits_in_the_same_cycles(behavioural: Run, array: str) -> None:
    run = run_rtl(behavioural.program, behavioural.images, Path("front"), array, front_door=True)
    front, back = assert_sound(run), assert_sound(behavioural)
    assert front["load_cycles"] > back["load_cycles"] + sum(
        image.weights.size // 8 for image in run.program.pus.values()
    )
    assert timeless(front, "array", "load_cycles", "waiting") == timeless(back, "array", "load_cycles", "waiting")
    assert "+weights" not in (run.folder / "simulation.log").read_text()
    for ours, theirs in zip(run.rtl_outputs, behavioural.rtl_outputs, strict=True):
        assert np.array_equal(ours, theirs)


def test_same_seed_same_bytes_same_cycles(workspace: Path) -> None:
    reports, programs = [], []
    for _ in range(2):
        assert pyimc("sim", "--model", "digits", "--arch", "tiny", "--images", 2, "--seed", 5).code == 0
        (folder,) = (path for path in Path("build").glob("digits-tiny-lblp-rtl*") if path.is_dir())
        programs.append({file: file.read_bytes() for file in (folder / "program").rglob("*") if file.is_file()})
        reports.append(timeless(read_result(folder)))
    assert programs[0] == programs[1]
    assert reports[0] == reports[1]
    assert reports[0]["seed"] == 5

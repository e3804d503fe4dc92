"""Layers whose weights travel compute on the RTL what the golden model says, however the weights come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mapping.compile import compile_network
from sim.run.result import result
from tests.cycle.units import UNITS
from tests.sim.runs import enter, images_for, run_rtl

IMAGES = 2


@pytest.mark.parametrize(
    ("unit", "front_door"),
    [
        ("a layer's weights travel", True),
        ("branches in turn, in two windows, starved", False),
        ("a block in one window, one crossbar PU", False),
    ],
)
def test_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str, front_door: bool) -> None:
    enter(tmp_path, monkeypatch)
    case = UNITS[unit]
    program = compile_network(case.network(), case.arch(), options={"reload": case.reload})
    report = result(run_rtl(program, images_for(program, IMAGES), tmp_path / "run", front_door=front_door))
    for node in program.network.nodes:
        found, size = report["nodes"][node.name], int(np.prod(program.network.tensors[node.output].shape))
        assert found["mismatches"] == 0 and found["first_mismatch"] is None, node.name
        assert found["values_compared"] >= IMAGES * size, node.name
        if node.inputs:
            assert found["values_compared"] == IMAGES * size, node.name

"""Layers whose weights travel compute on the RTL what the golden model says, however the weights come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mapping.compile import compile_network
from pyimc import isa
from pyimc.energy.account import account
from pyimc.energy.costs import COSTS, load_costs
from pyimc.errors import DeadlockError
from pyimc.program import Program
from sim.run.residency import Residency, residency
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
        ("a block in two windows, one crossbar PU", True),
        ("weights for two images, in two windows, one crossbar PU", False),
        ("parts that hand on sums, in one window", False),
        ("weights in slices and differences travel", True),
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
        assert found["values_compared"] >= IMAGES // case.batch * size, node.name
        if node.inputs:
            assert found["values_compared"] == IMAGES * size, node.name


def test_what_travels_is_said_and_paid() -> None:
    """Words of three layers for two images at a time: read beside the chip, programmed into cells."""
    case = UNITS["weights for two images, in two windows, one crossbar PU"]
    program = compile_network(case.network(), case.arch(), options={"reload": case.reload, "batch": 2})
    words = [channel.size for channel in program.channels if channel.memory == "plane"]
    planes, stays = program.actor("stem").planes, program.actor("short").planes
    found = residency(program)
    assert found == Residency(
        ("stem", "first", "second"), sum(words) // 2, 3, 2, 2, planes, stays, program.arch.crossbar.planes
    )
    costs = load_costs(COSTS)
    fetched = program.arch.word_bits * costs.energy.weight_fetch.value
    cells = program.arch.lanes * costs.slices(program.arch) * costs.energy.cell_write.value
    paid = account(program, costs, 1000, 1000)
    assert paid.chip.components["loads"] == pytest.approx(sum(words) // 2 * (fetched + cells))
    assert paid.operators["first/weights"].components["loads"] == pytest.approx(words[1] // 2 * fetched)
    assert residency(compile_network(case.network(), case.arch(), options={"reload": ""})) is None


def corrupted(program: Program) -> Program:
    """The memory holds another byte at the end of the layer's weights."""
    memory = program.actor("two/weights")
    image = program.pus[memory.node]
    weights = image.weights.copy()
    weights.reshape(-1)[program.network.tensors["two/weights"].shape[0] * weights.shape[2] - 1] ^= 64
    return replace(program, pus=program.pus | {memory.node: replace(image, weights=weights)})


def cut_short(program: Program) -> Program:
    """The memory sends 36 words less."""
    memory = program.actor("two/weights")
    image, entry = program.pus[memory.node], isa.engine_entry(memory.context, isa.STREAM)

    def shorter(value: int) -> int:
        stream = isa.STREAM.decode(value)
        return isa.STREAM.encode(**(stream | {"words": stream["words"] - 36}))

    tables = tuple(
        (space, number, shorter(value) if (space, number) == (isa.SPACES["ENGINE"], entry) else value)
        for space, number, value in image.tables
    )
    return replace(program, pus=program.pus | {memory.node: replace(image, tables=tables)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (corrupted, r"the 1440 words that came have another checksum"),
        (cut_short, r"1404 of 1440 words came"),
    ],
)
def test_weights_that_are_not_the_layers_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Program], Program], words: str
) -> None:
    enter(tmp_path, monkeypatch)
    case = UNITS["a layer's weights travel"]
    program = change(compile_network(case.network(), case.arch(), options={"reload": case.reload}))
    said = rf"two \(PU \d\) refuses its weights from two/weights \(PU 5\): {words}"
    with pytest.raises(DeadlockError, match=said):
        run_rtl(program, images_for(program, IMAGES), tmp_path / "run")

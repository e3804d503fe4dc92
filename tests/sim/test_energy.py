# SPDX-License-Identifier: Apache-2.0
"""Energy from a Program: events that the counters confirm, and figures that add up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from mapping.actors.firing import read_grain
from mapping.compile import compile_network
from mapping.operators import image_firings
from pyimc.arch import Arch, load_arch
from pyimc.cycle.model import simulate
from pyimc.energy.account import COMPONENTS, account
from pyimc.energy.area import chip_um2
from pyimc.energy.costs import load_costs
from pyimc.energy.events import EVENTS, Counts, count
from pyimc.engines.imc.timing import Layer, engine_of, window_chunks
from pyimc.errors import EncodingError
from pyimc.network import Mvm, Network
from pyimc.operators.load import Load
from pyimc.program import Program
from sim.run.prepare import prepare
from tests.cycle.cases import random_program, unit_program
from tests.cycle.units import UNITS
from tests.sim.runs import pyimc, read_result

IMAGES = 2


@pytest.fixture(scope="module")
def digits() -> Program:
    return compile_network(prepare("digits", 1, None).network, load_arch("default"))


Build = Callable[[], Program]


def _programs() -> list[ParameterSet]:
    units = [pytest.param(partial(unit_program, name), id=f"unit/{name}") for name in UNITS]
    return [*units, *(pytest.param(partial(random_program, seed), id=f"random/{seed}") for seed in range(12))]


@pytest.mark.parametrize("build", _programs())
def test_firings_and_flits_are_those_of_the_cycle_model(build: Build) -> None:
    """But for what waits for no image: when the last result leaves, its words of the next images are on their way."""
    program = build()
    counts, run = count(program), simulate(program, IMAGES)
    ahead = {actor.name for actor in program.actors if actor.kind == "memory"}
    constant = _constant(program)
    batch, windows = program.batch, max(channel.windows for channel in program.channels)
    images = 0
    for name, firings in counts.firings.items():
        rounds = IMAGES // batch if name in ahead else IMAGES
        more = run.actors[name]["firings"] - rounds * firings
        if name in constant:
            images = max(images, -(-more // firings))
            assert 0 <= more <= firings * sum(channel.size for channel in program.channels), name
        else:
            assert 0 <= more <= (windows if name in ahead else 0), name
    memories = {program.actor(name).node for name in ahead}
    loaded = {program.channel(channel).node for name in ahead for channel in program.actor(name).destinations}
    weights = sum(counts.flits_out[node] for node in memories) * batch * windows
    rounded = IMAGES * len(ahead) * (batch > 1)  # a load's share of an image
    senders = {program.actor(name).node for name in constant}
    takers = {program.channel(channel).node for name in constant for channel in program.actor(name).destinations}
    for node, found in run.counters.items():
        each = [counts.flits_out.get(int(node), 0), counts.flits_in.get(int(node), 0)]
        sent, come = (found[key] - IMAGES * flits for key, flits in zip(("flits_out", "flits_in"), each, strict=True))
        most = images * each[0] if int(node) in senders else weights if int(node) in memories else 0
        assert -rounded <= sent <= most, node
        most = images * each[1] if int(node) in takers else weights if int(node) in loaded else 0
        assert -rounded <= come <= most, node
    assert run.host_flits == IMAGES * counts.host_flits
    assert set(counts.chip) <= set(EVENTS)
    _assert_reads(program, counts)


def _constant(program: Program) -> set[str]:
    """Actors that depend on no image, but for those that send weights."""
    found: set[str] = set()
    for actor in program.actors:
        producers = {program.channel(channel).producer for channel in actor.inputs}
        if producers <= found and actor.kind != "memory":
            found.add(actor.name)
    return found


def _assert_reads(program: Program, counts: Counts) -> None:
    """A layer reads every cell once for each pixel and step, and no more words than the gather takes chunks."""
    for node in program.network.nodes:
        events = counts.operators[node.name]
        if isinstance(node, Mvm):
            cells = program.arch.crossbar.cells * node.macs(program.network.sources(node))
            assert events["cell_reads"] == program.arch.dac_steps * cells
            assert events["conversions"] % program.arch.crossbar.adcs == 0
            assert events["reads"] <= _chunks(program, node) + events["additions"]
        else:
            assert not events["conversions"]
            assert (bool(events["reads"]), bool(events["loads"])) == (bool(node.inputs), isinstance(node, Load))


def _chunks(program: Program, node: Mvm) -> int:
    """Chunks that the gather takes for an image, padding included, and words of partial sums."""
    network, engine = program.network, engine_of(program.arch)
    return sum(
        sum(window_chunks(engine, layer, x=firing.x0 + pixel * layer.step_bytes, top=firing.top, rows=firing.rows))
        for layer in (_layer(network, node),)
        for firing in image_firings(network, node, program.arch, read_grain(program.origin.options["grain"]))
        for pixel in range(firing.pixels)
    )


def _layer(network: Network, node: Mvm) -> Layer:
    source = network.tensors[node.inputs[0]]
    part = node.extent(source)
    return Layer(
        run_bytes=part.run[1] - part.run[0], step_bytes=node.stride[1] * source.channels, row_bytes=source.row_bytes,
        kernel_rows=part.rows[1] - part.rows[0], channels=node.weights.shape[0],
    )  # fmt: skip


def test_reads_without_padding_are_the_chunks_of_the_gather(digits: Program) -> None:
    counts, seen = count(digits), 0
    for node in digits.network.nodes:
        if isinstance(node, Mvm) and node.pads == (0, 0, 0, 0):
            assert counts.operators[node.name]["reads"] == _chunks(digits, node)
            seen += 1
    assert seen


def test_stream_that_halts_is_refused(digits: Program) -> None:
    node, image = next(iter(digits.pus.items()))
    halted = type(image)((0,) * len(image.stream), image.tables, image.parameters, image.weights)
    broken = Program(
        digits.network, digits.arch, digits.actors, digits.channels, digits.pus | {node: halted}, digits.host_tables,
        digits.origin,
    )  # fmt: skip
    with pytest.raises(EncodingError, match="leaves its part of the memory or halts"):
        count(broken)


def test_figures_add_up(digits: Program) -> None:
    found = account(digits, load_costs("sram28"), 512, 1000)
    chip, events = found.chip, count(digits).host
    host = events["host_words"] * 128 * 10.9375 + events["hops"] * 128 * 0.081015625
    assert chip.pj == pytest.approx(sum(unit.pj for unit in found.units.values()) + host)
    assert sum(unit.pj for unit in found.units.values()) == pytest.approx(sum(f.pj for f in found.operators.values()))
    assert list(chip.components) == list(COMPONENTS)
    assert chip.macs == digits.network.macs()
    assert chip.power_w * chip.interval_s == pytest.approx(chip.pj * 1e-12)
    assert chip.tops_per_w == pytest.approx(chip.tops / chip.power_w)
    assert chip.edp_pj_s == pytest.approx(chip.pj * 1000 * found.clock_ns * 1e-9)
    assert chip.area_mm2 == pytest.approx(sum(chip_um2(digits.arch, load_costs("sram28")).values()) / 1e6)
    twice = account(digits, load_costs("sram28"), 1024, 1000).chip
    assert twice.pj == pytest.approx(chip.pj) and twice.tops == pytest.approx(chip.tops / 2)


def test_leakage_is_that_of_every_unit_in_every_cycle(digits: Program) -> None:
    costs = load_costs("sram28")
    leaking = costs.model_copy(update={"leakage": costs.leakage.model_copy(update={
        "imc": costs.leakage.imc.model_copy(update={"value": 2.0}),
        "dpu": costs.leakage.dpu.model_copy(update={"value": 0.5}),
    })})  # fmt: skip
    arch, found = digits.arch, account(digits, leaking, 512, 1000)
    milliwatts = 2.0 * len(arch.imcs) + 0.5 * len(arch.dpus)
    assert found.chip.components["leakage"] == pytest.approx(milliwatts * 512 * found.clock_ns)
    assert found.chip.pj > account(digits, costs, 512, 1000).chip.pj


def test_more_bits_in_a_cell_need_fewer_conversions(digits: Program) -> None:
    narrow = load_costs("isaac32")
    wide = narrow.model_copy(update={"cell_bits": 8})
    adcs = [account(digits, costs, 512, 1000).chip.components["adcs"] for costs in (narrow, wide)]
    assert adcs[0] == pytest.approx(4 * adcs[1])


def test_area_grows_with_what_it_is_made_of() -> None:
    arch, costs = load_arch("default"), load_costs("isaac32")
    base = chip_um2(arch, costs)
    for field, component in (("planes", "cells"), ("adcs", "adcs"), ("rows", "rows")):
        crossbar = arch.crossbar.model_copy(update={field: 2 * getattr(arch.crossbar, field)})
        larger = chip_um2(Arch.model_copy(arch, update={"crossbar": crossbar}), costs)
        assert larger[component] > base[component], field


def test_run_reports_its_energy(workspace: Path) -> None:
    said = pyimc("sim", "--model", "digits", "--level", "cycle", "--images", 8, "--costs", "isaac32")
    assert said.code == 0, said
    assert "energy by isaac32 at 1200 MHz: " in said.out
    report = read_result(workspace / "build/digits-default-lblp-cycle")
    energy = report["energy"]
    assert energy["costs"] == "isaac32"
    assert set(energy["operators"]) == set(report["nodes"])
    assert set(energy["pus"]) == {str(node["pu"]) for node in report["nodes"].values()}
    assert energy["chip"]["tops_per_w"] == pytest.approx(2 * report["macs_per_image"] / energy["chip"]["pj"], rel=1e-4)


@pytest.mark.parametrize(
    ("costs", "says"), [("hermes14", "none for 1 bits, only for 8"), ("mine.yaml", "energy: Field required")]
)
def test_costs_are_checked_before_anything_runs(costs: str, says: str, workspace: Path) -> None:
    (workspace / "mine.yaml").write_text("name: mine\n")
    said = pyimc("sim", "--model", "digits", "--costs", costs)
    assert said.code == 2 and said.err.count("\n") == 1 and says in said.err
    assert not (workspace / "build/digits-default-lblp-rtl").exists()

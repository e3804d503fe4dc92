# SPDX-License-Identifier: Apache-2.0
"""The cycle model equals the RTL: every figure of a run, and the cycle of every word that leaves an engine.

A part of the cases of `make equality`: the unit micro-benchmarks but for their variations, digits with every strategy
on one chip or another, some random networks on random chips. Beyond them, random networks and graphs on chips that
differ in every parameter, which are compiled once: one with the shortest fifos, two-word packets and the smallest
buffers, one whose network is slower than its engines, one whose link is wide. A seed decides network, chip, strategy,
buffers. Chains of layers that pass accumulators on are drawn, and tested by themselves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mapping.compile import compile_network
from mapping.placement.strategies import names
from pyimc import isa
from pyimc.arch import load_arch
from pyimc.cycle import Run, simulate
from pyimc.engines.imc.timing import Layer, convert_cycles, drain_cycles, engine_of, tile_rows, window_chunks
from pyimc.errors import CapacityError
from pyimc.network import Mvm, Network
from pyimc.program import Program
from sim.run.prepare import prepare
from sim.run.validation import compare_with_model
from tests.cycle.cases import Case, cases, network_program, unit_program
from tests.cycle.chips import NETWORK_CHIPS
from tests.cycle.equality import compare, run_rtl
from tests.cycle.units import SHARED_LINK, UNITS
from tests.mapping.networks import Builder
from tests.mapping.networks import seeded as seeded_network
from tests.random_cnn import seeded as seeded_model
from tests.sampling import seeds
from tests.sim.runs import enter, images_for
from tests.sim.test_end_to_end import CHIPS, _arch, from_onnx

ARCHES = CHIPS | {
    arch.name: arch
    for arch in (
        _arch("starved", (3, 2, 2), (32, 32, 128, 4, 1), dpus=[4], packet_words=2, host_words=64),
        _arch("jammed", (8, 1, 2), (64, 64, 64, 64, 8), dpus=[3, 5], packet_words=1),
        _arch("alone", (2, 1, 2), (64, 32, 64, 8, 2), dpus=[]),
        _arch("fat", (3, 3, 2), (256, 128, 16, 64, 8), dpus=[2, 6], host=4, word_bits=256, packet_words=3),
    )
}
GRAINS = ("row", "row", "map", 1, 2, 5)


@pytest.fixture(scope="module", autouse=True)
def _workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        enter(tmp_path_factory.mktemp("cycle"), patch)
        yield


def assert_equal(program: Program, images: int) -> None:
    """Runs both and compares; the message starts with the earliest word that differs."""
    compared = compare(program, images)
    assert not compared.differences, "\n".join(compared.differences)
    assert compared.events > 0 and compared.words > 0


def drawn(seed: int, network: Network) -> Program | None:
    """The Program of a seed; None if the chip it draws is too small."""
    random = np.random.default_rng(seed)
    arch = ARCHES[str(random.choice(sorted(ARCHES)))]
    slack_rows = int(random.integers(0, 3)) if random.integers(0, 2) else 0
    strategy = str(random.choice(names()))
    grain = GRAINS[int(random.integers(0, len(GRAINS)))]
    try:
        return compile_network(network, arch, strategy, {"slack_rows": slack_rows, "grain": grain})
    except CapacityError:
        return None


def check_drawn(seed: int, network: Network) -> None:
    """Draws on until a chip is large enough."""
    program = next(found for draw in range(100) if (found := drawn(seed + 1000 * draw, network)))
    assert_equal(program, 3)


@pytest.mark.parametrize("seed", seeds(3, 5, 30))
def test_random_cnn(seed: int) -> None:
    check_drawn(seed, from_onnx(seeded_model(seed))[0])


@pytest.mark.parametrize("seed", seeds(3, 5, 30))
def test_random_graph(seed: int) -> None:
    check_drawn(seed, seeded_network(seed))


@pytest.mark.parametrize(("chip", "slack_rows"), [("small", 0), ("alone", 2), ("fat", 2)])
@pytest.mark.parametrize("kernels", [[(1, 1), (5, 5)], [(5, 5), (1, 1)], [(3, 3), (1, 1), (3, 5)]], ids=str)
def test_chain(kernels: list[tuple[int, int]], chip: str, slack_rows: int) -> None:
    """Parts that are slower or faster than the one before, on one PU or several, with room for one row or three."""
    net = Builder(6, 5, 3)
    value = net.conv("first", "x", 16)
    value = net.chain("chain", value, 24, kernels)
    network = net.finish(net.conv("last", value, 8, (1, 1), (1, 1), (0, 0, 0, 0)))
    program = compile_network(network, ARCHES[chip], "round_robin", {"slack_rows": slack_rows})
    places = {actor.node for actor in program.actors if actor.name.startswith("chain")}
    assert len(places) == (1 if chip == "alone" else len(kernels))
    rings = {channel.size for channel in program.channels if network.tensors[channel.tensor].partial}
    assert rings == {(1 + slack_rows) * 5 * 24 * 4 // ARCHES[chip].lanes}
    assert_equal(program, 3)


FAST = (
    "unit/row tiles", "unit/skip", "unit/add", "unit/concat of channels",
    "unit/all vector operations, one-word packets",
    "digits/starved/random",
)  # fmt: skip


def in_make_test(case: Case) -> bool:
    """Whether CI has the time for it: of the micro-benchmarks those that are no variation (", padded") of another."""
    match case.name.split("/"):
        case ["unit", name]:
            return ", " not in name or case.name in FAST
        case ["digits", chip, strategy]:
            return names().index(strategy) % len(NETWORK_CHIPS) == sorted(NETWORK_CHIPS).index(chip)
        case ["random", seed]:
            return int(seed) in (0, 1, 9)  # of 9, weights travel
    return False


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=() if case.name in FAST else pytest.mark.slow)
        for case in cases()
        if in_make_test(case)
    ],
)
def test_case(case: Case) -> None:
    assert_equal(case.program(), case.images)


@pytest.mark.parametrize("name", [name for name, unit in UNITS.items() if unit.bound])
def test_unit_is_bound_by_what_its_name_says(name: str) -> None:
    unit, program = UNITS[name], unit_program(name)
    arch, layer, engine = program.arch, program.network.nodes[0], engine_of(program.arch)
    source, result = (program.network.tensors[tensor] for tensor in (program.network.input, layer.output))
    assert isinstance(layer, Mvm)
    rows = layer.kernel[0]
    shape = Layer(
        layer.kernel[1] * source.channels, layer.stride[1] * source.channels, source.width * source.channels, rows,
        result.channels,
    )  # fmt: skip
    inner = (layer.kernel[1] // 2) * source.channels
    chunks = window_chunks(engine, shape, x=inner, top=0, rows=rows)
    heads = 1 + 1 / arch.packet_words
    cycles = {
        "input": heads * source.channels / arch.lanes,
        "gather": sum(chunks),
        "convert": sum(convert_cycles(engine, result.channels, each) for each in tile_rows(engine, shape)),
        "drain": drain_cycles(engine, shape),
        "output": heads * result.channels / arch.lanes,
    }
    assert [step for step in cycles if cycles[step] == max(cycles.values())] == [unit.bound], cycles


def test_shared_link_is_never_idle() -> None:
    """While nothing else is busy for more than 70 % of the time."""
    program = unit_program(SHARED_LINK)
    result = simulate(program, 50)
    sum_node = program.actor("sum").node
    assert result.counters[str(sum_node)]["flits_in"] > 0.95 * result.cycles_total
    busy = [counts["busy"] for node, counts in result.counters.items() if int(node) != sum_node]
    assert max(busy) < 0.7 * result.cycles_total


def test_chips_are_what_their_names_say() -> None:
    """ResNet-8's interval is three times that of its slowest actor if it is starved, and a slow network adds to it."""
    for chip, least in (("starved", 3.0), ("slow_network", 1.05)):
        program = network_program("resnet8", chip, "lblp")
        last = simulate(program, 6).last_cycles
        assert last[4] - last[3] > least * max(actor.cycles for actor in program.actors)


def without_room(program: Program) -> Program:
    """The same with no room at the first destination of the last PU: its actor never fires."""
    node, image = list(program.pus.items())[-1]
    space = isa.SPACES["DESTINATION"]
    first = next(entry for entry in image.tables if entry[0] == space)
    closed = (space, first[1], isa.DESTINATION.encode(**(isa.DESTINATION.decode(first[2]) | {"room": 0})))
    tables = tuple(closed if entry == first else entry for entry in image.tables)
    return replace(program, pus=program.pus | {node: replace(image, tables=tables)})


def test_deadlock_is_seen_by_both() -> None:
    network = prepare("digits", 1, None).network
    program = without_room(compile_network(network, load_arch("tiny"), "lblp"))
    assert_equal(program, 2)
    result = simulate(program, 2)
    assert result.deadlock
    assert any(status["room_wait"] for status in result.waiting)


def test_a_run_that_stops_for_looks_goes_on_as_if_it_had_not() -> None:
    program = network_program("resnet8", "starved", "lblp")
    whole, run = simulate(program, 6, events=100_000), Run(program, 6, events=100_000)
    for images in (1, 4):
        look = run.until(images)
        assert look.last_cycles == whole.last_cycles[:images] and look.cycles_total == look.last_cycles[-1]
        assert look.first_cycles == whole.first_cycles[: len(look.first_cycles)]
        assert np.array_equal(look.events, whole.events[: len(look.events)])
    assert 10_000 < len(look.events) < len(whole.events)
    assert run.until(6) == whole


def test_difference_is_seen() -> None:
    """The comparison sees packets that are a word shorter."""
    network = prepare("digits", 1, None).network
    program = compile_network(network, load_arch("tiny"), "lblp")
    other = replace(program, arch=program.arch.model_copy(update={"packet_words": program.arch.packet_words - 1}))
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        measured = run_rtl(program, images_for(program, 2), Path(folder), Path("build/simulator"))
    assert not compare_with_model(program, 2, measured).differences
    assert compare_with_model(other, 2, measured).differences

# SPDX-License-Identifier: Apache-2.0
"""The cycle model equals the RTL: every figure of a run, and the cycle of every word that leaves an engine.

Random networks run on chips that differ in every parameter, among them one with the shortest fifos, two-word packets
and the smallest buffers, one whose network is slower than its engines, and one whose link is wide. A seed decides
network, chip, strategy and buffers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapping.compile import compile_network
from mapping.strategies import names
from pyimc import isa
from pyimc.arch import load_arch
from pyimc.cycle import simulate
from pyimc.errors import CapacityError
from pyimc.network import Network
from pyimc.program import Program
from sim.prepare import prepare
from tests.cycle.equality import differences, run_rtl
from tests.mapping.networks import seeded as seeded_network
from tests.random_cnn import seeded as seeded_model
from tests.sim.runs import enter, images_for
from tests.sim.test_end_to_end import CHIPS, _arch, from_onnx

ARCHES = CHIPS | {
    arch.name: arch
    for arch in (
        _arch("starved", (3, 2, 2), (32, 32, 128, 4, 1), dpus=[4], packet_words=2, host_words=64),
        _arch("jammed", (8, 1, 2), (64, 64, 64, 64, 8), dpus=[3, 5], packet_words=1),
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
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        outcome = run_rtl(program, images_for(program, images), Path(folder))
        found = differences(program, images, outcome, Path(folder))
    assert not found, "\n".join(found)


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


def seeds(fast: int, slow: int) -> list[Any]:
    """The first seeds are fast, the rest are not."""
    return [*range(fast), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(fast, slow))]


@pytest.mark.parametrize("seed", seeds(6, 60))
def test_random_cnn(seed: int) -> None:
    check_drawn(seed, from_onnx(seeded_model(seed))[0])


@pytest.mark.parametrize("seed", seeds(6, 60))
def test_random_graph(seed: int) -> None:
    check_drawn(seed, seeded_network(seed))


@pytest.mark.parametrize("strategy", names())
def test_digits(strategy: str) -> None:
    network = prepare("digits", 1, None).network
    assert_equal(compile_network(network, load_arch("tiny"), strategy), 4)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["lblp", "round_robin"])
@pytest.mark.parametrize("slack_rows", [0, 2])
def test_resnet8(strategy: str, slack_rows: int) -> None:
    network = prepare("resnet8", 1, None).network
    assert_equal(compile_network(network, load_arch("default"), strategy, {"slack_rows": slack_rows}), 2)


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


def test_difference_is_seen() -> None:
    """The comparison sees packets that are a word shorter."""
    network = prepare("digits", 1, None).network
    program = compile_network(network, load_arch("tiny"), "lblp")
    other = replace(program, arch=program.arch.model_copy(update={"packet_words": program.arch.packet_words - 1}))
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        outcome = run_rtl(program, images_for(program, 2), Path(folder))
        assert not differences(program, 2, outcome, Path(folder))
        assert differences(other, 2, outcome, Path(folder))

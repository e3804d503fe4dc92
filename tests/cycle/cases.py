# SPDX-License-Identifier: Apache-2.0
"""All on which the cycle model has to equal the RTL, by name: `make equality` runs it, `make test` a part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from mapping.compile import compile_network
from mapping.placement.ledger import Options
from mapping.placement.strategies import names
from pyimc.errors import CapacityError
from pyimc.network import Mvm, Network
from pyimc.program import Program
from sim.run.prepare import prepare
from tests.cycle.chips import NETWORK_CHIPS, random_chip
from tests.cycle.units import UNITS
from tests.random_cnn import seeded
from tests.sim.test_end_to_end import from_onnx
from tests.sim.test_windows import packed

RANDOM_CASES = 200
GRAINS = ("row", 1, "row", "map", 3)  # as many as share no factor with the strategies
DRAWS = 1000  # chips, until one is large enough for the network of a seed


@dataclass(frozen=True, slots=True)
class Case:
    """A Program and how many images run through it."""

    name: str
    program: Callable[[], Program]
    images: int

    @property
    def group(self) -> str:
        """What it counts with."""
        return self.name.partition("/")[0]


def cases() -> Iterator[Case]:
    """All of them, the quick ones first."""
    for name, unit in UNITS.items():
        yield Case(f"unit/{name}", partial(unit_program, name), unit.images)
    yield Case("windows/rows and columns", packed, 3)
    yield Case("windows/corner tile", partial(packed, first=[3, 0, 0], second=[2, 38, 8], third=[0, 30, 24]), 3)
    yield from network_cases("digits", 4)
    for seed in range(RANDOM_CASES):
        yield Case(f"random/{seed}", partial(random_program, seed), 3)
    yield from network_cases("resnet8", 2)
    for strategy in ("lblp", "round_robin"):
        yield Case(f"resnet18/default/{strategy}", partial(network_program, "resnet18", "default", strategy), 2)


def network_cases(model: str, images: int) -> Iterator[Case]:
    """A built-in model with every strategy on every chip."""
    for chip in NETWORK_CHIPS:
        for strategy in names():
            yield Case(f"{model}/{chip}/{strategy}", partial(network_program, model, chip, strategy), images)


def unit_program(name: str) -> Program:
    """A unit micro-benchmark."""
    unit = UNITS[name]
    options: Options = {"slack_rows": unit.slack_rows} | (
        {"reload": unit.reload, "batch": unit.batch} if unit.reload else {}
    )
    return compile_network(unit.network(), unit.arch(), "lblp", options)


@cache
def _network(model: str) -> Network:
    return prepare(model, 1, None).network


def network_program(model: str, chip: str, strategy: str) -> Program:
    """A built-in model on one of `NETWORK_CHIPS`."""
    arch, slack_rows = NETWORK_CHIPS[chip]
    return compile_network(_network(model), arch, strategy, {"slack_rows": slack_rows})


def random_reload(network: Network, seed: int) -> Options:
    """Some layers in turns of some windows, often a single one; or whatever the compiler decides."""
    draw = np.random.default_rng(seed)
    layers = [node.name for node in network.nodes if type(node) is Mvm and draw.integers(2)]
    if not layers or not draw.integers(4):
        return {}
    turns = draw.integers(1, 3)
    groups = [(layers[start::turns], draw.choice([1, 1, 2, 3])) for start in range(turns) if layers[start::turns]]
    return {"reload": ";".join(f"{','.join(group)}*{windows}" for group, windows in groups)}


def random_program(seed: int) -> Program:
    """The CNN of a seed on the first chip, of those that follow from the seed, that can hold it."""
    network = from_onnx(seeded(seed))[0]
    strategy, slack_rows = names()[seed % len(names())], seed // len(names()) % 3
    options: Options = {"slack_rows": slack_rows, "grain": GRAINS[seed % len(GRAINS)]}
    for draw in range(DRAWS):
        chip = random_chip(DRAWS * seed + draw)
        travelling = random_reload(network, DRAWS * seed + draw) if chip.places("memory") else {}
        try:
            return compile_network(network, chip, strategy, {**options, **travelling})
        except CapacityError:
            continue
    raise AssertionError(f"seed {seed}: none of {DRAWS} chips can hold it")

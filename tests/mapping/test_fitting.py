# SPDX-License-Identifier: Apache-2.0
"""Layers that no processing unit holds whole are cut by themselves, and only those."""

import re

import numpy as np
import pytest

from mapping.compile import compile_network
from mapping.cuts.fitting import fitting_cuts
from mapping.cuts.split import Cut, split_network
from pyimc.arch import Arch
from pyimc.cycle import Run
from pyimc.errors import CapacityError
from pyimc.golden import run
from pyimc.network import Network
from tests.mapping.networks import Builder, small_arch
from tests.pyimc.networks import random_image

COLUMNS = small_arch(output_columns=32)
FEW_PLANES = small_arch(crossbar={"planes": 6})


def dense(channels: int, outputs: int, height: int = 1, width: int = 1) -> Network:
    net = Builder(height, width, channels)
    return net.finish(net.dense("wide", "x", outputs))


@pytest.mark.parametrize(
    ("network", "arch", "cut"),
    [
        (dense(16, 32), COLUMNS, None),
        (dense(16, 64), COLUMNS, Cut(horizontal=2)),
        (dense(16, 96), COLUMNS, Cut(horizontal=3)),
        (dense(16, 66), COLUMNS, Cut(horizontal=3)),  # no two parts of 33
        (dense(16, 64), small_arch(parameters=32), Cut(horizontal=2)),
        (dense(32, 96), FEW_PLANES, None),
        (dense(128, 128), FEW_PLANES, Cut(horizontal=2)),
        (dense(1024, 4), FEW_PLANES, Cut(vertical=4)),  # 16 tiles above each other: parts of 2 channels take as many
        (dense(8, 4, 8, 8), small_arch(activation_words=24, word_bits=64), Cut(vertical=4)),
    ],
)
def test_the_fewest_parts_that_fit(network: Network, arch: Arch, cut: Cut | None) -> None:
    found = fitting_cuts(network, arch)
    assert found == ({} if cut is None else {"wide": cut})
    if cut:
        image = random_image(network, 1)
        whole, parts = run(network, image), run(split_network(network, found), image)
        np.testing.assert_array_equal(parts[network.outputs[0]], whole[network.outputs[0]])


@pytest.mark.parametrize("strategy", ["lblp", "round_robin", "lblp_plus"])
def test_a_wide_and_a_tall_layer_run_without_an_option(strategy: str) -> None:
    net = Builder(4, 4, 16)
    wide = net.conv("wide", "x", 64)
    network = net.finish(net.dense("tall", wide, 4))
    arch = small_arch(output_columns=32, crossbar={"planes": 10})
    program = compile_network(network, arch, strategy)
    said = str(program.origin.options["split"])
    assert said.startswith("wide:horizontal=2;tall:vertical=2")
    again = compile_network(network, arch, strategy, {"split": said} if strategy != "lblp_plus" else {})
    assert {actor.name for actor in again.actors} == {actor.name for actor in program.actors}
    result = Run(program, 4).until(4)
    assert not result.deadlock


def test_the_user_decides_about_a_layer() -> None:
    network = dense(16, 64)
    program = compile_network(network, COLUMNS, options={"split": "wide:horizontal=4"})
    assert program.origin.options["split"] == "wide:horizontal=4"


def test_planes_left_in_small_pieces_are_used() -> None:
    """Five layers of three planes on four units of four."""
    net = Builder(1, 1, 64)
    network = net.finish(*[net.dense(name, "x", 96) for name in "abcde"])
    program = compile_network(network, small_arch(crossbar={"planes": 4}))
    assert program.origin.options["split"] == "a:horizontal=3"
    assert sum(actor.planes for actor in program.actors) == 15
    assert not Run(program, 4).until(4).deadlock


def test_too_few_planes_in_all_are_refused_with_what_would_do() -> None:
    with pytest.raises(
        CapacityError,
        match=re.escape("its weights take 32 planes of 64x32, the 4 imc PUs of architecture tiny have 24; give it an "
                        "architecture with 6 such PUs or more, or with crossbar.planes of 8 or more"),
    ):  # fmt: skip
        compile_network(dense(512, 128), FEW_PLANES)

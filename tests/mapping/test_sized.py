"""Architectures by their number of crossbar PUs."""

import pytest

from mapping.compile import compile_network
from mapping.placement.sized import sized
from mapping.placement.strategies import names
from pyimc.arch import load_arch
from pyimc.errors import CapacityError, ConfigError
from tests.mapping.networks import Builder, resnet18
from tests.sim.small import network

DEFAULT = load_arch("default")


@pytest.mark.parametrize(
    ("imcs", "mesh", "dpus"), [(1, (2, 2), 2), (2, (2, 2), 1), (4, (3, 2), 1), (8, (4, 3), 3), (32, (8, 5), 7)]
)
def test_smallest_mesh(imcs: int, mesh: tuple[int, int], dpus: int) -> None:
    arch = sized(DEFAULT, imcs, network())
    assert (len(arch.imcs), (arch.mesh.columns, arch.mesh.rows), len(arch.dpus)) == (imcs, mesh, dpus)
    assert arch.name == f"default-{imcs}"


def test_as_many_as_the_base_has_are_where_the_base_has_them() -> None:
    arch = sized(DEFAULT, 16, network())
    assert (arch.mesh, arch.dpus, arch.crossbar) == (DEFAULT.mesh, DEFAULT.dpus, DEFAULT.crossbar)


@pytest.mark.parametrize("imcs", [*range(1, 40), 64, 200])
def test_every_count_is_valid_and_near_square(imcs: int) -> None:
    arch = sized(DEFAULT, imcs, network())
    assert len(arch.imcs) == imcs
    assert arch.mesh.rows <= arch.mesh.columns <= 2 * arch.mesh.rows
    assert max(1, round(imcs * 3 / 16)) <= len(arch.dpus) <= imcs * 3 / 16 + arch.mesh.rows + 1


def test_room_grows_as_units_get_fewer() -> None:
    net = resnet18()
    planes = [sized(DEFAULT, imcs, net).crossbar.planes for imcs in (2, 4, 8, 16, 32)]
    assert planes == [201, 101, 51, 40, 40]  # 201 in all: twice the even share, and never less than the base has
    two = sized(DEFAULT, 2, net)
    assert two.contexts == 32  # 21 crossbar layers, twice the even share, as a power of two
    assert two.activation_words == 65535


def test_there_are_dpus_for_every_actor() -> None:
    net = Builder(2, 2, 8)
    value = net.input
    for index in range(140):
        value = net.lut(f"lut{index}", value)
    long = net.finish(net.dense("dense", value, 4))
    chips = {imcs: sized(DEFAULT, imcs, long) for imcs in (1, 4, 32)}
    # 64 contexts, so 3 at least; then 3 for 16
    assert {imcs: len(arch.dpus) for imcs, arch in chips.items()} == {1: 4, 4: 3, 32: 7}
    compile_network(long, chips[4], "lblp")


@pytest.mark.parametrize("strategy", names())
@pytest.mark.parametrize("imcs", [1, 3])
def test_networks_fit(strategy: str, imcs: int) -> None:
    base = load_arch("tiny")
    compile_network(network(), sized(base, imcs, network()), strategy)


def test_refusals() -> None:
    for imcs in (0, 256):
        with pytest.raises(ConfigError, match=f"{imcs} imc PUs"):
            sized(DEFAULT, imcs, network())
    net = Builder(1, 1, 8)
    wide = net.finish(net.dense("wide", "x", 1031))  # a prime: no two equal parts
    with pytest.raises(CapacityError, match="1031 output columns, a PU has 1024"):
        sized(DEFAULT, 4, wide)

"""Which weights stay and which travel: the choice against all others, and networks larger than the chip."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mapping.compile import compile_network
from mapping.cuts.flow import Flow
from mapping.cuts.residency import _groups, _layer, choices, lacks_planes, travelling_cuts
from mapping.operators import task
from pyimc.arch import Arch, load_arch
from pyimc.errors import CapacityError
from pyimc.network import Mvm, Network
from tests.cycle.units import block, two_layers
from tests.mapping.networks import Builder, small_arch


def chip(planes: int, dpus: list[int] | None = None) -> Arch:
    """Tiny with a memory and so many planes a unit."""
    crossbar = {"planes": planes, "adcs": 8, "dac_bits": 2}
    return small_arch(pus={"memory": (5,)}, dpus=dpus or [3, 4], crossbar=crossbar)


def chain() -> Network:
    """Six layers of one to six planes."""
    net = Builder(4, 5, 8)
    source = "x"
    for number, channels in enumerate((8, 24, 40, 16, 32, 8)):
        source = net.conv(f"c{number}", source, channels)
    return net.finish(source)


def test_a_network_that_fits_stays() -> None:
    network = chain()
    assert not lacks_planes(network, chip(64)) and lacks_planes(network, chip(6))
    assert not lacks_planes(network, small_arch(crossbar={"planes": 1, "adcs": 8, "dac_bits": 2}))  # no memory
    program = compile_network(network, chip(64))
    assert "reload" not in program.origin.options and not any(actor.kind == "memory" for actor in program.actors)


@pytest.mark.parametrize("planes", [6, 7, 8, 9, 10])
def test_one_window_moves_the_fewest_words(planes: int) -> None:
    """Of all sets of layers that could stay beside one window on a chip of one unit, found by trying each."""
    network, arch = chain(), small_arch(
        pus={"memory": (5,)}, dpus=[1, 2, 3], mesh={"columns": 3, "rows": 2, "fifo_depth": 2},
        crossbar={"planes": planes + 6, "adcs": 8, "dac_bits": 2},
    )  # fmt: skip
    arch = arch.model_copy(update={"dpus": (1, 2, 3)})
    assert arch.imcs == (4,)
    sizes = {node.name: task(node, network, arch).plane_count(arch) for node in network.nodes}
    words = {name: _words(network, arch, name) for name in sizes}
    possible = [
        sum(words[name] for name in sizes if name not in stay)
        for count in range(len(sizes))
        for stay in combinations(sizes, count)
        for window in [max(size for name, size in sizes.items() if name not in stay)]
        if sum(sizes[name] for name in stay) + window <= arch.crossbar.planes
    ]
    cycles = Flow(network, arch, "row").cycles
    layers = [_layer(node, network, arch, cycles[node.name]) for node in network.nodes if isinstance(node, Mvm)]
    found = [_groups(layers, size, 1, 1, 0, arch) for size in set(sizes.values())]
    assert min(sum(words[layer.name] for layer in group) for groups in found for group in groups) == min(possible)


def test_more_windows_come_where_they_are_faster() -> None:
    """A second window for a layer that travels, while there are planes for it."""
    assert [choices(block(), chip(planes), "row")[0] for planes in (7, 8)] == ["stem*2", "stem*2"]
    assert choices(two_layers(), chip(8), "row")[:2] == ["one", "one*2"]


def test_the_flow_is_that_of_loads_and_cycles() -> None:
    """One window: a load and a layer take turns; two: the longer of the two; a batch: a load for as many images."""
    network, arch = two_layers(), chip(64)
    flow = Flow(network, arch, "row")
    cycles = {node.name: flow.cycles[node.name] for node in network.nodes if isinstance(node, Mvm)}
    loads = dict.fromkeys(cycles, 10000)
    both = sum(cycles.values())
    assert flow.interval([["one", "two"]], loads, 1, 1) == 20_000 + both
    assert flow.interval([["one", "two"]], loads, 2, 1) == 20_000
    assert flow.interval([["one", "two"]], loads, 1, 8) == (20_000 + 8 * both) // 8
    assert flow.interval([["two"]], {"two": 10}, 1, 1) == max(cycles["one"], cycles["two"] + 10)


def _words(network: Network, arch: Arch, name: str) -> int:
    program = compile_network(network, chip(64), options={"reload": name})
    return next(channel.size for channel in program.channels if channel.memory == "plane")


@pytest.mark.parametrize("strategy", ["lblp", "round_robin", "heft"])
def test_networks_beyond_the_chip_compile(strategy: str) -> None:
    for network, planes, dpus in (
        (two_layers(), 6, [2, 3, 4]), (two_layers(), 9, [2, 3, 4]), (block(), 5, [2, 3, 4]), (chain(), 7, [3, 4]),
        (chain(), 2, [3, 4]),
    ):  # fmt: skip
        arch = chip(planes, dpus)
        program = compile_network(network, arch, strategy)
        assert program.origin.options["reload"]
        assert all(len(program.pus[node].weights) <= planes for node in arch.imcs if node in program.pus)


def test_layers_too_large_to_travel_are_cut() -> None:
    net = Builder(3, 3, 16)
    wide = net.finish(net.conv("wide", "x", 96))
    arch = chip(6)
    assert travelling_cuts(wide, chip(64)) == {}
    assert travelling_cuts(wide, arch)["wide"].horizontal > 1
    assert np.prod([travelling_cuts(wide, arch)["wide"].vertical]) == 1


@pytest.mark.parametrize("share", ["half", "quarter"])
def test_the_examples_have_a_memory_and_hold_a_part_of_the_largest_layer(share: str) -> None:
    arch = load_arch(str(Path(__file__).parents[2] / "examples" / f"{share}.yaml"))
    assert arch.places("memory") and arch.crossbar.planes == 4608 // arch.crossbar.rows


def test_a_layer_that_no_way_fits_is_refused() -> None:
    """Parts that hand on sums in turn need rings for the sums of a whole map."""
    with pytest.raises(CapacityError, match="partial words"):
        compile_network(chain(), chip(1))

"""mapping.cuts.relay: nobody has more consumers than slots, and every value stays what it is."""

import numpy as np
import pytest

from mapping.actors.graph import build_graph
from mapping.compile import compile_network
from mapping.cuts.relay import add_relays
from mapping.cuts.split import Cut, split_network
from pyimc.arch import Arch
from pyimc.golden import run
from pyimc.network import Lut, Network
from pyimc.network_rules import verify
from pyimc.program import HOST, HOST_SLOTS
from tests.mapping.networks import Builder, residual, small_arch
from tests.pyimc.networks import random_image

WIDE = small_arch(
    mesh={"columns": 4, "rows": 4, "fifo_depth": 2}, dpus=[4, 5], contexts=64, instructions=1024, partial_words=4096
)


def fan(consumers: int) -> Network:
    """A layer with so many readers."""
    net = Builder(4, 4, 4)
    first = net.conv("first", "x", 8)
    return net.finish(*(net.conv(f"c{index}", first, 4) for index in range(consumers)))


def relays(network: Network) -> int:
    return sum(isinstance(node, Lut) for node in network.nodes)


@pytest.mark.parametrize(("consumers", "count"), [(4, 0), (5, 2), (8, 2), (9, 3), (16, 4), (17, 5 + 2)])
def test_no_producer_has_more_consumers_than_slots(consumers: int, count: int) -> None:
    whole = fan(consumers)
    network = add_relays(whole, WIDE)
    verify(network)
    assert relays(network) == count, "four slots each"
    build_graph(network, WIDE)
    image = random_image(whole, 0)
    expected, got = run(whole, image), run(network, image)
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


def test_a_network_with_slots_enough_stays_as_it_is() -> None:
    network = residual()
    assert add_relays(network, WIDE) is network


@pytest.mark.parametrize("arch", [WIDE, small_arch(dpus=[])], ids=["dpus", "none"])
def test_a_layer_in_cyclic_order_compiles_where_there_are_digital_units(arch: Arch) -> None:
    """Three parts in three rotations read the input nine times; the host has eight slots."""
    net = Builder(6, 7, 8)
    cut = split_network(net.finish(net.conv("c", "x", 16)), {"c": Cut(vertical=3, order="cyclic")})
    assert relays(add_relays(cut, arch)) == (3 if arch.dpus else 0)
    if arch.dpus:
        net = Builder(6, 7, 8)
        program = compile_network(
            net.finish(net.conv("c", "x", 16)), arch, options={"split": "c:vertical=3,order=cyclic"}
        )
        hosts = [channel for channel in program.channels if channel.producer == HOST]
        assert len(hosts) == 3 <= HOST_SLOTS

"""The smallest rings: they run, and every one of them with a word less is refused, or hangs the machine if forced."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import pytest

from mapping.actors.buffers import allocate, size_edges
from mapping.actors.firing import Grain
from mapping.actors.graph import Graph, build_graph
from mapping.actors.validate import check_schedule
from mapping.code.codegen import generate
from mapping.cuts.split import Cut, split_network
from mapping.placement.ledger import Placement
from mapping.placement.strategies import find
from pyimc.arch import Arch, arch_from_dict, load_arch
from pyimc.cycle.model import simulate
from pyimc.errors import ScheduleError
from pyimc.measurement import Measurement
from pyimc.network import Network
from pyimc.program import HOST, Channel, Origin
from tests.mapping.networks import Builder, residual, resnet18, small_arch

SMALL = small_arch(destinations=8, host_words=256, instructions=512, partial_words=2048)
DEFAULT = arch_from_dict(
    load_arch("default").model_dump(mode="json") | {"activation_words": 65535, "instructions": 1024}, "default"
)


def in_parts(copies: int) -> Network:
    """Partial sums and a skip around them, after a layer in copies."""
    net = Builder(6, 7, 8)
    first = net.conv("first", "x", 16)
    network = net.finish(net.add("sum", net.conv("cut", first, 16), first))
    return split_network(network, {"cut": Cut(vertical=3), "first": Cut(copies=copies)})


NETWORKS: dict[str, tuple[Callable[[], Network], Arch]] = {
    "residual": (residual, SMALL), "chain": (partial(in_parts, 1), SMALL), "copies": (partial(in_parts, 2), SMALL),
    "resnet18": (resnet18, DEFAULT),
}  # fmt: skip
CASES: list[tuple[str, Grain]] = [
    ("residual", "row"), ("residual", 1), ("residual", "map"), ("chain", "row"), ("copies", "row"),
    ("resnet18", "row"),
]  # fmt: skip


@cache
def smallest(name: str, grain: Grain) -> tuple[Graph, Arch, Placement, tuple[Channel, ...]]:
    """A network with no slack at all."""
    make, arch = NETWORKS[name]
    graph = size_edges(build_graph(make(), arch, grain))
    placement = find("lblp").place(graph, arch, {}, 0)
    return graph, arch, placement, allocate(graph, arch, placement, slack_rows=0)


def run(graph: Graph, arch: Arch, placement: Placement, channels: tuple[Channel, ...]) -> Measurement:
    """Three images on the cycle model, whatever the validator says."""
    return simulate(generate(graph, arch, placement, channels, Origin("", "", {}, 0, [], {}, "")), 3)


def one_word_less(channels: tuple[Channel, ...], name: str) -> tuple[Channel, ...]:
    """All channels, one of them smaller."""
    return tuple(replace(channel, size=channel.size - (channel.name == name)) for channel in channels)


@pytest.mark.parametrize(("name", "grain"), CASES)
def test_the_smallest_rings_run(name: str, grain: Grain) -> None:
    graph, arch, placement, channels = smallest(name, grain)
    least = {edge.name: edge.least_words for edge in graph.edges}
    assert all(channel.size == least[channel.name] for channel in channels if channel.consumer != HOST)
    check_schedule(graph, arch, placement, channels)
    result = run(graph, arch, placement, channels)
    assert not result.deadlock and len(result.last_cycles) == 3


@pytest.mark.parametrize(("name", "grain"), CASES)
def test_one_word_less_of_any_ring_is_refused(name: str, grain: Grain) -> None:
    graph, arch, placement, channels = smallest(name, grain)
    for channel in channels:
        if channel.consumer != HOST:
            with pytest.raises(
                ScheduleError, match=rf"deadlock|{channel.name} holds {channel.size - 1} words, a firing"
            ):
                check_schedule(graph, arch, placement, one_word_less(channels, channel.name))


@pytest.mark.parametrize(("name", "grain"), [case for case in CASES if case[0] != "resnet18"])
def test_one_word_less_of_any_ring_hangs_the_machine_if_forced(name: str, grain: Grain) -> None:
    graph, arch, placement, channels = smallest(name, grain)
    for channel in channels:
        if channel.consumer != HOST:
            result = run(graph, arch, placement, one_word_less(channels, channel.name))
            assert result.deadlock and result.waiting, channel.name

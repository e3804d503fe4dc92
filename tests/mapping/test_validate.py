"""The validator refuses each fault that a strategy, the buffers or the code generator could make."""

import re
from dataclasses import replace
from typing import Any

import pytest

from mapping.actors import validate
from mapping.actors.buffers import allocate, size_edges
from mapping.actors.graph import Graph, build_graph
from mapping.actors.validate import check_placement, check_program, check_schedule
from mapping.compile import compile_network
from mapping.placement.ledger import Placement
from mapping.placement.strategies import find
from pyimc import isa
from pyimc.errors import ScheduleError
from pyimc.program import Channel, Program
from tests.mapping.networks import Builder, residual, small_arch

ARCH = small_arch()


def schedule() -> tuple[Graph, Placement, tuple[Channel, ...]]:
    """A sound schedule."""
    graph = size_edges(build_graph(residual(), ARCH))
    placement = find("lblp").place(graph, ARCH, {}, 0)
    return graph, placement, allocate(graph, ARCH, placement)


def changed(channels: tuple[Channel, ...], name: str, **values: Any) -> tuple[Channel, ...]:
    """The channels with one of them changed."""
    assert any(channel.name == name for channel in channels)
    return tuple(replace(channel, **values) if channel.name == name else channel for channel in channels)


def test_sound_schedule_passes() -> None:
    graph, placement, channels = schedule()
    check_placement(graph, ARCH, placement)
    check_schedule(graph, ARCH, placement, channels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem": None}, "node stem is not placed"),
        ({"ghost": 1}, "node ghost is not in the network"),
        ({"stem": 4}, "node stem is of kind imc, PU 4 is not"),
        ({"b.add": 1}, "node b.add is of kind dpu, PU 1 is not"),
        ({"stem": 0}, "node stem is of kind imc, PU 0 is not"),
    ],
)
def test_placements_are_refused(change: dict[str, int | None], message: str) -> None:
    graph, placement, _ = schedule()
    nodes = {name: node for name, node in {**placement.nodes, **change}.items() if node is not None}
    with pytest.raises(ScheduleError, match=message):
        check_placement(graph, ARCH, Placement(nodes))


def test_overfull_unit_is_refused_with_every_resource() -> None:
    graph, placement, _ = schedule()
    nodes = {name: 1 if graph.nodes[name].kind == "imc" else node for name, node in placement.nodes.items()}
    arch = small_arch(crossbar={"planes": 27}, contexts=6)
    with pytest.raises(ScheduleError, match="PU 1 needs 28 planes, has 27; PU 1 needs 7 contexts, has 6"):
        check_placement(graph, arch, Placement(nodes))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("c.add.y->mean.0", {"base": 0}, "overlap on node 4"),
        ("c.add.y->mean.0", {"base": 4096}, "of node 4, which has 4096"),
        ("x->stem.0", {"base": -1}, "channel x->stem.0 starts at word -1"),
        ("last.y->host.0", {"size": 65}, "ends at word 65 of node 0, which has 64"),
        ("last.y->host.0", {"size": 0}, "channel last.y->host.0 has 0 words"),
        ("last.y->host.0", {"size": 1}, "holds 1 words, a firing produces 2"),
        ("stem.y->b.one.0", {"size": 40}, "holds 40 words, a firing needs 48"),
        ("stem.y->b.one.0", {"node": 1}, "is on node 1, its consumer on 2"),
        ("stem.y->b.one.0", {"port": 1}, "edge stem.y->b.one.0 has no channel"),
        ("stem.y->b.one.0", {"port": 1}, "channel stem.y->b.one.0 belongs to no edge"),
    ],
)
def test_channels_are_refused(name: str, values: dict[str, int], message: str) -> None:
    graph, placement, channels = schedule()
    with pytest.raises(ScheduleError, match=re.escape(message)):
        check_schedule(graph, ARCH, placement, changed(channels, name, **values))


def test_short_skip_connection_is_a_deadlock_that_names_who_waits() -> None:
    graph, placement, channels = schedule()
    short = changed(channels, "stem.y->b.add.0", size=40)
    message = (
        "deadlock: b.one waits for stem (32 of 48 words in stem.y->b.one.0)",
        "deadlock: b.add waits for b.two (0 of 16 words in b.two.y->b.add.1)",
        "stem waits for room at b.add (8 of 16 words in stem.y->b.add.0)",
    )
    with pytest.raises(ScheduleError) as caught:
        check_schedule(graph, ARCH, placement, short)
    assert all(part in str(caught.value) for part in message), str(caught.value)


def test_unbalanced_tokens_are_refused() -> None:
    graph, placement, channels = schedule()
    node = graph.nodes["b.one"]
    firings = (*node.firings[:-1], replace(node.firings[-1], free=(16,)))
    graph.nodes["b.one"] = replace(node, firings=firings)
    with pytest.raises(ScheduleError, match=r"stem.y->b.one.0: 128 words per image are produced, 112 are freed"):
        check_schedule(graph, ARCH, placement, channels)
    graph.nodes["b.one"] = replace(node, firings=(*firings[:-1], replace(firings[-1], free=(64,))))
    with pytest.raises(ScheduleError, match=r"a firing of b.one frees more of stem.y->b.one.0 than it needs"):
        check_schedule(graph, ARCH, placement, channels)


def edited(program: Program, name: str, offset: int, word: int) -> Program:
    """The Program with one instruction of an actor replaced."""
    actor = program.actor(name)
    image = program.pus[actor.node]
    stream = list(image.stream)
    stream[actor.start + offset] = word
    return replace(program, pus={**program.pus, actor.node: replace(image, stream=tuple(stream))})


def _fire(need: int, free: int, produce: int) -> int:
    return isa.fire([need], [free], produce=produce)


@pytest.mark.parametrize(
    ("offset", "word", "message"),
    [
        (0, _fire(32, 1, 16), "words per image are produced, 129 are freed"),
        (1, _fire(900, 16, 16), "a firing needs 900"),
        (1, isa.instruction("HALT"), "actor b.one: instruction 1 of its stream is neither FIRE nor LOOP"),
        (2, isa.instruction("LOOP", count=5, target=1), "words per image are produced, 112 are freed"),
        (2, isa.instruction("LOOP", count=6, target=2), "actor b.one: instruction 2 of its stream goes to 2, not"),
        (
            4,
            isa.instruction("LOOP", count=0, target=1),
            "instruction 4 of its stream is not the way back from the last",
        ),
        (4, _fire(0, 0, 0), "actor b.one: the stream runs past its 5 instructions"),
    ],
)
def test_streams_are_refused(offset: int, word: int, message: str) -> None:
    program = compile_network(residual(), small_arch(mesh={"columns": 4, "rows": 3, "fifo_depth": 2}, dpus=[4]))
    assert program.actor("b.one").start == 0
    with pytest.raises(ScheduleError, match=re.escape(message)):
        check_program(edited(program, "b.one", offset, word))


def test_loops_in_loops_are_walked() -> None:
    """Pixel by pixel, a row is a loop, and all rows are one around it."""
    net = Builder(8, 12, 8)
    network = net.finish(net.add("sum", "x", net.conv("c", "x", 8)))
    program = compile_network(network, small_arch(), options={"grain": 1})
    stream = program.pus[program.actor("sum").node].stream
    loops = [isa.LOOP.decode(word) for word in stream if isa.opcode(word) == "LOOP"]
    assert [(loop["level"], loop["count"]) for loop in loops] == [(0, 12), (1, 8), (0, 0)]
    check_program(program)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("CONTEXT", "its context entry is"),
        ("CHANNEL", "its entry at node"),
        ("DESTINATION", "its destination entry at node"),
    ],
)
def test_tables_are_refused(space: str, message: str) -> None:
    program = compile_network(residual(), ARCH)
    image = program.pus[2]
    first = min(entry for number, entry, _ in image.tables if number == isa.SPACES[space])
    tables = tuple(
        (number, entry, value ^ (number == isa.SPACES[space] and entry == first))
        for number, entry, value in image.tables
    )
    with pytest.raises(ScheduleError, match=message):
        check_program(replace(program, pus={**program.pus, 2: replace(image, tables=tables)}))
    lost = tuple(entry for entry in image.tables if entry[:2] != (isa.SPACES[space], first))
    with pytest.raises(ScheduleError, match=message):
        check_program(replace(program, pus={**program.pus, 2: replace(image, tables=lost)}))


def test_routes_that_can_deadlock_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mesh of 3 x 2 with every packet once round the left square."""
    program = compile_network(residual(), ARCH)
    check_program(program)
    around = [0, 1, 4, 3, 0, 1]
    monkeypatch.setattr(validate, "route", lambda columns, source, target: around)
    with pytest.raises(ScheduleError, match=r"data packets can wait for each other in a circle of links .*; credit"):
        check_program(program)

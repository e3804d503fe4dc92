"""Weights that travel: what becomes of a network, of its rings and of mistakes."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
import yaml

from mapping.actors.buffers import smallest_rings
from mapping.actors.load_windows import plane_faults
from mapping.actors.plan import Settings, planned_graph
from mapping.actors.validate import check_program, check_schedule
from mapping.compile import compile_network, compile_placed
from mapping.cuts.reload import with_reloads
from mapping.placement.fixed import placement_of, placement_text
from mapping.placement.ledger import Placement
from pyimc import golden, isa
from pyimc.arch import Arch
from pyimc.engines.imc.tiling import plane_images
from pyimc.errors import CapacityError, ConfigError, ScheduleError
from pyimc.layout import Layout
from pyimc.network import Mvm
from pyimc.network_rules import verify
from pyimc.program import Actor, Program
from tests.cycle.units import UNITS, two_layers
from tests.mapping.networks import small_arch

UNIT = UNITS["a layer's weights travel"]


def _free_of_weights(program_stream: tuple[int, ...]) -> list[int]:
    fires = [isa.FIRE.decode(word) for word in program_stream if isa.opcode(word) == "FIRE"]
    return [isa.port_uses(fire)[1][1] for fire in fires]


def test_values_are_those_of_the_layer_that_stays() -> None:
    network = two_layers()
    travelling = with_reloads(network, UNIT.arch(), "one;two")
    verify(travelling)
    image = np.random.default_rng(1).integers(0, 256, network.tensors["x"].shape, np.uint8)
    expected, found = golden.run(network, image), golden.run(travelling, image)
    assert all(np.array_equal(found[name], expected[name]) for name in network.tensors)


def test_planes_start_empty_and_the_ring_is_in_them() -> None:
    arch = UNIT.arch()
    program = compile_network(two_layers(), arch, options={"reload": "two"})
    layer, memory = program.actor("two"), program.actor("two/weights")
    node = next(node for node in program.network.nodes if node.name == "two")
    assert isinstance(node, Mvm)
    image = plane_images(node.weights.reshape(node.bias.size, -1).T, arch.crossbar)
    ring = next(channel for channel in program.channels if channel.memory == "plane")
    words = arch.plane_words // arch.crossbar.planes
    assert (memory.kind, layer.planes) == ("memory", len(image))
    loads = isa.LOADS.decode(_entry(program, layer, isa.LOADS))
    assert loads == {"words": ring.size, "first": 0, "step": 0, "span": layer.planes}
    assert _entry(program, layer, isa.CHECKSUM) == zlib.crc32(image.reshape(-1, 32)[: ring.size * 8 // 32].tobytes())
    assert (layer.planes - 1) * words < ring.size <= layer.planes * words
    assert not program.pus[layer.node].weights[layer.plane : layer.plane + layer.planes].any()
    table = {(space, entry): value for space, entry, value in program.pus[memory.node].tables}
    stream = isa.STREAM.decode(table[isa.SPACES["ENGINE"], isa.engine_entry(memory.context, isa.STREAM)])
    assert stream == {"start": memory.plane * words, "words": ring.size}
    assert np.array_equal(program.pus[memory.node].weights[memory.plane : memory.plane + memory.planes], image)


def test_weights_are_given_back_with_the_last_firing_of_an_image() -> None:
    program = compile_network(two_layers(), UNIT.arch(), options={"reload": "two"})
    layer = program.actor("two")
    stream = program.pus[layer.node].stream[layer.start : layer.start + layer.length]
    ring = next(channel for channel in program.channels if channel.memory == "plane")
    *others, last = _free_of_weights(stream)
    assert last == ring.size and others and not any(others)


def test_a_placement_file_says_what_travels() -> None:
    program = compile_network(two_layers(), UNIT.arch(), options={"reload": "two"})
    again = compile_placed(two_layers(), UNIT.arch(), placement_of(yaml.safe_load(placement_text(program)), "again"))
    assert again.pus[program.actor("two/weights").node].tables == program.pus[program.actor("two/weights").node].tables
    assert placement_text(again) == placement_text(program)


IN_TURN = UNITS["branches in turn, in two windows, starved"]


def test_layers_in_turn_share_planes_and_hand_their_room_on() -> None:
    program = compile_network(IN_TURN.network(), IN_TURN.arch(), options={"reload": IN_TURN.reload})
    check_program(program)
    rings = {channel.consumer: channel for channel in program.channels if channel.memory == "plane"}
    for first, second in (("stem", "second"), ("first", "short")):
        places = [(program.actor(name).node, program.actor(name).plane) for name in (first, second)]
        assert places[0] == places[1]
        assert (rings[first].heir, rings[second].heir) == (rings[second].name, rings[first].name)
        assert (rings[first].room, rings[second].room) == (rings[second].size, 0)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"second": {"room": 288}}, "[864, 288] words of room are there at the start"),
        ({"stem": {"room": 0}}, "[] words of room are there at the start"),
        ({"stem": {"heir": "first/weights->first.1"}}, "the room that it leaves does not come back to it"),
    ],
)
def test_rooms_that_could_meet_are_refused(changes: dict[str, dict[str, object]], fault: str) -> None:
    arch = IN_TURN.arch()
    program = compile_network(IN_TURN.network(), arch, options={"reload": IN_TURN.reload})
    graph = planned_graph(program.network, arch, {}, Settings())
    placement = Placement({actor.name: actor.node for actor in program.actors})
    check_schedule(graph, arch, placement, program.channels)
    channels = tuple(
        replace(channel, **changes.get(channel.consumer, {})) if channel.memory == "plane" else channel  # type: ignore[arg-type]
        for channel in program.channels
    )
    with pytest.raises(ScheduleError, match=re.escape(fault)):
        check_schedule(graph, arch, placement, channels)


def test_rings_of_others_do_not_lie_in_the_same_planes() -> None:
    program = compile_network(IN_TURN.network(), IN_TURN.arch(), options={"reload": IN_TURN.reload})
    channels = tuple(
        replace(channel, heir="", room=None) if channel.memory == "plane" else channel for channel in program.channels
    )
    program = replace(program, channels=channels)
    claims = {channel.producer: channel.size for channel in channels}
    faults = plane_faults(program, claims)
    assert "stem/weights->stem.1 and second/weights->second.1 overlap on node 1" in faults and len(faults) == 2


def test_loads_go_through_the_windows_in_turn() -> None:
    """Three loads an image in two windows: each layer's are in one window and in the other, one after the other."""
    unit = UNITS["a block in two windows, one crossbar PU"]
    program = compile_network(unit.network(), unit.arch(), options={"reload": unit.reload})
    check_program(program)
    rings = {channel.consumer: channel for channel in program.channels if channel.memory == "plane"}
    layers = [program.actor(name) for name in ("stem", "first", "second")]
    planes = layers[0].planes // 2
    assert {(layer.node, layer.plane, layer.planes) for layer in layers} == {(layers[0].node, 0, 2 * planes)}
    for place, layer in enumerate(layers):
        loads = isa.LOADS.decode(_entry(program, layer, isa.LOADS))
        assert (loads["first"], loads["step"], loads["span"]) == (place % 2 * planes, planes, 2 * planes)
        assert rings[layer.name].heir == rings[layers[(place + 2) % 3].name].name
        room = rings[layers[(place - 2) % 3].name].size if place < 2 else 0
        assert rings[layer.name].room == room and rings[layer.name].windows == 2


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_a_load_serves_a_batch(batch: int) -> None:
    """Layers in turn in one window: the second has its weights when the first is through all images of the batch."""
    network, arch = two_layers(), UNIT.arch()
    program = compile_network(network, arch, options={"reload": "one,two", "batch": batch, "slack_rows": 0})
    rings = {(channel.consumer, channel.port): channel for channel in program.channels}
    between, last = rings["two", 0], rings["one", 1]
    source = network.tensors[between.tensor]
    (least,) = (edge.least_words for edge in smallest_rings(program) if edge.name == between.name)
    assert between.size >= least == batch * source.height * arch.words(source.row_bytes)
    assert (last.batch, between.batch, program.batch) == (batch, 1, batch)
    tables = {(space, entry): value for space, entry, value in program.pus[program.actor("one").node].tables}
    kept = {
        port: isa.CHANNEL.decode(tables[isa.SPACES["CHANNEL"], isa.channel_entry(program.actor("one").context, port)])[
            "kept"
        ]
        for port in (0, 1)
    }
    assert kept == {0: 0, 1: batch - 1}
    assert program.origin.options.get("batch", 1) == batch
    once = compile_network(network, arch, options={"reload": "one,two", "slack_rows": 0})
    assert program.actor("two/weights").cycles == -(-once.actor("two/weights").cycles // batch)


def test_a_batch_that_no_memory_holds_is_refused() -> None:
    with pytest.raises(CapacityError, match=r"activation words: needed \d+, available \d+ of \d+"):
        compile_network(two_layers(), UNIT.arch(), options={"reload": "one,two", "batch": 32})


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ("first", "channel first/weights->first.1 comes to plane 4 of node 2, the room that it takes is at plane 0"),
        ("step", "the room that it takes is at plane"),
    ],
)
def test_a_window_that_is_not_the_rooms_is_refused(field: str, fault: str) -> None:
    unit = UNITS["a block in two windows, one crossbar PU"]
    program = compile_network(unit.network(), unit.arch(), options={"reload": unit.reload})
    actor = program.actor("first")
    entry = isa.SPACES["ENGINE"], isa.engine_entry(actor.context, isa.LOADS)
    wrong = isa.LOADS.encode(**(isa.LOADS.decode(_entry(program, actor, isa.LOADS)) | {field: 0}))
    image = program.pus[actor.node]
    tables = tuple((*entry, wrong) if each[:2] == entry else each for each in image.tables)
    with pytest.raises(ScheduleError, match=fault):
        check_program(replace(program, pus=program.pus | {actor.node: replace(image, tables=tables)}))


def _entry(program: Program, actor: Actor, layout: Layout) -> int:
    tables = {(space, entry): value for space, entry, value in program.pus[actor.node].tables}
    return tables[isa.SPACES["ENGINE"], isa.engine_entry(actor.context, layout)]


@pytest.mark.parametrize(
    ("arch", "reload", "kind", "words"),
    [
        (UNIT.arch(), "three", ConfigError, "three is not a layer on crossbars; those are one, two"),
        (
            UNIT.arch(),
            "one,two*0",
            ConfigError,
            r"'one,two\*0' must end in a number of windows, 1 or more, such as \*2",
        ),
        (UNIT.arch(), "one,two;one", ConfigError, "one is named 2 times; once is enough"),
        (small_arch(), "two", ConfigError, "architecture tiny has no memory PU"),
        (
            small_arch(pus={"memory": (5,)}, memory={"planes": 5}),
            "two",
            CapacityError,
            "two/weights fits no memory PU .* planes: needed 6, available 5 of 5.*use more PUs or more memory.planes",
        ),
    ],
)
def test_mistakes_are_said(arch: Arch, reload: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        compile_network(two_layers(), arch, options={"reload": reload})


@pytest.mark.parametrize(
    "change", [{"interval": 0}, {"interval": 256}, {"latency": -1}, {"row_cycles": 65536}, {"planes": 0}]
)
def test_pace_out_of_range(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"memory.{next(iter(change))}: "):
        small_arch(memory=change)

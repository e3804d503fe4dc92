"""What the generated code computes, executed from its bytes by an interpreter, and its structure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.actors.graph import build_graph
from mapping.code.codegen import priority
from mapping.compile import compile_network
from mapping.cuts.split import Cut, split_network
from mapping.placement.strategies import names
from pyimc import golden, isa
from pyimc.arch import Arch
from pyimc.assembler import disassemble
from pyimc.errors import CapacityError, ConfigError
from pyimc.network import Lut, Network, TensorType
from pyimc.program import Program, table_writes
from tests.mapping.networks import Builder, networks, residual, seeded, small_arch
from tests.program_interpreter import Interpreter

WIDE = small_arch(
    word_bits=128,
    host_words=256,
    crossbar={"rows": 32, "columns": 16, "planes": 200, "adcs": 4},
    instructions=512,
    destinations=8,
)


def check(program: Program, images: int = 2, seed: int = 0) -> None:
    """Compares every row that travels through every channel with the golden model."""
    network = program.network
    random = np.random.default_rng(seed)
    shape = network.tensors[network.input].shape
    inputs = [random.integers(0, 256, shape).astype(np.uint8) for _ in range(images)]
    expected = [golden.run(network, image) for image in inputs]
    interpreter = Interpreter(program, seed)
    interpreter.run(inputs)
    actors = {actor.name: actor for actor in program.actors}
    for channel in program.channels:
        consumer = actors.get(channel.consumer)
        number = isa.channel_entry(consumer.context, channel.port) if consumer else channel.port
        arrived = np.concatenate(interpreter.arrived[channel.node, number])
        kind = network.tensors[channel.tensor]
        rows = arrived.reshape(images, kind.height, -1)[:, :, : kind.row_bytes]
        for image, values in enumerate(expected):
            sent = values[channel.tensor].reshape(kind.height, -1).view(np.uint8)  # int32: the lowest byte first
            assert np.array_equal(rows[image], sent), channel.name


@pytest.mark.parametrize("strategy", names())
@pytest.mark.parametrize("arch", [small_arch(), WIDE], ids=["tiny", "wide"])
def test_residual_network_computes_what_golden_computes(arch: Arch, strategy: str) -> None:
    check(compile_network(residual(), arch, strategy))


@settings(max_examples=60)
@given(networks(), st.sampled_from(names()), st.booleans(), st.integers(0, 2), st.sampled_from(["row", "map", 1, 3]))
def test_drawn_networks_compute_what_golden_computes(
    network: Network, strategy: str, wide: bool, slack: int, grain: int | str
) -> None:
    arch = WIDE if wide else small_arch(host_words=256, instructions=512, destinations=8, activation_words=8192)
    check(compile_network(network, arch, strategy, {"slack_rows": slack, "grain": grain}), seed=slack)


def test_drawn_networks_reach_the_corners() -> None:
    """A generator that no longer draws a corner tests nothing there."""
    shapes = ("rows below", "stride over kernel", "split rows", "split columns", "fan-out", "outputs", "chain")
    seen = dict.fromkeys(
        (
            *shapes,
            "Mvm",
            "Depthwise",
            "Add",
            "Pool",
            "Concat",
            "Lut",
            "Resize",
            "DepthToSpace",
            "Crop",
            "Mul",
            "Sub",
            "Extreme",
        ),
        0,
    )
    for seed in range(60):
        network = seeded(seed)
        arch = small_arch(host_words=256, instructions=512, destinations=8, activation_words=8192)
        program = compile_network(network, arch)
        seen["outputs"] += len(network.outputs) > 1
        seen["chain"] += any(kind.partial for kind in network.tensors.values())
        seen["fan-out"] += any(len(actor.destinations) > 1 for actor in program.actors)
        for actor in program.actors:
            tables = {(space, entry): value for space, entry, value in table_writes(program, actor.node)}
            if actor.kind == "imc":
                seen["split rows"] += (
                    isa.TILES.decode(tables[5, isa.engine_entry(actor.context, isa.TILES)])["row_tiles"] > 1
                )
                seen["split columns"] += (
                    isa.COLUMNS.decode(tables[5, isa.engine_entry(actor.context, isa.COLUMNS)])["col_tiles"] > 1
                )
            stream = program.pus[actor.node].stream[actor.start : actor.start + actor.length]
            fires = [isa.FIRE.decode(word) for word in stream if isa.opcode(word) == "FIRE"]
            kernel = max(fire["top"] + fire["rows"] for fire in fires)
            seen["rows below"] += fires[-1]["top"] + fires[-1]["rows"] < kernel
            window = isa.WINDOW.decode(tables[5, isa.engine_entry(actor.context, isa.WINDOW)])
            seen["stride over kernel"] += any(f["free_0"] > f["rows"] * window["row_words"] for f in fires[:-1])
        for node in network.nodes:
            seen[type(node).__name__] += 1
    assert all(seen.values()), seen


@pytest.mark.parametrize("strategy", names())
@pytest.mark.parametrize("arch", [small_arch(), WIDE], ids=["tiny", "wide"])
def test_chain_computes_what_golden_computes(arch: Arch, strategy: str) -> None:
    net = Builder(7, 6, 5)
    value = net.chain("b", net.chain("a", "x", 24, [(3, 3), (1, 5), (5, 1)]), 16, [(1, 1), (3, 3)], (2, 1))
    check(compile_network(net.finish(net.dense("c", value, 10)), arch, strategy), 3)


def test_partial_maps_fill_whole_words() -> None:
    """Two accumulators fill a word of 64 bits, four one of 128."""
    for channels, word_bits, fits in ((6, 64, True), (7, 64, False), (6, 128, False), (12, 128, True)):
        net = Builder(3, 3, 2)
        network = net.finish(net.chain("c", "x", channels, [(1, 1), (1, 1)]))
        arch = small_arch(word_bits=word_bits)
        if fits:
            check(compile_network(network, arch))
            continue
        with pytest.raises(CapacityError) as caught:
            compile_network(network, arch)
        fault = f"gives a partial map of {channels} channels, must be a multiple of {word_bits // 32} (c.0)"
        assert fault in str(caught.value)


def test_stream_and_columns_of_a_chain() -> None:
    """A row of 4 pixels of 6 channels is 3 words of bytes and 12 words of accumulators."""
    net = Builder(2, 4, 2)
    program = compile_network(net.finish(net.chain("c", "x", 6, [(1, 1), (1, 1), (1, 1)])), small_arch())
    for number, (take, produce, flags) in enumerate([(0, 12, (0, 1)), (12, 12, (1, 1)), (12, 3, (1, 0))]):
        actor = program.actor(f"c.{number}")
        fire = isa.FIRE.decode(program.pus[actor.node].stream[actor.start])
        assert (fire["need_1"], fire["free_1"], fire["produce"], fire["need_0"]) == (take, take, produce, 1)
        tables = {(space, entry): value for space, entry, value in table_writes(program, actor.node)}
        columns = isa.COLUMNS.decode(tables[isa.SPACES["ENGINE"], isa.engine_entry(actor.context, isa.COLUMNS)])
        assert (columns["partial_in"], columns["partial_out"]) == flags


def test_stream_of_a_padded_convolution() -> None:
    net = Builder(6, 4, 2)
    program = compile_network(net.finish(net.conv("c", "x", 8)), small_arch())
    others = "need_1=0 free_1=0 need_2=0 free_2=0"
    assert disassemble(program.pus[1].stream).splitlines() == [
        line.ljust(88) + f"; {address}"
        for address, line in enumerate(
            [
                f"FIRE need_0=2 free_0=0 {others} produce=4 offset=0 pixels=4 x0=-2 top=1 rows=2",
                f"FIRE need_0=3 free_0=1 {others} produce=4 offset=0 pixels=4 x0=-2 top=0 rows=3",
                "LOOP level=1 count=4 target=1",
                f"FIRE need_0=2 free_0=2 {others} produce=4 offset=0 pixels=4 x0=-2 top=0 rows=2",
                "LOOP level=0 count=0 target=0",
            ]
        )
    ]


def test_last_firing_frees_rows_that_no_window_reads() -> None:
    net = Builder(8, 4, 8)
    program = compile_network(net.finish(net.conv("c", "x", 8, (2, 2), (3, 3), (0, 0, 0, 0))), small_arch())
    fires = [isa.FIRE.decode(word) for word in program.pus[1].stream[:-1]]
    words = 4  # of a row
    rows = [(fire["need_0"] // words, fire["free_0"] // words, fire["rows"]) for fire in fires]
    assert rows == [(3, 3, 2), (3, 3, 2), (2, 2, 2)]


def test_tables_of_a_shared_unit() -> None:
    """Two actors on one unit: contexts by priority, disjoint memories, parameters at whole words."""
    net = Builder(4, 4, 3)
    one = net.conv("one", "x", 5)
    network = net.finish(net.conv("two", one, 12))
    program = compile_network(network, small_arch(mesh={"columns": 3, "rows": 1, "fifo_depth": 2}, dpus=[1]))
    one_actor, two_actor = program.actors
    assert one_actor.node == two_actor.node == 2
    assert (two_actor.context, one_actor.context) == (0, 1)
    assert (two_actor.start, one_actor.start) == (0, two_actor.length)
    assert (two_actor.plane, one_actor.plane) == (0, two_actor.planes)
    assert (two_actor.parameter, one_actor.parameter, one_actor.parameters) == (0, 16, 8)
    tables = {(space, entry): value for space, entry, value in table_writes(program, 2)}
    assert isa.CONTEXT.decode(tables[isa.SPACES["CONTEXT"], 1]) == {
        "start": one_actor.start, "active": 1, "ports": 1, "destinations": 1,
    }  # fmt: skip
    assert all(tables[isa.SPACES["CONTEXT"], context] == 0 for context in range(2, 16))
    assert isa.DESTINATION.decode(tables[isa.SPACES["DESTINATION"], 4])["channel"] == 0
    assert isa.CHANNEL.decode(tables[isa.SPACES["CHANNEL"], 0])["slot"] == 4
    assert isa.CHANNEL.decode(tables[isa.SPACES["CHANNEL"], isa.channel_entry(1, 0)])["node"] == program.arch.host


def test_priority_is_nearest_to_the_output_first() -> None:
    graph = build_graph(residual(), small_arch())
    assert priority(list(graph.nodes.values()), "output") == tuple(graph.nodes)[::-1]


def test_priority_of_short_firings() -> None:
    graph = build_graph(residual(), small_arch())
    names = ("stem", "b.one", "b.two", "c.short", "last")
    per = {name: graph.nodes[name].cycles // len(graph.nodes[name].firings) for name in names}
    assert per["last"] < per["stem"] < per["c.short"] < per["b.one"] == per["b.two"]
    assert priority([graph.nodes[name] for name in names], "short") == ("last", "stem", "c.short", "b.two", "b.one")


def test_parts_with_the_same_weights_go_in_the_order_of_their_chains() -> None:
    net = Builder(6, 6, 4)
    network = net.finish(net.conv("b", net.conv("a", "x", 8), 8))
    graph = build_graph(split_network(network, {"b": Cut(vertical=2, order="cyclic")}), small_arch())
    hosted = [graph.nodes[name] for name in ("a", "b/c0/v0", "b/c1/v1", "b/join")]
    assert priority(hosted, "output") == priority(hosted, "short") == ("b/join", "b/c0/v0", "b/c1/v1", "a")


def test_writes_of_a_unit_come_in_order() -> None:
    program = compile_network(residual(), small_arch())
    for node in program.pus:
        spaces = [space for space, _, _ in table_writes(program, node)]
        order = [
            isa.SPACES[name] for name in ("INSTRUCTION", "ENGINE", "CHANNEL", "DESTINATION", "CONTEXT", "PARAMETER")
        ]
        assert list(dict.fromkeys(spaces)) == order
    with pytest.raises(ConfigError, match=r"node 77 hosts no actor; nodes in use: 1, 2, 3, 4, 5"):
        table_writes(program, 77)


def test_what_no_field_can_hold_is_refused() -> None:
    net = Builder(1, 40000, 2)
    network = net.finish(net.conv("c", "x", 1, (1, 1), (1, 40000), (0, 0, 0, 0)))
    with pytest.raises(CapacityError, match=r"node c: WINDOW.step: 80000 does not fit 16 bits \(0..65535 bytes\)"):
        compile_network(network, small_arch(activation_words=32768))


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="slack_rows is -1, must be a number of rows, 0 or more"):
        compile_network(residual(), small_arch(), options={"slack_rows": -1})
    broken = residual()
    broken.tensors["x"] = TensorType(7, 8, 3, 1.0, 0)
    with pytest.raises(ConfigError, match="network test is not well formed"):
        compile_network(broken, small_arch())


def test_tables_of_vector_operations() -> None:
    """A table is on the unit that looks it up, and only there; concat has a run of either input."""
    net = Builder(2, 3, 5)
    curve = net.lut("curve", "x")
    network = net.finish(net.concat("join", curve, net.pool("p", "x", "max", (1, 1), (1, 1)), "columns"))
    arch = small_arch(dpus=[4, 5])
    program = compile_network(network, arch)
    for actor in program.actors:
        tables = {(space, entry): value for space, entry, value in table_writes(program, actor.node)}
        engine = isa.SPACES["ENGINE"]
        window = isa.WINDOW.decode(tables[engine, isa.engine_entry(actor.context, isa.WINDOW)])
        vector = isa.VECTOR.decode(tables[engine, isa.engine_entry(actor.context, isa.VECTOR)])
        found = [tables.get((isa.SPACES["LUT"], 32 * actor.context + n)) for n in range(32)]
        if actor.name == "curve":
            (table,) = (node.table for node in network.nodes if isinstance(node, Lut))
            assert b"".join(value.to_bytes(8, "little") for value in found if value is not None) == table.tobytes()
            assert (vector["operation"], window["run"], window["row_bytes"]) == (isa.OPERATIONS["LUT"], 8, 15)
        else:
            assert found == [None] * 32
        if actor.name == "join":
            assert (vector["operation"], vector["kernel_columns"]) == (isa.OPERATIONS["CONCAT"], 1)
            assert (window["run"], window["step"], window["row_bytes"]) == (15, 15, 15)


def test_no_more_columns_are_converted_than_used() -> None:
    """More would cost time only, so no value shows it: 40 columns are a tile of 32 and one group of 8."""
    net = Builder(4, 4, 8)
    program = compile_network(net.finish(net.conv("c", "x", 40)), small_arch())
    tables = {(space, entry): value for space, entry, value in table_writes(program, 1)}
    columns = isa.COLUMNS.decode(tables[isa.SPACES["ENGINE"], isa.engine_entry(0, isa.COLUMNS)])
    assert {name: value for name, value in columns.items() if value} == {"col_tiles": 2, "last_groups": 1}
    assert isa.TILES.decode(tables[isa.SPACES["ENGINE"], isa.engine_entry(0, isa.TILES)])["last_rows"] == 72 - 64

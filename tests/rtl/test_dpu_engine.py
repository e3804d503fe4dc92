"""rtl/dpu_engine.v against pyimc.golden (values) and pyimc.engines.dpu.timing (every cycle)."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge

from pyimc.engines.dpu.timing import timeline
from pyimc.isa import fire
from pyimc.network import Add, Concat, Lut, Pairwise, Pool
from tests.rtl.bench import STALLS, Beat, Corners, Sink, cycles, reset, seeded, start, until
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate
from tests.rtl.vector_layer import MODES, PARAMS_PER_ACTOR, WEIGHTS_PER_ACTOR, Actor, Firing, Node

SHAPES = [
    {"WORD": 64, "CONTEXTS": 3, "CTX_BITS": 2, "PARAMETERS": 512, "WEIGHTS": 200},
    {"WORD": 128, "CONTEXTS": 16, "CTX_BITS": 4, "PARAMETERS": 1024, "WEIGHTS": 1024},
    {"WORD": 256, "CONTEXTS": 1, "CTX_BITS": 1, "PARAMETERS": 128, "WEIGHTS": 63},
]
ROUNDS = 75  # for each pattern of stalls
SEEN = Corners()  # under all patterns of stalls together: a corner need not come under each
CORNERS = (
    "ring wraps",
    "row wraps",
    "two-word read",
    "part of a row released",
    "left padding",
    "right padding",
    "top padding",
    "bottom padding",
    "partial chunk",
    "several chunks",
    "flush",
    "clamped low",
    "clamped high",
    "not clamped",
    "negative product",
    *MODES,
    "last word of memory",
    "concat: two-word read of input 1",
    "concat: several chunks of input 1",
    "concat: inputs of one size",
    "concat: output chunks straddle",
    "resize: another window in the same pixel's place",
    "resize: part of a row",
    "row ends within a word",
    "depthwise: large accumulators",
    "depthwise: top padding",
    "broadcast",
    "broadcast: two-word read",
    "matmul: groups in common pixels",
    "matmul: groups of pixels",
    "matmul: factors straddle words",
    "matmul: several chunks of several words",
    "softmax: groups",
    "normalise: no variance",
    "row: several chunks",
    "row: two-word read",
)


class Bench:
    """The engine with its memory; issues firings and records when they were accepted and done."""

    def __init__(self, dut: Any, rng: random.Random, stall: str = "none", after_valid: bool = False) -> None:
        self.dut, self.rng = dut, rng
        self.word = len(dut.m_data)
        self.memory: dict[int, int] = {}
        self.sink = Sink(dut, "m", ("data", "ctx", "last"), stall=stall, rng=rng, after_valid=after_valid)
        self.accepted_at: list[int] = []
        self.done_at: list[int] = []
        self.outstanding = 0  # firings accepted whose last word has not left
        dut.issue_valid.value = 0
        dut.cfg_valid.value = 0
        dut.mem_data.value = 0
        self._task = cocotb.start_soon(self._serve())

    async def _serve(self) -> None:
        """The memory's read port: the data of a read in the next cycle, held; what was read is gone after `done`."""
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if int(dut.rst.value):
                self.outstanding = 0
                continue
            assert int(dut.busy.value) == (self.outstanding > 0)
            if int(dut.m_valid.value) and int(dut.m_ready.value) and int(dut.m_last.value):
                self.outstanding -= 1
            if int(dut.mem_en.value):
                address = int(dut.mem_addr.value)
                dut.mem_data.value = self.memory[address]  # a KeyError is a read of a word that holds nothing
            if int(dut.issue_valid.value) and int(dut.issue_ready.value):
                self.accepted_at.append(self.sink.cycle)
                self.outstanding += 1
            if int(dut.done.value):
                self.done_at.append(self.sink.cycle)
                self.memory = {address: self.rng.getrandbits(self.word) for address in self.memory}

    async def configure(self, actors: list[Actor]) -> None:
        """Write the tables of all actors."""
        dut = self.dut
        for actor in actors:
            for space, address, data in actor.tables():
                dut.cfg_valid.value = 1
                dut.cfg_space.value = space
                dut.cfg_addr.value = address
                dut.cfg_data.value = self.rng.getrandbits(self.word) >> 64 << 64 | data
                await RisingEdge(dut.clk)
        dut.cfg_valid.value = 0

    async def fire(self, firing: Firing) -> None:
        """Issue one firing now; returns at the edge at which it is done."""
        dut = self.dut
        rings = [*firing.rings, *[(self.rng.getrandbits(8),) * 3] * (2 - len(firing.rings))]
        dut.issue_valid.value = 1
        dut.issue_ctx.value = firing.ctx
        dut.issue_instr.value = firing.instr
        for name, values in zip(("heads", "bases", "sizes"), zip(*rings, strict=True), strict=True):
            getattr(dut, f"issue_{name}").value = sum(value << 16 * port for port, value in enumerate(values))
        await RisingEdge(dut.clk)
        while not int(dut.issue_ready.value):
            await RisingEdge(dut.clk)
        self.memory = dict(firing.memory)
        dut.issue_valid.value = 0
        dut.issue_instr.value = self.rng.getrandbits(128)
        dut.issue_ctx.value = self.rng.getrandbits(len(dut.issue_ctx))
        await RisingEdge(dut.clk)
        while not int(dut.done.value):
            assert not int(dut.issue_ready.value)
            await RisingEdge(dut.clk)

    def clear(self) -> None:
        """Forget what happened."""
        self.sink.clear()
        self.accepted_at.clear()
        self.done_at.clear()

    async def drain(self, words: int) -> None:
        """Wait until `words` words came and the engine is idle; nothing may follow."""
        await until(self.dut, lambda: self.sink.count() >= words, timeout_cycles=300 * words + 1000, what="output")
        await cycles(self.dut, 8)
        assert not int(self.dut.busy.value)
        assert self.sink.count() == words


def expected_beats(firings: list[Firing]) -> list[Beat]:
    return [
        (word, firing.ctx, int(n == len(firing.words) - 1)) for firing in firings for n, word in enumerate(firing.words)
    ]


def make_actors(dut: Any, rng: random.Random, corners: Corners) -> list[Actor]:
    """One random actor in each of up to three contexts."""
    contexts = int(dut.CONTEXTS.value)
    modes = rng.sample((*MODES, "lut"), k=3)
    corners.hit("two tables", modes.count("lut") > 1)
    chosen = rng.sample(range(contexts), min(3, contexts))
    params, weights, lanes = int(dut.PARAMETERS.value), int(dut.WEIGHTS.value), len(dut.m_data) // 8
    room = (PARAMS_PER_ACTOR + lanes) // lanes * lanes
    return [
        Actor(ctx, lanes, params - (n + 1) * room, weights - (n + 1) * WEIGHTS_PER_ACTOR, rng, corners, modes[n])
        for n, ctx in enumerate(chosen)
    ]


def check_cycles(bench: Bench, firings: list[Firing]) -> None:
    """Every read, word and firing at exactly the cycle that pyimc.engines.dpu.timing gives."""
    taken = iter(bench.sink.received_at[0])
    for n, firing in enumerate(firings):
        accepted = bench.accepted_at[n]
        assert bench.done_at[n] - accepted == firing.timeline.slots, firing
        assert tuple(next(taken) - accepted for _ in firing.words) == firing.timeline.words, firing
        if n:
            assert accepted == bench.done_at[n - 1] + 1, "a bubble between firings"


@cocotb.test
@cocotb.parametrize(sink=STALLS)
async def random_firings(dut: Any, sink: str) -> None:
    """Random actors in several contexts, back to back: values always, cycles if nothing stalls."""
    rng = seeded("random_firings", sink)
    contexts, corners = int(dut.CONTEXTS.value), SEEN
    await start(dut)
    bench = Bench(dut, rng, sink)
    for _ in range(ROUNDS if contexts > 1 else 2 * ROUNDS):  # an actor in each of up to three
        actors = make_actors(dut, rng, corners)
        await bench.configure(actors)
        firings = [rng.choice(actors).fire() for _ in range(4)]
        for firing in firings:
            await bench.fire(firing)
        for before, after in pairwise(firings):
            if contexts > 1:
                corners.hit("another context", before.ctx != after.ctx)
        expected = expected_beats(firings)
        await bench.drain(len(expected))
        assert bench.sink.beats() == expected, [actor.node for actor in actors]
        if sink == "none":
            check_cycles(bench, firings)
        bench.clear()
    if sink == STALLS[-1]:
        corners.check(*CORNERS, *(["another context", "two tables"] if contexts > 1 else []))


@cocotb.test
async def idle_between_firings(dut: Any) -> None:
    """The source side of the stall matrix: firings at random times."""
    rng = seeded("idle")
    await start(dut)
    bench = Bench(dut, rng, "30%")
    actors = make_actors(dut, rng, Corners())
    await bench.configure(actors)
    firings = [rng.choice(actors).fire() for _ in range(20)]
    for firing in firings:
        await cycles(dut, rng.choice((0, 1, 2, 5, 20)))
        await bench.fire(firing)
    expected = expected_beats(firings)
    await bench.drain(len(expected))
    assert bench.sink.beats() == expected


def directed(dut: Any, node: Node, channels: int, size: tuple[int, int]) -> Actor:
    """An actor that does what is said, in context 0."""
    mode = node.mode if isinstance(node, Pool) else "lut"
    actor = Actor(0, len(dut.m_data) // 8, 0, 0, seeded("directed"), Corners(), mode)
    actor.node, actor.channels, actor.parameters = node, channels, 0
    actor.height, actor.width = size
    if isinstance(node, Pairwise | Concat | Pool):
        actor.multipliers = list(node.multipliers)
        actor.zero_points = (node.input_zero_point, 0) if isinstance(node, Pool) else node.input_zero_points
    return actor


@cocotb.test
async def smallest_add(dut: Any) -> None:
    """One word: (a - 10) + 2 * (b - 20) + 5, clamped to 0..200."""
    await start(dut)
    bench = Bench(dut, seeded("smallest"))
    lanes = bench.word // 8
    node = Add("n", ("a", "b"), "y", (2, 4), 1, (10, 20), 5, (0, 200))
    actor = directed(dut, node, lanes, (1, 1))
    await bench.configure([actor])
    words = [int.from_bytes(bytes([value] * lanes), "little") for value in (12, 23, 13)]
    firing = Firing(
        0,
        fire([1, 1], [1, 1], produce=1, pixels=1, rows=1),
        [(7, 7, 1), (9, 9, 1)],
        {7: words[0], 9: words[1]},
        [words[2]],
        timeline(actor.walk(), lanes),
    )
    await bench.fire(firing)
    await bench.drain(1)
    assert bench.sink.beats() == [(words[2], 0, 1)]
    check_cycles(bench, [firing])
    assert bench.done_at[0] - bench.accepted_at[0] == 2
    assert bench.sink.received_at[0][0] - bench.accepted_at[0] == 11


@cocotb.test
async def a_word_per_cycle(dut: Any) -> None:
    """Lut, and concat of whole words, take and give a word in every cycle."""
    await start(dut)
    bench = Bench(dut, seeded("a_word_per_cycle"))
    lanes = bench.word // 8
    scales = ((1, 1), 1, (0, 0), 0, (0, 255))
    nodes: tuple[Node, ...] = (
        Lut("n", ("x",), "y", np.arange(256).astype(np.uint8)[::-1]),
        Concat("n", ("a", "b"), "y", "channels", *scales),
        Concat("n", ("a", "b"), "y", "columns", *scales),
    )
    for node in nodes:
        actor = directed(dut, node, lanes, (1, 6))
        actor.other_channels, actor.other_width = 2 * lanes, 3
        actor.rng = Whole()
        await bench.configure([actor])
        firing = actor.fire()
        await bench.fire(firing)
        await bench.drain(len(firing.words))
        assert bench.sink.beats() == expected_beats([firing])
        assert bench.done_at[0] - bench.accepted_at[0] == len(firing.words)
        taken = bench.sink.received_at[0]
        assert taken == list(range(taken[0], taken[0] + len(firing.words)))
        bench.clear()


class Whole(random.Random):
    """Draws the largest integers, so that firings are whole rows."""

    def randint(self, a: int, b: int) -> int:
        return b


@cocotb.test
async def global_average(dut: Any) -> None:
    """A window as large as the map, all sums at their greatest: 5 x 4 pixels of 255 give 255."""
    await start(dut)
    bench = Bench(dut, seeded("global_average"))
    lanes = bench.word // 8
    multipliers = np.array([round(2**31 / (n + 1)) if n else 0 for n in range(21)], np.int32)
    multipliers[20] = round(2**34 / 20)
    node = Pool("n", ("x",), "y", "average", (5, 4), (1, 1), (0, 0, 0, 0), multipliers, 34, 0, 0, (0, 255))
    actor = directed(dut, node, lanes, (5, 4))
    actor.values = (255,)
    await bench.configure([actor])
    firing = actor.fire()
    await bench.fire(firing)
    await bench.drain(1)
    assert bench.sink.beats() == [((1 << bench.word) - 1, 0, 1)]
    assert bench.done_at[0] - bench.accepted_at[0] == 20


@cocotb.test
async def widest_rows(dut: Any) -> None:
    """Rows of 65520 bytes, as long as a table entry can say: no position in or beside them may wrap."""
    await start(dut)
    bench = Bench(dut, seeded("widest_rows"))
    multipliers = np.array([0, 2, 0, 0], np.int32)
    node = Pool("n", ("x",), "y", "max", (1, 3), (1, 7), (0, 1, 0, 1), multipliers, 1, 0, 0, (0, 255))
    actor = directed(dut, node, 4095, (1, 16))
    actor.corners = Corners("left padding", "two-word read")
    await bench.configure([actor])
    firings = [actor.fire() for _ in range(3)]
    for firing in firings:
        await bench.fire(firing)
    expected = expected_beats(firings)
    await bench.drain(len(expected))
    assert bench.sink.beats() == expected
    check_cycles(bench, firings)
    del actor.corners.counts["row wraps"]
    actor.corners.check()


@cocotb.test
async def valid_does_not_wait_for_ready(dut: Any) -> None:
    rng = seeded("after_valid")
    await start(dut)
    bench = Bench(dut, rng, after_valid=True)
    actors = make_actors(dut, rng, Corners())
    await bench.configure(actors)
    firings = [actor.fire() for actor in actors]
    for firing in firings:
        await bench.fire(firing)
    await bench.drain(len(expected_beats(firings)))


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    """Reset at any point of a firing leaves nothing behind; the tables stay."""
    rng = seeded("reset")
    await start(dut)
    bench = Bench(dut, rng, "30%")
    actors = make_actors(dut, rng, Corners())
    await bench.configure(actors)
    corners = Corners("busy at reset", "reading at reset", "output at reset")
    for _ in range(25):
        task = cocotb.start_soon(_fire_for_ever(bench, actors, rng))
        await cycles(dut, rng.randint(3, 30))
        corners.hit("busy at reset", bool(int(dut.busy.value)))
        corners.hit("reading at reset", not int(dut.issue_ready.value))
        corners.hit("output at reset", bool(int(dut.m_valid.value)))
        task.cancel()
        dut.issue_valid.value = 0
        await reset(dut, 0)
        assert int(dut.issue_ready.value) and not int(dut.busy.value) and not int(dut.m_valid.value)
        bench.clear()
        firing = rng.choice(actors).fire()
        await bench.fire(firing)
        await bench.drain(len(firing.words))
        assert bench.sink.beats() == expected_beats([firing])
    corners.check()


async def _fire_for_ever(bench: Bench, actors: list[Actor], rng: random.Random) -> None:
    while True:
        await bench.fire(rng.choice(actors).fire())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}")
def test_dpu_engine(shape: dict[str, int]) -> None:
    simulate("dpu_engine", __name__, shape)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}")
def test_lint(shape: dict[str, int]) -> None:
    assert_lint_clean("dpu_engine", shape)


def test_illegal_parameters_are_refused() -> None:
    for word in (32, 96):
        assert_refused("dpu_engine", {"WORD": word}, "vector_fetch_WORD_must_be_a_power_of_two_from_64_up")
    for shape in ({"CONTEXTS": 17}, {"CONTEXTS": 0}, {"CTX_BITS": 15}):
        assert_refused("dpu_engine", shape, "vector_fetch_CONTEXTS_must_fit_CTX_BITS_of_1_to_14")
    assert_refused("lut", {"LANES": 0}, "lut_LANES_and_TABLE_BITS_must_be_at_least_1")
    for parameters in (1, 24):
        assert_refused(
            "dpu_engine", {"PARAMETERS": parameters}, "channel_memory_PARAMETERS_must_be_a_multiple_of_LANES"
        )
    for weights in (1, 65536):
        assert_refused("dpu_engine", {"WEIGHTS": weights}, "weight_memory_WORD_must_be_64_times_a_power_of_two")
    for module in ("vector_finish", "vector_tables"):
        assert_refused(module, {"CONTEXTS": 0}, f"{module}_CONTEXTS_must_fit_CTX_BITS_of_1_to_14")
    for lanes in (1, 24):
        assert_refused("row_unit", {"LANES": lanes}, "row_unit_LANES_must_be_a_power_of_two_from_2_up")
    assert_refused("exponential", {"LANES": 0}, "exponential_LANES_must_be_at_least_1")
    for bits in ({"QUOTIENT": 51}, {"NUMERATOR": 72}):
        assert_refused("divider", bits, "divider_NUMERATOR_must_exceed_QUOTIENT_by_1_to_DIVISOR_bits")
    for width in (0, 39):
        assert_refused("square_root", {"BITS": width}, "square_root_BITS_must_be_even_and_at_least_2")
    assert_refused("lane_sums", {"LANES": 0}, "lane_sums_LANES_must_be_at_least_1")

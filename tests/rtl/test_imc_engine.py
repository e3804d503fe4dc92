"""rtl/imc_engine.v, whole layers: values against pyimc.golden, every cycle against pyimc.engines.imc.timing."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cocotb
import pytest

from pyimc.engines.imc.timing import Layer, Pipeline, Run, Timeline, convert_cycles, drain_cycles, engine_of, tile_rows
from pyimc.isa import COLUMNS, OUTPUT, PARAM_0, PARAM_1, SPACES, TILES, WINDOW, engine_entry, fire
from tests.rtl.bench import STALLS, Beat, Corners, Sink, cycles, reset, seeded, start, until
from tests.rtl.imc_layer import GEOMETRY_CORNERS, Actor, Firing, FiringBench, architecture
from tests.rtl.runner import assert_refused, simulate

SHAPES = [
    {"WORD": 64, "CONTEXTS": 3, "CTX_BITS": 2, "PARAMETERS": 256, "ACCUMULATORS": 64}
    | {"ROWS": 32, "COLS": 16, "PLANES": 48, "ADCS": 4, "DAC": 4},
    {"WORD": 64, "CONTEXTS": 5, "CTX_BITS": 3, "PARAMETERS": 256, "ACCUMULATORS": 64}
    | {"ROWS": 16, "COLS": 32, "PLANES": 48, "ADCS": 16, "DAC": 1},
    {"WORD": 128, "CONTEXTS": 16, "CTX_BITS": 4, "PARAMETERS": 256, "ACCUMULATORS": 64}
    | {"ROWS": 32, "COLS": 64, "PLANES": 24, "ADCS": 64, "DAC": 8},
    {"WORD": 128, "CONTEXTS": 2, "CTX_BITS": 1, "PARAMETERS": 256, "ACCUMULATORS": 64}
    | {"ROWS": 64, "COLS": 16, "PLANES": 48, "ADCS": 16, "DAC": 4, "CELL": 4, "DIFFERENTIAL": 1, "DRIVEN": 32},
]
ACTORS = 3
MOST_TILES = 4
VALUES = ("clamped low", "clamped high", "not clamped", "negative product", "odd channels", "another context")
PARTIALS = ("partial in", "partial out", "partial in and out", "partial ring wraps", "several firings of a ring inside")
FLOW = ("several firings inside", "partial last word")


class EngineBench(FiringBench):
    """Also the partial memory; holds `busy` to the firings outstanding, and counts the conversions of each context."""

    def __init__(
        self,
        dut: Any,
        rng: random.Random,
        stall: str = "none",
        after_valid: bool = False,
        corners: Corners | None = None,
    ) -> None:
        sink = Sink(dut, "m", ("data", "ctx", "last"), stall=stall, rng=rng, after_valid=after_valid)
        self.freed = Sink(dut, "freed", ("ctx", "words"), stall=stall, rng=rng, after_valid=after_valid)
        super().__init__(dut, sink, rng, "s")
        self.corners = corners or Corners()
        self.converted: Counter[int] = Counter()
        self.outstanding = self.most_outstanding = 0
        self.partials: dict[int, deque[tuple[int, int]]] = {}  # addresses and words to be read, by context
        self.every_cycle = self._watch

    def _watch(self) -> None:
        dut = self.dut
        assert int(dut.busy.value) == (self.outstanding > 0), self.sink.cycle
        if int(dut.converting.value):
            self.converted[int(dut.convert_ctx.value)] += 1
        if int(dut.m_valid.value) and int(dut.m_ready.value) and int(dut.m_last.value):
            self.outstanding -= 1
        if int(dut.partial_en.value):
            address = int(dut.partial_addr.value)
            (queue,) = (queue for queue in self.partials.values() if queue and queue[0][0] == address)
            dut.partial_data.value = queue.popleft()[1]
        if int(dut.issue_valid.value) and int(dut.issue_ready.value):
            firing = self._offered[0]
            queue = self.partials.setdefault(firing.ctx, deque())
            self.corners.hit("several firings of a ring inside", bool(queue and firing.partials))
            self.corners.hit("partial ring wraps", any(b[0] < a[0] for a, b in pairwise(firing.partials)))
            queue += firing.partials
            self.outstanding += 1
            self.most_outstanding = max(self.most_outstanding, self.outstanding)

    def clear(self) -> None:
        super().clear()
        self.freed.clear()
        self.partials.clear()
        self.converted.clear()
        self.outstanding = self.most_outstanding = 0


def make_actors(
    dut: Any, rng: random.Random, corners: Corners, channels: Sequence[int] = (), size: int = 0
) -> list[Actor]:
    """Random actors in some contexts, one behind the other in planes and parameters.

    Args:
        dut: Design under test.
        rng: Decides everything.
        corners: Counts what was met.
        channels: Most output channels, one of these.
        size: Most bytes of a window.
    """
    names = (
        "CONTEXTS",
        "PARAMETERS",
        "ACCUMULATORS",
        "ROWS",
        "COLS",
        "PLANES",
        "ADCS",
        "DAC",
        "CELL",
        "DIFFERENTIAL",
        "DRIVEN",
    )
    arch = architecture({name: int(getattr(dut, name).value) for name in names} | {"WORD": len(dut.m_data)})
    actors: list[Actor] = []
    plane, parameter, partial_base = rng.randint(0, 2), 0, rng.randint(0, 9)
    for ctx in rng.sample(range(arch.contexts), min(ACTORS, arch.contexts)):
        most = rng.choice(channels or (arch.output_columns, arch.output_columns, arch.lanes, 1))
        limit = size or rng.choice((arch.lanes, arch.crossbar.rows, MOST_TILES * arch.crossbar.rows))
        actor = Actor(
            ctx, arch, rng, corners, channels=most, plane=plane, parameter=parameter, size=limit,
            partial_base=partial_base,
        )  # fmt: skip
        partial_base += actor.partial_size
        plane += actor.planes
        parameter += arch.words(actor.layer.channels) * arch.lanes
        assert plane <= arch.crossbar.planes and parameter <= arch.parameters
        actors.append(actor)
    return actors


async def configure(bench: EngineBench, actors: list[Actor]) -> None:
    """Weights through the front door, parameters and tables."""
    for actor in actors:
        await bench.configure([*actor.weight_writes(), *actor.tables()])


def expected_beats(firings: list[Firing]) -> list[Beat]:
    return [
        (word, firing.ctx, int(n == len(firing.words) - 1)) for firing in firings for n, word in enumerate(firing.words)
    ]


def check_cycles(bench: EngineBench, timing: Pipeline, firings: list[Firing]) -> list[Timeline]:
    """Every firing accepted and done, and every word offered, in exactly the cycle of the formula."""
    taken = iter(bench.sink.received_at[0])
    timelines = []
    for n, firing in enumerate(firings):
        timeline = timing.fire(firing.layer, firing.run, bench.requested_at[n])
        assert bench.accepted_at[n] == timeline.issue, firing
        assert bench.done_at[n] == timeline.done, firing
        assert tuple(next(taken) for _ in firing.words) == timeline.words, firing
        timelines.append(timeline)
    return timelines


def check_conversions(bench: EngineBench, timing: Pipeline, firings: list[Firing]) -> None:
    """`converting` counts each context's conversions and nothing else, however the sink stalls."""
    expected: Counter[int] = Counter()
    for firing in firings:
        for rows in tile_rows(timing.engine, firing.layer):
            expected[firing.ctx] += firing.run.pixels * convert_cycles(timing.engine, firing.layer.channels, rows)
    assert bench.converted == expected


async def run(bench: EngineBench, timing: Pipeline, firings: list[Firing], idle: str, sink: str) -> list[Timeline]:
    """Fires, compares every word; with a free sink every cycle."""
    expected = expected_beats(firings)
    await bench.fire(firings, idle)
    await bench.sink.wait_for(len(expected), timeout_cycles=200 * len(expected) + 2000)
    await cycles(bench.dut, 4)
    assert not int(bench.dut.busy.value)
    assert bench.sink.beats() == expected
    await until(bench.dut, lambda: not int(bench.dut.freed_valid.value), 1000, "release")
    assert bench.freed.beats() == [(firing.ctx, len(firing.partials)) for firing in firings if firing.partials]
    assert not any(bench.partials.values())
    check_conversions(bench, timing, firings)
    return check_cycles(bench, timing, firings) if sink == "none" else []


@cocotb.test
@cocotb.parametrize(idle=STALLS, sink=STALLS)
async def random_firings(dut: Any, idle: str, sink: str) -> None:
    """Random layers in several contexts, interleaved: values always, cycles if the sink is free."""
    rng = seeded("random_firings", idle, sink)
    await start(dut)
    bench = EngineBench(dut, rng, sink)
    actors = make_actors(dut, rng, Corners())
    await configure(bench, actors)
    firings = [rng.choice(actors).fire() for _ in range(6)]
    await run(bench, Pipeline(engine_of(actors[0].arch)), firings, idle, sink)


@cocotb.test
async def corners_of_layers(dut: Any) -> None:
    """Many layers back to back; fails if a corner of geometry, values or flow was not met."""
    rng = seeded("corners")
    corners = Corners(*GEOMETRY_CORNERS, *VALUES, *FLOW, *PARTIALS, *possible(dut))
    await start(dut)
    bench = EngineBench(dut, rng, corners=corners)
    timing: Pipeline | None = None
    for _ in range(20):
        actors = make_actors(dut, rng, corners)
        timing = timing or Pipeline(engine_of(actors[0].arch))
        await configure(bench, actors)
        firings = [rng.choice(actors).fire() for _ in range(6)]
        timelines = await run(bench, timing, firings, "none", "none")
        corners.hit("several firings inside", bench.most_outstanding > 1)
        for before, after in pairwise(firings):
            corners.hit("another context", before.ctx != after.ctx)
        count_flow(corners, timing, {actor.ctx: actor for actor in actors}, firings, timelines)
        bench.clear()
    corners.check()


def conversions(dut: Any) -> int:
    """Of a column of weights for one read."""
    return 8 // int(dut.DAC.value) * (8 // int(dut.CELL.value))


def possible(dut: Any) -> list[str]:
    """Corners that only some parameters have."""
    columns, most, steps = int(dut.COLS.value), int(dut.ACCUMULATORS.value), conversions(dut)
    found = ["several column tiles"] if most > columns else []
    found += ["gather bound"] if steps < 8 else []
    found += ["conversion bound", "gathered during conversion"] if steps > 1 else []
    return found + (["drain bound"] if steps * most // int(dut.ADCS.value) < most // (len(dut.m_data) // 8) else [])


def count_flow(
    corners: Corners, timing: Pipeline, actors: dict[int, Actor], firings: list[Firing], timelines: list[Timeline]
) -> None:
    for firing, timeline in zip(firings, timelines, strict=True):
        rows = tile_rows(timing.engine, firing.layer)
        drain = drain_cycles(timing.engine, firing.layer)
        chunks = [count for pixel in actors[firing.ctx].chunks(firing.run) for count in pixel]
        for n, (before, after) in enumerate(pairwise(timeline.takes), start=1):
            convert = convert_cycles(timing.engine, firing.layer.channels, rows[(n - 1) % len(rows)])
            assert after - before >= max(chunks[n], convert)
            corners.hit("gather bound", after - before == chunks[n] > convert)
            corners.hit("conversion bound", after - before == convert > chunks[n])
            corners.hit("gathered during conversion", convert > 1 and chunks[n] > 1)
            corners.hit("drain bound", after - before == drain > max(chunks[n], convert))
        corners.hit("partial last word", firing.run.pixels * firing.layer.channels % timing.engine.lanes != 0)


@cocotb.test
async def smallest(dut: Any) -> None:
    """One byte, one weight: 5 * -3 + 115 = 100; 100 * 3 / 2**2 = 75; 75 + 7 = 82. The tile is taken 4 cycles after the
    issue, converted for `steps`, read two cycles later, 6 to the packer and 1 to the output."""
    await start(dut)
    bench = EngineBench(dut, seeded("smallest"))
    engine = SPACES["ENGINE"]
    await bench.configure(
        [
            (engine, engine_entry(0, WINDOW), WINDOW.encode(run=1, step=1, row_bytes=1, row_words=1)),
            (engine, engine_entry(0, TILES), TILES.encode(kernel_rows=1, row_tiles=1, last_rows=1, plane=1)),
            (engine, engine_entry(0, COLUMNS), COLUMNS.encode(col_tiles=1, last_groups=1)),
            (engine, engine_entry(0, OUTPUT), OUTPUT.encode(columns=1, parameters=0, zero_point=7, low=0, high=255)),
            (SPACES["PARAMETER"], 0, PARAM_0.encode(bias=115, shift=2)),
            (SPACES["PARAMETER"], 1, PARAM_1.encode(multiplier=3)),
            (SPACES["CONTROL"], 1, 1),
            *(
                (SPACES["WEIGHT"], n, (256 if int(dut.DIFFERENTIAL.value) else 128) - 3)
                for n in range(int(dut.COLS.value) // (len(dut.m_data) // 8))
            ),
        ]
    )
    instr = fire([1], [1], produce=1, pixels=1, rows=1)
    await bench.fire([Firing(0, instr, (9, 9, 1), {9: 5}, [], [82], Layer(1, 1, 1, 1, 1), Run(1, 0, 0, 1))])
    await bench.sink.wait_for(1, timeout_cycles=40)
    assert bench.sink.beats() == [(82, 0, 1)]
    assert bench.done_at[0] == bench.accepted_at[0] + 3
    assert bench.sink.received_at[0] == [bench.accepted_at[0] + 4 + conversions(dut) + 2 + 6 + 1]


@cocotb.test
async def drain_waits_for_the_flush(dut: Any) -> None:
    """Short windows and many channels: where the drain is the bottleneck, the flush of a firing costs it a cycle."""
    rng = seeded("flush")
    await start(dut)
    bench = EngineBench(dut, rng)
    actors: list[Actor] = []
    while not any(actor.firings[0].pixels > 4 and actor.layer.channels % actor.arch.lanes > 4 for actor in actors):
        actors = make_actors(dut, rng, Corners(), channels=(int(dut.ACCUMULATORS.value) - 1,), size=1)
    await configure(bench, actors)
    timing = Pipeline(engine_of(actors[0].arch))
    await run(bench, timing, [rng.choice(actors).fire() for _ in range(40)], "none", "none")
    assert timing.flush_stalls > 0 or "drain bound" not in possible(dut)


@cocotb.test
async def valid_does_not_wait_for_ready(dut: Any) -> None:
    rng = seeded("after_valid")
    await start(dut)
    bench = EngineBench(dut, rng, after_valid=True)
    actors = make_actors(dut, rng, Corners())
    await configure(bench, actors)
    await run(bench, Pipeline(engine_of(actors[0].arch)), [actor.fire() for actor in actors], "none", "after valid")


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    """Reset at any point leaves nothing behind; weights stay."""
    rng = seeded("reset")
    await start(dut)
    corners = Corners("reading at reset", "converting at reset", "output at reset", "bytes held at reset")
    bench = EngineBench(dut, rng, "90%")
    actors = make_actors(dut, rng, Corners(), channels=(5, 21))
    # bytes wait between the pixels of a firing
    while sum(actor.firings[0].pixels > 4 and not actor.layer.partial_out for actor in actors) < 2:
        actors = make_actors(dut, rng, Corners(), channels=(5, 21))
    await configure(bench, actors)
    for _ in range(20):
        task = cocotb.start_soon(bench.fire([rng.choice(actors).fire() for _ in range(50)]))
        await cycles(dut, rng.randint(10, 200))
        corners.hit("reading at reset", not int(dut.issue_ready.value))
        corners.hit("converting at reset", bool(int(dut.converting.value)))
        corners.hit("output at reset", bool(int(dut.m_valid.value)))
        corners.hit("bytes held at reset", int(dut.u_packer.fill_q.value) != 0)
        task.cancel()
        dut.issue_valid.value = 0
        await reset(dut, 0)
        bench.clear()
        for actor in actors:
            await bench.configure(actor.tables())  # the place in the rings is part of them
        assert int(dut.issue_ready.value) and not int(dut.busy.value) and not int(dut.m_valid.value)
        await run(bench, Pipeline(engine_of(actors[0].arch)), [rng.choice(actors).fire()], "none", "90%")
        bench.clear()
    corners.check()


@pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}-adcs{shape['ADCS']}-dac{shape['DAC']}"
)
def test_imc_engine(shape: dict[str, int]) -> None:
    simulate("imc_engine", __name__, shape)


def test_illegal_parameters_are_refused() -> None:
    for dac in (0, 3, 16):
        assert_refused("imc_engine", {"DAC": dac}, "imc_engine_DAC_must_be_1_2_4_or_8_bits")
    error = "imc_engine_COLS_must_be_at_most_ACCUMULATORS_and_a_multiple_of_the_word_bytes"
    for shape in ({"COLS": 256, "ACCUMULATORS": 128}, {"WORD": 128, "COLS": 40, "ADCS": 4}):
        assert_refused("imc_engine", shape, error)

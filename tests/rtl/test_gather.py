"""rtl/gather.v against im2col of random images (values) and pyimc.engines.imc.timing (every cycle)."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
import pytest

from pyimc.engines.imc.timing import GATHER_LATENCY_CYCLES, Engine, Layer, Run, window_chunks
from pyimc.isa import COLUMNS, SPACES, TILES, WINDOW, engine_entry, fire
from tests.rtl.bench import STALLS, Beat, Corners, Sink, cycles, reset, seeded, start
from tests.rtl.imc_layer import GEOMETRY_CORNERS, Actor, Firing, FiringBench, architecture
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate

SHAPES = [
    {"WORD": 64, "CONTEXTS": 3, "CTX_BITS": 2, "ROWS": 32},
    {"WORD": 64, "CONTEXTS": 5, "CTX_BITS": 3, "ROWS": 8},
    {"WORD": 128, "CONTEXTS": 16, "CTX_BITS": 4, "ROWS": 128},
]
FIELDS = ("x", "ctx", "first", "last", "end", "sum")
ROUNDS = 3


def expected_beats(firings: list[Firing], rows: int) -> list[Beat]:
    """All tiles; `sum` is of the pixel's bytes up to and with the tile."""
    beats: list[Beat] = []
    for firing in firings:
        for pixel, tiles in enumerate(firing.tiles):
            total = 0
            for n, tile in enumerate(tiles):
                assert tile.size <= rows
                total += int(tile.sum(dtype=np.int64))
                value = int.from_bytes(tile.tobytes(), "little")
                last = n == len(tiles) - 1
                beats.append((value, firing.ctx, int(n == 0), int(last), int(pixel == len(firing.tiles) - 1), total))
    return beats


class GatherBench(FiringBench):
    """Also records the first cycle in which each tile is offered."""

    def __init__(self, dut: Any, rng: random.Random, stall: str) -> None:
        super().__init__(dut, Sink(dut, "tile", FIELDS, stall=stall, rng=rng), rng)
        self.offered_at: list[int] = []
        self._waiting = False
        self.every_cycle = self._watch

    def _watch(self) -> None:
        valid = bool(int(self.dut.tile_valid.value))
        if valid and not self._waiting:
            self.offered_at.append(self.sink.cycle)
        self._waiting = valid and not int(self.dut.tile_ready.value)

    def clear(self) -> None:
        super().clear()
        self.offered_at.clear()
        self._waiting = False


def make_actors(dut: Any, rng: random.Random, corners: Corners) -> list[Actor]:
    """One random actor in each of up to three contexts; of windows of up to 8 tiles."""
    contexts, rows = int(dut.CONTEXTS.value), int(dut.ROWS.value)
    arch = architecture(
        {
            "WORD": len(dut.mem_data),
            "CONTEXTS": contexts,
            "PARAMETERS": 64,
            "ACCUMULATORS": 64,
            "ROWS": rows,
            "COLS": 32,
        }
        | {"PLANES": 1, "ADCS": 4, "DAC": 1, "CELL": 8, "DIFFERENTIAL": 0, "DRIVEN": rows}
    )
    chosen = rng.sample(range(contexts), min(3, contexts))
    return [Actor(ctx, arch, rng, corners, size=8 * rows) for ctx in chosen]


def writes(actors: list[Actor]) -> list[tuple[int, int, int]]:
    return [write for actor in actors for write in actor.tables() if write[0] == SPACES["ENGINE"]]


def check_cycles(bench: GatherBench, actors: dict[int, Actor], firings: list[Firing]) -> None:
    """Every tile in the cycle of the formula, given when the one before it was taken; every `done`; no bubble."""
    taken, offered = bench.sink.received_at[0], bench.offered_at
    n = 0
    for index, firing in enumerate(firings):
        assert bench.accepted_at[index] == max(
            bench.requested_at[index], bench.done_at[index - 1] + 1 if index else 0
        ), "a firing waited"
        written = bench.accepted_at[index] + GATHER_LATENCY_CYCLES - 1
        for chunks in (chunks for pixel in actors[firing.ctx].chunks(firing.run) for chunks in pixel):
            written = max(written + 1, taken[n - 1] if n else 0) + chunks - 1
            assert offered[n] == written + 1, (firing, n)
            n += 1
        assert bench.done_at[index] == written, firing
    assert n == len(taken) == len(offered)


@cocotb.test
@cocotb.parametrize(idle=STALLS, sink=STALLS)
async def random_firings(dut: Any, idle: str, sink: str) -> None:
    """Random actors in several contexts: every byte, sum and flag, and every cycle, whatever stalls."""
    rng = seeded("random_firings", idle, sink)
    corners = Corners()
    await start(dut)
    bench = GatherBench(dut, rng, sink)
    rows = int(dut.ROWS.value)
    for _ in range(ROUNDS):
        actors = make_actors(dut, rng, corners)
        await bench.configure(writes(actors))
        firings = [rng.choice(actors).fire() for _ in range(4)]
        await bench.fire(firings, idle)
        expected = expected_beats(firings, rows)
        await bench.sink.wait_for(len(expected), timeout_cycles=400)
        await cycles(dut, 3)
        assert bench.sink.beats() == expected, [actor.node for actor in actors]
        check_cycles(bench, {actor.ctx: actor for actor in actors}, firings)
        bench.clear()


@cocotb.test
async def corners_of_geometry(dut: Any) -> None:
    """Many small firings; fails if a corner of padding, ring, alignment or tiling was not met."""
    rng = seeded("corners")
    corners = Corners(
        *GEOMETRY_CORNERS, "part of a row released", "kernel 1", "kernel 7", "stride over the kernel", "another context"
    )
    await start(dut)
    bench = GatherBench(dut, rng, "none")
    for _ in range(25):
        actors = make_actors(dut, rng, corners)
        await bench.configure(writes(actors))
        firings = [rng.choice(actors).fire() for _ in range(4)]
        await bench.fire(firings)
        await cycles(dut, 3)
        assert bench.sink.beats() == expected_beats(firings, int(dut.ROWS.value)), [actor.node for actor in actors]
        check_cycles(bench, {actor.ctx: actor for actor in actors}, firings)
        for actor in actors:
            corners.hit("kernel 1", actor.node.kernel == (1, 1))
            corners.hit("kernel 7", actor.node.kernel == (7, 7))
            corners.hit("stride over the kernel", actor.node.stride[1] > actor.node.kernel[1])
        for before, after in pairwise(firings):
            corners.hit("another context", before.ctx != after.ctx)
        bench.clear()
    corners.check()


@cocotb.test
async def smallest(dut: Any) -> None:
    """One pixel of one byte, in row 3: one read, offered 4 cycles after the issue, done in the cycle before."""
    await start(dut)
    bench = GatherBench(dut, seeded("smallest"), "none")
    window = WINDOW.encode(run=1, step=1, row_bytes=1, row_words=1)
    tiles = TILES.encode(kernel_rows=1, row_tiles=1, last_rows=1)
    entries = ((WINDOW, window), (TILES, tiles), (COLUMNS, COLUMNS.encode(row_origin=3)))
    await bench.configure([(SPACES["ENGINE"], engine_entry(0, layout), entry) for layout, entry in entries])
    junk = (1 << len(dut.mem_data)) - 256
    instr = fire([1], [1], produce=1, pixels=1, rows=1)
    one = np.array([77], np.uint8)
    await bench.fire([Firing(0, instr, (9, 9, 1), {9: junk | 77}, [[one]], [], Layer(1, 1, 1, 1, 1), Run(1, 0, 0, 1))])
    await cycles(dut, 2)
    assert bench.sink.beats() == [(77 << 24, 0, 1, 1, 1, 77)]
    assert bench.offered_at == [bench.accepted_at[0] + GATHER_LATENCY_CYCLES + 1]
    assert bench.done_at == [bench.accepted_at[0] + GATHER_LATENCY_CYCLES]
    assert bench.reads == 1


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    """Reset at any point leaves nothing behind; the tables stay."""
    rng = seeded("reset")
    await start(dut)
    bench = GatherBench(dut, rng, "90%")
    corners = Corners("reading at reset", "tile at reset", "tile waits at reset")
    for _ in range(20):
        actors = make_actors(dut, rng, Corners())
        await bench.configure(writes(actors))
        task = cocotb.start_soon(bench.fire([rng.choice(actors).fire() for _ in range(50)]))
        await cycles(dut, rng.randint(4, 60))
        corners.hit("reading at reset", not int(dut.issue_ready.value))
        corners.hit("tile at reset", bool(int(dut.tile_valid.value)))
        corners.hit("tile waits at reset", bool(int(dut.tile_valid.value)) and not int(dut.tile_ready.value))
        task.cancel()
        dut.issue_valid.value = 0
        await reset(dut, 0)
        assert int(dut.issue_ready.value) and not int(dut.tile_valid.value) and not int(dut.done.value)
        bench.clear()
        firing = rng.choice(actors).fire()
        await bench.fire([firing])
        expected = expected_beats([firing], int(dut.ROWS.value))
        await bench.sink.wait_for(len(expected), timeout_cycles=1000)
        assert bench.sink.beats() == expected
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}-rows{shape['ROWS']}")
def test_gather(shape: dict[str, int]) -> None:
    simulate("gather", __name__, shape)


@pytest.mark.parametrize("seed", range(3))
def test_chunks_are_those_of_a_byte_by_byte_walk(seed: int) -> None:
    """The closed form of `window_chunks` against the definition: where does a chunk have to end?"""
    rng = random.Random(seed)
    for _ in range(400):
        engine = Engine(rng.choice((8, 16)), rng.choice((16, 32)), 16, 4, 8, 16)
        layer = Layer(rng.randint(1, 90), 1, rng.randint(1, 80), rng.randint(1, 4), 1)
        top = rng.randint(0, layer.kernel_rows - 1)
        window = {"x": rng.randint(-40, 60), "top": top, "rows": rng.randint(1, layer.kernel_rows - top)}
        assert window_chunks(engine, layer, **window) == walk(engine, layer, **window)


def walk(engine: Engine, layer: Layer, *, x: int, top: int, rows: int) -> tuple[int, ...]:
    """Chunks per tile: a new one starts where tile, kernel row, memory word or kind of byte change, or it is full."""
    chunks: list[int] = []
    before: tuple[int, ...] = ()
    length = 0
    for n in range(layer.run_bytes * layer.kernel_rows):
        row, at = n // layer.run_bytes, x + n % layer.run_bytes
        tile = n // engine.rows
        kind = 0 if not top <= row < top + rows else 1 if at < 0 else 2 if at >= layer.row_bytes else 3
        here = (tile, row, kind, at // engine.lanes if kind == 3 else 0)
        if tile == len(chunks):
            chunks.append(0)
        if here != before or length == engine.lanes:
            chunks[tile] += 1
            length = 0
        before = here
        length += 1
    return tuple(chunks)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}-rows{shape['ROWS']}")
def test_lint(shape: dict[str, int]) -> None:
    assert_lint_clean("gather", shape)


def test_illegal_parameters_are_refused() -> None:
    error = "gather_ROWS_must_be_a_multiple_of_the_word_bytes_and_at_most_32768"
    for shape in ({"WORD": 128, "ROWS": 40}, {"WORD": 64, "ROWS": 12}, {"WORD": 64, "ROWS": 65536}):
        assert_refused("gather", shape, error)

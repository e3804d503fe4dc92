"""rtl/drain.v against exact integers: every word, every clamp, and the cycles of a drain that nothing holds up."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge

from pyimc.engines.imc.timing import DRAIN_LATENCY_CYCLES
from pyimc.isa import CHANNEL, COLUMNS, MEMORIES, OUTPUT, PARAM_0, PARAM_1, SPACES, channel_entry, engine_entry
from pyimc.numerics import clamp, round_shift
from tests.rtl.bench import STALLS, Beat, Corners, Sink, cycles, seeded, stalls, start, until
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate

SHAPES = [
    {"WORD": 64, "CONTEXTS": 3, "CTX_BITS": 2, "PARAMETERS": 64, "ADCS": 4, "WIDTH": 8, "LANE": 17, "GROUP_BITS": 4},
    {"WORD": 64, "CONTEXTS": 5, "CTX_BITS": 3, "PARAMETERS": 96, "ADCS": 32, "WIDTH": 32, "LANE": 16, "GROUP_BITS": 2},
    {"WORD": 128, "CONTEXTS": 16, "CTX_BITS": 4, "PARAMETERS": 32, "ADCS": 2, "WIDTH": 16, "LANE": 20, "GROUP_BITS": 5},
]
FIELDS = ("data", "bytes", "ctx", "last")
PIXELS = 20
CORNERS = (
    "clamped low",
    "clamped high",
    "not clamped",
    "negative product",
    "product beyond 2**61",
    "rounding tie",
    "partial last word",
    "whole last word",
    "one column",
    "several words",
    "both banks full",
    "another context",
    "end",
    "not the end",
    "partial in",
    "partial out",
    "partial in and out",
    "partial sum beyond 2**30",
    "partial ring wraps",
    "partial ring ends at the last word",
    "waits for the release before",
)


@dataclass(frozen=True)
class Parameter:
    bias: int
    shift: int
    multiplier: int


@dataclass(frozen=True)
class Actor:
    columns: int
    parameter: int
    zero_point: int
    low: int
    high: int
    partial_in: bool = False
    partial_out: bool = False
    base: int = 0
    size: int = 1


@dataclass(frozen=True)
class Pixel:
    """A full bank: `sums` are the accumulators of the offset-binary weights; `partials` are added to the result."""

    ctx: int
    sum: int
    end: int
    sums: list[int]
    partials: list[int] = field(default_factory=list)


class Bench:
    """The accumulators, the partial memory, the converter in front, packer and sequencer behind."""

    def __init__(
        self, dut: Any, rng: random.Random, source: str, sink: str, corners: Corners, release: str = ""
    ) -> None:
        self.dut, self.rng, self.corners = dut, rng, corners
        self.lanes = len(dut.m_data) // 8
        self.quarter = self.lanes // 4
        self.adcs, self.width = int(dut.ADCS.value), int(dut.WIDTH.value)
        self.lane_bits = 2 * int(dut.LANE.value)
        self.most = self.width << int(dut.GROUP_BITS.value) >> (self.width // self.adcs).bit_length() - 1
        self.sink = Sink(dut, "m", FIELDS, stall=sink, rng=rng)
        self.freed = Sink(dut, "freed", ("ctx", "words"), stall=release or sink, rng=rng)
        self.source = stalls(source, rng)
        self.parameters: list[Parameter] = []
        self.actors: list[Actor] = []
        self.clear()
        dut.cfg_valid.value = 0
        dut.pixel_full.value = dut.pixel_end.value = 0
        cocotb.start_soon(self._banks())
        cocotb.start_soon(self._read())
        cocotb.start_soon(self._read_partials())

    def clear(self) -> None:
        """As after a reset."""
        self.queue: list[Pixel] = []
        self.banks: list[Pixel | None] = [None, None]
        self.next = 0  # the bank that is filled next
        self.words: list[deque[int]] = [deque() for _ in self.actors]  # partial sums to be read, by context
        self.heads = [actor.base for actor in self.actors]
        self.forget()

    def forget(self) -> None:
        """What was recorded."""
        self.sink.clear()
        self.freed.clear()
        self.full_at: list[int] = []  # the first cycle in which each pixel is there
        self.done_at: list[int] = []

    async def configure(self) -> None:
        """Random parameters and an actor in every context."""
        dut, rng = self.dut, self.rng
        count = int(dut.PARAMETERS.value)
        writes = []
        self.parameters, self.actors = [], []
        for n in range(count):
            shift = rng.choice((1, 8, 20, 31, 40, 62))
            most = min((1 << 31) - 1, (1 << shift) - 1)
            multiplier = rng.choice((0, 1, most, rng.randint(0, most), (1 << 31) - 1))
            self.parameters.append(Parameter(rng.choice((-5000, 0, rng.randint(-(2**20), 2**20))), shift, multiplier))
            parameter = self.parameters[n]
            writes.append((SPACES["PARAMETER"], 2 * n, PARAM_0.encode(bias=parameter.bias, shift=shift)))
            writes.append((SPACES["PARAMETER"], 2 * n + 1, PARAM_1.encode(multiplier=multiplier)))
        top = 1 << 16
        for ctx in range(int(dut.CONTEXTS.value)):
            words = rng.randint(1, min(self.most, count) // self.lanes)
            columns = rng.choice((1, words * self.lanes, words * self.lanes - rng.randrange(self.lanes)))
            partial_in, partial_out = rng.choice(((False, False), (False, True), (True, False), (True, True)))
            if partial_in or partial_out:
                columns = self.quarter * rng.choice((1, 1, 4 * words, rng.randint(1, 4 * words)))
            size = rng.randint(1, 3) * -(-columns // self.quarter) + rng.randint(0, 3)
            base = top - size - rng.choice((0, 5))
            top = base
            first = rng.randint(0, count // self.lanes - words) * self.lanes
            low, high = sorted((rng.randint(0, 255), rng.randint(0, 255))) if rng.random() < 0.5 else (0, 255)
            actor = Actor(columns, first, rng.randint(0, 255), low, high, partial_in, partial_out, base, size)
            self.actors.append(actor)
            flags = COLUMNS.encode(partial_in=partial_in, partial_out=partial_out)
            writes.append((SPACES["ENGINE"], engine_entry(ctx, COLUMNS), flags))
            ring = CHANNEL.encode(base=base, size=size, memory=MEMORIES["partial"], late=1)
            writes.append((SPACES["CHANNEL"], channel_entry(ctx, 1), ring))
            writes.append((SPACES["CHANNEL"], channel_entry(ctx, 0), CHANNEL.encode(base=rng.getrandbits(16))))
            output = OUTPUT.encode(columns=columns, parameters=first, zero_point=actor.zero_point, low=low, high=high)
            writes.append((SPACES["ENGINE"], engine_entry(ctx, OUTPUT), output))
        for space, address, data in writes:
            dut.cfg_valid.value, dut.cfg_space.value = 1, space
            dut.cfg_addr.value, dut.cfg_data.value = address, data
            await RisingEdge(dut.clk)
        dut.cfg_valid.value = 0
        self.words = [deque() for _ in self.actors]
        self.heads = [actor.base for actor in self.actors]

    def pixels(self, count: int) -> list[Pixel]:
        """Random firings of one to four pixels."""
        found: list[Pixel] = []
        while len(found) < count:
            ctx, size = self.rng.randrange(len(self.actors)), min(self.rng.randint(1, 4), count - len(found))
            found += [self.pixel(ctx, int(n == size - 1)) for n in range(size)]
        return found

    def pixel(self, ctx: int, end: int) -> Pixel:
        """Random accumulators with dot products from small to the 32-bit limits."""
        rng = self.rng
        actor = self.actors[ctx]
        total = rng.choice((0, 255, rng.randint(0, 2**23)))
        sums, partials = [], []
        for n in range(actor.columns):
            parameter = self.parameters[actor.parameter + n]
            scale = (300 << parameter.shift) // max(parameter.multiplier, 1)
            partial = rng.choice((0, -1, rng.randint(-(2**20), 2**20), rng.randint(-(2**31) + 9999, 2**31 - 9999)))
            partial *= actor.partial_in
            least = partial - 128 * total  # an accumulator of offset-binary weights is not negative
            most = min(2**31 - 1, 2**32 - 1 + least) - max(parameter.bias, 0)
            dot = rng.choice((rng.randint(-scale, scale) - parameter.bias, rng.randint(-3, 3), most, -(2**31) + 6000))
            dot = min(max(dot, least, -(2**31) - min(parameter.bias, 0) + 1), most)
            sums.append(dot - partial + 128 * total)
            partials.append(partial)
        return Pixel(ctx, total, end, sums, partials)

    def beats(self, pixel: Pixel) -> list[Beat]:
        """What leaves for one pixel; `pyimc.golden` defines it. Bytes above the valid ones are 0 here."""
        actor, hit = self.actors[pixel.ctx], self.corners.hit
        used = self.parameters[actor.parameter : actor.parameter + actor.columns]
        accumulators = np.array([s - 128 * pixel.sum + p.bias for s, p in zip(pixel.sums, used, strict=True)], np.int64)
        accumulators += np.array(pixel.partials, np.int64)
        assert abs(accumulators).max() < 2**31
        hit("partial in" + " and out" * actor.partial_out, actor.partial_in)
        hit("partial sum beyond 2**30", max(map(abs, pixel.partials)) > 2**30)
        if actor.partial_out:
            hit("partial out", not actor.partial_in)
            raw = accumulators.astype("<i4").reshape(-1, self.quarter)
            last = pixel.end << len(raw) - 1
            return [
                (int.from_bytes(row.tobytes(), "little"), self.lanes, pixel.ctx, last >> n & 1)
                for n, row in enumerate(raw)
            ]
        products = accumulators * np.array([p.multiplier for p in used], np.int64)
        shifts = np.array([p.shift for p in used], np.uint8)
        moved = round_shift(products, shifts) + actor.zero_point
        out = clamp(moved, (actor.low, actor.high))
        hit("clamped low", bool((moved < actor.low).any()))
        hit("clamped high", bool((moved > actor.high).any()))
        hit("not clamped", bool(((moved >= actor.low) & (moved <= actor.high)).any()))
        hit("negative product", bool(((products < 0) & (moved > actor.low)).any()))
        hit("product beyond 2**61", bool((abs(products) > 2**61).any()))
        ties = [int(p) % (1 << int(s)) == 1 << int(s) - 1 for p, s in zip(products, shifts, strict=True)]
        hit("rounding tie", bool((np.array(ties) & (moved > actor.low) & (moved < actor.high)).any()))
        hit("partial last word", actor.columns % self.lanes != 0)
        hit("whole last word", actor.columns % self.lanes == 0)
        hit("one column", actor.columns == 1)
        hit("several words", actor.columns > self.lanes)
        hit("end" if pixel.end else "not the end")
        found: list[Beat] = []
        step = self.quarter if actor.partial_in else self.lanes
        for first in range(0, actor.columns, step):
            word = out[first : first + step].tobytes()
            last = first + step >= actor.columns and pixel.end
            found.append((int.from_bytes(word, "little"), len(word), pixel.ctx, int(last)))
        return found

    def row(self, bank: int, row: int) -> int:
        """The lanes of a row of accumulators, in their order; junk where nothing was converted."""
        value, pixel = 0, self.banks[bank]
        for n in range(self.width):
            group, at = divmod(n, self.adcs)
            low = (group * self.adcs + at % 2 * (self.adcs // 2) + at // 2) * self.lane_bits
            column = row * self.width + n
            known = pixel is not None and column < len(pixel.sums)
            value |= (pixel.sums[column] if pixel and known else self.rng.getrandbits(self.lane_bits)) << low
        return value

    async def _read(self) -> None:
        """The registered read: a row in the cycle after it is asked for, held."""
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if not int(dut.rst.value) and int(dut.read.value):
                dut.read_data.value = self.row(int(dut.read_bank.value), int(dut.read_row.value))

    async def _read_partials(self) -> None:
        """The partial memory: the next word of a ring in the next cycle, held; rings are apart."""
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if int(dut.rst.value) or not int(dut.mem_en.value):
                continue
            address = int(dut.mem_addr.value)
            (ctx,) = (n for n, actor in enumerate(self.actors) if actor.base <= address < actor.base + actor.size)
            actor = self.actors[ctx]
            assert address == self.heads[ctx]
            self.heads[ctx] = actor.base + (address + 1 - actor.base) % actor.size
            self.corners.hit("partial ring wraps", self.heads[ctx] < address)
            self.corners.hit("partial ring ends at the last word", address == (1 << 16) - 1)
            dut.mem_data.value = self.words[ctx].popleft()

    async def _banks(self) -> None:
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if int(dut.rst.value):
                continue
            done = int(dut.pixel_done.value)
            assert done in (0, 1, 2)
            for bank in range(2):
                if done >> bank & 1:
                    assert self.banks[bank] is not None
                    self.done_at.append(self.sink.cycle)
                    self.banks[bank] = None
            if self.queue and self.banks[self.next] is None and not done >> self.next & 1 and not next(self.source):
                pixel = self.queue.pop(0)
                self.corners.hit("both banks full", self.banks[self.next ^ 1] is not None)
                self.full_at.append(self.sink.cycle + 1)
                self.banks[self.next] = pixel
                if self.actors[pixel.ctx].partial_in:
                    raw = np.array(pixel.partials, "<i4").reshape(-1, self.quarter)
                    self.words[pixel.ctx] += [int.from_bytes(row.tobytes(), "little") for row in raw]
                getattr(dut, f"pixel_ctx_{self.next}").value = pixel.ctx
                getattr(dut, f"pixel_sum_{self.next}").value = pixel.sum
                self.next ^= 1
            full = [pixel is not None for pixel in self.banks]
            ends = [pixel.end if pixel else self.rng.getrandbits(1) for pixel in self.banks]
            dut.pixel_full.value = full[0] | full[1] << 1
            dut.pixel_end.value = ends[0] | ends[1] << 1

    def received(self) -> list[Beat]:
        """Beats with the bytes above the valid ones taken off."""
        return [(data & (1 << 8 * count) - 1, count, ctx, last) for data, count, ctx, last in self.sink.beats()]


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def random_pixels(dut: Any, source: str, sink: str) -> None:
    rng = seeded("random_pixels", source, sink)
    await start(dut)
    bench = Bench(dut, rng, source, sink, Corners())
    await bench.configure()
    await run(bench, PIXELS, exact_cycles=sink == "none")


async def run(bench: Bench, count: int, exact_cycles: bool) -> None:
    """Sends pixels, compares every beat; with a free sink the cycle of every beat and of every `done`."""
    dut = bench.dut
    pixels = bench.pixels(count)
    expected = [bench.beats(pixel) for pixel in pixels]
    for before, after in pairwise(pixels):
        bench.corners.hit("another context", before.ctx != after.ctx)
    bench.queue += pixels
    total = sum(map(len, expected))
    await until(dut, lambda: bench.sink.count() == total, 200 * total, "delivery")
    await cycles(dut, 5)
    assert bench.received() == [beat for beats in expected for beat in beats]
    assert not int(dut.busy.value)
    await until(dut, lambda: not int(dut.freed_valid.value), 1000, "release")
    assert not any(bench.words)
    words, freed = 0, []
    for pixel in (pixel for pixel in pixels if bench.actors[pixel.ctx].partial_in):
        words += len(pixel.sums) // bench.quarter
        freed += [(pixel.ctx, words)] * pixel.end
        words *= not pixel.end
    assert bench.freed.beats() == freed
    if exact_cycles:
        check_cycles(bench, pixels, list(map(len, expected)))
    bench.forget()


def check_cycles(bench: Bench, pixels: list[Pixel], beats: list[int]) -> None:
    """Every beat in its cycle; the last one of a partial firing at least two cycles after that of the one before."""
    taken, freed = iter(bench.sink.received_at[0]), iter(bench.freed.received_at[0])
    read = free = 0
    for n, (pixel, count) in enumerate(zip(pixels, beats, strict=True)):
        at = [max(read, bench.full_at[n] + 1) + beat for beat in range(count)]
        if bench.actors[pixel.ctx].partial_in and pixel.end:
            bench.corners.hit("waits for the release before", at[-1] < free)
            at[-1] = max(at[-1], free)
            free = at[-1] + 2
            assert next(freed) == at[-1] + 1
        assert [next(taken) for _ in at] == [cycle + DRAIN_LATENCY_CYCLES for cycle in at]
        read = at[-1] + 1
        assert bench.done_at[n] == at[-1] + 1


@cocotb.test
async def corners_of_values(dut: Any) -> None:
    rng = seeded("corners")
    corners = Corners(*CORNERS)
    await start(dut)
    bench = Bench(dut, rng, "none", "none", corners)
    for _ in range(20):
        await bench.configure()
        await run(bench, PIXELS, exact_cycles=True)
    corners.check()


@cocotb.test
async def smallest(dut: Any) -> None:
    """One column: dot = 1000 - 128 * 5 = 360; (360 - 60) * 3 / 2**2 = 225; 225 + 7 = 232."""
    await start(dut)
    bench = Bench(dut, seeded("smallest"), "none", "none", Corners())
    await bench.configure()
    bench.actors[0] = Actor(1, 0, 7, 0, 255)
    bench.parameters[0] = Parameter(-60, 2, 3)
    for space, address, data in (
        (SPACES["PARAMETER"], 0, PARAM_0.encode(bias=-60, shift=2)),
        (SPACES["PARAMETER"], 1, PARAM_1.encode(multiplier=3)),
        (SPACES["ENGINE"], engine_entry(0, COLUMNS), COLUMNS.encode()),
        (
            SPACES["ENGINE"],
            engine_entry(0, OUTPUT),
            OUTPUT.encode(columns=1, parameters=0, zero_point=7, low=0, high=255),
        ),
    ):
        dut.cfg_valid.value, dut.cfg_space.value, dut.cfg_addr.value, dut.cfg_data.value = 1, space, address, data
        await RisingEdge(dut.clk)
    dut.cfg_valid.value = 0
    bench.queue.append(Pixel(0, 5, 1, [1000]))
    await until(dut, lambda: bench.sink.count() == 1, 20, "delivery")
    assert bench.received() == [(232, 1, 0, 1)]


@cocotb.test
async def smallest_chain(dut: Any) -> None:
    """A quarter of columns, each 1000 - 128 * 5 - 60 = 300 and -400 of another PU: -100; the ring has one word."""
    await start(dut)
    bench = Bench(dut, seeded("smallest chain"), "none", "none", Corners())
    await bench.configure()
    columns = bench.quarter
    bench.actors[0] = Actor(columns, 0, 0, 0, 255, True, True, 9, 1)
    bench.heads[0] = 9
    for space, address, data in (
        *((SPACES["PARAMETER"], 2 * n, PARAM_0.encode(bias=-60, shift=1)) for n in range(columns)),
        (SPACES["ENGINE"], engine_entry(0, COLUMNS), COLUMNS.encode(partial_in=1, partial_out=1)),
        (SPACES["ENGINE"], engine_entry(0, OUTPUT), OUTPUT.encode(columns=columns, parameters=0)),
        (SPACES["CHANNEL"], channel_entry(0, 1), CHANNEL.encode(base=9, size=1, memory=MEMORIES["partial"], late=1)),
    ):
        dut.cfg_valid.value, dut.cfg_space.value, dut.cfg_addr.value, dut.cfg_data.value = 1, space, address, data
        await RisingEdge(dut.clk)
    dut.cfg_valid.value = 0
    bench.queue += [Pixel(0, 5, 1, [1000] * columns, [-400] * columns)] * 2
    await until(dut, lambda: bench.sink.count() == 2, 20, "delivery")
    word = int.from_bytes((-100).to_bytes(4, "little", signed=True) * columns, "little")
    assert bench.received() == [(word, bench.lanes, 0, 1)] * 2
    assert bench.freed.beats() == [(0, 1)] * 2
    read = bench.full_at[0] + 1
    assert bench.done_at == [read + 1, read + 3], "the second waits until the word of the first is on its way back"


@cocotb.test
async def valid_does_not_wait_for_ready(dut: Any) -> None:
    rng = seeded("after_valid")
    await start(dut)
    bench = Bench(dut, rng, "none", "none", Corners())
    bench.sink.after_valid = True
    await bench.configure()
    await run(bench, 5, exact_cycles=False)


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    rng = seeded("reset")
    corners = Corners("output at reset", "pipeline at reset", "odd bank at reset", "inside a pixel at reset",
                      "release at reset", "inside a partial firing at reset")  # fmt: skip
    await start(dut)
    bench = Bench(dut, rng, "none", "30%", Corners(), "90%")
    for _ in range(50):
        await bench.configure()
        bench.queue += bench.pixels(60)
        await cycles(dut, rng.randint(5, 100))
        corners.hit("output at reset", bool(int(dut.m_valid.value)))
        corners.hit("pipeline at reset", bool(int(dut.busy.value)))
        corners.hit("odd bank at reset", bool(int(dut.read_bank.value)))
        corners.hit("inside a pixel at reset", int(dut.quarter_q.value) != 0)
        corners.hit("release at reset", bool(int(dut.freed_valid.value)))
        corners.hit("inside a partial firing at reset", int(dut.words_q.value) != 0)
        dut.rst.value = 1
        await RisingEdge(dut.clk)
        dut.rst.value = dut.pixel_full.value = 0
        bench.clear()
        await RisingEdge(dut.clk)
        assert not int(dut.m_valid.value) and not int(dut.busy.value) and not int(dut.pixel_done.value)
        assert not int(dut.freed_valid.value)
        await bench.configure()  # the place in the rings is part of the tables
        await run(bench, 2, exact_cycles=False)
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}-adcs{shape['ADCS']}")
def test_drain(shape: dict[str, int]) -> None:
    simulate("drain", __name__, shape)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}-adcs{shape['ADCS']}")
def test_lint(shape: dict[str, int]) -> None:
    assert_lint_clean("drain", shape)


def test_illegal_parameters_are_refused() -> None:
    error = "drain_WIDTH_must_be_a_multiple_of_8_or_more_lanes_and_of_ADCS_and_PARAMETERS_of_the_lanes"
    for shape in ({"WORD": 32}, {"WORD": 128, "WIDTH": 24}, {"ADCS": 64, "WIDTH": 32}, {"WORD": 64, "PARAMETERS": 100}):
        assert_refused("drain", shape, error)

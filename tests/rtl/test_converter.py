"""rtl/converter.v against a model of every cycle: when a tile is taken and what each cycle converts."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from itertools import product
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc.engines.imc.timing import Engine, convert_cycles
from pyimc.isa import COLUMNS, SPACES, TILES, engine_entry
from tests.rtl.bench import STALLS, Corners, Source, cycles, reset, seeded, stalls, start, until
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate

SHAPES = [
    {"CONTEXTS": 3, "CTX_BITS": 2, "COLS": 16, "ADCS": 4, "STEPS": 2, "GROUP_BITS": 4},
    {"CONTEXTS": 5, "CTX_BITS": 3, "COLS": 32, "ADCS": 16, "STEPS": 8, "GROUP_BITS": 3},
    {"CONTEXTS": 16, "CTX_BITS": 4, "COLS": 16, "ADCS": 16, "STEPS": 1, "GROUP_BITS": 1},
    {"CONTEXTS": 4, "CTX_BITS": 2, "COLS": 8, "ADCS": 4, "STEPS": 1, "GROUP_BITS": 2}
    | {"ROWS": 16, "DRIVEN": 4, "SLICES": 2, "COLUMN_BITS": 2},
    {"CONTEXTS": 2, "CTX_BITS": 1, "COLS": 8, "ADCS": 8, "STEPS": 1, "GROUP_BITS": 1}
    | {"ROWS": 16, "DRIVEN": 2, "SLICES": 1, "COLUMN_BITS": 1},
]
NAME = "cols{COLS}-adcs{ADCS}-steps{STEPS}".format_map
TILE = ("ctx", "first", "last", "end", "sum")
PIXELS = 12
CORNERS = ("back to back", "waits for a bank", "another context", "several row tiles", "idle")
READS = ("several reads of whole tiles", "fewer reads of the last tile", "reads from inside a plane")
INSIDE = ("starts inside a plane", "starts inside a plane, behind whole tiles")


@dataclass(frozen=True)
class Actor:
    """Table entries of one context."""

    plane: int
    col_tiles: int
    last_groups: int
    group_origin: int
    last_rows: int
    row_origin: int


@dataclass(frozen=True)
class Tile:
    ctx: int
    first: int
    last: int
    end: int
    sum: int

    def beat(self) -> tuple[int, ...]:
        return self.ctx, self.first, self.last, self.end, self.sum


class Bench:
    """Sends tiles, empties banks, and compares every output of every cycle with what the tiles taken so far imply."""

    def __init__(self, dut: Any, rng: random.Random, source: str, sink: str, corners: Corners) -> None:
        self.dut, self.rng, self.corners = dut, rng, corners
        self.groups = int(dut.COLS.value) // int(dut.ADCS.value)
        self.steps, self.slices = int(dut.STEPS.value), int(dut.SLICES.value)
        self.rows, self.driven = int(dut.ROWS.value), int(dut.DRIVEN.value)
        self.group_bits = int(dut.GROUP_BITS.value)
        self.actors: dict[int, Actor] = {}
        self.source = Source(dut, "tile", TILE, stall=source, rng=rng)
        self.sink = stalls(sink, rng)
        dut.cfg_valid.value = 0
        dut.pixel_done.value = 0
        self.clear()
        cocotb.start_soon(self._watch())

    def clear(self) -> None:
        """As after a reset."""
        self.schedule: deque[dict[str, int]] = deque()  # the conversions to come, one a cycle
        self.tile: Tile | None = None  # in the array
        self.plane = 0
        self.bank = 0  # of the pixel in the array
        self.full: list[Tile | None] = [None, None]
        self.drain = 0  # the bank that is emptied next
        self.done = -1  # the bank that is being emptied in this cycle
        self.pixels = 0
        self.taken_at: list[int] = []
        self.cycle = 0

    async def configure(self) -> None:
        """A random actor in every context; that of context 0 ends where planes end, in its second tile if it can."""
        dut, rng = self.dut, self.rng
        most = (1 << self.group_bits) // self.groups
        self.actors.clear()
        for ctx in range(int(dut.CONTEXTS.value)):
            last_groups = rng.randint(1, self.groups if ctx else max(1, self.groups - 1))
            origin = rng.randint(0, self.groups - last_groups) if ctx else self.groups - last_groups
            col_tiles = rng.randint(1, most) if ctx else min(2, most)
            last_rows, first_row = self.rows, 0
            if self.driven < self.rows:
                last_rows = rng.randint(1, self.rows)
                first_row = rng.randint(0, self.rows - last_rows)
            self.actors[ctx] = actor = Actor(rng.getrandbits(15), col_tiles, last_groups, origin, last_rows, first_row)
            entries = (
                (TILES, TILES.encode(plane=actor.plane, last_rows=last_rows)),
                (
                    COLUMNS,
                    COLUMNS.encode(
                        col_tiles=actor.col_tiles,
                        last_groups=last_groups,
                        group_origin=actor.group_origin,
                        row_origin=first_row,
                    ),
                ),
            )
            for layout, entry in entries:
                dut.cfg_valid.value, dut.cfg_space.value = 1, SPACES["ENGINE"]
                dut.cfg_addr.value, dut.cfg_data.value = engine_entry(ctx, layout), entry
                await RisingEdge(dut.clk)
        dut.cfg_valid.value = 0

    def pixel(self) -> list[Tile]:
        """The row tiles of a random pixel."""
        rng, count = self.rng, self.rng.choice((1, 1, 2, 3))
        ctx, end = rng.choice(list(self.actors)), rng.getrandbits(1)
        self.corners.hit("several row tiles", count > 1)
        return [Tile(ctx, int(n == 0), int(n == count - 1), end, rng.getrandbits(32)) for n in range(count)]

    def conversions(self, tile: Tile) -> list[dict[str, int]]:
        """What each cycle converts: column tiles, in them the reads, the bit steps, the groups, the slices."""
        actor = self.actors[tile.ctx]
        rows, top = (actor.last_rows, actor.row_origin) if tile.last else (self.rows, 0)
        self.corners.hit("several reads of whole tiles", not tile.last and self.driven < self.rows)
        self.corners.hit("fewer reads of the last tile", rows <= self.rows - self.driven)
        self.corners.hit("reads from inside a plane", top > 0 and rows > self.driven)
        found = []
        for column_tile in range(actor.col_tiles):
            last = column_tile == actor.col_tiles - 1
            used = actor.last_groups if last else self.groups
            origin = actor.group_origin if last else 0
            self.corners.hit("starts inside a plane", origin > 0)
            self.corners.hit("starts inside a plane, behind whole tiles", origin > 0 and column_tile > 0)
            places = product(range(0, rows, self.driven), range(self.steps), range(used), range(self.slices))
            found += [
                {
                    "add_clear": int(tile.first and read == step == piece == 0),
                    "add_bank": self.bank,
                    "add_group": column_tile * self.groups + group,
                    "add_column": (origin + group) * self.slices + piece,
                    "add_step": step,
                    "add_slice": piece,
                    "plane": self.plane + column_tile,
                    "row": top + read,
                }
                for read, step, group, piece in places
            ]
        channels = (actor.col_tiles - 1) * self.groups * 4 + actor.last_groups * 4
        engine = Engine(8, self.rows, self.groups * 4, 4, self.steps * self.slices, self.driven)
        assert len(found) == convert_cycles(engine, channels, rows) == convert_cycles(engine, channels - 3, rows)
        return found

    def _expected(self, valid: bool, tile: Tile) -> dict[str, int]:
        """The outputs of this cycle but those that describe pixels."""
        now = self.schedule[0] if self.schedule else None
        finish = len(self.schedule) == 1
        bank = self.bank ^ int(bool(finish and self.tile and self.tile.last))
        ready = (now is None or finish) and not (tile.first and self.full[bank])
        self.corners.hit("waits for a bank", valid and (now is None or finish) and not ready)
        self.corners.hit("back to back", valid and ready and finish)
        self.corners.hit("idle", now is None and not valid)
        expected = {"tile_ready": int(ready), "add": int(now is not None), "busy": int(now is not None)}
        expected |= {name: value for name, value in (now or {}).items() if name not in ("plane", "row")}
        if now is not None and self.tile is not None:
            expected["ctx"] = self.tile.ctx
        take = valid and ready
        expected["array_load"] = int(take)
        following = self.schedule[1] if len(self.schedule) > 1 else None
        if take:
            plane = self.actors[tile.ctx].plane if tile.first else self.plane + self.actors[tile.ctx].col_tiles
            row = self.actors[tile.ctx].row_origin if tile.last else 0
            expected |= {"array_eval": 1, "array_step": 0, "array_plane": plane, "array_row": row}
        elif now and following and any(now[name] != following[name] for name in ("plane", "add_step", "row")):
            expected |= {"array_eval": 1, "array_step": following["add_step"], "array_plane": following["plane"]}
            expected["array_row"] = following["row"]
        else:
            expected["array_eval"] = 0
        return expected

    async def _watch(self) -> None:
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            self.cycle += 1
            if int(dut.rst.value):
                self.clear()
                dut.pixel_done.value = 0
                continue
            valid = bool(int(dut.tile_valid.value))
            tile = Tile(*(int(getattr(dut, f"tile_{name}").value) for name in TILE)) if valid else Tile(0, 0, 0, 0, 0)
            expected = self._expected(valid, tile)
            if not valid:
                del expected["tile_ready"]  # junk on `tile_first`
            got = {name: int(getattr(dut, name).value) for name in expected}
            assert got == expected, self.cycle
            self._check_pixels()
            if self.done >= 0:
                self.full[self.done] = None
                self.done = -1
            if self.schedule:
                self.schedule.popleft()
                if not self.schedule and self.tile and self.tile.last:
                    self.full[self.bank] = self.tile
                    self.bank ^= 1
                    self.pixels += 1
            if valid and expected["tile_ready"]:
                self.corners.hit("another context", self.tile is not None and self.tile.ctx != tile.ctx)
                self.plane = expected["array_plane"]
                self.tile = tile
                self.schedule.extend(self.conversions(tile))
                self.taken_at.append(self.cycle)
            if self.full[self.drain] and not next(self.sink):
                self.done, self.drain = self.drain, self.drain ^ 1
            dut.pixel_done.value = 1 << self.done if self.done >= 0 else 0

    def _check_pixels(self) -> None:
        dut = self.dut
        assert int(dut.pixel_full.value) == sum(1 << n for n, tile in enumerate(self.full) if tile)
        for bank, tile in enumerate(self.full):
            if tile:
                assert int(getattr(dut, f"pixel_ctx_{bank}").value) == tile.ctx
                assert int(getattr(dut, f"pixel_sum_{bank}").value) == tile.sum
                assert int(str(dut.pixel_end.value)[1 - bank]) == tile.end


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def every_cycle(dut: Any, source: str, sink: str) -> None:
    rng = seeded("every_cycle", source, sink)
    corners = Corners()
    await start(dut)
    bench = Bench(dut, rng, source, sink, corners)
    await bench.configure()
    bench.source.send(tile.beat() for _ in range(PIXELS) for tile in bench.pixel())
    await until(dut, lambda: bench.pixels == PIXELS, 20_000, "conversion")
    await until(dut, lambda: not any(bench.full), 1000, "drained")
    await cycles(dut, 3)


@cocotb.test
async def corners_of_flow(dut: Any) -> None:
    """Fails if a hand-over between tiles, pixels and banks was not met."""
    rng = seeded("corners")
    groups = int(dut.COLS.value) // int(dut.ADCS.value)
    reads = READS if int(dut.DRIVEN.value) < int(dut.ROWS.value) else ()
    corners = Corners(*CORNERS, *(INSIDE if groups > 1 else ()), *reads)
    await start(dut)
    bench = Bench(dut, rng, "bursts", "90%", corners)
    await bench.configure()
    bench.source.send(tile.beat() for _ in range(4 * PIXELS) for tile in bench.pixel())
    await until(dut, lambda: bench.pixels == 4 * PIXELS, 20_000, "conversion")
    corners.check()


@cocotb.test
async def rate_of_one_actor(dut: Any) -> None:
    """Tiles on offer and banks emptied at once: a tile every `convert_cycles`, without a gap."""
    await start(dut)
    bench = Bench(dut, seeded("rate"), "none", "none", Corners())
    await bench.configure()
    ctx = int(dut.CONTEXTS.value) - 1
    actor = bench.actors[ctx]
    bench.source.send(Tile(ctx, 1 - n % 2, n % 2, 0, 0).beat() for n in range(20))
    await until(dut, lambda: bench.pixels == 10, 20_000, "conversion")
    groups = (actor.col_tiles - 1) * bench.groups + actor.last_groups
    whole, last = (
        bench.steps * bench.slices * groups * -(-rows // bench.driven) for rows in (bench.rows, actor.last_rows)
    )
    assert bench.taken_at == [bench.taken_at[0] + n // 2 * (whole + last) + n % 2 * whole for n in range(20)]


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    rng = seeded("reset")
    corners = Corners("busy at reset", "full bank at reset", "odd bank at reset")
    await start(dut)
    bench = Bench(dut, rng, "30%", "90%", Corners())
    await bench.configure()
    for _ in range(15):
        bench.source.send(tile.beat() for _ in range(40) for tile in bench.pixel())
        await cycles(dut, rng.randint(20, 60))
        corners.hit("busy at reset", bool(int(dut.busy.value)))
        corners.hit("full bank at reset", int(dut.pixel_full.value) != 0)
        corners.hit("odd bank at reset", bench.bank == 1)
        dut.rst.value = 1
        bench.source.clear()
        await reset(dut, 0)
        assert not int(dut.busy.value) and not int(dut.pixel_full.value) and not int(dut.add.value)
        bench.source.send(tile.beat() for tile in bench.pixel())
        await until(dut, lambda: bench.pixels == 1, 2000, "a pixel after reset")
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=NAME)
def test_converter(shape: dict[str, int]) -> None:
    simulate("converter", __name__, shape)


@pytest.mark.parametrize("shape", SHAPES, ids=NAME)
def test_lint(shape: dict[str, int]) -> None:
    assert_lint_clean("converter", shape)


def test_illegal_parameters_are_refused() -> None:
    for shape in ({"COLS": 16, "ADCS": 32}, {"COLS": 512, "ADCS": 2}):
        assert_refused("converter", shape, "converter_COLS_must_be_1_to_255_times_ADCS")
    for driven in (3, 512):
        assert_refused("converter", {"DRIVEN": driven}, "converter_DRIVEN_must_divide_ROWS")

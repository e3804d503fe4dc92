"""rtl/imc_array.v and sim/rtl/imc_array_cosim.v against exact integers, and against each other, bit by bit."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from pyimc.arch import Crossbar
from pyimc.devices.cells import Cells
from pyimc.devices.model import load_device
from sim.run.cosim_array import NumpyArray
from tests.rtl.bench import Corners, cycles, seeded
from tests.rtl.runner import BUILD, ROOT, RTL, assert_refused, simulate

SHAPES = [
    {"WORD": 64, "ROWS": 32, "COLS": 16, "PLANES": 4, "DAC": 4, "LANE": 17},
    {"WORD": 64, "ROWS": 40, "COLS": 24, "PLANES": 4, "DAC": 2, "LANE": 16},
    {"WORD": 128, "ROWS": 256, "COLS": 32, "PLANES": 4, "DAC": 1, "LANE": 16},
    {"WORD": 128, "ROWS": 16, "COLS": 16, "PLANES": 4, "DAC": 8, "LANE": 20},
    {"WORD": 64, "ROWS": 32, "COLS": 16, "PLANES": 4, "DAC": 2, "LANE": 17, "ADCS": 4, "CELL": 2, "DRIVEN": 8},
    {"WORD": 64, "ROWS": 16, "COLS": 16, "PLANES": 4, "DAC": 4, "LANE": 17, "ADCS": 8, "CELL": 4, "DIFFERENTIAL": 1}
    | {"DRIVEN": 16},
    {"WORD": 64, "ROWS": 16, "COLS": 16, "PLANES": 4, "DAC": 1, "LANE": 16, "ADCS": 4, "CELL": 1, "DIFFERENTIAL": 1}
    | {"DRIVEN": 2},
    {"WORD": 64, "ROWS": 32, "COLS": 16, "PLANES": 4, "DAC": 2, "LANE": 20, "ADCS": 4, "CELL": 2, "FRACTION": 4}
    | {"DRIVEN": 8},
]
SOURCES = {"verilog": RTL / "imc_array.v", "numpy": ROOT / "sim" / "rtl" / "imc_array_cosim.v"}
TRACES = BUILD / "test_imc_array"
MVMS = 40
IDEAL = load_device("ideal")
CORNERS = (
    "greatest sum", "zero", "kept input", "same plane again", "rewritten", "idle", "late step",
    "whole rows", "lower half", "lower quarter", "wider by a word",
)  # fmt: skip
IDS = [f"word{shape['WORD']}-rows{shape['ROWS']}-dac{shape['DAC']}" for shape in SHAPES]


def exact(array: Array, plane: int, x: list[int], step: int, first: int) -> list[int]:
    """The definition: column sums of one bit step, one lane at a time."""
    mask, weights = (1 << array.dac_bits) - 1, array.weights[plane].tolist()
    driven = [
        (value >> step * array.dac_bits & mask) * (first <= r < first + array.driven) for r, value in enumerate(x)
    ]
    columns = [
        (group + lane, place, sign)
        for group in range(0, array.columns, array.adcs)
        for place in range(0, 8, array.cell)
        for sign in ((1, -1) if array.differential else (0,))
        for lane in range(array.adcs)
    ]

    def held(stored: int, place: int, sign: int) -> int:
        value = max(0, sign * (stored - 256 * (stored > 127))) if sign else stored
        return (value >> place & (1 << array.cell) - 1) << array.fraction

    return [
        sum(held(weights[r][c], place, sign) * value for r, value in enumerate(driven)) for c, place, sign in columns
    ]


def pack(values: list[int], width: int) -> int:
    return sum(value << lane * width for lane, value in enumerate(values))


class Array:
    """Drives the array; holds what it should know."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.rows, self.columns = len(dut.x) // 8, int(dut.COLS.value)
        self.lanes, self.planes = len(dut.wdata) // 8, int(dut.PLANES.value)
        self.dac_bits, self.lane = int(dut.DAC.value), int(dut.LANE.value)
        self.adcs, self.cell = min(self.columns, int(dut.ADCS.value)), int(dut.CELL.value)
        self.differential, self.driven = bool(int(dut.DIFFERENTIAL.value)), int(dut.DRIVEN.value)
        self.fraction = int(dut.FRACTION.value)
        self.weights = np.zeros((self.planes, self.rows, self.columns), np.uint8)
        dut.wen.value = dut.eval.value = dut.load.value = 0
        Clock(dut.clk, 10, unit="ns", impl="gpi").start()

    async def write(self, plane: int, address: int, word: list[int]) -> None:
        """One front-door word."""
        dut = self.dut
        dut.wen.value, dut.wplane.value, dut.waddr.value, dut.wdata.value = 1, plane, address, pack(word, 8)
        self.weights[plane].reshape(-1)[address * self.lanes : (address + 1) * self.lanes] = word
        await RisingEdge(dut.clk)
        dut.wen.value = 0

    async def fill(self, rng: random.Random) -> None:
        """Connect numpy, if it is its turn; write random weights everywhere through the front door."""
        await cycles(self.dut, 2)
        if os.environ["IMPLEMENTATION"] == "numpy":
            cells = 8 // self.cell * (1 + self.differential)
            crossbar = Crossbar.model_construct(  # rows and columns as they come
                rows=self.rows, columns=self.columns * cells, planes=self.planes, adcs=self.adcs,
                dac_bits=self.dac_bits, cell_bits=self.cell,
                weights="differential" if self.differential else "offset",
                device=Cells(model=IDEAL, noise=1, fraction_bits=self.fraction) if self.fraction else None,
            )  # fmt: skip
            arch = SimpleNamespace(crossbar=crossbar, lanes=self.lanes, dac_steps=8 // self.dac_bits)
            program: Any = SimpleNamespace(arch=arch, pus={1: SimpleNamespace(weights=self.weights, cells=None)})
            served = NumpyArray(self.dut, program, 1, with_weights=False)
            cocotb.start_soon(served.convert())
            cocotb.start_soon(served.program_weights())
        for plane in range(self.planes):
            for address in range(self.rows * self.columns // self.lanes):
                word = [rng.choice((0, 255, rng.getrandbits(8))) for _ in range(self.lanes)]
                await self.write(plane, address, self.within(address, word, self.columns >> min(plane, 2)))

    def within(self, address: int, word: list[int], width: int) -> list[int]:
        """The word with zeros from column `width` on."""
        first = address * self.lanes % self.columns
        return [value if first + lane < width else 0 for lane, value in enumerate(word)]

    def used(self, plane: int) -> int:
        """Columns up to the last that holds a weight other than zero."""
        return int(np.flatnonzero(self.weights[plane].any(axis=0))[-1]) + 1

    async def evaluate(self, rng: random.Random, plane: int, step: int, first: int, x: list[int] | None) -> int:
        """One `eval`, with a new vector or the one before; returns the sums in the next cycle."""
        dut = self.dut
        dut.first.value = first
        dut.eval.value, dut.load.value = 1, x is not None
        dut.plane.value, dut.step.value = plane, step
        dut.x.value = rng.getrandbits(8 * self.rows) if x is None else pack(x, 8)
        await RisingEdge(dut.clk)
        dut.eval.value = dut.load.value = 0
        dut.x.value = rng.getrandbits(8 * self.rows)
        dut.plane.value, dut.step.value = rng.randrange(self.planes), rng.randrange(8 // self.dac_bits)
        await RisingEdge(dut.clk)
        return int(dut.sums.value)


@cocotb.test
async def exact_sums(dut: Any) -> None:
    """Random MVMs, some with the input vector of the one before, some after a rewritten word; every step, held."""
    rng = seeded("exact_sums")
    array = Array(dut)
    corners = Corners(*CORNERS)
    trace: list[str] = []
    await array.fill(rng)
    x: list[int] = []
    before = -1
    for n in range(MVMS):
        plane = rng.randrange(array.planes) if n else 0
        if rng.random() < 0.3:
            address = rng.randrange(array.rows * array.columns // array.lanes)
            used = array.used(plane)
            word = [rng.getrandbits(8) for _ in range(array.lanes)]
            await array.write(plane, address, array.within(address, word, rng.choice((used, array.columns))))
            corners.hit("rewritten")
            corners.hit("wider by a word", array.used(plane) > used)
        if n == 0:  # the greatest sum that there is, in some column
            for row in range(array.rows):
                largest = 128 if array.differential and array.cell == 8 else 127 if array.differential else 255
                await array.write(plane, row * array.columns // array.lanes, [largest] * array.lanes)
        keep = n > 1 and rng.random() < 0.3
        if not keep:
            kind = rng.randrange(3)
            x = [
                (rng.getrandbits(8), rng.choice((0, 1, 128, 255)), rng.choice((0, 0, 7)))[kind]
                for _ in range(array.rows)
            ]
        if n == 0:
            x = [255] * array.rows
        if n == 1:
            x = [0] * array.rows
        first = rng.randint(0, array.rows - array.driven)
        for step in range(8 // array.dac_bits):
            sums = await array.evaluate(rng, plane, step, first, x if step == 0 and not keep else None)
            expected = exact(array, plane, x, step, first)
            assert sums == pack(expected, array.lane), (n, plane, step)
            for _ in range(rng.choice((0, 0, 3))):
                await RisingEdge(dut.clk)
                assert int(dut.sums.value) == sums, "the sums must hold"
                corners.hit("idle")
            trace.append(f"{sums:x}")
            greatest = array.driven * min((1 << array.cell) - 1, 128 if array.differential else 255) << array.fraction
            corners.hit("greatest sum", greatest * ((1 << array.dac_bits) - 1) in expected)
            corners.hit("late step", step == 8 // array.dac_bits - 1)
        share = array.used(plane) / array.columns
        corners.hit("lower quarter" if share <= 1 / 4 else "lower half" if share <= 1 / 2 else "whole rows")
        corners.hit("zero", not any(x))
        corners.hit("kept input", keep)
        corners.hit("same plane again", plane == before)
        before = plane
    (TRACES / os.environ["TRACE"]).write_text("\n".join(trace))
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
def test_both_implementations_give_the_same_bits(shape: dict[str, int]) -> None:
    traces = []
    for name, source in SOURCES.items():
        trace = TRACES / f"{name}-{'-'.join(map(str, shape.values()))}.txt"
        trace.unlink(missing_ok=True)
        simulate("imc_array", __name__, shape, sources=[source], env={"IMPLEMENTATION": name, "TRACE": trace.name})
        traces.append(trace.read_text().splitlines())
    assert traces[0] == traces[1]
    assert len(traces[0]) == MVMS * 8 // shape["DAC"]


BACKDOOR = """
module backdoor;
    reg clk, eval;
    wire [8*19-1:0] sums;
    integer plane, row;
    reg [8*8-1:0] x;
    imc_array #(.WORD(64), .ROWS(8), .COLS(8), .PLANES(2), .DAC(8), .LANE(19)) u_array (
        .clk(clk), .node(8'd3), .wen(1'b0), .wplane(16'd0), .waddr(16'd0), .wdata(64'd0),
        .load(1'b1), .x(x), .eval(eval), .plane(plane[15:0]), .step(4'd0), .sums(sums));
    initial begin
        clk = 0;
        eval = 1;
        for (plane = 0; plane < 2; plane = plane + 1)
            for (row = 0; row < 8; row = row + 1) begin
                x = 64'd1 << (8 * row);
                #1 clk = 1;
                #1 clk = 0;
                $display("%h", sums);
            end
    end
endmodule
"""


def backdoor(folder: Path, file: str, data: bytes, bench: str) -> list[int]:
    """The sums of each row alone, of an array that finds `data` in a file of its folder."""
    (folder / "pu_03").mkdir()
    (folder / "pu_03" / file).write_bytes(data)
    (folder / "tb.v").write_text(bench)
    image = folder / "sim.vvp"
    subprocess.run(
        ["iverilog", "-g2005", "-o", image, "-s", "backdoor", folder / "tb.v", SOURCES["verilog"]], check=True
    )
    run = subprocess.run(["vvp", image, f"+weights={folder}"], capture_output=True, text=True, check=True)
    return [int(line, 16) for line in run.stdout.split()]


def test_backdoor_reads_rows_in_order(tmp_path: Path) -> None:
    """`+weights=DIR`: the bytes of pu_NN/weights.bin are the planes, row by row, column 0 first."""
    weights = np.random.default_rng(1).integers(0, 256, (2, 8, 8), np.uint8)
    sums = backdoor(tmp_path, "weights.bin", weights.tobytes(), BACKDOOR)
    assert sums == [pack([int(value) for value in row], 19) for row in weights.reshape(16, 8)]


def test_backdoor_of_real_cells(tmp_path: Path) -> None:
    """With FRACTION: the numbers of pu_NN/cells.bin, row by row, in the order of conversion."""
    cells = np.random.default_rng(1).integers(0, 1 << 11, (2, 8, 32), np.uint16)
    bench = BACKDOOR.replace("8*19", "32*22").replace(".LANE(19)", ".LANE(22), .ADCS(8), .CELL(2), .FRACTION(2)")
    sums = backdoor(tmp_path, "cells.bin", cells.astype("<u2").tobytes(), bench)
    assert sums == [pack([int(value) for value in row], 22) for row in cells.reshape(16, 32)]


def test_illegal_parameters_are_refused() -> None:
    error = "imc_array_LANE_cannot_hold_a_column_sum"
    for shape in (
        {"ROWS": 512, "DAC": 1, "LANE": 16},
        {"ROWS": 256, "DAC": 2, "LANE": 17},
        {"ROWS": 16, "LANE": 11},
        {"ROWS": 16, "LANE": 16, "FRACTION": 4},
    ):
        assert_refused("imc_array", shape, error)

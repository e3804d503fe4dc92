"""The numpy crossbar: computes the column sums that `sim/rtl/imc_array_cosim.v` asks for."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.types import LogicArray
from numpy.typing import NDArray

from pyimc.crossbar import bit_slices, column_sums, columns, exact, largest_level
from pyimc.devices.layer import dropped_sums
from pyimc.program import Program


def attach(dut: Any, program: Program, with_weights: bool) -> None:
    """Serves every crossbar PU that the Program uses; `with_weights` False: they arrive through the front door."""
    for node in program.pus:
        if node in program.arch.imcs:
            array = dut.u_chip.gen_node[node].gen_pu.u_pu.u_engine.gen_imc.u_engine.u_array
            served = NumpyArray(array, program, node, with_weights)
            cocotb.start_soon(served.convert())
            cocotb.start_soon(served.program_weights())


class NumpyArray:
    """One PU's planes, uint8 [planes, rows, weights of a row], and the two things that the Verilog asks for."""

    def __init__(self, array: Any, program: Program, node: int, with_weights: bool) -> None:
        self.array, self.lanes = array, program.arch.lanes
        self.crossbar = program.arch.crossbar
        image = program.pus[node]
        self.weights = image.weights.copy() if with_weights else np.zeros_like(image.weights)
        self.cells = image.cells if with_weights else None
        self.planes: dict[int, NDArray[np.floating[Any]]] = {}

    async def convert(self) -> None:
        """Answers every read with the sums of all its bit steps."""
        array = self.array
        while True:
            await array.request.value_change
            plane = int(array.plane_q.value)
            vector = np.frombuffer(array.x_q.value.to_unsigned().to_bytes(len(array.x_q) // 8, "little"), np.uint8)
            array.slices.value = self.pack(self.sums(vector, plane))

    def sums(self, vector: NDArray[np.uint8], plane: int) -> NDArray[np.int64]:
        """Column sums, int64 [steps, columns]."""
        crossbar, device = self.crossbar, self.crossbar.real
        if device and device.drop == "input" and device.segment_ohm and self.cells is not None:
            return dropped_sums(bit_slices(vector, 1), self.cells[plane], device, largest_level(crossbar))
        if plane not in self.planes:
            held = columns(self.weights[plane], crossbar).astype(np.uint16) << crossbar.fraction_bits
            self.planes[plane] = exact(held if self.cells is None else self.cells[plane], crossbar.dac_bits)
        return column_sums(vector, self.planes[plane], crossbar.dac_bits)

    def pack(self, sums: NDArray[np.int64]) -> LogicArray:
        """All lanes as one vector, step 0 and column 0 lowest."""
        bits = len(self.array.slices) // sums.size
        if bits == 16:
            value = int.from_bytes(sums.astype("<u2").tobytes(), "little")
        else:
            digits = (sums.reshape(-1)[::-1, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8) + ord("0")
            value = int(digits.tobytes(), 2)
        return LogicArray.from_unsigned(value, bits * sums.size)

    async def program_weights(self) -> None:
        """Takes front-door words into the planes."""
        array = self.array
        while True:
            await array.wrote.value_change
            plane, entry = int(array.wplane_q.value), int(array.waddr_q.value)
            word = array.wdata_q.value.to_unsigned().to_bytes(self.lanes, "little")
            self.weights[plane].reshape(-1)[entry * self.lanes : (entry + 1) * self.lanes] = np.frombuffer(
                word, np.uint8
            )
            self.planes.pop(plane, None)

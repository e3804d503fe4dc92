"""Delay, area and energy of an SRAM in-memory-computing macro in 28 nm at 0.9 V.

Formulas and constants are those of ZigZag-IMC (github.com/KULeuven-MICAS/zigzag, hardware/architecture/imc_unit.py and
imc_array.py; Sun et al., "Analog or Digital In-memory Computing? Benchmarking through Quantitative Modeling", ICCAD
2023). Capacitances in fF, energies in pJ, areas in um2, delays in ns.

A macro has `rows` inputs and `words` outputs of `weight_bits` columns each; inputs come `serial_bits` a cycle. Analog:
a column adds on its bit line and has an ADC of its own. Digital: a column has an adder tree for every serial bit.
Adders are ripple-carry, so their delay is that of the carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from pyimc.errors import ConfigError

VOLTAGE_V = 0.9
NAND_FF, WORD_LINE_FF, BIT_LINE_FF = 0.7, 0.35, 0.35
"""A two-input NAND; a cell's share of its word line and of its bit line."""
XOR_FF, REGISTER_FF = 1.5 * NAND_FF, 3 * NAND_FF
NAND_UM2 = 0.614
XOR_UM2, REGISTER_UM2 = 2.4 * NAND_UM2, 6 * NAND_UM2
NAND_NS = 0.0478
XOR_NS = 2.4 * NAND_NS


def switching_pj(capacitance_ff: float) -> float:
    """Energy of charging a capacitance to the supply."""
    return capacitance_ff * VOLTAGE_V**2 / 1000


MULTIPLIER_PJ = 0.5 * switching_pj(NAND_FF)
"""One bit times one bit: a NAND, of whose inputs the weight stands still."""
REGISTER_PJ = switching_pj(REGISTER_FF)
ADDER_PJ = switching_pj(3 * NAND_FF + 2 * XOR_FF)
"""A full adder."""
HALF_ACTIVE_ADDER_PJ = switching_pj(2 * XOR_FF)
"""A full adder with one operand at 0: no carry."""
BIT_LINE_PJ = switching_pj(BIT_LINE_FF)
ADDER_UM2 = 3 * NAND_UM2 + 2 * XOR_UM2
SUM_NS, INTO_CARRY_NS, CARRY_NS = 2 * XOR_NS, XOR_NS + 2 * NAND_NS, 2 * NAND_NS
"""A full adder from operand to sum, from operand to carry, from carry to carry."""


def adc_pj(bits: int) -> float:
    """One conversion."""
    return switching_pj(100 * bits + 0.001 * 4**bits) if bits else 0.0


def adc_um2(bits: int) -> float:
    """One converter; fitted by the source to three macros in 28 nm."""
    return 10 ** (-0.0369 * bits + 1.206) * 2**bits if bits > 1 else 0.0


def adc_ns(bits: int, rows: int) -> float:
    """Settling of a bit line with `rows` cells and the conversion."""
    return bits * (0.00653 * rows + 0.640)


def dac_pj(bits: int) -> float:
    """Driving one row for a cycle; a driver of one bit is none, and area and delay are neglected."""
    return switching_pj(50 * bits) if bits > 1 else 0.0


def precharge_pj(weights_per_cell: int) -> float:
    """Of one bit's local bit line when a cell of several weights turns to another of them."""
    return switching_pj(WORD_LINE_FF + BIT_LINE_FF * weights_per_cell) if weights_per_cell > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Macro:
    """An SRAM macro; all sizes but `adc_bits` and `cell_um2` are powers of two.

    Attributes:
        analog: Bit lines and ADCs; otherwise adder trees.
        rows: Inputs.
        words: Outputs, each of `weight_bits` columns.
        input_bits: Of an input.
        weight_bits: Of a weight.
        serial_bits: Of an input that are applied in a cycle.
        adc_bits: Of an ADC; analog only.
        cell_um2: Area of all cells of one weight.

    Raises:
        ConfigError: A size that is no power of two, or serial bits that do not divide the input.
    """

    analog: bool
    rows: int
    words: int
    input_bits: int = 8
    weight_bits: int = 8
    serial_bits: int = 1
    adc_bits: int = 0
    cell_um2: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rows", "words", "input_bits", "weight_bits", "serial_bits"):
            value = getattr(self, name)
            if value < 1 or value & (value - 1):
                raise ConfigError(f"macro.{name} is {value}, must be a power of two")
        if self.serial_bits > self.input_bits:
            raise ConfigError(f"macro.serial_bits is {self.serial_bits}, must be at most input_bits, {self.input_bits}")
        if self.analog and self.adc_bits < 1:
            raise ConfigError(f"macro.adc_bits is {self.adc_bits}, an analog macro needs 1 or more")

    @property
    def steps(self) -> int:
        """Cycles of one MVM."""
        return self.input_bits // self.serial_bits

    @property
    def column_bits(self) -> int:
        """What one column gives per cycle and serial bit: of the ADC, or of the adder tree."""
        return self.adc_bits if self.analog else self.weight_bits + int(log2(self.rows))

    @property
    def _placed(self) -> int:
        """Operands that are added by their place values: columns of a weight, or serial bits."""
        return self.weight_bits if self.analog else self.serial_bits

    @property
    def _placed_bits(self) -> int:
        return self.column_bits + (self._placed if self._placed > 1 else 0)

    @property
    def _accumulator_bits(self) -> int:
        """Width of the sum over the steps; none is needed if the input comes at once."""
        if self.steps == 1:
            return 0
        per_cycle = self.adc_bits if self.analog else int(log2(self.rows))
        return self.input_bits + per_cycle + self.weight_bits

    @property
    def _place_adders(self) -> float:
        """Full adders of a word that add by place values."""
        return (
            self.column_bits * (self._placed - 1) + self._placed * (log2(self._placed) - 0.5) if self._placed > 1 else 0
        )

    @property
    def _tree_adders(self) -> int:
        """Full adders of one adder tree."""
        return self.rows * (self.weight_bits + 1) - (self.column_bits + 1)

    def area_um2(self) -> dict[str, float]:
        """Of every component."""
        bits = self.words * self.weight_bits
        trees = 0 if self.analog else self.serial_bits * self.words
        return {
            "cells": self.cell_um2 * self.rows * self.words,
            "adcs": bits * adc_um2(self.adc_bits) if self.analog else 0.0,
            "multipliers": bits * self.rows * (1 if self.analog else self.serial_bits) * NAND_UM2,
            "adder_trees": trees * self._tree_adders * ADDER_UM2,
            "place_adders": self.words * self._place_adders * ADDER_UM2,
            "accumulators": self.words * self._accumulator_bits * (ADDER_UM2 + REGISTER_UM2),
        }

    def clock_ns(self) -> float:
        """The longest path: multiplier, ADC or adder tree, place values, accumulator."""
        delay = NAND_NS + (adc_ns(self.adc_bits, self.rows) if self.analog else 0.0)
        if not self.analog:
            delay += _tree_ns(int(log2(self.rows)), self.column_bits - 1)
        if self._placed > 1:
            delay += _tree_ns(int(log2(self._placed)), self._placed_bits - self.column_bits)
        if self.steps > 1:
            delay += INTO_CARRY_NS + (self._accumulator_bits - self._placed_bits - 1) * CARRY_NS
        return delay

    def mvm_pj(self, rows: int, words: int) -> dict[str, float]:
        """Energy of one MVM (all steps) of a layer's tile, by component.

        Args:
            rows: Inputs in use.
            words: Outputs in use. The multipliers of all outputs see the inputs; all rows load a bit line.
        """
        if not 1 <= rows <= self.rows or not 1 <= words <= self.words:
            raise ConfigError(f"tile of {rows} x {words} on a macro of {self.rows} x {self.words}")
        bits = words * self.weight_bits
        multipliers = self.words * self.weight_bits * (rows if self.analog else self.rows * self.serial_bits)
        per_step = {
            "dacs": rows * dac_pj(self.serial_bits) if self.analog else 0.0,
            "adcs": bits * adc_pj(self.adc_bits) if self.analog else 0.0,
            "multipliers": multipliers * MULTIPLIER_PJ,
            "bit_lines": bits * self.rows * BIT_LINE_PJ if self.analog else 0.0,
            "adder_trees": 0.0 if self.analog else self.serial_bits * words * self._tree_pj(rows, self.rows),
            "place_adders": words * self._place_adders * ADDER_PJ,
            "accumulators": words * self._accumulator_bits * (ADDER_PJ + REGISTER_PJ),
        }
        return {name: self.steps * energy for name, energy in per_step.items()}

    def _tree_pj(self, used: int, size: int) -> float:
        """An adder tree of which some inputs are used: an adder is fully active if both of its operands are."""
        if not used or size == 1:
            return 0.0
        half = size // 2
        root = self.weight_bits + int(log2(half))
        if used <= half:
            return root * HALF_ACTIVE_ADDER_PJ + self._tree_pj(used, half)
        return root * ADDER_PJ + self._tree_pj(half, half) + self._tree_pj(used - half, half)


def _tree_ns(depth: int, carries: int) -> float:
    """Adders in `depth` levels: sums, then the last level's carry, which ripples through `carries` - 1 bits."""
    return (depth - 1) * SUM_NS + INTO_CARRY_NS + (carries - 1) * CARRY_NS

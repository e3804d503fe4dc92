# SPDX-License-Identifier: Apache-2.0
"""An MVM as currents: weights sliced over cells between two resistance states, bits of the input one after another.

Two mappings of analog-cim-sim (Pelke et al.): `offset` (its I_UINT_W_OFFS: unsigned inputs, w + 2^(bits - 1), the
current of the lower state taken off digitally) and `differential` (its I_DIFF_W_DIFF: positive and negative parts of
inputs and weights apart). Currents in uA; every column is read through its own bit line and ADC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimc.devices.wire import column_conductance

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Crossbar:
    """Attributes:
    rows: That an ADC must be able to add up.
    splits: Bits of a weight in each of its cells, the most significant first.
    low_ua: Current of a cell in the state of high resistance.
    high_ua: And of low resistance.
    adc_bits: Of a conversion.
    read_v: At the rows.
    segment_ohm: Of the bit line between two cells.
    input_bits: Of an unsigned input.
    """

    rows: int
    splits: tuple[int, ...]
    low_ua: float
    high_ua: float
    adc_bits: int
    read_v: float
    segment_ohm: float
    input_bits: int = 8

    @property
    def shifts(self) -> tuple[int, ...]:
        """Place of every slice."""
        return tuple(sum(self.splits[at + 1 :]) for at in range(len(self.splits)))

    @property
    def step_ua(self) -> tuple[float, ...]:
        """Current of one level, by slice."""
        return tuple((self.high_ua - self.low_ua) / ((1 << bits) - 1) for bits in self.splits)


def offset_mvm(crossbar: Crossbar, weights: Integers, x: Integers, start: Integers) -> Integers:
    """start + weights @ x, for int64 weights [outputs, inputs] of sum(splits) bits and unsigned inputs."""
    zero = 1 << sum(crossbar.splits) - 1
    high = sum(((1 << bits) - 1) << shift for bits, shift in zip(crossbar.splits, crossbar.shifts, strict=True))
    resting = crossbar.low_ua / (crossbar.high_ua - crossbar.low_ua) * high
    total = np.zeros(len(weights))
    for bit in range(crossbar.input_bits):
        driven = (x >> bit & 1).astype(np.float64)
        for at, shift in enumerate(crossbar.shifts):
            current = _converted(crossbar, _currents(crossbar, weights + zero, at, driven))
            total += np.rint(current * 2.0 ** (shift + bit) / crossbar.step_ua[at])
    return start + np.rint(total - x.sum() * (resting + zero)).astype(np.int64)


def differential_mvm(crossbar: Crossbar, weights: Integers, x: Integers, start: Integers) -> Integers:
    """start + weights @ x, for signed weights and inputs: each is the difference of two unsigned parts."""
    parts = [(np.maximum(weights, 0), 1), (np.maximum(-weights, 0), -1)]
    total = np.zeros(len(weights))
    for inputs, sign in ((np.maximum(x, 0), 1), (np.maximum(-x, 0), -1)):
        for bit in range(crossbar.input_bits):
            driven = (inputs >> bit & 1).astype(np.float64)
            for at, shift in enumerate(crossbar.shifts):
                plus, minus = (_currents(crossbar, part, at, driven) for part, _ in parts)
                current = _converted_signed(crossbar, plus - minus)
                total += sign * np.rint(current * 2.0 ** (shift + bit) / crossbar.step_ua[at])
    return start + total.astype(np.int64)


def _currents(crossbar: Crossbar, levels: Integers, at: int, driven: Floats) -> Floats:
    """Of the columns of a slice, float64 [outputs]."""
    bits, shift = crossbar.splits[at], crossbar.shifts[at]
    cells = crossbar.low_ua + (levels >> shift & (1 << bits) - 1) * crossbar.step_ua[at]
    conductance = column_conductance((cells * driven).T / abs(crossbar.read_v), crossbar.segment_ohm)
    return conductance * abs(crossbar.read_v)


def _converted(crossbar: Crossbar, current: Floats) -> Floats:
    """What the ADC says a current from 0 to that of all rows is."""
    most = crossbar.rows * crossbar.high_ua
    step = most / ((1 << crossbar.adc_bits) - 1)
    return np.rint(np.clip(current, 0, most) / step) * step


def _converted_signed(crossbar: Crossbar, current: Floats) -> Floats:
    """What the ADC says a difference of two currents is: an odd number of codes, 0 among them."""
    most = crossbar.rows * (crossbar.high_ua - crossbar.low_ua)
    step = 2 * most / ((1 << crossbar.adc_bits) - 2)
    return np.rint(np.clip(current, -most, most) / step) * step

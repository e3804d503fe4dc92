# SPDX-License-Identifier: Apache-2.0
"""From levels that cells should hold to the integers that they effectively hold, once, before a run.

Programming error, stuck cells, drift, read disturb and the drop along the bit line for a mean input are drawn or
computed here; what comes out are integers with fraction bits, which golden model and hardware share.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pyimc.devices.disturb import left, reads_until
from pyimc.devices.model import Device, Drift, Floats, load_device
from pyimc.devices.wire import shares
from pyimc.errors import ConfigError

Levels = NDArray[np.int64]
Compensation = Literal["none", "global", "column"]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Reads(_Strict):
    """What cells have been read, for devices that reads wear off.

    Attributes:
        count: Reads since programming.
        volts: Of a read.
        read_s: How long one takes.
        cycles: Sets and resets that the cells have been through.
        refresh: Cells are programmed again before less than this share of a conductance is left; None: never.
    """

    count: Annotated[int, Field(ge=0)]
    volts: Positive
    read_s: Positive
    cycles: Annotated[int, Field(ge=0)] = 0
    refresh: Annotated[float, Field(gt=0, lt=1)] | None = None


class Cells(_Strict):
    """What the cells of a crossbar are made of, and in what state.

    Attributes:
        model: The device; given as a name of `pyimc/devices/models`, as the path of a YAML file, or itself.
        seed: Of everything that is drawn.
        seconds: Since programming.
        compensation: Gain that makes up for the mean drift: none, of a whole tile, or of every column.
        fraction_bits: Of the integers that stand for conductances; the unit is a level.
        segment_ohm: Of the bit line between two cells.
        drop: Along the bit line: for the `mean` input, or for each `input`, which only the numpy array computes.
        activity: Mean share of the rows' full input.
        noise: Sigma of a conversion in levels, besides what the device's own noise amounts to.
        reads: Before the run.
    """

    model: Device
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    seconds: NotNegative = 0.0
    compensation: Compensation = "none"
    fraction_bits: Annotated[int, Field(ge=1, le=7)] = 4
    segment_ohm: NotNegative = 0.0
    drop: Literal["mean", "input"] = "mean"
    activity: Annotated[float, Field(gt=0, le=1)] = 0.5
    noise: Annotated[float, Field(ge=0, le=256)] = 0.0
    reads: Reads | None = None

    @field_validator("model", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        try:
            return load_device(value) if isinstance(value, str) else value
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _check(self) -> Cells:
        later = self.model.programming.later_us if self.model.programming else {}
        if later and self.seconds not in later:
            times = ", ".join(map(str, sorted(later)))
            raise ValueError(f"seconds is {self.seconds:g}, {self.model.name} was measured after {times} s only")
        if self.reads and not self.model.disturb:
            raise ValueError(f"reads: {self.model.name} is not disturbed by reads")
        if self.reads:
            self.left()
        return self

    @property
    def alter(self) -> bool:
        """They do not just hold what they are given."""
        model = self.model
        drawn = model.programming or model.stuck.smallest or model.stuck.largest
        return bool(drawn or (model.drift and self.seconds) or model.flicker or self.reads or self.segment_ohm
                    or self.noise)  # fmt: skip

    @property
    def noisy(self) -> bool:
        """Two reads of the same are not equal."""
        return bool(self.noise or self.model.flicker)

    def left(self) -> float:
        """Share of a conductance that reads have left.

        Raises:
            ValueError: Cells that do not live so long, or that cannot be refreshed often enough.
        """
        if self.reads is None:
            return 1.0
        assert self.model.disturb
        wear, reads, count = self.model.disturb, self.reads, self.reads.count
        try:
            if reads.refresh is not None:
                between = reads_until(wear, reads.refresh, reads.read_s, reads.volts, reads.cycles)
                count %= max(1, between)
            return left(wear, count * reads.read_s, reads.volts, reads.cycles)
        except ConfigError as error:
            raise ValueError(f"reads: {error}") from None


def conductances(levels: Levels, largest: int, cells: Cells, rng: np.random.Generator) -> Floats:
    """What cells hold as shares of the largest conductance, without wires.

    Args:
        levels: int64 [rows, columns], 0..largest: what they should hold; level 0 is no conductance.
        largest: The level of the largest conductance.
        cells: Of what they are.
        rng: What is drawn comes from it.

    Returns:
        float64 [rows, columns], not negative.

    Raises:
        ConfigError: Levels out of range.
    """
    if largest < 1 or levels.min(initial=0) < 0 or levels.max(initial=0) > largest:
        raise ConfigError(f"levels must be 0 to {largest}, and the largest 1 or more")
    device = cells.model
    now = levels / largest
    if device.programming:
        sigma = device.sigma_us(now, cells.seconds) / device.largest_us
        now = np.maximum(0.0, now + sigma * rng.standard_normal(now.shape))
    if device.stuck.smallest or device.stuck.largest:
        lot = rng.random(now.shape)
        now = np.where(lot < device.stuck.smallest, 0.0, np.where(lot >= 1 - device.stuck.largest, 1.0, now))
    if device.drift and cells.seconds:
        programmed = now
        now = programmed * _drifted(device.drift, programmed, cells.seconds, rng)
        now = now * _gain(programmed, now, cells.compensation)
    return now * cells.left()


def fixed(shares_held: Floats, largest: int, bits: int, cells: Cells) -> Levels:
    """Shares of the largest conductance as integers, in units of 2^-fraction_bits of a level.

    Args:
        shares_held: float64 of any shape.
        largest: The level of the largest conductance.
        bits: Of a level; integers have as many, one more, and the fraction.
        cells: With their fraction bits.
    """
    most = (1 << bits + 1 + cells.fraction_bits) - 1
    return np.minimum(np.rint(shares_held * largest * (1 << cells.fraction_bits)), most).astype(np.int64)


def dropped(held: Floats, cells: Cells, driven: int) -> Floats:
    """What the bit line leaves of conductances for a mean input.

    Args:
        held: float64 [rows, columns], shares of the largest; the first row is next to the converters.
        cells: With the resistance of their wire.
        driven: Rows of a read; the others let no current through.
    """
    if not cells.segment_ohm or cells.drop == "input":
        return held
    found = np.empty_like(held)
    for first in range(0, len(held), driven):
        rows = slice(first, first + driven)
        reading = np.zeros_like(held)
        reading[rows] = held[rows] * cells.model.largest_us * cells.activity
        found[rows] = held[rows] * shares(reading[::-1], cells.segment_ohm)[::-1][rows]
    return found


def effective(levels: Levels, largest: int, bits: int, cells: Cells, rng: np.random.Generator) -> Levels:
    """All of it for a tile whose rows are driven at once: int64 [rows, columns], in units of 2^-fraction_bits."""
    held = conductances(levels, largest, cells, rng)
    return fixed(dropped(held, cells, len(held)), largest, bits, cells)


def _drifted(drift: Drift, x: Floats, seconds: float, rng: np.random.Generator) -> Floats:
    """Share of a conductance that is left."""
    capped = np.minimum(x, 1.0)
    exponent = np.abs(drift.mean.at(capped) + drift.deviation.at(capped) * rng.standard_normal(x.shape))
    return ((seconds + drift.t0_s) / drift.t0_s) ** -exponent


def _gain(before: Floats, after: Floats, compensation: Compensation) -> Floats | float:
    """Mean output for one-hot inputs at the time of programming, over that now."""
    if compensation == "none":
        return 1.0
    axis = 0 if compensation == "column" else None
    then, now = before.mean(axis=axis), after.mean(axis=axis)
    return np.divide(then, now, out=np.ones_like(now), where=now > 0)

# SPDX-License-Identifier: Apache-2.0
"""From levels that cells should hold to the integers that they effectively hold, once, before a run.

Programming error, stuck cells, drift and the drop along the bit line for a mean input are drawn or computed here, from
a seed; what comes out are integers with fraction bits, which golden model and hardware can share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pyimc.devices.model import Device, Drift, Floats
from pyimc.devices.wire import shares
from pyimc.errors import ConfigError

Levels = NDArray[np.int64]
Compensation = Literal["none", "global", "column"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Attributes:
    seed: Of everything that is drawn.
    seconds: Since programming.
    compensation: Digital gain that makes up for the mean drift: none, of the whole tile, or of every column.
    segment_ohm: Of the bit line between two cells.
    activity: Mean share of the rows' full input, for the drop along the bit line.
    """

    seed: int = 0
    seconds: float = 0.0
    compensation: Compensation = "none"
    segment_ohm: float = 0.0
    activity: float = 0.5

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise ConfigError(f"seconds is {self.seconds}, must be 0 or more")
        if not 0 < self.activity <= 1:
            raise ConfigError(f"activity is {self.activity}, must be above 0 and at most 1")
        if self.compensation not in ("none", "global", "column"):
            raise ConfigError(f"compensation is {self.compensation}, must be none, global or column")


IDEAL = Conditions()


def effective(
    levels: Levels, largest: int, device: Device, fraction_bits: int, conditions: Conditions = IDEAL
) -> Levels:
    """What cells hold, in units of 2^-fraction_bits of a level.

    Args:
        levels: int64 [rows, columns], 0..largest: what they should hold; level 0 is no conductance.
        largest: The level of the largest conductance.
        device: The cells.
        fraction_bits: Of the result.
        conditions: When, where, and the seed.

    Returns:
        int64 [rows, columns], not negative; `levels << fraction_bits` of an ideal device.

    Raises:
        ConfigError: A time at which the device was not measured, or levels out of range.
    """
    if largest < 1 or levels.min(initial=0) < 0 or levels.max(initial=0) > largest:
        raise ConfigError(f"levels must be 0 to {largest}, and the largest 1 or more")
    rng = np.random.default_rng(conditions.seed)
    x = levels / largest
    sigma = device.sigma_us(x, conditions.seconds) / device.largest_us
    programmed = np.maximum(0.0, x + sigma * rng.standard_normal(x.shape))
    lot = rng.random(x.shape)
    programmed = np.where(lot < device.stuck.smallest, 0.0, programmed)
    programmed = np.where(lot >= 1 - device.stuck.largest, 1.0, programmed) if device.stuck.largest else programmed
    now = programmed
    if device.drift and conditions.seconds:
        now = programmed * _drifted(device.drift, programmed, conditions.seconds, rng)
        now = now * _gain(programmed, now, conditions.compensation)
    now = now * shares(now * device.largest_us * conditions.activity, conditions.segment_ohm)
    return np.rint(now * largest * (1 << fraction_bits)).astype(np.int64)


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

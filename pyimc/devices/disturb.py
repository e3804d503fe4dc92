# SPDX-License-Identifier: Apache-2.0
"""Read disturb: a state that reads wear off, and when it has to be refreshed.

G(t) = G0 until t = tau, then G0 (t / tau)^-p; t is the time spent reading at a voltage V. p grows with V, tau falls
with p and with the cycles that the cell has been through: a fit to the JART VCM model, as in analog-cim-sim.
"""

from __future__ import annotations

from math import exp

from pyimc.devices.model import Disturb
from pyimc.errors import ConfigError

THERMAL_V = 1.380649e-23 * 300 / 1.602176634e-19
"""kT/q at 300 K."""


def power(disturb: Disturb, volts: float) -> float:
    """The exponent p at a read voltage."""
    return disturb.exponent * exp(disturb.barrier * abs(volts) / THERMAL_V)


def onset_s(disturb: Disturb, volts: float, cycles: int) -> float:
    """Time of reading until the state begins to fall, tau, of a cell that was set and reset `cycles` times."""
    if cycles < 0:
        raise ConfigError(f"cycles is {cycles}, must be 0 or more")
    worn = disturb.factor * (1 - disturb.wear * cycles**disturb.wear_exponent)
    if worn <= 0:
        raise ConfigError(f"cycles is {cycles}: more than the device lives for")
    return float(disturb.time_s * worn ** (1 / power(disturb, volts)))


def left(disturb: Disturb, seconds: float, volts: float, cycles: int = 0) -> float:
    """Share of a conductance that is left after `seconds` of reading."""
    if not seconds >= 0:
        raise ConfigError(f"seconds is {seconds}, must be 0 or more")
    ratio = seconds / onset_s(disturb, volts, cycles)
    return 1.0 if ratio <= 1 else float(ratio ** -power(disturb, volts))


def reads_until(disturb: Disturb, share: float, read_s: float, volts: float, cycles: int = 0) -> int:
    """Reads after which a cell is refreshed so that no less than `share` of its conductance is ever left."""
    if not 0 < share < 1 or not read_s > 0:
        raise ConfigError(f"share is {share} and read_s {read_s}, must be between 0 and 1, and above 0")
    return int(onset_s(disturb, volts, cycles) * share ** (-1 / power(disturb, volts)) / read_s)

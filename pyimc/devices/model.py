# SPDX-License-Identifier: Apache-2.0
"""Memory devices by name: coefficients in YAML, read strictly.

x is a conductance as a share of the largest one. All of a device's effects follow from its coefficients:

    programming   sigma(x), a polynomial in uS, of the error of a programmed conductance
    drift         g(t) = g ((t + t0) / t0)^-nu, nu of every cell drawn with mean and deviation that depend on x
    flicker       relative sigma of 1/f noise at time t: q(x) sqrt(ln((t + t0 + t_read) / (2 t_read)))
    disturb       reads wear a state off (`pyimc.devices.disturb`)
    stuck         shares of cells that stay at the smallest or the largest conductance
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pyimc.errors import ConfigError, faults

MODELS = Path(__file__).parent / "models"

Floats = NDArray[np.float64]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Curve(_Strict):
    """A function of x: below `until` one form, from there on a polynomial.

    Attributes:
        logarithm: a, b of a ln x + b.
        power: a, b of a / x^b.
        least, most: Between which the first form is clipped.
        until: Where it ends.
        polynomial: c0 + c1 x + c2 x2 ...
    """

    logarithm: tuple[float, float] | None = None
    power: tuple[float, float] | None = None
    least: float = 0.0
    most: float = float("inf")
    until: float = 2.0
    polynomial: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Curve:
        if (self.logarithm is None) == (self.power is None):
            raise ValueError("needs logarithm or power, and not both")
        if self.until <= 1 and not self.polynomial:
            raise ValueError(f"until is {self.until}, so that a polynomial is needed above")
        return self

    def at(self, x: Floats) -> Floats:
        """float64, of any shape; x may be 0."""
        positive = np.maximum(x, 1e-12)
        if self.logarithm:
            first = self.logarithm[0] * np.log(positive) + self.logarithm[1]
        else:
            assert self.power is not None
            first = self.power[0] / positive ** self.power[1]
        first = np.clip(first, self.least, self.most)
        return np.where(x < self.until, first, polynomial(self.polynomial, x)) if self.polynomial else first


class Programming(_Strict):
    """Sigma in uS as a polynomial in x, of a device whose largest conductance is that of the model.

    Attributes:
        sigma_us: Right after programming.
        later_us: Or by the seconds after it, for devices of which only these were measured.
    """

    sigma_us: tuple[float, ...] = ()
    later_us: dict[int, tuple[float, ...]] = {}


class Drift(_Strict):
    """Exponent of the power law, and the time of programming."""

    t0_s: Positive
    mean: Curve
    deviation: Curve


class Flicker(_Strict):
    """1/f noise: its strength, and how long a read takes."""

    t0_s: Positive
    read_s: Positive
    strength: Curve


class Disturb(_Strict):
    """Coefficients of `pyimc.devices.disturb`."""

    exponent: Positive
    barrier: Positive
    time_s: Positive
    factor: Positive
    wear: Positive
    wear_exponent: Positive


class Stuck(_Strict):
    """Shares of cells."""

    smallest: Share = 0.0
    largest: Share = 0.0

    @model_validator(mode="after")
    def _check(self) -> Stuck:
        if self.smallest + self.largest > 1:
            raise ValueError(f"smallest and largest are {self.smallest + self.largest} together, must be at most 1")
        return self


class Device(_Strict):
    """A model; what it does not have it does not do.

    Attributes:
        name: Of the model.
        source: Where its coefficients were published.
        largest_us: Conductance of x = 1.
    """

    name: str
    source: Annotated[str, Field(min_length=1)]
    largest_us: Positive
    programming: Programming | None = None
    drift: Drift | None = None
    flicker: Flicker | None = None
    disturb: Disturb | None = None
    stuck: Stuck = Stuck()

    def sigma_us(self, x: Floats, seconds: float = 0.0) -> Floats:
        """Deviation of a programmed conductance in uS.

        Raises:
            ConfigError: A device that was measured at other times only.
        """
        if self.programming is None:
            return np.zeros_like(x)
        later = self.programming.later_us
        if later and round(seconds) not in later:
            times = ", ".join(map(str, sorted(later)))
            raise ConfigError(f"device {self.name}: {seconds} s after programming; it was measured at {times} s only")
        return polynomial(later[round(seconds)] if later else self.programming.sigma_us, x)

    def flicker_sigma(self, x: Floats, seconds: float) -> Floats:
        """Relative deviation of a read at a time after programming."""
        if self.flicker is None:
            return np.zeros_like(x)
        since = (seconds + self.flicker.t0_s + self.flicker.read_s) / (2 * self.flicker.read_s)
        return self.flicker.strength.at(x) * np.sqrt(np.log(since))


def polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """c0 + c1 x + c2 x2 ..., 0 without coefficients."""
    total = np.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def load_device(name_or_path: str) -> Device:
    """Reads a device by built-in name or path of a YAML file.

    Raises:
        ConfigError: Unknown file, not YAML, unknown or missing keys, impossible values (all of them at once).
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = MODELS / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in MODELS.glob("*.yaml")))
        raise ConfigError(f"device '{name_or_path}' not found; use one of {known}, or the path of a .yaml file")
    try:
        data = yaml.safe_load(path.read_text())
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: a device is a mapping of keys to values, got {type(data).__name__}")
        return Device.model_validate(data)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {faults(error)}") from None

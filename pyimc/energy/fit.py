"""Parameters of a table of costs from measured values, by least squares.

A measured value is a sum of terms (events, or the square of the supply) times parameters. Relative errors count, so
that small values weigh as much as large ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from pyimc.errors import ConfigError, faults

SILICON = Path(__file__).parent / "silicon.yaml"


class Rows(BaseModel):
    """Measured values of one quantity.

    Attributes:
        name: Of the quantity.
        source: Where it was published.
        unit: Of the values; a parameter has it by unit of its term.
        terms: What a value is made of.
        rows: `measured`, and a number for every term.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: Annotated[str, Field(min_length=1)]
    unit: str
    terms: Annotated[tuple[str, ...], Field(min_length=1)]
    rows: tuple[dict[str, float], ...]

    @model_validator(mode="after")
    def _check(self) -> Rows:
        for index, row in enumerate(self.rows):
            if row.keys() != {"measured", *self.terms}:
                raise ValueError(f"rows.{index}: has {', '.join(row)}, must have measured, {', '.join(self.terms)}")
            if not row["measured"] > 0:
                raise ValueError(f"rows.{index}.measured is {row['measured']}, must be above 0")
        if len(self.rows) < len(self.terms):
            raise ValueError(f"rows: {len(self.rows)} do not decide {len(self.terms)} terms")
        return self


@dataclass(frozen=True, slots=True)
class Fit:
    """Attributes:
    rows: What was fitted.
    parameters: By term.
    residuals: Of every row, (fitted - measured) / measured.
    """

    rows: Rows
    parameters: dict[str, float]
    residuals: tuple[float, ...]

    @property
    def rms(self) -> float:
        """Root of the mean square of the residuals."""
        return float(np.sqrt(np.mean(np.square(self.residuals))))


def load_rows(path: Path) -> tuple[Rows, ...]:
    """Reads a YAML list of measured quantities; raises ConfigError with every fault."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; give a list of measured rows such as {SILICON.name}")
    try:
        return TypeAdapter(tuple[Rows, ...]).validate_python(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {faults(error)}") from None


def fit(rows: Rows) -> Fit:
    """Least squares of the relative errors; raises ConfigError if the rows leave a parameter open."""
    measured = np.array([row["measured"] for row in rows.rows])
    terms = np.array([[row[term] for term in rows.terms] for row in rows.rows])
    found, _, rank, _ = np.linalg.lstsq(terms / measured[:, None], np.ones(len(measured)), rcond=None)
    if rank < len(rows.terms):
        raise ConfigError(f"{rows.name}: the rows cannot tell {', '.join(rows.terms)} apart; leave a term out")
    residuals = terms @ found / measured - 1
    return Fit(rows, dict(zip(rows.terms, found.tolist(), strict=True)), tuple(residuals.tolist()))

# SPDX-License-Identifier: Apache-2.0
"""Fits of costs to measured rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyimc.energy.fit import SILICON, Rows, fit, load_rows
from pyimc.errors import ConfigError


def _rows(parameters: dict[str, float], seed: int, noise: float = 0.0) -> Rows:
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(12):
        terms = {name: float(rng.uniform(1, 9)) for name in parameters}
        value = sum(parameters[name] * terms[name] for name in terms)
        rows.append({"measured": value * (1 + noise * float(rng.normal()))} | terms)
    return Rows(name="made", source="here", unit="pJ", terms=tuple(parameters), rows=tuple(rows))


@pytest.mark.parametrize("seed", range(5))
def test_exact_rows_give_their_parameters(seed: int) -> None:
    wanted = {"conversions": 0.7, "cells": 0.0006, "rows": 2.5}
    found = fit(_rows(wanted, seed))
    assert found.parameters == pytest.approx(wanted)
    assert max(map(abs, found.residuals)) < 1e-9 and found.rms < 1e-9


def test_no_other_parameters_have_smaller_residuals() -> None:
    rows = _rows({"conversions": 0.7, "cells": 0.3}, 1, noise=0.1)
    found = fit(rows)
    assert found.rms > 0.01
    for name in rows.terms:
        for factor in (0.99, 1.01):
            moved = found.parameters | {name: found.parameters[name] * factor}
            errors = [sum(moved[term] * row[term] for term in rows.terms) / row["measured"] - 1 for row in rows.rows]
            assert np.sqrt(np.mean(np.square(errors))) > found.rms


def test_silicon() -> None:
    """Every chip is fitted; the charge of a capacitor, C V2, explains ADCs and arrays to a few per cent."""
    found = {rows.name: fit(rows) for rows in load_rows(SILICON)}
    assert {name.split()[0] for name in found} == {"NeuRRAM", "Jia", "Sinangil", "Wang", "Colonnade"}
    rms = {name: round(100 * each.rms, 1) for name, each in found.items()}
    assert rms == RMS


RMS = {
    "NeuRRAM neurons": 3.0, "NeuRRAM input pulses": 6.0, "NeuRRAM word lines": 4.8, "NeuRRAM time, one phase": 4.2,
    "Jia ADC": 0.1, "Jia array": 2.7, "Jia near-memory path": 5.9, "Sinangil output value": 7.9, "Sinangil supply": 3.2,
    "Wang supply": 7.1, "Colonnade 0.6 V": 1.4, "Colonnade 0.7 V": 2.3, "Colonnade 0.8 V": 1.9,
}  # fmt: skip
"""In per cent."""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- {name: a, source: b, unit: pJ, terms: [x], rows: [{measured: 1}]}", "rows.0: has measured, must have"),
        ("- {name: a, source: b, unit: pJ, terms: [x], rows: [{measured: 0, x: 1}]}", "rows.0.measured is 0.0"),
        ("- {name: a, source: b, unit: pJ, terms: [x, y], rows: [{measured: 1, x: 1, y: 1}]}", "do not decide 2"),
        ("- {name: a, source: '', unit: pJ, terms: [x], rows: []}", "0.source"),
        ("- {name: a, source: b, unit: pJ, terms: [x], rows: [], more: 1}", "0.more"),
        ("- [", "not a YAML file"),
    ],
)
def test_wrong_rows_are_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load_rows(path)
    assert says in str(refusal.value) and "\n" not in str(refusal.value)


def test_terms_that_cannot_be_told_apart_are_refused() -> None:
    rows = tuple({"measured": float(n), "x": float(n), "y": 2.0 * n} for n in range(1, 5))
    with pytest.raises(ConfigError, match="cannot tell x, y apart"):
        fit(Rows(name="a", source="b", unit="pJ", terms=("x", "y"), rows=rows))

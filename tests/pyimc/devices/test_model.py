# SPDX-License-Identifier: Apache-2.0
"""Devices give the published deviations and drifts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimc.devices import disturb
from pyimc.devices.cells import Cells, dropped, effective
from pyimc.devices.model import MODELS, Disturb, load_device
from pyimc.errors import ConfigError

X = np.array([0, 0.25, 0.5, 0.75, 1])
DAY, YEAR = 86_400, 365 * 86_400


@pytest.mark.parametrize(
    ("name", "seconds", "sigma"),
    [
        ("pcm", 0, [0.2635, 0.6814, 0.9527, 1.0774, 1.0554]),
        ("hermes", 0, [0.1660, 0.8888, 0.9910, 0.9124, 1.0927]),
        ("reram_wan", 1, [0.348, 2.2583, 2.0229, 1.5330, 1.1030]),
        ("reram_wan", DAY, [0.701, 3.7208, 3.9090, 3.3665, 2.6510]),
        ("ideal", 0, [0, 0, 0, 0, 0]),
    ],
)
def test_programming_error(name: str, seconds: int, sigma: list[float]) -> None:
    assert load_device(name).sigma_us(X, seconds) == pytest.approx(sigma, abs=6e-5)


def test_pcm_drift() -> None:
    """At x of a quarter and more nu is 0.049."""
    drift = load_device("pcm").drift
    assert drift is not None
    nu = drift.mean.at(X[1:])
    assert nu == pytest.approx([0.049] * 4)
    factors = [((seconds + drift.t0_s) / drift.t0_s) ** -nu[0] for seconds in (3600, DAY, YEAR)]
    assert factors == pytest.approx([0.7751, 0.6635, 0.4969], abs=6e-5)


def test_pcm_flicker() -> None:
    assert load_device("pcm").flicker_sigma(X[[1, 2, 4]], DAY) == pytest.approx([0.110, 0.070, 0.045], abs=6e-4)


def test_hermes_changes_form() -> None:
    drift = load_device("hermes").drift
    assert drift is not None
    assert drift.mean.at(np.array([1e-6, 0.05, 0.5])) == pytest.approx([0.13, 0.0977, 0.0564], abs=5e-5)


def _disturb() -> Disturb:
    found = load_device("rram_jart").disturb
    assert found is not None
    return found


def test_read_disturb() -> None:
    jart = _disturb()
    assert disturb.power(jart, 0.4) == pytest.approx(0.0373, abs=6e-5)
    assert disturb.power(jart, 0.2) == pytest.approx(0.01593, abs=6e-6)
    assert disturb.power(jart, 0.6) == pytest.approx(0.08735, abs=6e-5)
    assert [disturb.onset_s(jart, 0.4, cycles) for cycles in (0, 1, 1000)] == pytest.approx(
        [2.414e-4, 2.227e-4, 5.94e-5], rel=2e-3
    )
    assert disturb.onset_s(jart, -0.2, 0) == pytest.approx(102.05, rel=2e-3)
    assert disturb.onset_s(jart, 0.6, 0) == pytest.approx(9.56e-7, rel=2e-3)


def test_refresh_comes_in_time() -> None:
    jart = _disturb()
    reads = disturb.reads_until(jart, 0.95, 1e-8, 0.4)
    assert disturb.left(jart, reads * 1e-8, 0.4) >= 0.95 > disturb.left(jart, (reads + 1) * 1e-8, 0.4)
    assert disturb.left(jart, 0, 0.4) == disturb.left(jart, 1e-4, 0.4) == 1


def _levels(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (128, 32))


def held(levels: np.ndarray, **cells: Any) -> np.ndarray:
    """In levels."""
    state = Cells.model_validate({"fraction_bits": 7} | cells)
    rng = np.random.default_rng(state.seed)
    return effective(levels, 255, 8, state, rng) / (1 << state.fraction_bits)


@pytest.mark.parametrize("name", ["ideal", "sram", "rram_jart"])
def test_devices_without_errors_keep_every_level(name: str) -> None:
    assert np.array_equal(held(_levels(), model=name, seconds=1e6), _levels())
    assert not Cells.model_validate({"model": name, "seconds": 1e6}).alter


def test_drawn_errors_have_the_deviation_of_the_model() -> None:
    device = load_device("pcm")
    found = held(np.full((400, 400), 128), model="pcm")
    sigma = device.sigma_us(np.array([128 / 255]))[0] / device.largest_us * 255
    assert found.mean() == pytest.approx(128, abs=0.2)
    assert found.std() == pytest.approx(sigma, rel=0.01)


def test_same_seed_same_cells() -> None:
    first, again, other = (held(_levels(), model="hermes", seed=seed, seconds=DAY) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.min() >= 0


def test_compensation_makes_up_for_the_mean_drift() -> None:
    fresh = held(_levels(), model="pcm").sum()
    shares = {
        kind: held(_levels(), model="pcm", seconds=DAY, compensation=kind).sum() / fresh
        for kind in ("none", "global", "column")
    }
    assert shares["none"] < 0.7
    assert shares["global"] == pytest.approx(1, abs=1e-3) and shares["column"] == pytest.approx(1, abs=1e-3)


def test_column_compensation_holds_every_column() -> None:
    fresh = held(_levels(), model="pcm").sum(axis=0)
    later = held(_levels(), model="pcm", seconds=DAY, compensation="column").sum(axis=0)
    assert later / fresh == pytest.approx(np.ones(32), abs=1e-3)


def test_stuck_cells(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("{name: mine, source: here, largest_us: 10, stuck: {smallest: 0.1, largest: 0.2}}")
    found = held(np.full((300, 300), 100), model=str(path))
    assert set(np.unique(found)) == {0, 100, 255}
    assert np.mean(found == 0) == pytest.approx(0.1, abs=0.01)
    assert np.mean(found == 255) == pytest.approx(0.2, abs=0.01)


def test_wire_takes_most_from_the_far_rows() -> None:
    """The first row is next to the converters; driven by halves, each has the drop of its own current."""
    found = held(np.full((128, 4), 255), model="ideal", segment_ohm=2.0)
    assert (np.diff(found[:, 0]) < 0).all() and found.max() <= 255
    state = Cells(model=load_device("ideal"), segment_ohm=2.0)
    halves = dropped(np.ones((128, 4)), state, 64)[:, 0] * 255
    assert (halves > found[:, 0]).all() and (np.diff(halves[:64]) < 0).all() and halves[64] > found[64, 0] * 1.04


def test_reads_wear_off_until_a_refresh() -> None:
    reads = {"count": 10**8, "volts": 0.4, "read_s": 1e-8}
    worn = held(_levels(), model="rram_jart", reads=reads).sum() / _levels().sum()
    assert worn == pytest.approx(disturb.left(_disturb(), 1.0, 0.4), rel=1e-4) and worn < 0.8
    again = held(_levels(), model="rram_jart", reads=reads | {"refresh": 0.95}).sum() / _levels().sum()
    assert 0.95 <= again <= 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{name: a, source: b, largest_us: 10, colour: red}", "colour: Extra inputs are not permitted"),
        ("{name: a, source: b, largest_us: 0}", "largest_us: Input should be greater than 0"),
        ("{name: a, largest_us: 10}", "source: Field required"),
        ("{name: a, source: b, largest_us: 10, stuck: {smallest: 0.7, largest: 0.6}}", "stuck: smallest and largest"),
        ("{name: a, source: b, largest_us: 10, drift: {t0_s: 1, mean: {}, deviation: {}}}", "drift.mean: needs"),
        ("[1]", "a device is a mapping"),
        ("{", "not a YAML file"),
    ],
)
def test_wrong_device_is_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load_device(str(path))
    assert says in str(refusal.value) and "\n" not in str(refusal.value)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="use one of hermes, ideal, pcm, reram_wan, rram_jart, sram"):
        load_device("flash")
    with pytest.raises(ConfigError, match="it was measured at 1, 86400, 172800 s only"):
        load_device("reram_wan").sigma_us(X, 7)
    with pytest.raises(ConfigError, match="levels must be 0 to 15"):
        effective(np.array([[16]]), 15, 4, Cells(model=load_device("ideal")), np.random.default_rng(0))
    with pytest.raises(ConfigError, match="more than the device lives for"):
        disturb.onset_s(_disturb(), 0.4, 10**7)
    assert sorted(path.stem for path in MODELS.glob("*.yaml")) == [
        "hermes", "ideal", "pcm", "reram_wan", "rram_jart", "sram",
    ]  # fmt: skip

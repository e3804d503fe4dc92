# SPDX-License-Identifier: Apache-2.0
"""`pyimc sweep`: every combination of keys is a row, equal to a run of that chip; what cannot be one says why."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from pyimc.arch import load_arch
from pyimc.errors import ConfigError
from sim.lab.sweep import chips, read_keys
from tests.sim.runs import Said, pyimc

DIGITS = ("--model", "digits", "--arch", "tiny", "--images", "4", "--jobs", "1")


def swept(*keys: str) -> Said:
    """A sweep of digits on `tiny`."""
    return pyimc("sweep", *DIGITS, *(word for key in keys for word in ("--set", key)), "--json")


def test_combinations_are_in_order_and_change_only_what_they_say() -> None:
    base = load_arch("tiny")
    found = chips(base, read_keys(["crossbar.adcs=8,16,8", "packet_words=4,6"]))
    assert [settings for settings, _ in found] == [
        {"crossbar.adcs": adcs, "packet_words": words} for adcs in (8, 16) for words in (4, 6)
    ]
    for settings, chip in found:
        assert not isinstance(chip, str)
        same = {"name": base.name, "packet_words": base.packet_words, "crossbar": base.crossbar}
        assert chip.model_copy(update=same) == base
        assert chip.crossbar.adcs == settings["crossbar.adcs"] and chip.packet_words == settings["packet_words"]


def test_a_row_is_what_a_run_of_that_chip_gives(workspace: Path) -> None:
    said = swept("crossbar.adcs=8,16,24,32", "crossbar.dac_bits=1,2")
    assert said.code == 0, said.err
    rows = json.loads(said.out)
    assert len(rows) == 8
    assert "must be a power of two" in rows[4]["reason"] and "interval" not in rows[4]
    good = [row for row in rows if not row["reason"]]
    assert len(good) == 6 and len({row["interval"] for row in good}) > 2
    data = yaml.safe_load(yaml.safe_dump(load_arch("tiny").model_dump(mode="json")))
    data["crossbar"] |= {"adcs": 16, "dac_bits": 1}
    Path("chip.yaml").write_text(yaml.safe_dump(data))
    run = json.loads(pyimc("sim", *DIGITS[:2], "--arch", "chip.yaml", "--level", "cycle", "--images", 4, "--json").out)
    assert (rows[2]["interval"], rows[2]["latency"]) == (run["interval_cycles"], run["latency_cycles"])
    table = list(csv.DictReader(Path("build/sweep/sweep.csv").read_text().splitlines()))
    assert [row["interval"] for row in table] == [str(row.get("interval", "")) for row in rows]
    assert Path("build/sweep/sweep.svg").read_text().startswith("<?xml")
    kept = {path.name for path in Path("build/compare/rows").glob("*.json")}
    assert len(kept) == 6
    assert swept("crossbar.adcs=16", "crossbar.dac_bits=1").code == 0
    assert kept == {path.name for path in Path("build/compare/rows").glob("*.json")}, "a finished row is kept"


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (("crossbar.adc=8",), "no number of an architecture; known: mesh.columns"),
        (("name=8",), "no number of an architecture"),
        (("crossbar.adcs",), "write it as KEY=N,N"),
        (("crossbar.adcs=8,x",), "write it as KEY=N,N"),
        (("crossbar.adcs=8,1.",), "write it as KEY=N,N"),
        (("crossbar.adcs=8", "crossbar.adcs=16"), "twice"),
        (("crossbar.adcs=7",), "no combination can be a chip"),
    ],
)
def test_mistakes_are_one_line(workspace: Path, keys: tuple[str, ...], says: str) -> None:
    said = swept(*keys)
    assert said.code == 2
    assert said.err.count("\n") == 1 and says in said.err
    assert not Path("build/sweep").exists()


def test_what_does_not_fit_is_a_row(workspace: Path) -> None:
    rows = json.loads(swept("crossbar.planes=1,64").out)
    assert "plane" in rows[0]["reason"] and not rows[1]["reason"]


def test_keys_are_numbers_only() -> None:
    with pytest.raises(ConfigError, match="dpus"):
        chips(load_arch("tiny"), {"dpus": (4,)})


def accuracy_of(*arguments: object) -> Said:
    return pyimc("sweep", "--model", "digits", "--level", "golden", "--images", 24, *arguments, "--json")


def test_accuracy_over_bits_is_what_runs_of_these_chips_say(workspace: Path) -> None:
    data = load_arch("tiny").model_dump(mode="json")
    data["crossbar"]["adc"] = {"bits": 3, "range": "max"}
    Path("chip.yaml").write_text(yaml.safe_dump(data))
    keys = ("--set", "crossbar.adc.bits=3,14", "--set", "crossbar.rows_per_read=16,64")
    said = accuracy_of("--arch", "chip.yaml", *keys)
    assert said.code == 0, said.err
    rows = json.loads(said.out)
    assert [row["crossbar.rows_per_read"] for row in rows] == [16, 64, 16, 64]
    assert all(row["seeds"] == 1 and row["confidence"] == 0 and row["images"] == 24 for row in rows)
    chip = ("--model", "digits", "--arch", "chip.yaml", "--level", "golden", "--images", 24)
    run = json.loads(pyimc("sim", *chip, "--json").out)["accuracy"]
    assert rows[1]["mean"] == run["physical"]["top1"] < rows[1]["ideal"] == run["golden"]["top1"]
    assert rows[2]["mean"] == rows[2]["ideal"], "14 bits hold all that 16 rows add up to"
    table = list(csv.DictReader(Path("build/sweep/accuracy.csv").read_text().splitlines()))
    assert [float(row["mean"]) for row in table] == [row["mean"] for row in rows]
    assert Path("build/sweep/accuracy.svg").read_text().startswith("<?xml")


def test_accuracy_of_drawn_cells_has_a_confidence(workspace: Path) -> None:
    data = load_arch("tiny").model_dump(mode="json")
    data["crossbar"]["device"] = {"model": "pcm", "seconds": 0, "seed": 4}
    Path("chip.yaml").write_text(yaml.safe_dump(data))
    said = accuracy_of("--arch", "chip.yaml", "--set", "crossbar.device.seconds=0,1e7", "--seeds", 3)
    assert said.code == 0, said.err
    fresh, old = json.loads(said.out)
    assert fresh["seeds"] == old["seeds"] == 3 and old["mean"] < fresh["mean"] and fresh["confidence"] > 0
    assert old["crossbar.device.seconds"] == 1e7


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "crossbar.device.seconds=1"), "no number of an architecture"),
        (("--set", "crossbar.cell_bits=3"), "no combination can be a chip"),
        (("--set", "crossbar.cell_bits=8", "--seeds", "0"), "--seeds: got 0, needs at least 1"),
        (("--set", "crossbar.cell_bits=8", "--option", "grain=8"), "option grain: changes no value"),
    ],
)
def test_mistakes_about_accuracy_are_one_line(workspace: Path, arguments: tuple[str, ...], says: str) -> None:
    said = accuracy_of("--arch", "tiny", *arguments)
    assert said.code == 2 and said.err.count("\n") == 1 and says in said.err
    assert not Path("build/sweep").exists()

# SPDX-License-Identifier: Apache-2.0
"""`pyimc pack`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sim.runs import pyimc

PAPER = ("pack", "--model", "resnet8", "--macros", "256x16x4x8")


def test_resnet8_on_the_papers_macros(workspace: Path) -> None:
    said = pyimc(*PAPER, "--output", "windows.json")
    assert said.code == 0, said
    assert "resnet8: 10 layers, 77360 weights, 12501632 multiply-accumulates" in said.out
    assert "heights 8 8 8 4, folds beyond the initial ones: none" in said.out
    assert "| one_per_plane | 14 | 36 |" in said.out and "| windows | 5 (proven) | 20 |" in said.out
    windows = json.loads((workspace / "windows.json").read_text())
    cells = sum(window["rows"] * window["columns"] for layer in windows.values() for window in layer)
    assert cells == 77_360 and len(windows) == 10


@pytest.mark.usefixtures("workspace")
def test_the_same_as_json() -> None:
    said = json.loads(pyimc(*PAPER, "--json").out)
    assert said["weights"] == 77_360 and said["heights"] == [8, 8, 8, 4] and said["folds"] == {}
    largest = {line["name"]: line["largest"] for line in said["packings"]}
    assert largest["one_per_plane"] == 14 and largest["windows"] == 5
    assert list(said["reload_factors"]) == ["3.7", "50.0"]


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pack", "--model", "resnet8", "--macros", "256x16x4"), "write it as ROWSxCOLUMNSxMACROSxPLANES"),
        (("pack", "--model", "resnet8", "--macros", "256x16x0x8"), "1 or more"),
        (("pack", "--model", "resnet8", "--macros", "256x16x4x4"), "do not fit 4 macros of 4 planes"),
        (("pack", "--model", "resnet8", "--macros", "64x16x2x8"), "layer stack3.conv1: 18432 weights need 12 planes"),
        ((*PAPER, "--output", "missing/windows.json"), "its directory does not exist"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], says: str) -> None:
    said = pyimc(*arguments)
    assert said.code == 2 and said.err.count("\n") == 1 and says in said.err, said

# SPDX-License-Identifier: Apache-2.0
"""What a failing module test says first, and the waves that it leaves when they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from pywellen import Waveform

from tests.rtl import runner


def test_a_failure_begins_with_what_was_asserted() -> None:
    with pytest.raises(AssertionError) as raised:
        runner.simulate("fifo", "tests.rtl.failing", {"DEPTH": 3})
    first, *rest = str(raised.value).splitlines()
    assert first.startswith("fails: AssertionError a depth of 3")
    assert "log" in rest[0]


def test_waves_are_left_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_WAVES", True)
    runner.simulate("fifo", "tests.rtl.failing", {"DEPTH": 2}, testcase="passes")
    (path,) = (runner.BUILD / "failing").glob("fifo-DEPTH2-passes-*/fifo.fst")
    waves = Waveform(str(path))
    clock = next(each for each in waves.all_vars() if each.full_name == "fifo.clk")
    edges = [value for _, value in clock.tv]
    assert edges.count(1) > 4


def test_without_asking_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_WAVES", False)
    runner.simulate("fifo", "tests.rtl.failing", {"DEPTH": 4}, testcase="passes")
    assert not list(Path(runner.BUILD / "failing").glob("fifo-DEPTH4-*/*.fst"))

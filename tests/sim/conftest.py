# SPDX-License-Identifier: Apache-2.0
"""A place of its own for every test that runs `pyimc`; chips are compiled once and kept under `build/tests`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.runs import enter


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, but for the compiled chips in `build/simulator`."""
    return enter(tmp_path, monkeypatch)

# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a user's strategy is one line with its place, and an exit code of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.cli import main

HEAD = "def place(graph, arch, options, seed):\n"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("    x = {}\n    return x['conv1']\n", ":3: place raised KeyError: 'conv1'"),
        ("    return inner(graph)\ndef inner(graph):\n    raise ValueError('two\\nlines')\n",
         ":4: place raised ValueError: two lines"),
        ("    return None\n", ":1: place returned NoneType, a Placement is needed"),
    ],
    ids=["exception", "in a function", "nothing"],
)  # fmt: skip
def test_it_is_one_line(
    body: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(HEAD + body)
    assert main(["compile", "--model", "digits", "--strategy", "mine.py"]) == 3
    told = capsys.readouterr().err
    assert told == f"pyimc: mine.py{says}\n"


def test_what_does_not_fit_is_still_the_users_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(f"from pyimc.errors import CapacityError\n{HEAD}    raise CapacityError('no room')\n")
    assert main(["compile", "--model", "digits", "--strategy", "mine.py"]) == 2
    assert capsys.readouterr().err == "pyimc: no room\n"

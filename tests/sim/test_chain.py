# SPDX-License-Identifier: Apache-2.0
"""The verdict says whether the quantised network is still the given one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from sim.cli import main
from sim.run.chain import doubt, lines
from tests.mapping.judge import Given

CHAIN: dict[str, Any] = {
    "images": 4,
    "links": [{"step": "constants computed", "change": 2e-7, "kept": True}],
    "layers": [
        {"node": "x", "ratio_db": 60.0, "lost_db": 0.0, "clipped": 0.0},
        {"node": "conv", "ratio_db": 9.0, "lost_db": 41.0, "clipped": 0.25},
        {"node": "fc", "ratio_db": 8.0, "lost_db": 1.0, "clipped": 0.0},
    ],
    "outputs": [{"name": "y", "ratio_db": 12.0, "changed": 1}],
    "host": {"y": ["Mul", "Relu"]},
}


def test_every_link_is_said() -> None:
    assert list(lines(CHAIN)) == [
        "folded: constants computed: changes the outputs by 2.0e-07 of their span",
        "left to the host: y: Mul, Relu",
        "given model against golden, 4 images: y: 12.0 dB, the same answer in 3 of 4",
    ]


def test_doubt_names_the_output_the_layer_and_what_to_do() -> None:
    assert doubt(CHAIN, 1) == ""
    answer = doubt(CHAIN, 0)
    assert "output y has another answer in 1 of 4 images, 0 are tolerated" in answer
    noisy = CHAIN | {"outputs": [{"name": "y", "ratio_db": 7.5, "changed": None}]}
    assert doubt(noisy, 0) == (
        "the quantised network is not the given one: output y has 7.5 dB, at least 10 are needed; most is lost at conv "
        "(41.0 dB, to 9.0), where 25.0% of the values are clipped; calibrate it on inputs like its own, or give a "
        "model that was trained for int8"
    )


@pytest.fixture
def hard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that eight bits cannot hold: what matters is a ten-thousandth of what does not."""
    monkeypatch.chdir(tmp_path)
    write = Given((1, 3, 8, 8))
    wide = write.rng.standard_normal((2, 3, 3, 3)) * np.array([1e4, 1]).reshape(2, 1, 1, 1)
    narrow = np.zeros((4, 2, 1, 1))
    narrow[:, 1] = 1
    value = write.op("Conv", "t", "x", write.constant(wide))
    onnx.save(write.model(write.op("Conv", "y", value, write.constant(narrow))), "hard.onnx")
    return "hard.onnx"


@pytest.mark.parametrize("strict", [False, True])
def test_a_network_that_is_not_the_given_one_is_no_pass_of_it(
    strict: bool, hard: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["sim", "--model", hard, "--level", "golden", "--images", "1", *["--strict"] * strict])
    shown = capsys.readouterr()
    assert code == (1 if strict else 0)
    assert "the quantised network is not the given one: output y has" in (shown.err if strict else shown.out)
    assert "most is lost at n_y" in shown.err + shown.out
    (stored,) = Path("build").glob("*/result.json")
    report = json.loads(stored.read_text())
    assert report["doubt"].startswith("the quantised network is not the given one")
    assert [layer["node"] for layer in report["given"]["layers"]] == ["x", "n_t", "n_y"]
    if not strict:
        assert shown.out.rstrip().endswith("PASS, of the network as it was quantised")


def test_a_cut_by_hand_and_a_size_are_given_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write = Given((1, 3, "H", 8))
    model = write.model(write.conv("y", write.op("Relu", "r", write.conv("t", "x", 3, 8)), 8, 4))
    onnx.save(model, "m.onnx")
    common = ["sim", "--model", "m.onnx", "--level", "golden", "--images", "1"]
    assert main(common) == 2
    assert "give --shape H=N" in capsys.readouterr().err
    assert main([*common, "--shape", "H=8", "--outputs", "r"]) == 0
    assert "left to the host: y: Conv" in capsys.readouterr().out
    assert main([*common, "--shape", "H=8", "--outputs", "nothing"]) == 2
    assert "has no tensor nothing; among those it has are r, t, y" in capsys.readouterr().err
    assert main([*common, "--shape", "H"]) == 2

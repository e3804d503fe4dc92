# SPDX-License-Identifier: Apache-2.0
"""Waves of a window: the cycles and PU that were asked for, a save file that names what is there, what went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pywellen import Waveform

from pyimc import program_file
from pyimc.errors import ConfigError
from pyimc.measurement import Measurement
from sim.cli import main
from sim.run.job import Outcome
from sim.run.waves import AROUND_CYCLES, Window, estimated_bytes, read_window

pytestmark = pytest.mark.slow
RUN = Path("build") / "digits-default-lblp-rtl"


@pytest.fixture(scope="module", autouse=True)
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A run of two images with the waves of one PU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("waves"))
        assert main(["sim", "--model", "digits", "--images", "2", "--waves", "pu3@100..400"]) == 0
        yield


def cycles(folder: Path) -> list[int]:
    """The cycles of the run that were recorded."""
    begin = Outcome.read(folder).begin_cycle
    clock = next(var for var in Waveform(str(folder / "waves" / "waves.fst")).all_vars() if var.full_name == "tb.now")
    return [now - begin for _, now in clock.tv]


def test_the_window_and_nothing_else() -> None:
    recorded = cycles(RUN)
    assert (recorded[0], recorded[-1]) == (100, 401)  # recording ends with the edge that begins the next cycle
    names = [var.full_name for var in Waveform(str(RUN / "waves" / "waves.fst")).all_vars()]
    assert {name for name in names if ".gen_node[" in name} >= {"tb.u_chip.gen_node[3].gen_pu.u_pu.issue_ctx"}
    assert not [name for name in names if ".gen_node[" in name and ".gen_node[3]." not in name]


def test_the_save_file_names_what_is_there() -> None:
    text = (RUN / "waves" / "waves.gtkw").read_text()
    assert "-PU 3: conv4" in text
    widths = {var.full_name: var.bitwidth for var in Waveform(str(RUN / "waves" / "waves.fst")).all_vars()}
    traced = [line for line in text.splitlines() if line.startswith("tb.")]
    assert len(traced) > 20
    for line in traced:
        found = re.fullmatch(r"(.*?)(?:\[(\d+):0\])?", line)
        assert found
        assert widths[found[1]] == int(found[2] or 0) + 1, line
    for path in re.findall(r"^\^\d+ (.+)$", text, re.MULTILINE):
        assert re.fullmatch(r"([0-9a-f]+ \w+\n)+", Path(path).read_text())
    assert "1 FIRE" in (RUN / "waves" / "opcodes.txt").read_text()


def test_the_estimate_is_of_the_right_size() -> None:
    program = program_file.load(RUN / "program")
    size = (RUN / "waves" / "waves.fst").stat().st_size
    assert size / 3 < estimated_bytes(Window(100, 400, 3), program) < 3 * size


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("1", Window(1, 900)),
        ("pu3", Window(1, 900, 3)),
        ("image1", Window(200, 800)),
        ("pu3@image0", Window(5, 300, 3)),
        ("@7..9", Window(7, 9)),
        ("pu1@800..2000", Window(800, 900, 1)),
    ],
)
def test_what_a_window_means(text: str, window: Window) -> None:
    measured = Measurement(False, 900, [5, 200], [300, 800], 0, {}, {}, [])
    assert read_window(text, program_file.load(RUN / "program"), measured) == window


@pytest.mark.parametrize(
    "text", ["2", "pu", "pu99", "image2", "@9..7", "@901..950", "pu3@", "@", "pu3image1", "all", "image"]
)
def test_what_is_no_window(text: str) -> None:
    measured = Measurement(False, 900, [5, 200], [300, 800], 0, {}, {}, [])
    with pytest.raises(ConfigError, match=f"waves '{text}'"):
        read_window(text, program_file.load(RUN / "program"), measured)


@pytest.mark.parametrize("words", [["--waves", "all"], ["--level", "cycle", "--waves", "1"]])
def test_a_mistake_is_one_line_before_anything_runs(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "--model", "digits", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_mismatch_leaves_waves_around_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corrupt", str(RUN / "program"), "pu_03/weights.bin", "6"]) == 0
    assert main(["rerun", str(RUN), "--output", "wrong"]) == 1
    told = capsys.readouterr().err
    found = re.search(r"cycle (\d+); waves of PU 3 in cycles (\d+) to (\d+): wrong/waves/waves.fst$", told.strip())
    assert found, told
    cycle = int(found[1]) - Outcome.read(Path("wrong")).begin_cycle
    assert (int(found[2]), int(found[3])) == (max(1, cycle - AROUND_CYCLES), cycle + AROUND_CYCLES)
    recorded = cycles(Path("wrong"))
    assert recorded[0] == int(found[2])
    assert cycle in recorded

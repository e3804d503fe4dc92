# SPDX-License-Identifier: Apache-2.0
"""`make coverage`: what is counted, what the page says, and one bench through Verilator."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.coverage.counts import files, read_points
from tests.coverage.page import missed_words, write_page
from tests.rtl.runner import ROOT

RTL = "module m(input wire a, output wire b);\n    assign b = a;\nendmodule\n"


def point(line: int, kind: str, what: str, count: int, instance: str = "m") -> str:
    fields = {"f": "/x/m.v", "l": line, "n": 1, "t": kind, "page": f"v_{kind}/m", "o": what, "h": instance}
    return "C '" + "".join(f"\x01{name}\x02{value}" for name, value in fields.items()) + f"' {count}\n"


def test_points_are_summed_over_instances(tmp_path: Path) -> None:
    path = tmp_path / "coverage.dat"
    said = [point(2, "branch", "if", 0, "one"), point(2, "branch", "if", 3, "two"), point(2, "branch", "else", 0)]
    said += [point(1, "toggle", f"a[{bit}]:0->1", bit) for bit in range(3)]
    path.write_text("# SystemC::Coverage-3\n" + "".join(said))
    (file,) = files(read_points(path), ["m.v"])
    assert (file.reached, file.points) == (Counter(branch=1, toggle=2), Counter(branch=2, toggle=3))
    assert file.missed == {1: ["a[0]:0->1"], 2: ["else"]}
    assert file.share("branch") == 0.5 and file.share("line") == 1.0


def test_another_file_is_no_coverage(tmp_path: Path) -> None:
    (tmp_path / "coverage.dat").write_text("something else\n")
    with pytest.raises(ValueError, match="not a coverage file"):
        read_points(tmp_path / "coverage.dat")


def test_the_page_names_what_is_missed(tmp_path: Path) -> None:
    (tmp_path / "m.v").write_text(RTL)
    (tmp_path / "coverage.dat").write_text("# SystemC::Coverage-3\n" + point(2, "branch", "else", 0))
    write_page(files(read_points(tmp_path / "coverage.dat"), ["m.v"]), tmp_path, 1, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert "never: else" in page and "assign b = a;" in page and "0.0 %" in page
    assert missed_words(["else", "a[0]:0->1", "a[1]:0->1", "a[1]:1->0", "b:0->1"]) == (
        "else, a: 3 rises and falls, b:0->1"
    )


def test_one_bench_through_verilator() -> None:
    command = [sys.executable, "-m", "tests.coverage", "--jobs", "1", "lanes16"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("multiplier.v ")]
    assert line.split("line")[1].split()[0] == "100.0%"

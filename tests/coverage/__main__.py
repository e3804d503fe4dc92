"""Runs the benches of the RTL's modules under Verilator and says what none of them reaches.

    make coverage              # all (an hour of two cores)
    make coverage K=fifo       # the tests whose name holds a word

Leaves `build/coverage/index.html`, and prints a line per file. Exit code 1 if a test fails. A bench that was counted is
not run again until its test, a helper or the RTL is edited, so a call that was cut short goes on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

from sim.toolchain import verilator
from tests.coverage.counts import KINDS, Point, files, read_points
from tests.coverage.page import write_page
from tests.rtl.runner import COVERED, RTL, counted

FOLDER = COVERED.parent
NO_BENCH = "not lint and not refused and not test_runner"
"""Tests that do not simulate."""


def main(words: Sequence[str]) -> int:
    """Runs, counts, writes."""
    parser = argparse.ArgumentParser(prog="coverage", description="Coverage of the RTL by the benches of its modules.")
    parser.add_argument("--jobs", type=int, default=2, help="tests at a time")
    parser.add_argument("word", nargs="*", help="only tests whose name holds one of these")
    parsed = parser.parse_args(words)
    chosen = f"({' or '.join(parsed.word)}) and {NO_BENCH}" if parsed.word else NO_BENCH
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(parsed.jobs), "-k", chosen, "tests/rtl"]
    code = subprocess.run(command, env=_environment(), check=False).returncode
    found = [path for path in sorted(COVERED.rglob("coverage.dat")) if counted(path.parent)]
    if not found:
        print("coverage: no test ran", file=sys.stderr)
        return code or 2
    points: Counter[Point] = Counter()
    for path in found:
        points.update(read_points(path))
    named = [path.name for path in sorted(RTL.glob("*.v")) if any(point[0] == path.name for point in points)]
    covered = files(points, named)
    for file in covered:
        shares = "  ".join(f"{kind} {file.share(kind):6.1%} of {file.points[kind]:5d}" for kind in KINDS)
        print(f"{file.name:20s} {shares}")
    page = FOLDER / "index.html"
    write_page(covered, RTL, len(found), page)
    print(page)
    return code


KEEP = """#!/bin/sh
# A compiler's command; its last word is the source. Objects of Verilator's own library are compiled once.
for source; do :; done
name=$(basename "$source" .cpp)
case "$name" in
verilated*)
    if [ ! -f "$KEPT/$name.o" ]; then
        mkdir -p "$KEPT" && "$@" && cp "$name.o" "$KEPT/.$name.$$" && mv "$KEPT/.$name.$$" "$KEPT/$name.o"
    else
        cp "$KEPT/$name.o" .
    fi ;;
*)
    exec "$@" ;;
esac
"""


def _environment() -> dict[str, str]:
    """cocotb's runner finds `verilator` on the path and calls make; the package's makefile lacks a flag."""
    named = verilator.version()
    programs = FOLDER / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    link = programs / "verilator"
    link.unlink(missing_ok=True)
    link.symlink_to(verilator.root() / "bin" / "verilator_bin")
    keep = programs / "keep"
    keep.write_text(KEEP)
    keep.chmod(0o755)
    flags = ["CFG_CXXFLAGS_PCH_I=-include", "OPT_FAST=-O0", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0", "OBJCACHE=keep"]
    return {
        **os.environ,
        "RTL_COVERAGE": "1",
        "KEPT": str(FOLDER / named.replace(" ", "-")),
        "VERILATOR_ROOT": str(verilator.root()),
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", "")]),
        "MAKEFLAGS": " ".join(flags),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

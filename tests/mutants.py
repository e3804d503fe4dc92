"""Breaks the RTL in known places, one at a time, and demands that the named tests fail.

    make mutants                      # all of them, on a copy of the checkout
    python -m tests.mutants gather    # only those whose file name holds "gather"

A mutant that survives is a hole in the tests: exit code 1. `docs/verification.md` lists what each one means.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("rtl", "sim", "pyimc", "mapping", "tests", "pyproject.toml")
CHIP = "tests/sim/test_end_to_end.py::test_a_cnn_of_a_seed_is_right_at_every_level"

CHIP_GRAPH = "tests/sim/test_end_to_end.py::test_every_kind_of_node_is_right_on_the_chip"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: in `file`, `old` (which stands there exactly once) becomes `new`; `test` must notice."""

    file: str
    old: str
    new: str
    test: str


MUTANTS = (
    Mutant("rtl/accumulator.v", "clear ? {PART{1'b0}} :", "1'b0 ? {PART{1'b0}} :", CHIP),
    Mutant("rtl/drain.v", "{sum[24:0], 7'd0}", "{sum[23:0], 8'd0}", CHIP),
    Mutant("rtl/gather.v", "off1_q <= x[LANE_BITS-1:0]", "off1_q <= 0", CHIP),
    Mutant("rtl/sequencer.v", "&& scan_slot_room < scan_produce", "&& 1'b0", CHIP),
    Mutant("rtl/egress.v", "dest_q + 8'd1 == destinations[send_ctx]", "1'b1", CHIP),
    Mutant("rtl/converter.v", "plane_q + 16'd1)\n", "plane_q)\n", "tests/rtl/test_converter.py"),
    Mutant("rtl/gather.v", "first1_q <= tile_q == 0", "first1_q <= 1'b1", "tests/rtl/test_gather.py"),
    Mutant("rtl/imc_array.v", "if (eight[7]) bit_7 = bit_7 + row;", "", "tests/rtl/test_imc_array.py"),
    Mutant("rtl/drain.v", "if (last_word) bank_q <= !bank_q;", "", "tests/rtl/test_drain.py"),
    Mutant(
        "rtl/sequencer.v",
        "&& scan_slot_room < scan_produce",
        "&& scan_slot_room == 16'd0",
        "tests/rtl/test_sequencer.py",
    ),
    Mutant(
        "rtl/gather.v",
        "if (address >= ring_end_q) address = address - {1'b0, size_q};\n                addr1_q",
        "addr1_q",
        "tests/rtl/test_gather.py",
    ),
    Mutant("rtl/vector_fetch.v", "concat_q ? other_run_q : run_q", "run_q", CHIP_GRAPH),
    Mutant("rtl/vector_fetch.v", "moves_on ? step_q : 16'd0", "step_q", "tests/rtl/test_dpu_engine.py"),
    Mutant("rtl/vector_unit.v", "add && s_side", "s_side", "tests/rtl/test_dpu_engine.py"),
    Mutant("rtl/lut.v", "{select, index", "{{TABLE_BITS{1'b0}}, index", "tests/rtl/test_dpu_engine.py"),
    Mutant("rtl/drain.v", "(i % QUARTER)*32", "(i / 4)*32", "tests/rtl/test_drain.py"),
    Mutant("rtl/sequencer.v", "(late_q || !credit_q)", "!credit_q", "tests/rtl/test_sequencer.py"),
    Mutant("rtl/fetch.v", "turns < count", "turns <= count", "tests/rtl/test_sequencer.py"),
    Mutant("rtl/ingress.v", "{1'b0, tail_q} + 17'd1 == ring_end ?", "1'b0 ?", "tests/rtl/test_ingress.py"),
    Mutant("rtl/counters.v", "worked[owner_q] + span", "worked[owner_q] + span + 32'd1", "tests/rtl/test_counters.py"),
    Mutant("rtl/host_port.v", "room >= length", "room != 16'd0", "tests/rtl/test_host_port.py"),
    Mutant("rtl/packer.v", "room && !flush_q", "room", "tests/rtl/test_packer.py"),
    Mutant("rtl/round_clamp.v", "y[0]", "1'b0", "tests/rtl/test_round_clamp.py"),
)  # fmt: skip


def survives(mutant: Mutant) -> bool:
    """Whether the tests pass although the RTL is broken.

    Raises:
        ValueError: the text to break does not stand in the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        path = copy / mutant.file
        text = path.read_text()
        if mutant.old not in text:
            raise ValueError(f"{mutant.file}: nothing to break, no {mutant.old!r}")
        path.write_text(text.replace(mutant.old, mutant.new, 1))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-k", "not lint", "-m", "not slow", mutant.test]
        run = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        if run.returncode not in (0, 1):
            raise ValueError(f"{mutant.test}: pytest ended with {run.returncode}\n{run.stdout[-2000:]}")
        return run.returncode == 0


def main(words: Sequence[str]) -> int:
    """Runs the chosen mutants; returns 1 if one survives."""
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.file for word in words)]
    alive = 0
    for mutant in chosen:
        survived = survives(mutant)
        alive += survived
        print(f"{'SURVIVES' if survived else 'killed  '} {mutant.file}: {mutant.old.strip()!r}", flush=True)
    print(f"{len(chosen) - alive} of {len(chosen)} mutants killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

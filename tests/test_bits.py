"""Every bit has one source: what `pyimc.isa` says is what RTL, compiler, cycle model and bench do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyimc import isa, isa_files
from pyimc.layout import permuted

ROOT = Path(__file__).resolve().parents[1]
RTL = {path.name: re.sub(r"//.*", "", path.read_text()) for path in sorted((ROOT / "rtl").glob("*.v"))}
PERMUTE = """
from pyimc.layout import permuted

for _layout, _other in zip(LAYOUTS, permuted(LAYOUTS, {seed}), strict=True):
    object.__setattr__(_layout, "lows", _other.lows)


"""
RUN = (
    "--model",
    "digits",
    "--arch",
    "tiny",
    "--images",
    "2",
    "--option",
    "grain=3",
    "--option",
    "split=conv2:vertical=2",
)


@pytest.mark.parametrize("seed", range(3))
def test_permuted_layouts_hold_the_same_in_other_places(seed: int) -> None:
    moved = permuted(isa.LAYOUTS, seed)
    for layout, other in zip(isa.LAYOUTS, moved, strict=True):
        assert layout.fields == other.fields
        taken = 0
        for field, low in other.positions():
            bits = (1 << field.bits) - 1 << low
            assert not taken & bits and low + field.bits <= layout.bits
            taken |= bits
    places = {(layout.name, field.name): low for layout in moved for field, low in layout.positions()}
    assert len({places[name, "opcode"] for name in ("INSTRUCTION", "FIRE", "LOOP", "HALT")}) == 1
    for shared in ("node", "kind", "length", "source"):
        assert len({places[name, shared] for name in ("HEAD", "DATA", "TABLE")}) == 1
    still = [place for place, low in places.items() if low == dict(_places())[place]]
    assert len(still) < len(places) / 3


def _places() -> Iterator[tuple[tuple[str, str], int]]:
    for layout in isa.LAYOUTS:
        for field, low in layout.positions():
            yield (layout.name, field.name), low


def test_other_places_give_the_same_values_and_cycles(tmp_path: Path) -> None:
    """A checkout whose layouts are permuted, header and chip included, and whose actors have two inputs at most.

    `validate` holds its RTL against golden and its cycle model; the cycle model of this checkout says the rest.
    """
    folder = tmp_path / "permuted"
    for part in ("pyimc", "mapping", "sim", "rtl"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "docs").mkdir()
    source = folder / "pyimc" / "isa.py"
    changed = source.read_text().replace("def main() -> None:", PERMUTE.format(seed=7) + "def main() -> None:")
    source.write_text(changed.replace("\nPORTS = 3\n", "\nPORTS = 2\n"))
    _python(folder, folder, "-m", "pyimc.isa")
    assert (folder / "rtl" / "imc_isa.vh").read_text() != isa_files.verilog_header()
    _python(folder, folder, "-m", "sim.cli", "validate", *RUN)
    _python(ROOT, tmp_path, "-m", "sim.cli", "sim", "--level", "cycle", *RUN)
    moved, straight = _result(folder, "rtl"), _result(tmp_path / "build", "cycle")
    for node in straight["nodes"].values():
        assert node.pop("values_compared") == 0, "the cycle level has no values"
    for node in moved["nodes"].values():
        assert node.pop("values_compared") > 0
    for figure in ("cycles_total", "latency_cycles", "nodes", "pus"):
        assert straight[figure] == moved[figure], figure


def _result(folder: Path, level: str) -> dict[str, Any]:
    (found,) = (
        result for path in folder.rglob("result.json") if (result := json.loads(path.read_text()))["level"] == level
    )
    return dict(found)


def _python(packages: Path, folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    run = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]


def test_rtl_uses_every_field() -> None:
    """A field that no module names is either documented for nothing or taken from somewhere else."""
    text = "\n".join(RTL.values())
    unused = []
    for layout in isa.LAYOUTS:
        for field in layout.fields:
            owners = [other.name for other in isa.LAYOUTS if other is layout or other.family == layout.family != ""]
            names = "|".join(
                f"IMC_{owner}_{re.sub('_[0-9]$', '(_[0-9]|_PLACES)', field.name.upper())}" for owner in owners
            )
            if not re.search(rf"`({names})(_AT)?\b", text):
                unused.append(f"{layout.name}.{field.name}")
    assert unused == []


LINK_WORDS = dict.fromkeys(("ingress.v", "pu.v"), ("s_data",)) | {"host_port.v": ("s_host_data", "m_host_data")}
MUST_BE_NAMED = r"cfg_data|read_data|status|\w*issue_instr|fire_instr|\w*credit_data"


def raw_positions(name: str, text: str) -> list[str]:
    """What a module says of a layout's bits in numbers of its own."""
    words = set(re.findall(r"\[`IMC_(?:ENTRY|INSTRUCTION|CREDIT)_BITS-1:0\]\s*(\w+)", text)) | {
        "cfg_addr",
        "read_addr",
        *LINK_WORDS.get(name, ()),
    }
    text = re.sub(r"\[0:[^\]]*\]", "", text)  # how many a memory holds
    found = []
    for word in sorted(words):
        found += re.findall(rf"\b{word}\s*(?:\[[^\]`]*\]\s*)?\[\s*\d[^\]]*\]", text)
        found += re.findall(rf"\b{word}\s*=\s*\{{[^{{].*", text)
    found += re.findall(rf"(?:wire|reg)\s+\[\d+:0\]\s*(?:{MUST_BE_NAMED})\b", text)
    return found


@pytest.mark.parametrize("name", RTL)
def test_no_position_is_written_as_a_number(name: str) -> None:
    assert raw_positions(name, RTL[name]) == []


@pytest.mark.parametrize(
    "line",
    [
        "wire x = cfg_addr[1:0] == 2'd2;",
        "input wire [63:0] cfg_data;",
        "input wire [39:0] s_credit_data;",
        "reg [`IMC_ENTRY_BITS-1:0] table [0:3]; assign x = table[ctx][8 +: 4];",
        "reg [`IMC_ENTRY_BITS-1:0] head; assign head = {8'd0, node};",
    ],
)
def test_a_number_would_be_found(line: str) -> None:
    assert raw_positions("x.v", line)

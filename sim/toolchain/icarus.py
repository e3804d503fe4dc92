# SPDX-License-Identifier: Apache-2.0
"""Icarus Verilog: an interpreter, ready within a second or two, from the Debian package."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cocotb_tools import config

from pyimc.errors import ToolError
from sim.toolchain.process import run_tool

_CHIP = "sim.vvp"


def version() -> str:
    """What it says of itself.

    Raises:
        ToolError: It is not installed.
    """
    if not shutil.which("iverilog") or not shutil.which("vvp"):
        raise ToolError("Icarus Verilog is not installed: apt-get install iverilog (make does it when it may)")
    said = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False).stdout
    return " ".join(said.splitlines()[0].split()[:4])


def compile_chip(top: str, sources: Sequence[Path], parameters: Mapping[str, str], folder: Path, log: Path) -> bool:
    """Compiles into `folder`, messages into `log`; see `sim.toolchain.simulator.Simulator`."""
    (folder / "timescale.f").write_text("+timescale+1ns/1ns\n")
    command = ["iverilog", "-g2005", "-o", _CHIP, "-s", top, "-f", "timescale.f"]
    command += [f"-P{top}.{name}={value}" for name, value in parameters.items()]
    command += [f"-I{path}" for path in [folder, *sorted({source.parent for source in sources} - {folder})]]
    return run_tool([*command, *map(str, sources)], folder, log) == 0


def command(build_dir: Path, top: str, plusargs: Sequence[str]) -> list[str]:
    """Runs without a prompt of its own (-n), waves only if asked for; see `sim.toolchain.simulator.Simulator`."""
    waves = "-fst" if any(each.startswith("+waves=") for each in plusargs) else "-none"
    return ["vvp", "-n", "-m", config.lib_entry("vpi", "icarus"), str(build_dir / _CHIP), *plusargs, waves]

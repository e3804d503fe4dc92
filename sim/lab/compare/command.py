"""`pyimc compare`: models x strategies x architectures, measured and reported."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from rich.console import Console

from mapping.models import BUILTIN, model_arch
from mapping.placement import strategies
from mapping.placement.ledger import Options
from mapping.placement.sized import sized
from pyimc import network_file
from pyimc.arch import Arch, load_arch
from pyimc.errors import CapacityError, ConfigError, MismatchError, UnsupportedOperator
from pyimc.network import Network
from sim.lab.compare.case import Case
from sim.lab.compare.page import write_page
from sim.lab.compare.plots import write_plots
from sim.lab.compare.report import print_rows, write_report
from sim.lab.compare.rows import Row, rows
from sim.lab.sources import hashed
from sim.lab.workers import Workers
from sim.run.folder import BUILD
from sim.run.prepare import prepare
from sim.run.progress import rows_progress
from sim.toolchain import simulator

KEPT = BUILD / "compare"


@dataclass(frozen=True, slots=True)
class Matrix:
    """What to compare; see `pyimc compare --help`.

    Without models or strategies: all that there are. Without architectures: each model's own.
    """

    models: Sequence[str]
    strategies: Sequence[str]
    archs: Sequence[str]
    pus: Sequence[int]
    seeds: int
    images: int
    rtl: int
    sim: str
    options: Options


def compare(matrix: Matrix, folder: Path, jobs: Workers, console: Console) -> list[Row]:
    """Measures a matrix, prints its table and writes it to a folder: `compare.md`, `compare.csv`, `rows.json`, plots.

    Raises:
        ConfigError: A name or an option that is not known.
        MismatchError: A run on RTL gave wrong values, or other cycles than the cycle model.
    """
    for strategy in matrix.strategies:
        strategies.find(strategy)
    if matrix.rtl:
        if matrix.sim not in simulator.SIMULATORS:
            raise ConfigError(f"unknown simulator '{matrix.sim}'; known: {', '.join(simulator.SIMULATORS)}")
        simulator.SIMULATORS[matrix.sim].version()
    with rows_progress(console, "preparing models") as begin:
        cases = list(_cases(matrix, console))
        found = rows(cases, KEPT / "rows", jobs, begin(len(cases)))
        chosen = _chosen(found, matrix.rtl)
        if chosen:
            say = begin(len(chosen), "rows on RTL")
            cases = [replace(found[index].case, level="rtl", sim=matrix.sim) for index in chosen]
            for index, row in zip(chosen, rows(cases, KEPT / "rows", jobs, say), strict=True):
                _check(found[index], row)
                found[index] = row
    print_rows(found, console)
    write_report(found, folder)
    plots = write_plots(found, folder)
    page = write_page(found, folder, f"Comparison of {', '.join(matrix.models or BUILTIN)}", [_command(matrix)])
    console.print(" ".join(str(path) for path in (page, folder / "compare.md", folder / "compare.csv", *plots)))
    return found


def _command(matrix: Matrix) -> str:
    """The command line that asks for a matrix."""
    words = ["pyimc compare"]
    for flag, values in (("model", matrix.models), ("strategy", matrix.strategies), ("arch", matrix.archs)):
        words += [f"--{flag} {value}" for value in values]
    words += [f"--pus {','.join(map(str, matrix.pus))}"] if matrix.pus else []
    words += [f"--option {name}={value}" for name, value in matrix.options.items()]
    words += [f"--seeds {matrix.seeds} --images {matrix.images}"]
    words += [f"--rtl {matrix.rtl} --sim {matrix.sim}"] if matrix.rtl else []
    return " ".join(words)


def _cases(matrix: Matrix, console: Console) -> Iterator[Case]:
    """In the order of the rows."""
    for model in matrix.models or BUILTIN:
        bases = [load_arch(name) for name in matrix.archs or [model_arch(model)]]
        directory = prepared(model, KEPT / "models")
        network = network_file.load(directory)
        try:
            archs = _archs(bases, matrix.pus, network)
        except (UnsupportedOperator, CapacityError) as error:
            if matrix.models:
                raise
            console.print(f"{model} is left out: {str(error)[:200]}")
            continue
        for arch in archs:
            for strategy in matrix.strategies or strategies.names():
                for seed in range(matrix.seeds if strategies.find(strategy).draws else 1):
                    yield Case(model, directory, arch, strategy, seed, matrix.options, matrix.images)


def _archs(bases: list[Arch], counts: Sequence[int], network: Network) -> list[Arch]:
    return [sized(base, count, network) for base in bases for count in counts] if counts else bases


def prepared(model: str, folder: Path) -> Path:
    """The directory of a model's quantised network, named by what decides it."""
    said = [
        model,
        hashed("sim/run/prepare.py", "pyimc/network_file.py", "mapping/models", "mapping/importer/operators"),
    ]
    if Path(model).is_file():
        said.append(hashlib.sha256(Path(model).read_bytes()).hexdigest())
    directory = folder / hashlib.sha256(json.dumps(said).encode()).hexdigest()
    if not directory.is_dir():
        network = prepare(model, 1, None).network
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".", dir=folder))
        try:
            network_file.save(network, scratch)
            scratch.rename(directory)
        except OSError:
            if not directory.is_dir():  # else another process was quicker
                raise
            shutil.rmtree(scratch)
    return directory


def _chosen(found: list[Row], count: int) -> list[int]:
    """Which rows to measure on RTL: of every model the one with the highest rate, then of every one that with the
    lowest, then those with the second highest, and so on.
    """
    ranked: dict[str, list[int]] = {}
    for index, row in enumerate(found):
        if row.figures:
            ranked.setdefault(row.case.model, []).append(index)
    orders = []
    for indices in ranked.values():
        by_rate = sorted(indices, key=lambda index: found[index].figures.interval)  # type: ignore[union-attr]
        pairs = zip_longest(by_rate, reversed(by_rate))
        orders.append(list(dict.fromkeys(index for pair in pairs for index in pair)))
    alternating = (index for turn in zip_longest(*orders) for index in turn if index is not None)
    return sorted(index for index, _ in zip(alternating, range(count), strict=False))


def _check(cycle: Row, rtl: Row) -> None:
    """The cycle model claims the RTL's cycles."""
    ours, theirs = ((row.figures.latency, row.figures.interval) if row.figures else row.reason for row in (cycle, rtl))
    if ours != theirs:
        raise MismatchError(
            f"{rtl.case.model} on {rtl.case.arch.name}, {rtl.case.strategy}, seed {rtl.case.seed}: latency and "
            f"interval are {theirs} on RTL, {ours} in the cycle model"
        )

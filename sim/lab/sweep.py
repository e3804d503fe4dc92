"""`pyimc sweep`: a model on chips that differ in some keys of their architecture, every combination.

At cycle level for time and energy; at golden level for the accuracy that converters and cells leave.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mapping.placement.ledger import Options
from pyimc.arch import Arch, arch_from_dict, load_arch
from pyimc.errors import ConfigError
from pyimc.steady import MANY_IMAGES
from sim.lab.accuracy import SEEDS, Settings, accuracies, accuracy_records, plot_accuracies, print_accuracies
from sim.lab.workers import Workers, add_workers
from sim.run.folder import BUILD, write_text

SHOWN = ("interval", "latency", "busy", "bound", "planes", "picojoules", "tops_per_w")
UNWRITTEN = ("cell_bits", "rows_per_read")
"""Numbers of a crossbar that an architecture leaves out where they are the usual ones."""

Keys = dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Point:
    """A combination: its chip and figures, or why there are none."""

    settings: Settings
    figures: dict[str, Any]
    reason: str


def add_sweep(commands: Any) -> argparse.ArgumentParser:
    """Declares `pyimc sweep`; who parses adds what is common to all that compile."""
    parser: argparse.ArgumentParser = commands.add_parser("sweep", help="run a model on chips that differ in some keys")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=N,N", dest="keys", required=True,
        help="a number of the architecture, such as crossbar.adcs or mesh.columns, and its values; several times",
    )  # fmt: skip
    parser.add_argument(
        "--level", choices=("cycle", "golden"), default="cycle",
        help="cycle for time and energy; golden for the accuracy of physical golden",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=int, help=f"for every chip ({MANY_IMAGES}; at level golden all that there are)"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"of cells that are drawn, at level golden ({SEEDS})")
    parser.add_argument("--output", type=Path, default=BUILD / "sweep", help="folder of table and plot (build/sweep)")
    add_workers(parser)
    return parser


def read_keys(pairs: Sequence[str]) -> Keys:
    """KEY=N,N of the command line.

    Raises:
        ConfigError: It is written otherwise, or a key comes twice.
    """
    keys: Keys = {}
    for pair in pairs:
        key, _, values = pair.partition("=")
        numbers = [_number(value) for value in values.split(",")]
        if not key or None in numbers:
            raise ConfigError(f"--set {pair}: write it as KEY=N,N,..., such as crossbar.adcs=8,16,32")
        if key in keys:
            raise ConfigError(f"--set {key}: twice; give all its values at once, {key}=N,N,...")
        keys[key] = tuple(dict.fromkeys(number for number in numbers if number is not None))
    return keys


def _number(text: str) -> float | None:
    """An integer if it is written as one."""
    if text.isdecimal():
        return int(text)
    return float(text) if re.fullmatch(r"\d+(\.\d+)?(e\d+)?", text) else None


def chips(base: Arch, keys: Keys) -> list[tuple[Settings, Arch | str]]:
    """Every combination of values with its chip, or why no chip can be like that.

    Raises:
        ConfigError: No such key, or it is not a number.
    """
    data = base.model_dump(mode="json")
    for key in UNWRITTEN:
        if f"crossbar.{key}" in keys:
            data["crossbar"].setdefault(key, 0)
    numbers = _numbers(data)
    for key in keys:
        if key not in numbers:
            raise ConfigError(f"--set {key}: no number of an architecture; known: {', '.join(numbers)}")
    found: list[tuple[Settings, Arch | str]] = []
    for values in product(*keys.values()):
        settings = dict(zip(keys, values, strict=True))
        name = "-".join([base.name, *(f"{key.split('.')[-1]}{value}" for key, value in settings.items())])
        changed = json.loads(json.dumps(data)) | {"name": name}
        for key, value in settings.items():
            *path, last = key.split(".")
            place = changed
            for part in path:
                place = place[part]
            place[last] = value
        try:
            found.append((settings, arch_from_dict(changed, name)))
        except ConfigError as error:
            found.append((settings, str(error)))
    return found


def _numbers(data: dict[str, Any], before: str = "") -> list[str]:
    names = []
    for name, value in data.items():
        if isinstance(value, dict):
            names += _numbers(value, f"{before}{name}.")
        elif isinstance(value, int | float):
            names.append(f"{before}{name}")
    return names


def sweep(
    model: str, arch: str | None, strategy: str, options: Options, seed: int, images: int, keys: Keys,
    workers: Workers, console: Console,
) -> list[Point]:  # fmt: skip
    """Runs every combination; those of earlier calls are kept, as the rows of a comparison are.

    Raises:
        ConfigError: A name, an option or a key that is not known, or no combination that can be a chip.
    """
    from mapping.models import model_arch  # ONNX: only for what reads a model
    from mapping.placement import strategies
    from sim.lab.compare.case import Case
    from sim.lab.compare.command import KEPT, prepared
    from sim.lab.compare.rows import rows
    from sim.run.progress import rows_progress

    strategies.find(strategy)
    combined = _possible(load_arch(arch or model_arch(model)), keys)
    built = [chip for _, chip in combined if isinstance(chip, Arch)]
    with rows_progress(console, "preparing the model") as begin:
        network = prepared(model, KEPT / "models")
        cases = [Case(model, network, chip, strategy, seed, options, images) for chip in built]
        measured = iter(rows(cases, KEPT / "rows", workers, begin(len(cases))))
    points = []
    for settings, chip in combined:
        row = next(measured) if isinstance(chip, Arch) else None
        figures = asdict(row.figures) if row and row.figures else {}
        points.append(Point(settings, figures, row.reason if row else str(chip)))
    return points


def print_points(points: Sequence[Point], console: Console) -> None:
    """A table in the order of the values; the smallest interval is marked."""
    table = Table(box=None, pad_edge=False)
    for title in (*points[0].settings, *SHOWN[:2], "busy", "bound", "planes used", "uJ an image", "TOPS/W"):
        table.add_column(title, justify="right")
    best = min((point.figures["interval"] for point in points if point.figures), default=0)
    for point in points:
        if point.figures:
            said = point.figures
            mark = "*" if said["interval"] == best else ""
            table.add_row(
                *map(str, point.settings.values()), f"{mark}{said['interval']}", str(said["latency"]),
                f"{said['busy']:.1%}", str(said["bound"]), str(said["planes"]), f"{said['picojoules'] / 1e6:.4g}",
                f"{said['tops_per_w']:.3g}",
            )  # fmt: skip
    console.print(table)
    for point in points:
        if point.reason:
            console.print(f"{_name(point.settings)}: {point.reason}")


def _name(settings: Settings) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())


def records(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Flat rows, for JSON and CSV."""
    return [point.settings | {"reason": point.reason} | point.figures for point in points]


def accuracy_sweep(
    model: str, arch: str | None, options: Options, keys: Keys, images: int | None, seeds: int, folder: Path,
    console: Console,
) -> list[dict[str, Any]]:  # fmt: skip
    """Runs every combination on physical golden; prints them, writes `accuracy.csv` and `accuracy.svg`; gives the rows.

    Raises:
        ConfigError: A key that is not known, no combination that can be a chip, or a model whose images have no labels.
    """
    from mapping.cuts.depthwise import AUTO, OPTION
    from mapping.models import model_arch

    if others := sorted(options.keys() - {OPTION}):
        raise ConfigError(f"option {others[0]}: changes no value; at level golden there is {OPTION} only")
    possible = _possible(load_arch(arch or model_arch(model)), keys)
    points = accuracies(model, possible, str(options.get(OPTION, AUTO)), images, seeds, console)
    print_accuracies(points, console)
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(accuracy_records(points), folder / "accuracy.csv")
    plot_accuracies(points, folder / "accuracy.svg")
    console.print(f"{folder / 'accuracy.csv'} {folder / 'accuracy.svg'}")
    return accuracy_records(points)


def _possible(base: Arch, keys: Keys) -> list[tuple[Settings, Arch | str]]:
    combined = chips(base, keys)
    if all(isinstance(chip, str) for _, chip in combined):
        raise ConfigError(f"no combination can be a chip: {combined[0][1]}")
    return combined


def _write_csv(flat: Sequence[dict[str, Any]], path: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for each in flat for name in each)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    write_text(path, text.getvalue())


def write_points(points: Sequence[Point], folder: Path) -> list[Path]:
    """Writes `sweep.csv` and `sweep.svg`: interval and energy over the first key, a line per setting of the others."""
    from sim.lab.studies.page import plot

    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(records(points), folder / "sweep.csv")
    if not any(point.figures for point in points):
        return [folder / "sweep.csv"]
    lines: dict[str, list[Point]] = {}
    first = next(iter(points[0].settings))
    for point in points:
        if point.figures:
            others = {key: value for key, value in point.settings.items() if key != first}
            lines.setdefault(_name(others), []).append(point)
    with plot(folder / "sweep.svg", (2, 1)) as axes:
        for name, on in lines.items():
            values = [point.settings[first] for point in on]
            axes[0].plot(values, [point.figures["interval"] for point in on], marker="o", label=name or None)
            axes[1].plot(values, [point.figures["picojoules"] / 1e6 for point in on], marker="o", label=name or None)
        for each, title in zip(axes, ("interval (cycles)", "energy of an image (uJ)"), strict=True):
            each.set_xlabel(first)
            each.set_ylabel(title)
            each.set_ylim(bottom=0)
        if len(lines) > 1:
            axes[0].legend(fontsize=7)
    return [folder / "sweep.csv", folder / "sweep.svg"]

"""What real converters and cells leave of a network's accuracy: chips of a sweep on the physical golden model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from pyimc import golden
from pyimc.arch import Arch, Crossbar
from pyimc.errors import ConfigError
from pyimc.network import Network
from pyimc.physical import run_all
from pyimc.tensors import Map
from sim.run.answers import TAIL, accuracy, complete

if TYPE_CHECKING:  # it would import ONNX
    from sim.run.prepare import Prepared

SEEDS = 5
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Two-sided 95 % quantiles of Student's distribution for 2 to 10 values; for more of them 1.96 is taken."""

Settings = dict[str, float]


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Of a chip.

    Attributes:
        ideal: Share of images that ideal golden knows.
        mean: That physical golden knows, over seeds.
        deviation: Standard deviation over seeds.
        confidence: Half of the 95 % interval of the mean over seeds; 0 of one seed.
        seeds: How many.
        images: How many each.
        images_per_second: Of physical golden.
    """

    ideal: float
    mean: float
    deviation: float
    confidence: float
    seeds: int
    images: int
    images_per_second: float


@dataclass(frozen=True, slots=True)
class Point:
    """A combination: how accurate its chip is, or why there is none."""

    settings: Settings
    found: Accuracies | None
    reason: str


def accuracies(
    model: str, combined: Sequence[tuple[Settings, Arch | str]], depthwise: str, images: int | None, seeds: int,
    console: Console,
) -> list[Point]:  # fmt: skip
    """Runs a model whose images have labels on every chip, with every seed of cells that are drawn.

    `depthwise` says which of its depthwise layers are on digital PUs, as the compiler's option does.

    Raises:
        ConfigError: Images without labels, or a count below 1.
    """
    from sim.run.prepare import prepare  # ONNX and onnxruntime

    if seeds < 1:
        raise ConfigError(f"--seeds: got {seeds}, needs at least 1")
    prepared = prepare(model, images, None)
    if prepared.labels is None:
        raise ConfigError(f"model {model}: its images have no labels, so there is no accuracy to sweep")
    ideal = _top1(prepared, prepared.network, golden.run_all(prepared.network, prepared.images))
    points = []
    for settings, chip in combined:
        found = None if isinstance(chip, str) else _on_chip(prepared, chip, depthwise, seeds, ideal)
        points.append(Point(settings, found, chip if isinstance(chip, str) else ""))
        if found and not console.is_terminal:
            console.print(f"{len(points)} of {len(combined)}: {found.mean:.2%}")
    return points


def _on_chip(prepared: Prepared, chip: Arch, depthwise: str, seeds: int, ideal: float) -> Accuracies:
    from mapping.actors.plan import read_settings
    from mapping.converters import with_calibrated_converters
    from mapping.cuts.depthwise import on_engines

    network = with_calibrated_converters(prepared.network, chip, prepared.calibration)
    network, _ = on_engines(network, chip, depthwise, read_settings({}).grain)
    start = time.monotonic()
    drawn = range(seeds if chip.crossbar.real else 1)
    runs = (run_all(network, _seeded(chip.crossbar, seed), prepared.images) for seed in drawn)
    found = np.array([_top1(prepared, network, computed) for computed in runs])
    seconds = time.monotonic() - start
    deviation = float(found.std(ddof=1)) if len(found) > 1 else 0.0
    quantile = STUDENT[len(found) - 2] if 2 <= len(found) <= len(STUDENT) + 1 else 1.96
    return Accuracies(
        ideal, float(found.mean()), deviation, quantile * deviation / len(found) ** 0.5, len(found),
        len(prepared.images), len(found) * len(prepared.images) / seconds,
    )  # fmt: skip


def _seeded(crossbar: Crossbar, seed: int) -> Crossbar:
    if not crossbar.device:
        return crossbar
    return crossbar.model_copy(
        update={"device": crossbar.device.model_copy(update={"seed": crossbar.device.seed + seed})}
    )


def _top1(prepared: Prepared, network: Network, computed: Iterable[dict[str, Map]]) -> float:
    """The share of images whose class is that of the label, by the values of all of them."""
    outputs: list[list[Any]] = [[] for _ in network.outputs]
    for values in computed:
        for kept, name in zip(outputs, network.outputs, strict=True):
            kept.append(values[name])
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / TAIL).write_bytes(prepared.tail.SerializeToString())
        answers = complete(Path(scratch), [np.stack(kept) for kept in outputs], prepared.images)
    found = accuracy(answers, prepared.labels)
    if found is None:
        raise ConfigError(f"model {network.name}: its first output is no class, so there is no accuracy to sweep")
    return found.top1


def print_accuracies(points: Sequence[Point], console: Console) -> None:
    """A table in the order of the values."""
    table = Table(box=None, pad_edge=False)
    for title in (*points[0].settings, "ideal", "physical", "95 % +-", "seeds", "images/s"):
        table.add_column(title, justify="right")
    for point in points:
        if said := point.found:
            table.add_row(
                *map(str, point.settings.values()), f"{said.ideal:.2%}", f"{said.mean:.2%}", f"{said.confidence:.2%}",
                str(said.seeds), f"{said.images_per_second:.0f}",
            )  # fmt: skip
    console.print(table)
    for point in points:
        if point.reason:
            console.print(f"{' '.join(f'{key}={value}' for key, value in point.settings.items())}: {point.reason}")


def accuracy_records(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Flat rows, for JSON and CSV."""
    return [
        point.settings | {"reason": point.reason} | (asdict(point.found) if point.found else {}) for point in points
    ]


def plot_accuracies(points: Sequence[Point], path: Path) -> None:
    """Accuracy over the first key, a line per setting of the others, with its interval; ideal as a dashed line."""
    from sim.lab.studies.page import plot

    first = next(iter(points[0].settings))
    lines: dict[str, list[tuple[float, Accuracies]]] = {}
    for point in points:
        if point.found:
            others = [f"{key.split('.')[-1]} {value}" for key, value in point.settings.items() if key != first]
            lines.setdefault(", ".join(others), []).append((point.settings[first], point.found))
    with plot(path, (1, 1)) as (axes,):
        for name, line in lines.items():
            values, found = zip(*line, strict=True)
            means, bars = [100 * each.mean for each in found], [100 * each.confidence for each in found]
            axes.errorbar(values, means, yerr=bars, marker="o", markersize=3, capsize=2, label=name or None)
        axes.axhline(100 * next(iter(lines.values()))[0][1].ideal, linestyle="--", color="grey", linewidth=1)
        span = [value for line in lines.values() for value, _ in line]
        if min(span) >= 0 and max(span) > 1000:
            axes.set_xscale("symlog", linthresh=min(value for value in span if value > 0))
        axes.set_xlabel(first)
        axes.set_ylabel("top-1 (%)")
        if len(lines) > 1:
            axes.legend(fontsize=6)

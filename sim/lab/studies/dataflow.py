"""Rows that flow from layer to layer against layer by layer, with whole layers and with cut ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.lab.studies.page import percent, plot, table
from sim.lab.studies.point import Figures, Point, measure_all
from sim.lab.workers import Workers

MODELS = ("resnet8", "resnet18")
ARCH = "default"
STRATEGIES = ("lblp", "lblp_plus")
GRAINS = {"row": "rows flow", "map": "layer by layer"}
SLACK_ROWS = 2


def study(
    jobs: Workers,
    folder: Path,
    models: Sequence[str] = MODELS,
    arch: str = ARCH,
    strategies: Sequence[str] = STRATEGIES,
) -> str:
    """Measures everything; the text of its section. Writes `dataflow.svg` into `folder`."""
    points = [
        Point(model, arch, strategy, grain, SLACK_ROWS)
        for model in models for strategy in strategies for grain in GRAINS
    ]  # fmt: skip
    found = measure_all(points, jobs)
    rows = []
    for model in models:
        alone = found[Point(model, arch, strategies[0], "map", SLACK_ROWS)]
        share = alone.busy * alone.interval / alone.latency
        rows.append(
            _row(model, strategies[0], "layer by layer, one image at a time", alone, alone.latency, share, alone)
        )
        for point, figures in found.items():
            if point.model == model:
                way = GRAINS[str(point.grain)]
                rows.append(_row(model, point.strategy, way, figures, figures.interval, figures.busy, alone))
    _plot(found, models, folder / "dataflow.svg")
    titles = ["network", "strategy", "flow", "latency", "interval", "busy", "latency: times", "rate: times", "words"]
    return "\n".join([*table(titles, rows), "", "![latency and interval](plots/dataflow.svg)"])


def _row(
    model: str, strategy: str, way: str, figures: Figures, interval: int, busy: float, alone: Figures
) -> list[str]:
    """Speed-ups against whole layers, layer by layer, one image at a time: its interval is its latency."""
    faster = [f"{alone.latency / cycles:.2f}" for cycles in (figures.latency, interval)]
    return [model, strategy, way, str(figures.latency), str(interval), percent(busy), *faster, str(figures.words)]


def _plot(found: dict[Point, Figures], models: Sequence[str], path: Path) -> None:
    with plot(path, (len(models), 1)) as axes:
        for at, model in zip(axes, models, strict=True):
            bars = [
                (f"{point.strategy},\n{GRAINS[str(point.grain)]}", each)
                for point, each in found.items() if point.model == model
            ]  # fmt: skip
            places = range(len(bars))
            at.bar([place - 0.2 for place in places], [each.latency for _, each in bars], 0.4, label="latency")
            at.bar([place + 0.2 for place in places], [each.interval for _, each in bars], 0.4, label="interval")
            at.set_xticks(places, [name for name, _ in bars], fontsize=6)
            at.set(title=model, ylabel="cycles")
            at.legend(fontsize=6)

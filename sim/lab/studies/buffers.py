"""Latency and interval against the words of all rings: grains and slack, every layer on a PU of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.ticker import NullFormatter

from sim.lab.studies.page import plot, table
from sim.lab.studies.point import LARGE, Figures, Point, measure_all
from sim.lab.workers import Workers

MODELS = ("resnet8", "resnet18")
GRAINS: tuple[int | str, ...] = (1, 4, 8, "row", "map")
SLACK_ROWS = (0, 1, 2, 4, 8)


def study(
    jobs: Workers,
    folder: Path,
    models: Sequence[str] = MODELS,
    grains: Sequence[int | str] = GRAINS,
    slacks: Sequence[int] = SLACK_ROWS,
) -> str:
    """Measures everything; the text of its section. Writes `buffers.svg` into `folder`."""
    points = [Point(model, LARGE, "lblp", grain, slack) for model in models for grain in grains for slack in slacks]
    found = measure_all(points, jobs)
    rows = [
        [
            point.model, str(point.grain), str(point.slack_rows), str(figures.words), str(figures.latency),
            str(figures.interval), str(figures.bound), f"{figures.interval / figures.bound:.3f}",
        ]
        for point, figures in found.items()
    ]  # fmt: skip
    _plot(found, models, folder / "buffers.svg")
    titles = ["network", "grain", "`slack_rows`", "words", "latency", "interval", "bound", "interval / bound"]
    return "\n".join([*table(titles, rows), "", "![latency and interval over words](plots/buffers.svg)"])


def _plot(found: dict[Point, Figures], models: Sequence[str], path: Path) -> None:
    with plot(path, (2, len(models))) as axes:
        for index, model in enumerate(models):
            for at, figure in zip(axes[2 * index : 2 * index + 2], ("latency", "interval"), strict=True):
                for grain in dict.fromkeys(point.grain for point in found):
                    line = [each for point, each in found.items() if (point.model, point.grain) == (model, grain)]
                    values = [getattr(each, figure) for each in line]
                    at.plot([each.words for each in line], values, "o-", markersize=4, label=f"grain {grain}")
                at.set(
                    title=model, xscale="log", yscale="log", xlabel="words of all rings", ylabel=f"{figure} (cycles)"
                )
                at.xaxis.set_minor_formatter(NullFormatter())  # they would overlap
                at.legend(fontsize=6)

"""The rows of a comparison as plots: for every model one SVG with four of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from sim.lab.compare.report import rate
from sim.lab.compare.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = dict[int, list[Row]]
"""The rows of a strategy, one for every seed, by the number of crossbar PUs."""
MARKERS = "osD^vPX*<>"


def write_plots(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Writes `<model>.svg` for every model with figures; the same rows give the same bytes.

    Rate and latency over the number of crossbar PUs (of several seeds the median, and their range as a band), rate
    over latency, and the rates of all seeds as boxes.
    """
    from matplotlib import rc_context  # a second to load
    from matplotlib.figure import Figure

    paths = []
    for model, found in groupby(rows, lambda row: row.case.model):
        strategies: dict[str, Curve] = {}
        for row in found:
            if row.figures:
                curve = strategies.setdefault(Path(row.case.strategy).stem, {})
                curve.setdefault(len(row.case.arch.imcs), []).append(row)
        if not strategies:
            continue
        with rc_context({"svg.hashsalt": "pyimc", "svg.fonttype": "none", "font.size": 8}):
            figure = Figure(figsize=(11, 8), layout="constrained")
            axes = figure.subplots(2, 2).flat
            _over_pus(axes[0], strategies, "rate (images per million cycles)", _rates)
            _bounds(axes[0], strategies)
            _over_pus(axes[1], strategies, "latency (cycles)", _latencies)
            _rate_over_latency(axes[2], strategies)
            _seeds(axes[3], strategies)
            axes[0].legend(fontsize=7)
            figure.suptitle(Path(model).stem)
            path = folder / f"{Path(model).stem}.svg"
            figure.savefig(path, metadata={"Date": None})
        paths.append(path)
    return paths


def _rates(rows: list[Row]) -> list[float]:
    return [rate(row.figures) for row in rows if row.figures]


def _latencies(rows: list[Row]) -> list[float]:
    return [row.figures.latency for row in rows if row.figures]


def _over_pus(axes: Axes, strategies: dict[str, Curve], title: str, values: Callable[[list[Row]], list[float]]) -> None:
    for index, (name, curve) in enumerate(strategies.items()):
        counts = sorted(curve)
        drawn = [values(curve[count]) for count in counts]
        color, marker = f"C{index}", MARKERS[index % len(MARKERS)]
        axes.plot(counts, [median(some) for some in drawn], color=color, marker=marker, markersize=4, label=name)
        if any(len(some) > 1 for some in drawn):
            axes.fill_between(
                counts, [min(some) for some in drawn], [max(some) for some in drawn], color=color, alpha=0.2
            )
    _count_axis(axes, strategies)
    axes.set_ylabel(title)
    axes.set_ylim(bottom=0)


def _bounds(axes: Axes, strategies: dict[str, Curve]) -> None:
    """The rate that no placement can beat; strategies that cut layers have one of their own."""
    drawn: list[dict[int, float]] = []
    for name, curve in strategies.items():
        bound = {count: 1e6 / rows[0].figures.bound for count, rows in sorted(curve.items()) if rows[0].figures}
        if not any(bound.items() <= other.items() for other in drawn):
            axes.plot(list(bound), list(bound.values()), "k" + ("--", ":", "-.")[len(drawn) % 3], linewidth=1,
                      label="bound" if not drawn else f"bound, {name}")  # fmt: skip
            drawn.append(bound)


def _rate_over_latency(axes: Axes, strategies: dict[str, Curve]) -> None:
    for index, curve in enumerate(strategies.values()):
        rows = [row for count in sorted(curve) for row in curve[count]]
        axes.scatter(_latencies(rows), _rates(rows), s=14, color=f"C{index}", marker=MARKERS[index % len(MARKERS)],
                     alpha=0.7)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("latency (cycles)")
    axes.set_ylabel("rate (images per million cycles)")
    axes.set_ylim(bottom=0)


def _seeds(axes: Axes, strategies: dict[str, Curve]) -> None:
    """Rates of the strategies that draw numbers."""
    for index, (name, curve) in enumerate(strategies.items()):
        drawn = {count: _rates(rows) for count, rows in sorted(curve.items()) if len(rows) > 1}
        if drawn:
            widths = [0.3 * count for count in drawn]
            boxes = axes.boxplot(list(drawn.values()), positions=list(drawn), widths=widths, manage_ticks=False)
            for line in (*boxes["boxes"], *boxes["medians"]):
                line.set_color(f"C{index}")
            seeds = max(map(len, drawn.values()))
            axes.plot([], [], color=f"C{index}", label=f"{name}, {seeds} seeds")
            axes.legend(fontsize=7)
    _count_axis(axes, strategies)
    axes.set_ylabel("rate of every seed")
    axes.set_ylim(bottom=0)


def _count_axis(axes: Axes, strategies: dict[str, Curve]) -> None:
    counts = sorted({count for curve in strategies.values() for count in curve})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("crossbar PUs")

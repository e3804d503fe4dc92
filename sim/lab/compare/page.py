"""`compare.html`: the rows of a comparison on one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bokeh.embed import components
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter
from bokeh.plotting import figure

from sim.lab.compare.report import COLUMNS, WORDS, failures, gap, lines, rate
from sim.lab.compare.rows import Row
from sim.report.gantt import library
from sim.report.page import render
from sim.run.files import write_bytes

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#8899aa", "#44bb99", "#997700")
TIPS = [("", "@strategy, seed @seed"), ("chip", "@arch, @imcs crossbar PUs"), ("interval", "@interval cycles"),
        ("gap to the bound", "@gap %"), ("latency", "@latency cycles"), ("level", "@level")]  # fmt: skip


class Charts(NamedTuple):
    """Charts of all models: name, rate over latency, gaps; and the script with their data."""

    script: str
    models: list[tuple[str, str, str]]


def write_page(rows: Sequence[Row], folder: Path, title: str, commands: Sequence[str]) -> Path:
    """Writes `compare.html` in one step.

    Args:
        rows: Of one comparison.
        folder: Where to.
        title: For its head.
        commands: What gives these rows again.
    """
    charts = _charts(rows)
    table = [[show(line) for _, show in COLUMNS] for line in lines(rows)]
    heads = [(name, index > WORDS) for index, (name, _) in enumerate(COLUMNS)]
    text = render(
        "compare.html", title=title, table=(heads, table), failures=failures(rows), chart=charts,
        library=library() if charts else "", commands=list(commands),
    )  # fmt: skip
    write_bytes(folder / "compare.html", text.encode())
    return folder / "compare.html"


def _charts(rows: Sequence[Row]) -> Charts | None:
    plots: dict[str, Any] = {}
    names = []
    strategies = sorted({Path(row.case.strategy).stem for row in rows})
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(strategies)}
    for model, group in groupby(rows, lambda row: row.case.model):
        found = [row for row in group if row.figures]
        if found:
            name = Path(model).stem
            names.append(name)
            plots |= {f"{name}/plane": _plane(found, colours), f"{name}/gaps": _gaps(found, colours)}
    if not plots:
        return None
    script, divs = components(plots, wrap_script=False)
    return Charts(script, [(name, divs[f"{name}/plane"], divs[f"{name}/gaps"]) for name in names])


def _source(rows: Sequence[Row]) -> Any:
    columns: dict[str, list[Any]] = {name: [] for name in (
        "strategy", "seed", "arch", "imcs", "interval", "gap", "latency", "level", "rate")}  # fmt: skip
    for row in rows:
        figures = row.figures
        assert figures
        said = {
            "strategy": Path(row.case.strategy).stem, "seed": row.case.seed, "arch": row.case.arch.name,
            "imcs": len(row.case.arch.imcs), "interval": figures.interval, "gap": gap(figures),
            "latency": figures.latency, "level": row.case.level, "rate": rate(figures),
        }  # fmt: skip
        for name, value in said.items():
            columns[name].append(value)
    return ColumnDataSource(columns)


def _scatter(rows: Sequence[Row], colours: dict[str, str], x: str, y: str, titles: tuple[str, str], log: bool) -> Any:
    kind: Literal["log", "linear"] = "log" if log else "linear"
    plot = figure(
        height=340, sizing_mode="stretch_width", tools="pan,wheel_zoom,box_zoom,reset,save", x_axis_type=kind,
        y_axis_type=kind, output_backend="canvas",
    )  # fmt: skip
    for name, colour in colours.items():
        own = [row for row in rows if Path(row.case.strategy).stem == name]
        if own:
            plot.scatter(x, y, size=9, color=colour, fill_alpha=0.75, legend_label=name, source=_source(own))
    plot.add_tools(HoverTool(tooltips=TIPS))
    plot.xaxis.axis_label, plot.yaxis.axis_label = titles
    plot.legend.click_policy = "hide"
    plot.legend.label_text_font_size = "10px"
    plot.legend.spacing = 0
    plot.axis.formatter = NumeralTickFormatter(format="0,0.[00]")
    return plot


def _plane(rows: Sequence[Row], colours: dict[str, str]) -> Any:
    return _scatter(
        rows, colours, "latency", "rate", ("latency (cycles)", "rate (images per million cycles)"), log=True
    )


def _gaps(rows: Sequence[Row], colours: dict[str, str]) -> Any:
    plot = _scatter(rows, colours, "imcs", "gap", ("crossbar PUs", "interval over its bound (%)"), log=False)
    plot.legend.visible = False
    return plot

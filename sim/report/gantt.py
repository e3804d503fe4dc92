"""The Gantt chart of a run: what every PU did, to be zoomed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from bokeh.embed import components
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, NumeralTickFormatter, Range1d, WheelZoomTool
from bokeh.plotting import figure
from bokeh.resources import Resources

from sim.report.timeline import ActorLine, Timeline
from sim.report.trace import says

MOST_BARS = 12_000
SHORT = 8
"""Cycles between two firings of an actor that are drawn as one bar, and a wait that is not drawn."""
IMAGE_COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa7744", "#aa3377", "#8899bb", "#77aadd")
WAIT_COLOURS = {"input": "#e8a33d", "room": "#d1495b", "issue": "#999999"}


class Bar(NamedTuple):
    """A stretch of one colour; cycles from `left` up to `right`."""

    unit: str
    left: int
    right: int
    what: str
    image: int
    rows: str


class Chart(NamedTuple):
    """A chart in a page.

    Attributes:
        script: With the data; it needs `library`.
        div: Where it appears.
        until: The last cycle that it shows.
    """

    script: str
    div: str
    until: int


def library() -> str:
    """The JavaScript of all charts."""
    return "\n".join(Resources(mode="inline", components=["bokeh"], minified=True).js_raw)


def unit_name(line: Timeline, node: int) -> str:
    """How charts call a PU."""
    return f"PU {node:02d} {'dpu' if node in line.program.arch.dpus else 'imc'}"


def gantt(line: Timeline) -> Chart:
    """Firings by image, and the waits between them by cause; PUs in the order in which they start."""
    work = [bar for actor in line.actors.values() for bar in _bars(line, actor)]
    waits = [bar for actor in line.actors.values() for bar in _waits(line, actor)]
    starts = sorted(bar.left for bar in [*work, *waits])
    until = starts[MOST_BARS] if len(starts) > MOST_BARS else line.end
    first = {node: min(int(actor.issue.min(initial=line.end)) for actor in line.actors.values()
                       if actor.actor.node == node) for node in line.program.pus}  # fmt: skip
    units = [unit_name(line, node) for node in sorted(first, key=lambda node: (first[node], node))]
    plot = figure(
        y_range=FactorRange(factors=units[::-1]), x_range=Range1d(start=0, end=until), height=60 + 22 * len(units),
        sizing_mode="stretch_width",
        tools="xpan,box_zoom,reset,save", toolbar_location="above", output_backend="canvas",
    )  # fmt: skip
    zoom = WheelZoomTool(dimensions="width")
    plot.add_tools(zoom)
    plot.toolbar.active_scroll = zoom
    kept = [bar for bar in work if bar.left <= until]
    colours = [IMAGE_COLOURS[bar.image % len(IMAGE_COLOURS)] for bar in kept]
    firings = plot.hbar(
        y="unit", left="left", right="right", height=0.8, fill_color="colour", line_color=None,
        source=_source(kept, colours),
    )  # fmt: skip
    plot.add_tools(
        HoverTool(
            renderers=[firings],
            tooltips=[("", "@what"), ("image", "@image"), ("rows", "@rows"), ("cycles", "@left to @right")],
        )
    )
    held = [bar for bar in waits if bar.left <= until]
    pauses = plot.hbar(
        y="unit", left="left", right="right", height=0.22, fill_color="colour", line_color=None,
        source=_source(held, [WAIT_COLOURS[bar.rows] for bar in held]),
    )  # fmt: skip
    plot.add_tools(
        HoverTool(renderers=[pauses], tooltips=[("", "@what"), ("image", "@image"), ("cycles", "@left to @right")])
    )
    plot.xaxis.formatter = NumeralTickFormatter(format="0,0")
    plot.xaxis.axis_label = "cycle"
    plot.ygrid.visible = False
    script, div = components(plot, wrap_script=False)
    return Chart(script, div, until)


def _source(bars: list[Bar], colours: list[str]) -> Any:
    columns: dict[str, Any] = {name: [getattr(bar, name) for bar in bars] for name in ("unit", "what", "rows")}
    columns |= {name: np.array([getattr(bar, name) for bar in bars], np.int32) for name in ("left", "right", "image")}
    return ColumnDataSource(columns | {"colour": colours})


def _bars(line: Timeline, actor: ActorLine) -> Iterator[Bar]:
    """Firings of an image that follow each other without a wait are one bar."""
    count = len(actor.issue)
    if not count:
        return
    done = np.where(actor.done < 0, line.end, actor.done)
    gap = actor.issue[1:] - done[:-1] > SHORT
    change = np.arange(1, count) // actor.per_image != np.arange(count - 1) // actor.per_image
    starts = np.concatenate([[0], np.flatnonzero(gap | change) + 1])
    unit = unit_name(line, actor.actor.node)
    for first, last in zip(starts.tolist(), [*(starts[1:] - 1).tolist(), count - 1], strict=True):
        image, row = actor.place(first)
        rows = f"{row} to {actor.place(last)[1]}"
        yield Bar(unit, int(actor.issue[first]), int(done[last]) + 1, actor.actor.name, image, rows)


def _waits(line: Timeline, actor: ActorLine) -> Iterator[Bar]:
    unit, name = unit_name(line, actor.actor.node), actor.actor.name
    texts = [f"{name} waits for {says(line, wait)}" for wait in actor.causes]
    for firing in np.flatnonzero(actor.waited > SHORT).tolist():
        cause = int(actor.cause[firing])
        begin, end = int(actor.idle_from[firing]), int(actor.issue[firing])
        yield Bar(unit, begin, end, texts[cause], actor.place(firing)[0], actor.causes[cause].kind)

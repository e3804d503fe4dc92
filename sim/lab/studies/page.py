"""Tables and plots of the studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def percent(share: float) -> str:
    """One digit after the point."""
    return f"{100 * share:.1f} %"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *(f"| {' | '.join(row)} |" for row in rows)]


@contextmanager
def plot(path: Path, grid: tuple[int, int]) -> Iterator[list[Axes]]:
    """An SVG with columns x rows axes, written at the end; the same figures give the same bytes."""
    from matplotlib import rc_context  # a second to load
    from matplotlib.figure import Figure

    columns, rows = grid
    with rc_context({"svg.hashsalt": path.name, "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(3.7 * columns, 2.9 * rows), layout="constrained")
        axes: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).flat)
        for each in axes:
            each.grid(alpha=0.3)
        yield axes
        figure.savefig(path, metadata={"Date": None})

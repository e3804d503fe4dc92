"""The rows of a comparison as a table: on the terminal, as Markdown, as CSV, as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from sim.lab.compare.case import Case
from sim.lab.compare.measure import Figures
from sim.lab.compare.rows import Row


@dataclass(frozen=True, slots=True)
class Line:
    """A row with the name that its strategy has in the table."""

    strategy: str
    case: Case
    figures: Figures


Column = tuple[str, Callable[[Line], str]]
COLUMNS: tuple[Column, ...] = (
    ("model", lambda line: Path(line.case.model).stem),
    ("PUs (imc + dpu)", lambda line: f"{len(line.case.arch.imcs)} + {len(line.case.arch.dpus)}"),
    ("planes a PU", lambda line: str(line.case.arch.crossbar.planes)),
    ("strategy", lambda line: line.strategy),
    ("level", lambda line: line.case.level),
    ("rate", lambda line: f"{rate(line.figures):.4g}"),
    ("interval", lambda line: str(line.figures.interval)),
    ("gap", lambda line: f"{gap(line.figures):.1f} %"),
    ("largest load", lambda line: str(line.figures.load)),
    ("latency", lambda line: str(line.figures.latency)),
    ("chip full", lambda line: str(line.figures.steady_latency)),
    ("busy, of used", lambda line: f"{line.figures.busy:.1%}"),
    ("busy, of all", lambda line: f"{busy_of_all(line):.1%}"),
    ("buffer words (least)", lambda line: f"{line.figures.ring_words} ({line.figures.least_words})"),
    ("planes used", lambda line: str(line.figures.planes)),
    ("uJ an image", lambda line: f"{line.figures.picojoules / 1e6:.4g}"),
    ("TOPS/W", lambda line: f"{line.figures.tops_per_w:.3g}"),
    ("compile (s)", lambda line: f"{line.figures.compile_seconds:.1f}"),
)
WORDS = 4
"""Of `COLUMNS` are words, the others numbers."""


def rate(figures: Figures) -> float:
    """Images per million cycles."""
    return 1e6 / figures.interval


def gap(figures: Figures) -> float:
    """By how many percent the interval is above the lower bound, to a tenth."""
    return round(100 * (figures.interval / figures.bound - 1), 1) + 0.0  # no -0.0


def busy_of_all(line: Line) -> float:
    """Mean share of the interval in which a crossbar PU is busy, unused ones included."""
    return line.figures.busy * line.figures.used_imcs / len(line.case.arch.imcs)


def group(row: Row) -> tuple[str, str]:
    """Rows that compete: the same model on the same chip."""
    return row.case.model, row.case.arch.name


def lines(rows: Sequence[Row]) -> Iterator[Line]:
    """What the table shows: per model and chip by interval; of several seeds the best, the median and the worst."""
    for _, competing in groupby(rows, group):
        found: list[Line] = []
        for strategy, drawn in groupby(competing, lambda row: row.case.strategy):
            ranked = sorted(
                ((row.figures.interval, row.figures.latency, row.case.seed, row) for row in drawn if row.figures),
                key=lambda item: item[:3],
            )
            count, name = len(ranked), Path(strategy).stem
            ranks = {"": 0} if count == 1 else {"best": 0, "median": (count - 1) // 2, "worst": count - 1}
            for rank, index in ranks.items() if ranked else ():
                row = ranked[index][-1]
                assert row.figures
                found.append(Line(f"{name}, {rank} of {count}" if rank else name, row.case, row.figures))
        yield from sorted(found, key=lambda line: (line.figures.interval, line.figures.latency))


def failures(rows: Sequence[Row]) -> list[str]:
    """What has no figures, and why."""
    found = [
        f"{Path(row.case.model).stem} on {row.case.arch.name}, {Path(row.case.strategy).stem}, seed {row.case.seed}: "
        f"{row.reason}"
        for row in rows
        if row.figures is None
    ]
    return list(dict.fromkeys(found))


def print_rows(rows: Sequence[Row], console: Console) -> None:
    """The table and the failures."""
    table = Table(box=None, pad_edge=False)
    for index, (title, _) in enumerate(COLUMNS):
        table.add_column(title, justify="left" if index < WORDS + 1 else "right", no_wrap=index < WORDS)
    for line in lines(rows):
        table.add_row(*(show(line) for _, show in COLUMNS))
    console.width = max(console.width, Measurement.get(console, console.options.update(max_width=1000), table).maximum)
    console.print(table, soft_wrap=True)
    for failure in failures(rows):
        console.print(failure)


def markdown(rows: Sequence[Row]) -> str:
    """The table and the failures; the rate is in images per million cycles, the gap that to the interval's bound."""
    text = ["| " + " | ".join(title for title, _ in COLUMNS) + " |"]
    text += ["|" + "---|" * (WORDS + 1) + "---:|" * (len(COLUMNS) - WORDS - 1)]
    text += ["| " + " | ".join(show(line) for _, show in COLUMNS) + " |" for line in lines(rows)]
    return "\n".join([*text, *([""] if failures(rows) else []), *(f"- {failure}" for failure in failures(rows))]) + "\n"


def table_csv(rows: Sequence[Row]) -> str:
    """Every row, every seed, with every figure."""
    records = [record(row) for row in rows]
    names = list(dict.fromkeys(name for entry in records for name in entry))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def record(row: Row) -> dict[str, object]:
    """A row as one flat record."""
    case, figures = row.case, row.figures
    said: dict[str, object] = {
        "model": case.model, "arch": case.arch.name, "imcs": len(case.arch.imcs), "dpus": len(case.arch.dpus),
        "planes_per_pu": case.arch.crossbar.planes, "strategy": case.strategy, "seed": case.seed,
        "options": " ".join(f"{name}={value}" for name, value in case.options.items()), "level": case.level,
        "images": case.images, "reason": row.reason,
    }  # fmt: skip
    if figures:
        line = Line(case.strategy, case, figures)
        said |= asdict(figures)
        said |= {"rate": rate(figures), "gap_percent": gap(figures), "busy_of_all": busy_of_all(line)}
    return said


def write_report(rows: Sequence[Row], folder: Path) -> None:
    """Writes `compare.md`, `compare.csv` and `rows.json`, each in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "compare.md": markdown(rows),
        "compare.csv": table_csv(rows),
        "rows.json": json.dumps([record(row) for row in rows], indent=1) + "\n",
    }
    for name, text in texts.items():
        scratch = folder / f".{name}"
        scratch.write_text(text)
        scratch.replace(folder / name)

"""What a regression found: on the terminal, as JUnit XML and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment
from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite
from rich.console import Console
from rich.table import Table

from sim.lab.regress.baseline import Baseline
from sim.lab.regress.case import Case
from sim.lab.regress.changes import Change
from sim.lab.regress.measure import Figures

SHOWN = 6  # changes of a row on the terminal; the page has all


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row beside its baseline. It is as it was if nothing failed, there is a baseline, and nothing changed."""

    case: Case
    figures: Figures | None
    failure: str
    baseline: Baseline | None
    changes: tuple[Change, ...]

    @property
    def word(self) -> str:
        """Of the table."""
        if self.failure:
            return "FAILED"
        if self.baseline is None:
            return "NEW"
        return "CHANGED" if self.changes else "same"

    @property
    def since(self) -> str:
        """The run that it is compared with."""
        return f"{self.baseline.revision}: {self.baseline.reason}" if self.baseline else ""


def print_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """A line per row, and below it what is not as it was."""
    for verdict in verdicts:
        console.print(f"{verdict.word:8s} {verdict.case.name}", markup=False)
        if verdict.failure:
            console.print(f"         {verdict.failure}", markup=False)
        if not verdict.changes:
            continue
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in ("", "what", "was", "is", "by"):
            table.add_column(title, overflow="fold")
        for change in verdict.changes[:SHOWN]:
            table.add_row("        ", change.what, change.was, change.now, change.by)
        console.print(table)
        more = len(verdict.changes) - SHOWN
        console.print(f"         {f'{more} more; ' if more > 0 else ''}since {verdict.since}", markup=False)


def records(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """As JSON: a row, its verdict, why it failed, what it is compared with, every change."""
    return [
        {
            "row": verdict.case.name,
            "verdict": verdict.word,
            "failure": verdict.failure,
            "since": verdict.since,
            "changes": [asdict(change) | {"by": change.by} for change in verdict.changes],
        }
        for verdict in verdicts
    ]


def write_junit(verdicts: Sequence[Verdict], path: Path) -> None:
    """One test case per row."""
    suite = TestSuite("regress")
    for verdict in verdicts:
        case = TestCase(verdict.case.name, classname="regress")
        if verdict.failure:
            case.result = [Error(verdict.failure)]
        elif verdict.word != "same":
            said = [
                f"{change.what}: was {change.was}, is {change.now} {change.by}".rstrip() for change in verdict.changes
            ]
            failure = Failure(said[0] if said else "no baseline")
            failure.text = "\n".join([*said, f"since {verdict.since}"])
            case.result = [failure]
        suite.add_testcase(case)
    xml = JUnitXml()
    xml.add_testsuite(suite)
    scratch = path.with_name(f".{path.name}")
    xml.write(str(scratch), pretty=True)
    scratch.replace(path)


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>pyimc regression</title><style>
:root { color-scheme: light dark; }
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
td, th { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8884; vertical-align: top;
  overflow-wrap: anywhere; }
.was { color: #c33; } .now { color: #393; }
.FAILED, .CHANGED, .NEW { color: #c33; font-weight: 600; } .same { color: #393; }
@media (prefers-color-scheme: dark) { .was, .FAILED, .CHANGED, .NEW { color: #f88; } .now, .same { color: #8d8; } }
</style></head><body>
<h1>Regression: {{ differing }} of {{ verdicts | length }} rows differ</h1>
<table><tr><th>row</th><th>verdict</th><th>changes</th><th>since</th></tr>
{% for v in verdicts %}<tr><td><a href="#{{ v.case.name }}">{{ v.case.name }}</a></td>
<td class="{{ v.word }}">{{ v.word }}</td><td>{{ v.changes | length }}</td><td>{{ v.since }}</td></tr>
{% endfor %}</table>
{% for v in verdicts if v.word != "same" %}<h2 id="{{ v.case.name }}">{{ v.case.name }}</h2>
{% if v.failure %}<p class="FAILED">{{ v.failure }}</p>{% endif %}
<table><tr><th>kind</th><th>what</th><th>was</th><th>is</th><th>by</th></tr>
{% for c in v.changes %}<tr><td>{{ c.kind }}</td><td>{{ c.what }}</td><td class="was">{{ c.was }}</td>
<td class="now">{{ c.now }}</td><td>{{ c.by }}</td></tr>
{% endfor %}</table>{% endfor %}</body></html>
"""


def write_page(verdicts: Sequence[Verdict], path: Path) -> None:
    """The same, and every change, as one file."""
    differing = sum(verdict.word != "same" for verdict in verdicts)
    scratch = path.with_name(f".{path.name}")
    scratch.write_text(Environment(autoescape=True).from_string(PAGE).render(verdicts=verdicts, differing=differing))
    scratch.replace(path)

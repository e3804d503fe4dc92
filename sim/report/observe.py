"""What a run leaves for people to look at: `report.html`, and `trace.json.gz` if it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sim.report.timeline import timeline
from sim.report.trace import write_trace
from sim.run.result import Run

REPORT, TRACE = "report.html", "trace.json.gz"


def observe(run: Run, verdict: str) -> Iterator[Path]:
    """Writes report and trace of a run; yields what it has written. Older ones go.

    Args:
        run: A finished run.
        verdict: Empty if all is well, else what is wrong.
    """
    from sim.report.page import write_page  # with the plotting library, for which only a run's end should wait

    for name in (REPORT, TRACE):
        (run.folder / name).unlink(missing_ok=True)
    line = timeline(run.program, run.measured) if run.measured and len(run.measured.events) else None
    write_page(run, line, verdict, run.folder / REPORT)
    yield run.folder / REPORT
    if run.trace and line:
        write_trace(line, run.folder / TRACE)
        yield run.folder / TRACE

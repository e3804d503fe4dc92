"""What a run leaves for people to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sim.report.timeline import timeline
from sim.report.trace import write_trace
from sim.run.result import Run

TRACE = "trace.json.gz"


def observe(run: Run) -> Iterator[Path]:
    """Writes the trace of a run that asks for one; yields what it has written. An older one goes."""
    (run.folder / TRACE).unlink(missing_ok=True)
    if not run.measured or not run.measured.events.size:
        return
    line = timeline(run.program, run.measured)
    if run.trace:
        write_trace(line, run.folder / TRACE)
        yield run.folder / TRACE

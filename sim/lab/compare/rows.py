"""Rows of a comparison: those that an earlier call has left, and the others, measured by several processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

from pyimc.errors import ToolError
from sim.lab.compare.case import Case
from sim.lab.compare.measure import Figures, measure
from sim.lab.workers import workers


@dataclass(frozen=True, slots=True)
class Row:
    """A case and what it gave: figures, or the reason why there are none."""

    case: Case
    figures: Figures | None
    reason: str


def rows(cases: Sequence[Case], folder: Path, jobs: int, say: Callable[[int], None]) -> list[Row]:
    """Measures what no earlier call has; every finished row is kept at once, so that a call can be cut short.

    Args:
        cases: What to measure; the rows come in their order.
        folder: Where rows are kept, each under its key.
        jobs: Processes.
        say: Told how many rows there are whenever there is one more.

    Raises:
        ImcError: What `measure` raises; ToolError if a process dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {case.key(): folder / f"{case.key()}.json" for case in cases}
    missing = {key: case for case in cases if not paths[key := case.key()].is_file()}
    done = len(paths) - len(missing)
    say(done)
    if jobs == 1:
        for key, case in missing.items():
            _measure_and_keep(case, paths[key])
            say(done := done + 1)
    elif missing:
        for _ in _finished([(case, paths[key]) for key, case in missing.items()], jobs):
            say(done := done + 1)
    return [_read(case, paths[case.key()]) for case in cases]


def _finished(work: Sequence[tuple[Case, Path]], jobs: int) -> Iterator[None]:
    """One item for every case that is finished."""
    with workers(jobs) as pool:
        futures: list[Future[None]] = [pool.submit(_measure_and_keep, *item) for item in work]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            raise ToolError("a process of the comparison died; start it again with fewer --jobs") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _measure_and_keep(case: Case, path: Path) -> None:
    found = measure(case, path.with_suffix(""))
    kept = {"reason": found} if isinstance(found, str) else {"figures": asdict(found)}
    said = asdict(case) | {"arch": case.arch.model_dump(mode="json"), "network": case.network.name}
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps({"case": said} | kept, indent=1) + "\n")
    scratch.replace(path)


def _read(case: Case, path: Path) -> Row:
    kept = json.loads(path.read_text())
    return Row(case, Figures(**kept["figures"]) if "figures" in kept else None, kept.get("reason", ""))

"""`pyimc regress`: runs the rows of a `regress.yaml` and holds them against their baselines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pyimc.errors import ConfigError, MismatchError
from sim.lab.regress import baseline
from sim.lab.regress.case import Case, read_cases
from sim.lab.regress.changes import changes
from sim.lab.regress.measure import Figures, measure
from sim.lab.regress.report import Verdict, print_verdicts, records, write_junit, write_page
from sim.lab.rows import Experiment, Row
from sim.lab.workers import Workers
from sim.run.folder import BUILD
from sim.run.progress import rows_progress

KEPT = BUILD / "regress"


def regress(
    manifest: Path, baselines: Path, *, quick: bool, jobs: Workers, console: Console, as_json: bool
) -> list[Verdict]:
    """Runs what has not been run with these sources, and says what differs from the baselines.

    Leaves `junit.xml` and `report.html` in `build/regress/`; `as_json` prints the same to stdout.

    Raises:
        ConfigError: The manifest or a baseline is not understood.
        MismatchError: A row differs, failed, or has no baseline.
    """
    verdicts = judge(manifest, baselines, quick=quick, jobs=jobs, console=console)
    print_verdicts(verdicts, console)
    if as_json:
        print(json.dumps(records(verdicts), indent=1))
    write_junit(verdicts, KEPT / "junit.xml")
    write_page(verdicts, KEPT / "report.html")
    console.print(f"{KEPT / 'report.html'} {KEPT / 'junit.xml'}")
    differing = [verdict for verdict in verdicts if verdict.word != "same"]
    if differing:
        raise MismatchError(
            f"{len(differing)} of {len(verdicts)} rows are not as they were, the first: {differing[0].case.name}; "
            "if they should be: make regress-accept REASON='why'"
        )
    return verdicts


def accept(manifest: Path, baselines: Path, reason: str, *, quick: bool, jobs: Workers, console: Console) -> None:
    """Records what the rows give now; baselines that say the same stay untouched.

    Raises:
        ConfigError: As above, or no reason is given.
        MismatchError: A row failed: nothing is recorded.
    """
    if not reason.strip():
        raise ConfigError("a reason is needed: make regress-accept REASON='why these figures are right'")
    verdicts = judge(manifest, None, quick=quick, jobs=jobs, console=console)
    failed = [verdict for verdict in verdicts if verdict.failure]
    if failed:
        raise MismatchError(f"nothing is recorded, {failed[0].case.name} failed: {failed[0].failure}")
    revision = baseline.revision()
    for verdict in verdicts:
        assert verdict.figures is not None
        try:
            known = baseline.load(baselines, verdict.case)
        except ConfigError:  # to be replaced
            known = None
        if known is None or known.figures != verdict.figures:
            record = baseline.Baseline(verdict.case, verdict.figures, reason.strip(), revision)
            console.print(f"recorded {baseline.save(baselines, record)}", markup=False)
    if not quick:
        _drop_others(baselines, [verdict.case for verdict in verdicts], console)


def judge(manifest: Path, baselines: Path | None, *, quick: bool, jobs: Workers, console: Console) -> list[Verdict]:
    """Runs the rows; without a folder of baselines there is nothing to differ from."""
    cases = read_cases(manifest, quick=quick)
    known = [baseline.load(baselines, case) if baselines else None for case in cases]
    with rows_progress(console, "starting") as begin:
        found = Experiment(measure, Figures, KEPT / "rows").rows(cases, jobs, begin(len(cases)))
    return [_verdict(row, was) for row, was in zip(found, known, strict=True)]


def _verdict(row: Row[Case, Figures], was: baseline.Baseline | None) -> Verdict:
    found = changes(was.figures, row.figures) if was and row.figures else []
    return Verdict(row.case, row.figures, row.reason, was, tuple(found))


def _drop_others(baselines: Path, cases: Sequence[Case], console: Console) -> None:
    """Removes baselines of rows that the manifest no longer has."""
    names = {f"{case.name}.json" for case in cases}
    for path in sorted(baselines.glob("*.json")):
        if path.name not in names:
            path.unlink()
            console.print(f"removed {path}", markup=False)

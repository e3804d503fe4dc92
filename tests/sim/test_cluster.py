# SPDX-License-Identifier: Apache-2.0
"""Rows on a Dask cluster: a scheduler and two workers of this machine, one of which is killed half-way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import distributed
import pytest

from pyimc.errors import ToolError
from sim.cli import main
from sim.lab.rows import Experiment
from tests.sim import slow_rows
from tests.sim.slow_rows import Case, Figures

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A part of a cluster, which ends with the test."""
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "30s",
    }  # fmt: skip
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """The scheduler's address, and two workers of one thread each, which are not started again when they die."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        common = ["--scheduler-file", str(file), "--no-dashboard"]
        stack.enter_context(started("distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1", *common))
        until(lambda: file.is_file() and file.read_text().rstrip().endswith("}"), "the scheduler")
        worker = ["distributed.cli.dask_worker", *common, "--nthreads", "1", "--no-nanny", "--local-directory", "dask"]
        workers = [stack.enter_context(started(*worker)) for _ in range(2)]
        address = str(json.loads(file.read_text())["address"])
        with distributed.Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(2, timeout=60)
        yield address, workers


def until(holds: object, what: str) -> None:
    """Waits for it; fails after a minute."""
    assert callable(holds)
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def test_a_worker_that_dies_costs_only_its_row(cluster: tuple[str, list[subprocess.Popen[str]]]) -> None:
    address, workers = cluster
    experiment = Experiment(slow_rows.measure, Figures, Path("rows"))
    cases = [Case(number) for number in range(8)]

    def kill_one() -> None:
        victim = workers[0].pid
        until(lambda: any(f'"process": {victim}' in path.read_text() for path in Path("rows").glob("*.json")), "a row")
        before = set(Path("rows").glob(f"*.begun.{victim}"))
        until(lambda: {*Path("rows").glob(f"*.begun.{victim}")} - before, "a row under way on the first worker")
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    told: list[int] = []
    rows = experiment.rows(cases, address, told.append)
    killer.join()
    assert [row.figures.square for row in rows if row.figures] == [number**2 for number in range(8)]
    assert told == list(range(9))
    assert {row.figures.process for row in rows if row.figures} == {worker.pid for worker in workers}
    begun = [path.name.split(".")[0] for path in Path("rows").glob("*.begun.*")]
    assert len(begun) - len(set(begun)) == 1, "one row was begun twice, no other"
    assert experiment.rows(cases, "tcp://127.0.0.1:1") == rows, "what is kept needs no cluster"


def test_a_row_that_kills_workers_is_told_and_the_others_are_kept(
    cluster: tuple[str, list[subprocess.Popen[str]]],
) -> None:
    address, _ = cluster
    experiment = Experiment(slow_rows.deadly, Figures, Path("rows"))
    with (
        started("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
        pytest.raises(ToolError, match="1 of 3 killed their workers"),
    ):
        experiment.rows([Case(0), Case(1), Case(2)], address)
    assert {path.name for path in Path("rows").glob("*.json")} == {"row0.json", "row2.json"}


def test_what_a_row_raises_is_raised(cluster: tuple[str, list[subprocess.Popen[str]]]) -> None:
    with pytest.raises(ValueError, match=r"row [01]"):
        Experiment(slow_rows.wrong, Figures, Path("rows")).rows([Case(0), Case(1)], cluster[0])


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "127.0.0.1:notaport"])
def test_no_scheduler_is_one_line(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sim.lab.workers.CONNECT_SECONDS", 2)
    Path("regress.yaml").write_text("rows: [{models: [digits], levels: [golden], images: 1}]")
    assert main(["regress", "--scheduler", address]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"pyimc: scheduler {address}: cannot be reached")
    assert told.count("\n") == 1

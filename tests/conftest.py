# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: random ones are replayable, and a run in which nothing ran has failed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings

# The same examples on every machine and in every run. To look for new ones: `pytest --hypothesis-profile explore`,
# which prints what `@reproduce_failure` needs.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("repeatable")

_ran: Counter[str] = Counter()


def pytest_report_header(config: pytest.Config) -> str:
    """Says how random tests were seeded."""
    return f"hypothesis: derandomize={settings().derandomize}; cocotb: seeds are in the tests' names and messages"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Counts the tests whose body was entered (with xdist: as the workers report them)."""
    if report.when == "call" and not report.skipped:
        _ran["call"] += 1


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turns "all skipped" into a failure."""
    worker = hasattr(session.config, "workerinput")
    if exitstatus == 0 and not _ran["call"] and not worker and not session.config.option.collectonly:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

"""Runs a tool so that nothing of it outlives us: it is the head of a process group that ends with us."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

POLL_SECONDS = 0.25


def run_tool(
    command: Sequence[str],
    folder: Path,
    log: Path,
    environment: Mapping[str, str] | None = None,
    poll: Callable[[], None] = lambda: None,
) -> int:
    """Runs a command to its end; returns its exit code, negative for a signal.

    A Ctrl-C at the terminal reaches us only; whatever ends the wait kills the group, so that no simulator waits at a
    prompt of its own and no compiler goes on without its make.

    Args:
        command: Program and arguments.
        folder: Its current directory.
        log: What it says is added here.
        environment: All variables; None for ours.
        poll: Called now and then while it runs.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        while True:
            try:
                return process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                poll()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise

"""sim.lab.workers: processes that do not outlive the one that started them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

START = """
import os
import time
from sim.lab.workers import processes

if __name__ == "__main__":
    pool = processes(2)
    there = set()
    while len(there) < 2:  # one that is still starting is not ours yet
        there |= {each.result() for each in [pool.submit(os.getpid) for _ in range(8)]}
    both = [pool.submit(time.sleep, 600) for _ in range(2)]
    while not all(one.running() for one in both):
        time.sleep(0.01)
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("send", "how"),
    [(os.kill, signal.SIGTERM), (os.kill, signal.SIGKILL), (os.killpg, signal.SIGINT)],
    ids=["terminated", "killed", "Ctrl-C"],
)
def test_workers_end_with_the_process_that_started_them(
    send: Callable[[int, signal.Signals], None], how: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        send(process.pid, how)
        said = process.communicate(timeout=60)[1]  # comes back when none is left that could still write
        assert process.returncode
        assert said.count("Traceback") == (how == signal.SIGINT), "that of this process, none of the workers"

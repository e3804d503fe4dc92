"""Where `pyimc` begins: what ends the process from outside ends it with one line and the documented exit code."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


def main() -> int:
    """The command line of this process; returns its exit code (see `sim.cli.main`)."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        from sim.cli import main as command  # a Ctrl-C may come while half a second of imports runs

        return command()
    except KeyboardInterrupt:
        print("pyimc: interrupted", file=sys.stderr)
        # CPython remembers an interrupt that came through `exec` of a text (dataclasses are made so) until the next
        # such call ends well; if it is still remembered at exit, the process ends by the signal, without this code.
        exec("")
        return INTERRUPTED


def _terminate(number: int, frame: object) -> NoReturn:
    """Ends as after a Ctrl-C: what was started is ended, too."""
    print("pyimc: terminated", file=sys.stderr)
    sys.exit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())

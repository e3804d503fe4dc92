"""The line that is redrawn while the RTL runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """Leaves it to the command line, which has an exit code for it."""
        raise BrokenPipeError


def terminal() -> Console:
    """Prints names as they are: no markup, no emoji, nothing cut off."""
    return _Terminal(highlight=False, soft_wrap=True, markup=False, emoji=False)


@contextmanager
def progress_line(console: Console) -> Iterator[Callable[[dict[str, object]], None]]:
    """Yields a function that takes the bench's progress and shows image, cycle, cycles per second and time left."""
    with Status("preparing", console=console) as status:
        line = _Line(status)
        yield line.show


class _Line:
    def __init__(self, status: Status) -> None:
        self.status = status
        self.begin = self.cycle = 0.0

    def show(self, progress: dict[str, object]) -> None:
        """Redraws when the cycle has changed."""
        cycle, images = float(str(progress["cycle"])), int(str(progress["images"]))
        if cycle == self.cycle:
            return
        self.begin = self.begin or time.monotonic() - 0.5
        self.cycle = cycle
        rate = cycle / (time.monotonic() - self.begin)
        left = max(0.0, float(str(progress["expected_cycles"])) - cycle) / rate
        done = int(str(progress["finished"]))
        self.status.update(
            f"image {min(done + 1, images)}/{images}, cycle {cycle:.0f}, {rate:.0f} cycles/s, {left:.0f} s left"
        )

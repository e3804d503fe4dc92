"""What is said while one waits: a line that is redrawn at a terminal, a line for every finished row elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.status import Status

from mapping.placement.watch import watched

Progress = Callable[[dict[str, object]], None]
"""Takes what the bench writes as `progress.json`, or what `planning` says."""


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """Leaves it to the command line, which has an exit code for it."""
        raise BrokenPipeError


def terminal(*, aside: bool = False) -> Console:
    """Prints names as they are: no markup, no emoji, nothing cut off; `aside`, where errors go."""
    return _Terminal(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=aside)


@contextmanager
def progress_line(console: Console) -> Iterator[Progress]:
    """Yields a function that takes the progress of planning and of the bench, and shows it with the time left."""
    with Status("preparing", console=console) as status:
        line = _Line(status)
        yield line.show


def planning(progress: Progress) -> AbstractContextManager[None]:
    """Inside, a strategy that searches says how many plans have run, and how many will at most."""
    return watched(lambda done, most: progress({"plans": done, "plans_at_most": most}))


@contextmanager
def rows_progress(console: Console, first: str) -> Iterator[Callable[..., Callable[[int], None]]]:
    """Yields a function from a number of rows to what is told how many are done; it says how long the others will take.

    At a terminal the line is redrawn; elsewhere there is a line whenever a row is finished.
    """
    with console.status(first) as status:
        show = status.update if console.is_terminal else console.print

        def begin(rows: int, what: str = "rows") -> Callable[[int], None]:
            start, known = time.monotonic(), -1

            def say(done: int) -> None:
                nonlocal known
                known = done if known < 0 else known
                seconds = time.monotonic() - start
                each = seconds / max(1, done - known)  # of this call: those before it were kept
                left = f", {each * (rows - done):.0f} s left" if known < done < rows else ""
                show(f"{done} of {rows} {what}, {seconds:.0f} s{left}")

            return say

        yield begin


def plans_line(progress: Mapping[str, object], seconds: float) -> str:
    """How far a strategy that searches is, after so many seconds."""
    done, most = int(str(progress["plans"])), int(str(progress["plans_at_most"]))
    left = f" of at most {most}, {seconds / done * (most - done):.0f} s left at most" if most > done else ""
    return f"planning: {done} plans run{left}"


class _Line:
    def __init__(self, status: Status) -> None:
        self.status = status
        self.begin = self.cycle = 0.0
        self.planning = time.monotonic()

    def show(self, progress: dict[str, object]) -> None:
        """Redraws, in a run when the cycle has changed."""
        if "plans" in progress:
            self.status.update(plans_line(progress, time.monotonic() - self.planning))
            return
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

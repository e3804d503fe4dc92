"""Who does the work of the laboratory: processes of this machine, or the workers of a Dask cluster.

Work is a function of a module and its arguments, one call after the other or many at once; what it leaves in files it
leaves in the folder in which it was started, which the machines of a cluster share.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from pyimc.errors import ToolError

Workers = int | str
"""How many processes here, or the address of a Dask scheduler."""

CONNECT_SECONDS = 10
R = TypeVar("R")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """The arguments of a command that has work for several; `chosen_workers` reads them."""
    parser.add_argument("--jobs", type=_count, default=2, help="processes on this machine (2)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that works instead, tcp://host:8786")


def chosen_workers(parsed: argparse.Namespace) -> Workers:
    """What the user wants."""
    workers: Workers = parsed.scheduler or parsed.jobs
    return workers


def finished(call: Callable[..., R], work: Sequence[tuple[Any, ...]], workers: Workers) -> Iterator[tuple[int, R]]:
    """Calls with every tuple of arguments; yields its index and what it gave as soon as it is there.

    Raises:
        Exception: What a call raises.
        ToolError: The scheduler cannot be reached; or, when all others are finished, calls whose workers died.
    """
    if not work:
        return
    if isinstance(workers, str):
        yield from _on_cluster(call, work, workers)
    elif workers == 1 or len(work) < 2:
        for index, arguments in enumerate(work):
            yield index, call(*arguments)
    else:
        yield from _in_processes(call, work, workers)


def processes(jobs: int) -> ProcessPoolExecutor:
    """A pool of so many processes. None goes on after the one that has started it, however that ended."""
    return ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin)


def _in_processes(call: Callable[..., R], work: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[tuple[int, R]]:
    with processes(jobs) as pool:
        futures: dict[Future[R], int] = {pool.submit(call, *each): index for index, each in enumerate(work)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool:
            raise ToolError("a process died; start it again with fewer --jobs: what was finished is kept") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _on_cluster(call: Callable[..., R], work: Sequence[tuple[Any, ...]], address: str) -> Iterator[tuple[int, R]]:
    """The scheduler gives the work of a worker that dies to another one; what kills several of them is given up."""
    import distributed  # a second that nobody else waits for

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its troubles end as one line of ours
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ToolError(f"scheduler {address}: cannot be reached ({reason}); start it with: dask scheduler") from None
    lost = 0
    with client:
        here = str(Path.cwd())
        indices = {client.submit(_there, here, call, *each, pure=False): index for index, each in enumerate(work)}
        for future in distributed.as_completed(list(indices)):  # type: ignore[no-untyped-call]
            fault = future.exception()
            if isinstance(fault, distributed.KilledWorker):
                lost += 1
            elif fault is not None:
                raise fault
            else:
                yield indices[future], future.result()
    if lost:
        raise ToolError(f"{lost} of {len(work)} killed their workers; start it again: what was finished is kept")


def _there(folder: str, call: Callable[..., R], *arguments: Any) -> R:
    """On a worker."""
    os.chdir(folder)
    return call(*arguments)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"got '{text}', must be a whole number, 1 or more")
    return int(text)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a worker at once and without a word
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

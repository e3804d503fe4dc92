"""Lets somebody who waits for a search see how far it is, without an argument of every strategy.

A strategy announces how many plans it will run at most (`expect`); `placement.search` says when one has run (`step`);
whoever waits hears of both (`watched`). Without a watcher nothing happens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

Say = Callable[[int, int], None]


@dataclass(slots=True)
class _Search:
    say: Say
    done: int = 0
    most: int = 0


_search: ContextVar[_Search | None] = ContextVar("search", default=None)


@contextmanager
def watched(say: Say) -> Iterator[None]:
    """Inside, `say` hears after every plan how many have run, and how many there will be at most (0 if unknown)."""
    token = _search.set(_Search(say))
    try:
        yield
    finally:
        _search.reset(token)


def expect(plans: int) -> None:
    """So many plans will run at most, from now on."""
    search = _search.get()
    if search:
        search.most = search.done + plans


def step() -> None:
    """A plan has run, or is known not to be worth it."""
    search = _search.get()
    if search:
        search.done += 1
        search.say(search.done, max(search.done, search.most))

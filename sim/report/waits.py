"""Who waited how long for whom, and what sets the rate: sums over the timeline of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pyimc.program import HOST
from sim.report.timeline import ActorLine, Timeline, Wait

Cause = Literal["load", "ring", "host", "cycle"]


@dataclass(frozen=True, slots=True)
class Waited:
    """Cycles in which a PU's engine read nothing, as the next firing, one of `actor`, lacked something.

    Attributes:
        actor: Whose firings.
        node: Its PU.
        wait: What they lacked.
        other: The producer of the words, the consumer that had no room; "" for the issue itself.
        cycles: How many.
        share: Of the span that was looked at.
    """

    actor: str
    node: int
    wait: Wait
    other: str
    cycles: int
    share: float

    def __str__(self) -> str:
        what = {"input": f"words from {self.other}", "room": f"room at {self.other}", "issue": "its issue"}
        return (
            f"{self.actor} (PU {self.node}) waited {self.cycles} cycles ({self.share:.1%}) for {what[self.wait.kind]}"
        )


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What sets the rate, with its evidence.

    Attributes:
        node: The PU that is busiest.
        reading: Share of the span in which its engine reads.
        sentence: For people.
        chain: From that PU back to a cause: who waited for whom, then the cause.
        cause: Its kind.
        channel: For "ring": the channel that is too small.
    """

    node: int
    reading: float
    sentence: str
    chain: tuple[str, ...]
    cause: Cause
    channel: str = ""


def span(line: Timeline) -> tuple[int, int]:
    """The cycles of a window that count: the chip is full, as the first image has left and the last is yet to enter.

    All of the window, if that is less than a quarter of it.
    """
    measured = line.measured
    start = next(iter(measured.last_cycles), line.end)
    end = min([line.end, *measured.first_cycles[-1:]])
    return (start, end) if end - start >= line.end // 4 else (0, line.end)


def waits(line: Timeline) -> list[Waited]:
    """Every wait of the span, the longest first."""
    start, end = span(line)
    found = []
    for actor in line.actors.values():
        inside = (actor.issue > start) & (actor.issue <= end)
        totals = np.bincount(actor.cause[inside], actor.waited[inside], len(actor.causes)).astype(int).tolist()
        for wait, cycles in zip(actor.causes, totals, strict=True):
            if cycles:
                found.append(_waited(line, actor, wait, cycles, cycles / max(1, end - start)))
    return sorted(found, key=lambda each: (-each.cycles, each.actor))


def _waited(line: Timeline, actor: ActorLine, wait: Wait, cycles: int, share: float) -> Waited:
    other = ""
    if wait.kind != "issue":
        channel = line.program.channel(wait.channel)
        other = channel.producer if wait.kind == "input" else channel.consumer
    return Waited(actor.actor.name, actor.actor.node, wait, other, cycles, share)


def reading_shares(line: Timeline) -> dict[int, float]:
    """Share of the span in which the engine of a PU reads the inputs of some firing."""
    start, end = span(line)
    cycles: Counter[int] = Counter(dict.fromkeys(line.program.pus, 0))
    for actor in line.actors.values():
        known = (actor.done > start) & (actor.done <= end)
        begin = np.maximum(actor.issue[known], start + 1)
        cycles[actor.actor.node] += int((actor.done[known] - begin + 1).sum())
    return {node: count / max(1, end - start) for node, count in sorted(cycles.items())}


def bottleneck(line: Timeline) -> Bottleneck:
    """The PU that reads most of the time, and why it does not read all of the time."""
    shares = reading_shares(line)
    node = max(shares, key=lambda unit: shares[unit])
    hosted = [actor.actor for actor in line.actors.values() if actor.actor.node == node]
    names = max(hosted, key=lambda actor: actor.cycles).name + (f" and {len(hosted) - 1} more" * (len(hosted) > 1))
    load, steady = sum(actor.cycles for actor in hosted), line.measured.steady
    found = waits(line)
    own = [each for each in found if each.node == node and each.wait.kind != "issue"]
    takes = f"PU {node} sets the rate: {names}, {load:,} cycles an image"
    if steady and steady.interval and load > FULL * steady.interval:  # images that end together: a faulty run
        sentence = f"{takes}, {load / steady.interval:.1%} of the interval of {steady.interval:,}."
        return Bottleneck(node, shares[node], sentence, (), "load")
    if sum(each.share for each in own) < LITTLE:
        sentence = f"{takes}; its engine reads {shares[node]:.1%} of the time."
        return Bottleneck(node, shares[node], sentence, (), "load")
    chain, cause, channel = _walk(line, shares, found, own[0])
    kind = {"input": "input-bound", "room": "room-bound"}[own[0].wait.kind]
    beside = f" of an interval of {steady.interval:,}" if steady else ""
    sentence = f"{takes}{beside}; it is {kind} {own[0].share:.1%} of the time, because {chain[-1]}."
    return Bottleneck(node, shares[node], sentence, (str(own[0]), *chain), cause, channel)


FULL, LITTLE = 0.97, 0.02
"""A load that is so much of the interval, or an engine that waits so little of the time, is held up by nobody."""


def _walk(line: Timeline, shares: dict[int, float], found: list[Waited], wait: Waited) -> tuple[list[str], Cause, str]:
    """From a wait back to what causes it."""
    chain: list[str] = []
    seen = {wait.actor}
    while True:
        if wait.other == HOST:
            what = "sends images no faster" if wait.wait.kind == "input" else "takes results no faster"
            return [*chain, f"the host {what}"], "host", ""
        other = line.actors[wait.other].actor
        if shares[other.node] > FULL:
            return [*chain, f"PU {other.node} with {other.name} reads {shares[other.node]:.1%} of the time"], "load", ""
        next_waits = [each for each in found if each.actor == other.name and each.wait.kind != "issue"]
        sharers = [each for each in line.actors.values() if each.actor.node == other.node]
        if not next_waits:
            busy = f"PU {other.node}, {shares[other.node]:.1%} reading, has {len(sharers)} actors to serve"
            return [*chain, busy], "load", ""
        following = next_waits[0]
        small = wait.wait.kind == "room" and following.wait.kind == "input" and following.other != wait.actor
        if small:
            text = f"{other.name} itself waits for {following.other}, and the ring from {wait.actor} is full meanwhile"
            return [*chain, str(following), text], "ring", wait.wait.channel
        if following.actor in seen:
            text = f"{following.actor} and {following.other} wait for each other in turn: every ring is just too small"
            return [*chain, text], "cycle", following.wait.channel
        chain.append(str(following))
        seen.add(following.actor)
        wait = following

"""Why a run is not faster: from the busiest PU back to a cause, and what each lever brings, measured.

A lever is released in the cycle model, whose cycles are those of the RTL, with the placement as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from mapping.actors.cost import engine_cycles
from mapping.placement.fixed import replanned
from mapping.placement.ledger import Options, Priority
from pyimc.arch import arch_from_dict
from pyimc.cycle.model import simulate
from pyimc.errors import ImcError
from pyimc.program import Program
from sim.report.timeline import MARGIN_EVENTS, WINDOW_EVENTS, Timeline, timeline
from sim.report.waits import Bottleneck, Waited, bottleneck, waits

MEMORY_WORDS = 65535
"""The most that an architecture may have."""
IMAGES = 16
SHOWN_WAITS = 8


@dataclass(frozen=True, slots=True)
class Lever:
    """Something that could be otherwise.

    Attributes:
        name: For people.
        advice: What to try: an option, or a key of the architecture.
        options: Of the compiler.
        arch: Keys of the architecture that change; a nested one as "crossbar.adcs".
        possible: No chip can have it as it is; it is a limit of what more of it brings.
    """

    name: str
    advice: str
    options: Options
    arch: dict[str, int]
    possible: bool = True


@dataclass(frozen=True, slots=True)
class Gain:
    """What a lever brought: interval and latency in cycles, or why it could not be pulled."""

    lever: Lever
    interval: int
    latency: int
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of a Program's rate.

    Attributes:
        interval: As it is, of `images` images.
        latency: As it is.
        bottleneck: The walk from the busiest PU.
        resource: What of its engine's layer takes longest: "gather", "conversion", "vector engine".
        waits: The longest.
        gains: The levers, the one that brings most first.
    """

    interval: int
    latency: int
    bottleneck: Bottleneck
    resource: str
    waits: list[Waited]
    gains: list[Gain]


def explain(program: Program, images: int = IMAGES, say: Callable[[str], None] = lambda line: None) -> Explanation:
    """Explains a Program.

    Args:
        program: Any.
        images: How many each lever is measured with; 4 or more, so that there is an interval.
        say: Told of every lever before it is measured.
    """
    line = observed(program, images)
    steady, latency = line.measured.steady, line.measured.latency
    assert steady is not None and latency is not None
    found = bottleneck(line)
    gains = []
    for lever in levers(program):
        say(f"measuring: {lever.name}")
        gains.append(pulled(program, lever, images))
    gains.sort(key=lambda gain: (bool(gain.refusal), gain.interval, gain.latency))
    longest = [each for each in waits(line) if each.wait.kind != "issue"][:SHOWN_WAITS]
    return Explanation(steady.interval, latency, found, resource(line, found.node), longest, gains)


def observed(program: Program, images: int) -> Timeline:
    """The timeline of a run on the cycle model."""
    return timeline(program, simulate(program, images, WINDOW_EVENTS + MARGIN_EVENTS, words=False))


def levers(program: Program) -> Iterator[Lever]:
    """What could be otherwise, for this Program."""
    options, arch = program.origin.options, program.arch
    slack = int(options.get("slack_rows", 2))
    yield Lever("more slack in the rings", f"--option slack_rows={slack + 4}", {"slack_rows": slack + 4}, {})
    memories = {"activation_words": MEMORY_WORDS, "partial_words": MEMORY_WORDS}
    yield Lever("rings without a limit", "more activation_words, more slack_rows", {"slack_rows": 64}, memories, False)
    for rule in get_args(Priority):
        if rule != options.get("priority", "output"):
            yield Lever(f"priority {rule}", f"--option priority={rule}", {"priority": rule}, {})
    for grain in ("row", 8, 4):
        if grain != options.get("grain", "row"):
            yield Lever(f"grain {grain}", f"--option grain={grain}", {"grain": grain}, {})
    packet = min(64, 4 * arch.packet_words)
    yield Lever("longer packets: fewer heads on the links", f"packet_words: {packet}", {}, {"packet_words": packet})
    depth = min(256, 8 * arch.mesh.fifo_depth)
    yield Lever("deeper router fifos: links that jam less", f"mesh.fifo_depth: {depth}", {}, {"mesh.fifo_depth": depth})
    adcs = min(arch.crossbar.outputs, 2 * arch.crossbar.adcs)
    if adcs > arch.crossbar.adcs:
        yield Lever("twice the ADCs: conversion", f"crossbar.adcs: {adcs}", {}, {"crossbar.adcs": adcs})
    if arch.word_bits < 256:
        wider = {"word_bits": 2 * arch.word_bits}
        yield Lever("words of twice the width: gather, drain, links", f"word_bits: {2 * arch.word_bits}", {}, wider)


def pulled(program: Program, lever: Lever, images: int) -> Gain:
    """Measures a lever."""
    said: dict[str, Any] = program.arch.model_dump(mode="json")
    for key, value in lever.arch.items():
        *path, last = key.split(".")
        inner = said
        for part in path:
            inner = inner[part]
        inner[last] = value
    try:
        other = replanned(program, arch_from_dict(said, program.arch.name), lever.options)
        run = simulate(other, images)
    except ImcError as error:
        return Gain(lever, 0, 0, str(error)[:160])
    steady = run.steady
    if run.deadlock or steady is None or run.latency is None:
        return Gain(lever, 0, 0, "deadlock")
    return Gain(lever, steady.interval, run.latency)


def resource(line: Timeline, node: int) -> str:
    """What takes longest in the largest actor of a PU."""
    hosted = [actor.actor for actor in line.actors.values() if actor.actor.node == node]
    largest = max(hosted, key=lambda actor: actor.cycles)
    if largest.kind != "imc":
        return f"{largest.kind} engine"
    task = line.graph.nodes[largest.name].task
    front, work = engine_cycles(task, line.program.arch, line.graph.nodes[largest.name].firings)
    return "gather" if front >= work else "conversion and drain"


def lines(found: Explanation) -> Iterator[str]:
    """An explanation for the terminal."""
    yield f"interval {found.interval}, latency {found.latency} cycles, on the cycle model"
    yield f"{found.bottleneck.sentence} Its engine is bound by: {found.resource}."
    yield from (f"  because {step}" for step in found.bottleneck.chain)
    yield "longest waits:"
    yield from (f"  {each}" for each in found.waits)
    yield "levers, each measured with the placement as it is:"
    for gain in found.gains:
        if gain.refusal:
            yield f"  {gain.lever.name}: not possible: {gain.refusal}"
            continue
        rate, late = found.interval / gain.interval - 1, gain.latency / found.latency - 1
        limit = "" if gain.lever.possible else " (a limit)"
        yield f"  {rate:+7.1%} rate, {late:+7.1%} latency: {gain.lever.name}{limit}; try {gain.lever.advice}"
    if found.gains and max((found.interval / g.interval for g in found.gains if not g.refusal), default=1) < 1.01:
        yield "  none brings a percent of rate: it is the load; try another strategy, more PUs, or --option split="

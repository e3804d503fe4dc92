"""A run as a Chrome trace, for Perfetto (https://ui.perfetto.dev) or any other viewer: `trace.json.gz`.

One microsecond of the trace is one cycle. Processes of the trace:

chip    a track per PU: firings, and the waits between them with their causes; arrows from the firing that sent the last
        words that a firing needed. Beyond `MOST_FIRINGS` there are only the tracks of the images
images  a track per actor: from the first issue of an image to the last cycle in which inputs were read for it
plan    the same as the compiler sees it: the first image alone on the chip, the others at the largest load's distance
rings   words in every ring, the most in each of `BINS` spans
links   flits per cycle on every link, the mean of each span
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mapping.placement.bounds import planned_firings
from pyimc.program import HOST
from pyimc.routing import route
from sim.report.timeline import ActorLine, ChannelLine, Timeline, Wait
from sim.run.files import write_bytes
from sim.run.result import largest_load

MOST_FIRINGS = 10_000
"""That are shown one by one."""
BINS = 250
"""Samples of a counter."""
CHIP, IMAGES, PLAN, RINGS, LINKS = range(1, 6)

Event = dict[str, Any]


def write_trace(line: Timeline, path: Path) -> None:
    """Writes a trace in one step; the same events give the same bytes."""
    text = json.dumps(trace(line), separators=(",", ":"))
    write_bytes(path, gzip.compress(text.encode(), 6, mtime=0))


def trace(line: Timeline) -> dict[str, Any]:
    """The trace as JSON; `otherData` says what it leaves out."""
    shown = detailed_until(line, MOST_FIRINGS)
    events = [
        *_names(line), *_firings(line, shown), *_images(line), *_plan(line), *_rings(line), *_links(line),
    ]  # fmt: skip
    firings = sum(len(actor.issue) for actor in line.actors.values())
    said = {
        "model": line.program.network.name,
        "arch": line.program.arch.name,
        "unit": "1 us is 1 cycle",
        "events": f"cycles 1 to {line.end} of {line.measured.cycles_total}",
        "firings": f"{firings}, one by one up to cycle {shown}, by image up to cycle {line.end}",
    }
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": said}


def detailed_until(line: Timeline, most: int) -> int:
    """The last cycle up to which firings are shown one by one."""
    issues = np.sort(np.concatenate([actor.issue for actor in line.actors.values()]))
    return int(issues[most]) - 1 if len(issues) > most else line.end


def says(line: Timeline, wait: Wait) -> str:
    """A cause for people."""
    if wait.kind == "issue":
        return "issue"
    channel = line.program.channel(wait.channel)
    if wait.kind == "input":
        return f"input from {channel.producer}"
    return f"room at {channel.consumer}"


def _names(line: Timeline) -> Iterator[Event]:
    processes = {CHIP: "chip", IMAGES: "images", PLAN: "plan", RINGS: "rings, words", LINKS: "links, flits/cycle"}
    for process, name in processes.items():
        yield {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": name}}
        yield {"ph": "M", "name": "process_sort_index", "pid": process, "tid": 0, "args": {"sort_index": process}}
    for node in line.program.pus:
        kind = line.program.arch.kinds[node]
        yield _thread(CHIP, node, f"PU {node:02d} {kind}")
    for index, (name, actor) in enumerate(line.actors.items()):
        for process in (IMAGES, PLAN):
            yield _thread(process, index + 1, f"{name} (PU {actor.actor.node})")


def _thread(process: int, number: int, name: str) -> Event:
    return {"ph": "M", "name": "thread_name", "pid": process, "tid": number, "args": {"name": name}}


def _firings(line: Timeline, until: int) -> Iterator[Event]:
    flow = 0
    operators = {name: type(line.graph.nodes[name].operator).__name__ for name in line.actors}
    for name, actor in line.actors.items():
        node = actor.actor.node
        waits = [says(line, wait) for wait in actor.causes]
        producers = [line.program.channel(channel).producer for channel in actor.actor.inputs]
        columns = zip(
            actor.issue.tolist(), actor.done.tolist(), actor.idle_from.tolist(), actor.cause.tolist(), strict=True
        )
        for firing, (issue, done, idle_from, cause) in enumerate(columns):
            if issue > until:
                break
            image, row = actor.place(firing)
            if issue > idle_from:
                yield {
                    "ph": "X", "cat": "wait", "name": f"wait: {waits[cause]}", "pid": CHIP, "tid": node,
                    "ts": idle_from, "dur": issue - idle_from, "args": {"of": name, "kind": actor.causes[cause].kind},
                }  # fmt: skip
            end = done + 1 if done >= 0 else line.end
            yield {
                "ph": "X", "cat": "firing", "name": name, "pid": CHIP, "tid": node, "ts": issue, "dur": end - issue,
                "args": {"operator": operators[name], "image": image, "row": row, "firing": firing},
            }  # fmt: skip
            for producer, fed_by in zip(producers, actor.fed_by, strict=True):
                sender = int(fed_by[firing])
                if producer == HOST or sender < 0:
                    continue
                sent = line.actors[producer]
                flow += 1
                where = {"cat": "words", "name": "words", "id": flow, "pid": CHIP}
                yield {"ph": "s", "tid": sent.actor.node, "ts": int(sent.issue[sender])} | where
                yield {"ph": "f", "bp": "e", "tid": node, "ts": issue} | where


def spans(actor: ActorLine) -> Iterator[tuple[int, int, int, int]]:
    """Per image of the window: its number, first issue, last cycle of reading, and the cycles between."""
    for image, first in enumerate(range(0, len(actor.issue), actor.per_image)):
        done = actor.done[first : first + actor.per_image]
        known = done[done >= 0]
        if len(known):
            issue = actor.issue[first : first + len(known)]
            yield image, int(issue[0]), int(known[-1]), int((known - issue + 1).sum())


def _images(line: Timeline) -> Iterator[Event]:
    for index, actor in enumerate(line.actors.values()):
        for image, first, last, busy in spans(actor):
            yield {
                "ph": "X", "cat": "image", "name": f"image {image}", "pid": IMAGES, "tid": index + 1, "ts": first,
                "dur": last + 1 - first, "args": {"reading_cycles": busy},
            }  # fmt: skip


def _plan(line: Timeline) -> Iterator[Event]:
    starts, ends = planned_firings(line.graph, line.program.arch)
    period = largest_load(line.program)
    for index, (name, actor) in enumerate(line.actors.items()):
        first, last = starts[name][0], ends[name][-1]
        for image in range(len(line.measured.first_cycles)):
            if first + image * period > line.end:
                break
            yield {
                "ph": "X", "cat": "plan", "name": f"image {image}", "pid": PLAN, "tid": index + 1,
                "ts": first + image * period, "dur": last - first,
                "args": {"engine_cycles": actor.actor.cycles},
            }  # fmt: skip


def bin_cycles(line: Timeline, bins: int = BINS) -> int:
    """Length of a counter's span."""
    return max(1, -(-line.end // bins))


def _rings(line: Timeline) -> Iterator[Event]:
    step = bin_cycles(line)
    for name, ring in line.channels.items():
        before = -1
        for index, words in enumerate(highest_fill(ring, step, line.end).tolist()):
            if words != before:
                yield {
                    "ph": "C", "name": name, "pid": RINGS, "tid": 0, "ts": index * step,
                    "args": {"words": words},
                }  # fmt: skip
            before = words


def highest_fill(ring: ChannelLine, step: int, end: int) -> Any:
    """int64 [spans]: the most words in a ring in each span of `step` cycles, from cycle 0 to `end`."""
    edges = np.arange(0, end + 1, step)
    at = np.searchsorted(ring.fill_cycles, edges)
    carried = np.where(at > 0, ring.fill_words[np.maximum(at - 1, 0)], 0) if len(ring.fill_words) else 0 * at
    found = carried.copy()
    inside = ring.fill_cycles <= end
    np.maximum.at(found, ring.fill_cycles[inside] // step, ring.fill_words[inside])
    return found


def link_load(line: Timeline, step: int) -> dict[tuple[int, int], Any]:
    """int64 [spans] for every link between two routers: flits of the packets that arrived in each span."""
    nodes = {actor.actor.name: actor.actor.node for actor in line.actors.values()} | {HOST: line.program.arch.host}
    found: dict[tuple[int, int], Any] = {}
    for ring in line.channels.values():
        way = route(line.program.arch.mesh.columns, nodes[ring.channel.producer], ring.channel.node)
        flits = np.bincount(ring.arrivals // step, ring.sizes + 1, line.end // step + 1).astype(np.int64)
        for link in pairwise(way):
            found[link] = found.get(link, 0) + flits
    return dict(sorted(found.items()))


def _links(line: Timeline) -> Iterator[Event]:
    step = bin_cycles(line)
    for (source, target), flits in link_load(line, step).items():
        before = -1
        for index, count in enumerate(flits.tolist()):
            if count != before:
                yield {
                    "ph": "C", "name": f"{source:02d} to {target:02d}", "pid": LINKS, "tid": 0, "ts": index * step,
                    "args": {"flits/cycle": round(count / step, 4)},
                }  # fmt: skip
            before = count

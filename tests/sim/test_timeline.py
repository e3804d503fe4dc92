# SPDX-License-Identifier: Apache-2.0
"""The timeline of a run: it accounts for every cycle, agrees with the counters, and is the same at both levels."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapping.compile import compile_network
from pyimc.arch import load_arch
from pyimc.cycle.model import simulate
from pyimc.measurement import PU_STATES
from pyimc.program import HOST, Program
from pyimc.program_file import load
from pyimc.routing import route
from sim.report import timeline as lines
from sim.report import trace as traces
from sim.report.timeline import MARGIN_EVENTS, Timeline, link_flits, timeline
from sim.report.waits import bottleneck, reading_shares, span, waits
from sim.run.prepare import prepare
from tests.sim import small
from tests.sim.runs import pyimc

MOST_ISSUE_CYCLES = 4
"""Arrival or credit, scan, selection, issue."""


def programs() -> dict[str, Program]:
    """Shared units, rows in parts, partial sums, rings without slack."""
    digits = prepare("digits", 1, None).network
    tiny = load_arch("tiny")
    return {
        "digits": compile_network(digits, tiny),
        "digits, two pixels": compile_network(digits, tiny, "round_robin", {"grain": 2}),
        "no slack": compile_network(digits, tiny, "lblp", {"slack_rows": 0}),
        "short packets": compile_network(digits, tiny.model_copy(update={"packet_words": 2})),
        "partial sums": small.chain_program(),
    }


PROGRAMS = programs()


def line_of(program: Program, images: int = 5) -> Timeline:
    """Of a run on the cycle model."""
    return timeline(program, simulate(program, images, events=200_000))


@pytest.fixture(params=PROGRAMS)
def line(request: pytest.FixtureRequest) -> Timeline:
    return line_of(PROGRAMS[request.param])


def test_a_firing_is_issued_when_its_last_need_is_there_and_never_before(line: Timeline) -> None:
    """This knows every packet's size and every credit's worth, or it could not hold for every firing."""
    seen = Counter[str]()
    for actor in line.actors.values():
        late = actor.issue - actor.ready
        assert late.min() >= 1 and late.max() <= MOST_ISSUE_CYCLES, actor.actor.name
        seen.update(actor.causes[index].kind for index in actor.cause.tolist())
    assert seen["input"] > 10 and seen["issue"] > 5


def test_every_cycle_of_an_engine_is_reading_or_a_wait(line: Timeline) -> None:
    for node in line.program.pus:
        hosted = [actor for actor in line.actors.values() if actor.actor.node == node]
        reading = sum(int((actor.done - actor.issue + 1)[actor.done >= 0].sum()) for actor in hosted)
        waited = sum(int(actor.waited[actor.done >= 0].sum()) for actor in hosted)
        assert reading + waited == max(int(actor.done.max()) for actor in hosted)
        counts = line.measured.counters[str(node)]
        assert reading <= counts["busy"], "an engine that reads is busy"
        assert sum(counts[state] for state in PU_STATES) == line.measured.cycles_total


def test_rings_are_never_fuller_than_they_are_large(line: Timeline) -> None:
    for ring in line.channels.values():
        assert ring.fill_words.min() >= 0 and 0 < ring.peak <= ring.channel.size, ring.channel.name
    if line.program.origin.options["slack_rows"] == 0:
        full = [ring for ring in line.channels.values() if ring.peak == ring.channel.size == ring.least_words]
        assert full


def test_flits_of_the_links_are_those_that_the_chip_counts(line: Timeline) -> None:
    images, flits = len(line.measured.last_cycles), link_flits(line.program, line.graph)
    for node, counts in line.measured.counters.items():
        assert images * flits[int(node), int(node)] == counts["flits_out"], node
    host = line.program.arch.host
    assert images * flits[host, host] == line.measured.host_flits
    load = traces.link_load(line, 100)
    to_host = {
        link for channel in line.program.channels if channel.consumer == HOST
        for link in pairwise(
            route(line.program.arch.mesh.columns, line.program.actor(channel.producer).node, host)
        )
    }  # fmt: skip
    for link, counts in load.items():
        if link not in to_host:  # what the host receives is no event
            assert counts.sum() == images * flits[link], link


def test_the_busiest_unit_sets_the_rate() -> None:
    line = line_of(PROGRAMS["digits"], 40)
    shares = reading_shares(line)
    start, end = span(line)
    assert 0 < start < end < line.measured.cycles_total
    found = bottleneck(line)
    assert found.node == max(shares, key=lambda node: shares[node]) and shares[found.node] > 0.95
    assert found.cause == "load" and f"PU {found.node} sets the rate: conv3" in found.sentence
    total = Counter[int]()
    for each in waits(line):
        total[each.node] += each.cycles
    for node, share in shares.items():
        assert share + total[node] / (end - start) == pytest.approx(1, abs=0.03), node


def tables(contents: dict[str, Any]) -> sqlite3.Connection:
    """A trace in SQL: slices, counters, flows, tracks."""
    base = sqlite3.connect(":memory:")
    base.execute("create table slice (pid int, tid int, ts int, dur int, name text, cat text, args text)")
    base.execute("create table counter (pid int, ts int, name text, value real)")
    base.execute("create table flow (id int, ph text, tid int, ts int)")
    base.execute("create table track (pid int, tid int, name text)")
    for event in contents["traceEvents"]:
        match event["ph"]:
            case "X":
                row = [event[key] for key in ("pid", "tid", "ts", "dur", "name", "cat")]
                base.execute("insert into slice values (?,?,?,?,?,?,?)", [*row, json.dumps(event["args"])])
            case "C":
                (value,) = event["args"].values()
                base.execute("insert into counter values (?,?,?,?)", [event["pid"], event["ts"], event["name"], value])
            case "s" | "f":
                base.execute("insert into flow values (?,?,?,?)", [event[key] for key in ("id", "ph", "tid", "ts")])
            case "M":
                if event["name"] == "thread_name":
                    row = [event["pid"], event["tid"], event["args"]["name"]]
                    base.execute("insert into track values (?,?,?)", row)
            case other:
                raise AssertionError(f"phase {other}")
    return base


def test_the_trace_says_what_the_chip_counts(line: Timeline) -> None:
    base = tables(traces.trace(line))
    firings = dict(base.execute("select name, count(*) from slice where cat = 'firing' group by name"))
    assert firings == {name: len(actor.issue) for name, actor in line.actors.items()}
    for name, counts in line.measured.actors.items():
        assert firings[name] in (counts["firings"], counts["firings"] + 1), "one may have begun"
    overlaps = """select count(*) from slice a join slice b
                  on a.pid = b.pid and a.tid = b.tid and a.rowid < b.rowid
                  where a.cat in ('firing', 'wait') and b.cat in ('firing', 'wait')
                  and a.ts < b.ts + b.dur and b.ts < a.ts + a.dur"""
    assert base.execute(overlaps).fetchone() == (0,)
    assert base.execute("select count(*) from slice where dur < 0").fetchone() == (0,)
    arrows = base.execute("""select b.ts - a.ts from flow a join flow b on a.id = b.id
                             where a.ph = 's' and b.ph = 'f'""").fetchall()
    assert len(arrows) > 20 and min(arrows)[0] > 0, "words are sent before they are needed"
    for ph in "sf":
        loose = """select count(*) from flow left join slice on slice.tid = flow.tid and slice.cat = 'firing'
                   and slice.ts = flow.ts where flow.ph = ? and slice.ts is null"""
        assert base.execute(loose, [ph]).fetchone() == (0,)
    waiting = dict(base.execute("select name, sum(dur) from slice where cat = 'wait' group by name"))
    assert sum(waiting.values()) == sum(int(actor.waited.sum()) for actor in line.actors.values())
    peaks = dict(base.execute("select name, max(value) from counter where pid = ? group by name", [traces.RINGS]))
    assert peaks == {name: ring.peak for name, ring in line.channels.items()}
    most = base.execute("select max(value) from counter where pid = ?", [traces.LINKS]).fetchone()[0]
    assert 0 < most <= 1 + 20 / traces.bin_cycles(line), "a link moves a flit a cycle"
    plans = base.execute("select count(*), min(dur) from slice where cat = 'plan'").fetchone()
    assert plans[0] >= len(line.actors) and plans[1] > 0


def test_both_levels_write_the_same_trace(workspace: Path) -> None:
    for level in ("rtl", "cycle"):
        said = pyimc("sim", "--model", "digits", "--arch", "tiny", "--images", 3, "--level", level, "--trace")
        assert (said.code, said.err) == (0, "") and "trace.json.gz" in said.out
    ours, theirs = (Path(f"build/digits-tiny-lblp-{level}") for level in ("rtl", "cycle"))
    assert (ours / "trace.json.gz").read_bytes() == (theirs / "trace.json.gz").read_bytes()
    contents = json.loads(gzip.decompress((ours / "trace.json.gz").read_bytes()))
    assert contents["otherData"]["model"] == "digits"
    again = timeline(load(theirs / "program"), simulate(load(theirs / "program"), 3, events=100_000))
    assert contents == json.loads(json.dumps(traces.trace(again)))
    assert pyimc("sim", "--model", "digits", "--arch", "tiny", "--images", 3, "--level", "cycle").code == 0
    assert not (theirs / "trace.json.gz").exists(), "what is there is of this run"


def test_a_long_run_is_cut_to_a_window_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "WINDOW_EVENTS", 3_000)
    monkeypatch.setattr(traces, "MOST_FIRINGS", 100)
    program = PROGRAMS["digits"]
    whole = timeline(program, simulate(program, 30, events=300_000))
    short = timeline(program, simulate(program, 30, events=3_000 + MARGIN_EVENTS, words=False))
    assert traces.trace(whole) == traces.trace(short), "whether the log goes on or not"
    assert short.end < short.measured.cycles_total and not short.whole
    said = traces.trace(short)
    shown = sum(event.get("cat") == "firing" for event in said["traceEvents"])
    assert 90 <= shown <= 100, "the others are in the tracks of the images"
    assert said["otherData"]["events"] == f"cycles 1 to {short.end} of {short.measured.cycles_total}"
    assert np.all([actor.issue.max() <= short.end for actor in short.actors.values()])

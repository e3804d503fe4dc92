"""What changed from one run to another: in the plan, in the cycles, in the values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pyimc import program_file
from pyimc.errors import ConfigError
from pyimc.program import Program
from sim.report.explain import observed
from sim.run.folder import PROGRAM, RESULT
from sim.run.validation import compare

FIGURES = ("level", "images", "latency_cycles", "interval_cycles", "steady_latency_cycles", "cycles_total",
           "largest_load_cycles", "network_flits", "golden_top1", "rtl_top1")  # fmt: skip
SHOWN = 12


def read_run(folder: Path) -> tuple[Program, dict[str, Any]]:
    """Program and result of a finished run.

    Raises:
        ConfigError: There is none.
    """
    if not (folder / RESULT).is_file() or not (folder / PROGRAM).is_dir():
        raise ConfigError(f"{folder}: holds no finished run; give a folder such as build/digits-default-lblp-rtl")
    try:
        report: dict[str, Any] = json.loads((folder / RESULT).read_text())
    except ValueError:
        raise ConfigError(f"{folder / RESULT}: cannot be read; run the model again") from None
    return program_file.load(folder / PROGRAM), report


def diff(first: Path, second: Path) -> Iterator[str]:
    """Lines that say what changed; none if nothing did.

    Raises:
        ConfigError: A folder without a run.
    """
    (one, before), (other, after) = read_run(first), read_run(second)
    yield from _plan(one, other)
    yield from _cycles(before, after)
    if before["program_sha256"] == after["program_sha256"]:
        yield from _values(one, first, second)
    elif one.network.name == other.network.name:
        yield from _first_event(one, other)


def _changed(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    found = [f"{what} {name}: {before.get(name, 'none')} -> {after.get(name, 'none')}" for name in names[:SHOWN]]
    return found + ([f"{what}: {len(names) - SHOWN} more"] if len(names) > SHOWN else [])


def _flat(said: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in said.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found


def _plan(one: Program, other: Program) -> Iterator[str]:
    archs = [_flat(program.arch.model_dump(mode="json")) for program in (one, other)]
    origins = [
        {"model": program.origin.model, "strategy": program.origin.strategy, "seed": program.origin.seed}
        | program.origin.options
        for program in (one, other)
    ]
    yield from _changed("architecture", *archs)
    yield from _changed("plan", *origins)
    yield from _changed("PU of", *({actor.name: actor.node for actor in each.actors} for each in (one, other)))
    yield from _changed("ring", *({ring.name: ring.size for ring in each.channels} for each in (one, other)))


def _cycles(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in FIGURES:
        ours, theirs = before.get(name), after.get(name)
        if ours != theirs:
            both = isinstance(ours, int) and isinstance(theirs, int) and ours
            share = f" ({theirs / ours - 1:+.2%})" if both else ""  # type: ignore[operator]
            yield f"{name}: {ours} -> {theirs}{share}"
    shares = []
    for report in (before, after):
        images = max(1, report["images"])
        shares.append({name: round((node["busy_cycles"] or 0) / images) for name, node in report["nodes"].items()}
                      if "nodes" in report else {})  # fmt: skip
    yield from _changed("busy cycles an image of", *shares)


def _values(program: Program, first: Path, second: Path) -> Iterator[str]:
    """Words that reached the host in two runs of a Program on RTL."""
    for index, name in enumerate(program.network.outputs):
        files = [folder / f"output_{index}.bin" for folder in (first, second)]
        if all(file.is_file() for file in files):
            one, other = (np.fromfile(file, np.uint8) for file in files)
            if len(one) != len(other):
                yield f"output {name}: {len(one)} -> {len(other)} bytes"
            elif (unequal := one != other).any():
                at = int(unequal.argmax())
                where = f"the first at {at}: {one[at]} -> {other[at]}"
                yield f"output {name}: {unequal.sum()} of {len(one)} bytes differ, {where}"


def _first_event(one: Program, other: Program) -> Iterator[str]:
    """Where two Programs of the same actors first part, on the cycle model."""
    places = [{actor.name: (actor.node, actor.context) for actor in each.actors} for each in (one, other)]
    if places[0] == places[1]:
        lines = [observed(program, 2).measured for program in (one, other)]
        found = compare(one, lines[0], lines[1], ("the first", "the second"))
        yield from (f"first difference: {line}" for line in found.differences[:1])

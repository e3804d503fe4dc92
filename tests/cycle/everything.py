# SPDX-License-Identifier: Apache-2.0
"""`make equality`: the cycle model against the RTL on every case, or on those whose names contain K.

A case that was equal is not run again as long as its Program, the RTL, the model and the bench are what they were, so a
run that was cut short goes on where it was. When a group of cases is complete, docs/results.md gets its line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyimc.program_file import program_hash
from sim.lab.results_page import replace_section
from sim.lab.workers import Workers, add_workers, chosen_workers, finished
from tests.cycle.cases import Case, cases
from tests.cycle.equality import compare
from tests.sim.runs import ROOT

KEPT = ROOT / "build" / "equality"
CHIPS = ROOT / "build" / "simulator"
BENCH = ("bench", "cosim_array", "job", "packets", "record", "validation")
MACHINE = ("rtl", "pyimc", "sim/rtl", *(f"sim/run/{name}.py" for name in BENCH), "sim/toolchain", "tests/cycle")
SOURCES = (*MACHINE, "mapping", "sim", "tests/mapping/networks.py", "tests/random_cnn.py")
GROUPS = {
    "unit": "one operator or one regime each (`tests/cycle/units.py`)",
    "digits": "digits: every strategy on three chips (`tests/cycle/chips.py`)",
    "resnet8": "ResNet-8: the same",
    "resnet18": "ResNet-18: `lblp` and `round_robin` on the default chip",
    "random": "random CNNs, each on a random chip of its own, by seed",
}


def sources_hash(sources: Sequence[str] = SOURCES) -> str:
    """Of the files that decide the outcome of a case; of `MACHINE`, what becomes of its Program."""
    digest = hashlib.sha256()
    for source in sources:
        paths = [ROOT / source] if (ROOT / source).is_file() else sorted((ROOT / source).rglob("*"))
        assert paths, f"{source} does not exist: its changes would go unseen"
        for path in paths:
            if path.suffix in (".py", ".v", ".vh", ".yaml", ".npz"):
                digest.update(path.read_bytes())
    return digest.hexdigest()


def run(name: str) -> dict[str, Any]:
    """Runs the case of a name."""
    case = next(case for case in cases() if case.name == name)
    start = time.monotonic()
    program = case.program()
    key = f"{sources_hash(MACHINE)} {program_hash(program)} {case.images}"
    before = json.loads(record(name).read_text()) if record(name).is_file() else {}
    if before.get("key") == key and not before["differences"]:
        return before
    with tempfile.TemporaryDirectory() as folder:
        chips = Path(folder) if case.group == "random" else CHIPS  # nobody needs a random chip again
        compared = compare(program, case.images, chips)
    return {**asdict(compared), "seconds": round(time.monotonic() - start, 1), "key": key}


def record(name: str) -> Path:
    """Where the result of a case is kept."""
    return KEPT / f"{name.replace('/', '.').replace(' ', '_')}.json"


def kept(name: str, sources: str) -> dict[str, Any] | None:
    """The result of a case that was equal with these sources."""
    if not record(name).is_file():
        return None
    result: dict[str, Any] = json.loads(record(name).read_text())
    return result if result["sources"] == sources and not result["differences"] else None


def run_all(chosen: Sequence[Case], workers: Workers, sources: str, say: Callable[[str], None]) -> int:
    """Runs what has no result yet; returns how many cases are not equal."""
    KEPT.mkdir(parents=True, exist_ok=True)
    todo = [case.name for case in chosen if not kept(case.name, sources)]
    say(f"{len(chosen)} cases, {len(chosen) - len(todo)} of them done before")
    different = 0
    for index, result in finished(run, [(name,) for name in todo], workers):
        name = todo[index]
        record(name).write_text(json.dumps({**result, "sources": sources}) + "\n")
        different += bool(result["differences"])
        verdict = f"DIFFERS: {result['found'][0]}" if result["differences"] else "equal"
        say(f"{name}: {result['events']} events, {result['cycles']} cycles, {result['seconds']} s: {verdict}")
    return different


def table(sources: str) -> str:
    """The section of docs/results.md: groups of which every case has a result."""
    lines = [
        "| `make equality` | cases | cycles | events compared | words compared | differences | RTL and model (s) |",
        "|---|---|---|---|---|---|---|",
    ]
    for group, what in GROUPS.items():
        results = [kept(case.name, sources) for case in cases() if case.group == group]
        whole = [result for result in results if result]
        if len(whole) == len(results):
            sums = [sum(result[key] for result in whole) for key in ("cycles", "events", "words")]
            seconds = sum(result["seconds"] for result in whole)
            figures = " | ".join(str(figure) for figure in (len(whole), *sums, 0, f"{seconds:.0f}"))
            lines.append(f"| `K={group}`: {what} | {figures} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Runs the chosen cases; returns 1 if one is not equal."""
    parser = argparse.ArgumentParser(prog="python -m tests.cycle.everything", description=__doc__)
    add_workers(parser)
    parser.add_argument("words", nargs="*", help="parts of names")
    parsed = parser.parse_args(arguments)
    chosen = [case for case in cases() if not parsed.words or any(word in case.name for word in parsed.words)]
    if not chosen:
        print(f"no case has {' or '.join(parsed.words)} in its name", file=sys.stderr)
        return 2
    sources = sources_hash()
    different = run_all(chosen, chosen_workers(parsed), sources, lambda line: print(line, flush=True))
    replace_section("equality", table(sources))
    print(f"{len(chosen) - different} of {len(chosen)} equal")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

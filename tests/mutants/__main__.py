"""Breaks the RTL, one place at a time, and demands that a test fails.

    make mutants                              # the five by hand
    make mutants N=100 SEED=0                 # and 100 generated ones, drawn by the seed
    make mutants N=20 K=gather                # of the files whose name holds "gather"

Every mutant is run against the tests that touch its module, quickest first, with a time limit of several times what
they take on the sound RTL (which must pass). A survivor is a hole in the tests, or it changes nothing that can be seen:
then it goes into equivalent.yaml with the reason. Exit code 1 if one survives that has no reason there.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import yaml

from tests.mutants.bench import LEAST_SECONDS, PATIENCE, ROOT, Copy
from tests.mutants.by_hand import CHIP, FAULTS
from tests.mutants.touching import touching
from tests.mutants.verilog import Mutant, mutants

EQUIVALENT = Path(__file__).with_name("equivalent.yaml")

Change = tuple[str, str, str]
"""File, and the lines concerned before and after: what a mutant is, wherever it stands."""


def reasons() -> Mapping[Change, str]:
    """Why each known mutant that survives does not matter."""
    entries = yaml.safe_load(EQUIVALENT.read_text()) or []
    return {(entry["file"], entry["from"], entry["to"]): entry["reason"] for entry in entries}


def sources(words: Sequence[str]) -> dict[str, str]:
    """Text of every file of `rtl/` whose name holds one of the words, by path."""
    paths = sorted((ROOT / "rtl").glob("*.v"))
    return {f"rtl/{path.name}": path.read_text() for path in paths if not words or any(w in path.name for w in words)}


def drawn(texts: Mapping[str, str], seed: int) -> Iterator[Mutant]:
    """All mutants of these files in an order that depends on the seed."""
    every = [mutant for file, text in sorted(texts.items()) for mutant in mutants(file, text)]
    random.Random(seed).shuffle(every)
    return iter(every)


class Campaign:
    """Runs mutants on copies of the checkout and keeps count."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.pool: SimpleQueue[Copy] = SimpleQueue()
        for number in range(jobs):
            self.pool.put(Copy(folder / str(number)))
        self.known = reasons()
        self.limits: dict[str, float] = {}
        self.lock = threading.Lock()
        self.counts = {"killed": 0, "equivalent": 0, "SURVIVES": 0}
        self.begin = time.monotonic()

    def measure(self, copy: Copy, test: str) -> float:
        """The time limit of a test, from a run on sound RTL.

        Raises:
            ValueError: The test fails on sound RTL.
        """
        with self.lock:
            if test not in self.limits:
                verdict = copy.run(test)
                if not verdict.passed:
                    raise ValueError(f"{test} fails on the sound RTL: {verdict.why}")
                self.limits[test] = max(LEAST_SECONDS, PATIENCE * verdict.seconds)
        return self.limits[test]

    def broken(self, file: str, text: str, tests: Sequence[str], where: str, change: tuple[str, str]) -> None:
        """Runs the tests on one broken file; says and counts what came of it."""
        copy = self.pool.get()
        killer = None
        for test in tests:
            limit = self.measure(copy, test)
            copy.write(file, text)
            verdict = copy.run(test, limit)
            copy.write(file, (ROOT / file).read_text())
            if not verdict.passed:
                killer = verdict
                break
        self.pool.put(copy)
        self.say("killed" if killer else "SURVIVES", where, change, killer.test if killer else "")

    def say(self, verdict: str, where: str, change: tuple[str, str], why: str) -> None:
        """One line for one mutant; two more for one that lives."""
        with self.lock:
            self.counts[verdict] += 1
            count, minutes = sum(self.counts.values()), (time.monotonic() - self.begin) / 60
            print(f"{count:4d} {minutes:5.1f} min  {verdict:10s} {where}  {why}".rstrip(), flush=True)
            if verdict == "SURVIVES":
                print(f"{'':21s}- {change[0]}\n{'':21s}+ {change[1]}", flush=True)

    def generated(self, mutant: Mutant, text: str) -> None:
        """One generated mutant."""
        change = mutant.change(text)
        where = f"{mutant.file}:{mutant.line(text)} {mutant.kind}"
        reason = self.known.get((mutant.file, *change))
        if reason is not None:
            self.say("equivalent", where, change, reason)
        else:
            self.broken(mutant.file, mutant.apply(text), touching(ROOT, Path(mutant.file).stem), where, change)

    def sample(self, texts: Mapping[str, str], seed: int, count: int) -> list[Mutant]:
        """The first mutants drawn that are still Verilog."""
        copy = self.pool.get()
        chosen: list[Mutant] = []
        for mutant in drawn(texts, seed):
            if len(chosen) == count:
                break
            copy.write(mutant.file, mutant.apply(texts[mutant.file]))
            if copy.elaborates(mutant.file):
                chosen.append(mutant)
            copy.write(mutant.file, texts[mutant.file])
        self.pool.put(copy)
        return chosen


def main(arguments: Sequence[str]) -> int:
    """Runs the mutants by hand and the generated ones that were asked for; returns 1 if one survives unexplained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("words", nargs="*", help="parts of file names")
    parser.add_argument("--count", type=int, default=0, help="how many generated mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--generated-only", action="store_true", help="leave out the five by hand")
    options = parser.parse_args(arguments)
    texts = sources(options.words)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as threads:
        campaign = Campaign(Path(folder), options.jobs)
        waiting = [
            threads.submit(campaign.broken, fault.file, fault.apply(ROOT), (CHIP,), f"{fault.file}: {fault.what}",
                           (fault.old, fault.new))
            for fault in FAULTS
            if fault.file in texts and not options.generated_only
        ]  # fmt: skip
        for mutant in campaign.sample(texts, options.seed, options.count):
            waiting.append(threads.submit(campaign.generated, mutant, texts[mutant.file]))
        try:
            for future in waiting:
                future.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    counts = campaign.counts
    ran = counts["killed"] + counts["SURVIVES"]
    share = f"{100 * counts['killed'] / ran:.1f} %" if ran else "none"
    print(
        f"{counts['killed']} of {ran} killed ({share}); {counts['equivalent']} more change nothing; seed {options.seed}"
    )
    return 1 if counts["SURVIVES"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

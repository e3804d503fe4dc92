"""What Verilator counted: points of its coverage files, summed over instances, parameter sets and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("line", "branch", "toggle")
"""Blocks, arms of conditions, and bits that rose or fell."""

Point = tuple[str, int, int, str, str]
"""File name, line, Verilator's number of the point on it, kind, and what is counted (`if`, `else`, `full:0->1`)."""


def read_points(path: Path) -> Counter[Point]:
    """Points of one coverage file of Verilator with how often each was reached; 0 for those that were not.

    Raises:
        ValueError: It is no such file.
    """
    text = path.read_text(encoding="latin-1")
    if not text.startswith("# SystemC::Coverage-3"):
        raise ValueError(f"{path}: not a coverage file of Verilator")
    found: Counter[Point] = Counter()
    for line in text.splitlines():
        if not line.startswith("C '"):
            continue
        said, count = line[3:].rsplit("' ", 1)
        fields = dict(part.split("\x02", 1) for part in said.split("\x01") if part)
        place = (Path(fields["f"]).name, int(fields["l"]), int(fields["n"]))
        found[(*place, fields["t"], fields["o"])] += int(count)
    return found


@dataclass(slots=True)
class File:
    """A file's points by line.

    Attributes:
        name: As `fifo.v`.
        reached: By kind, how many points were.
        points: By kind, how many there are.
        missed: By line, what no run reached, in words.
    """

    name: str
    reached: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    missed: dict[int, list[str]] = field(default_factory=dict)

    def share(self, kind: str) -> float:
        """Of the points of a kind; 1 if there are none."""
        return self.reached[kind] / self.points[kind] if self.points[kind] else 1.0


def files(points: Mapping[Point, int], names: Iterable[str]) -> list[File]:
    """The points of these files."""
    found = {name: File(name) for name in names}
    for (name, line, _, kind, what), count in sorted(points.items()):
        if name not in found:
            continue
        file = found[name]
        file.points[kind] += 1
        file.reached[kind] += count > 0
        if not count:
            file.missed.setdefault(line, []).append(what)
    return list(found.values())

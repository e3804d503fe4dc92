"""What the flow asks of the bench and what the bench reports: two JSON files in the run directory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Job:
    """One RTL run. The images are in `images.npy`, uint8 [images, height, width, channels].

    Attributes:
        program: Directory of the Program.
        array: "verilog" or "numpy": who computes the column sums.
        front_door: Weights arrive as packets; otherwise they are there at the start.
    """

    program: str
    array: str
    front_door: bool

    def write(self, folder: Path) -> None:
        """Writes `job.json`."""
        (folder / "job.json").write_text(json.dumps(asdict(self), indent=1))

    @staticmethod
    def read(folder: Path) -> Job:
        """Reads `job.json`."""
        return Job(**json.loads((folder / "job.json").read_text()))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in an RTL run.

    Attributes:
        deadlock: The chip stopped before its last output.
        waiting: Then: every actor's STATUS fields (none but `actor` if its PU does not answer).
        begin_cycle: Cycle before the first of the run.
        end_cycle: Cycle at the end of the run.
        load_cycles: Cycles of loading, from reset.
        load_seconds: Wall time of loading.
        run_seconds: Wall time of the run.
        first_cycles: Per image, when its first input flit was taken.
        last_cycles: Per image, when its last output flit was taken.
        host_flits: Flits that the host sent during the run.
        counters: Of every PU, by node id: busy, input_wait, room_wait, idle, flits_in, flits_out.
        actors: By name: firings, busy, first, last.
    """

    deadlock: bool
    waiting: list[dict[str, int | str]]
    begin_cycle: int
    end_cycle: int
    load_cycles: int
    load_seconds: float
    run_seconds: float
    first_cycles: list[int]
    last_cycles: list[int]
    host_flits: int
    counters: dict[str, dict[str, int]]
    actors: dict[str, dict[str, int]]

    def write(self, folder: Path) -> None:
        """Writes `outcome.json`."""
        (folder / "outcome.json").write_text(json.dumps(asdict(self), indent=1))

    @staticmethod
    def read(folder: Path) -> Outcome:
        """Reads `outcome.json`."""
        return Outcome(**json.loads((folder / "outcome.json").read_text()))

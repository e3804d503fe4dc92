"""What the flow asks of the bench and what the bench reports: two JSON files in the run directory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pyimc.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Job:
    """One RTL run of `program` on the images in `images.npy`, uint8 [images, height, width, channels].

    Attributes:
        array: "verilog" or "numpy": who computes the column sums.
        front_door: Weights arrive as packets; otherwise they are there at the start.
        window: First and last cycle to record; the run ends with the latter. None: the whole run, nothing recorded.
    """

    array: str
    front_door: bool
    window: tuple[int, int] | None = None

    def write(self, folder: Path) -> None:
        """Writes `job.json`."""
        (folder / "job.json").write_text(json.dumps(asdict(self), indent=1))

    @staticmethod
    def read(folder: Path) -> Job:
        """Reads `job.json`."""
        return Job(**json.loads((folder / "job.json").read_text()))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the bench saw of an RTL run.

    Attributes:
        measured: What the run took; its event log, and when last words left, are in other files of the run directory:
            `sim.run.record` adds them.
        begin_cycle: Cycle of the simulation before the first of the run.
        load_cycles: Cycles of loading, from reset.
        load_seconds: Wall time of loading.
        run_seconds: Wall time of the run.
    """

    measured: Measurement
    begin_cycle: int
    load_cycles: int
    load_seconds: float
    run_seconds: float

    def write(self, folder: Path) -> None:
        """Writes `outcome.json`."""
        said = {each.name: getattr(self, each.name) for each in fields(self)} | {"measured": self.measured.figures()}
        (folder / "outcome.json").write_text(json.dumps(said, indent=1))

    @staticmethod
    def read(folder: Path) -> Outcome:
        """Reads `outcome.json`."""
        said = json.loads((folder / "outcome.json").read_text())
        return Outcome(**said | {"measured": Measurement(**said["measured"])})

"""One run of a comparison: everything that decides its figures, and the key under which they are kept."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mapping.placement.ledger import Options
from pyimc.arch import Arch
from pyimc.energy.costs import COSTS, load_costs
from sim.lab.rows import key_of
from sim.lab.sources import hashed


@dataclass(frozen=True, slots=True)
class Case:
    """One row to measure.

    Attributes:
        model: Name or path, for people and for runs on RTL.
        network: Directory of its quantised network, named by its key.
        arch: The chip.
        strategy: Name or path.
        seed: Of a strategy that draws numbers.
        options: Of compiler and strategy.
        images: How many.
        level: "cycle" or "rtl".
        sim: The simulator of level "rtl", "" at level "cycle".
    """

    model: str
    network: Path
    arch: Arch
    strategy: str
    seed: int
    options: Options
    images: int
    level: str = "cycle"
    sim: str = ""

    def key(self) -> str:
        """sha256 of all that decides the figures, the sources included."""
        said = self.said()
        said["costs"] = load_costs(COSTS).model_dump(mode="json")
        file = Path(self.strategy)
        said["sources"] = [
            hashed("sim/lab/compare/measure.py") if self.level == "cycle" else hashed("pyimc", "mapping", "rtl", "sim"),
            hashed("mapping") if file.suffix else hashed(f"mapping/placement/strategies/{file}.py"),
        ]
        if file.suffix:
            said["strategy"] = hashlib.sha256(file.read_bytes()).hexdigest()
        return key_of(said)

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"arch": self.arch.model_dump(mode="json"), "network": self.network.name}

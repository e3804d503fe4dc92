"""One run of a comparison: everything that decides its figures, and the key under which they are kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from mapping.placement import Options
from pyimc.arch import Arch

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    "cycle": ("pyimc", "mapping", "sim/compare/measure.py", "sim/result.py"),
    "rtl": ("pyimc", "mapping", "rtl", "sim"),
}


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
        said = asdict(replace(self, network=Path(self.network.name)), dict_factory=dict)
        said |= {"arch": self.arch.model_dump(mode="json"), "network": self.network.name}
        said["sources"] = sources(SOURCES[self.level])
        if self.strategy.endswith(".py"):
            said["strategy"] = hashlib.sha256(Path(self.strategy).read_bytes()).hexdigest()
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@cache
def sources(places: tuple[str, ...]) -> str:
    """sha256 of files and of all files in folders, by path from the repository's root."""
    digest = hashlib.sha256()
    for place in places:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()

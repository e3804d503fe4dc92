"""Recorded figures: a JSON file per row, to be reviewed like source."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pyimc.errors import ConfigError
from sim.lab.regress.case import Case
from sim.lab.regress.measure import Figures, unpacked

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a row gave when it was accepted, why, and at which revision of the sources."""

    case: Case
    figures: Figures
    reason: str
    revision: str


def load(folder: Path, case: Case) -> Baseline | None:
    """The baseline of a case; None if there is none.

    Raises:
        ConfigError: The file is not a baseline of this schema.
    """
    path = folder / f"{case.name}.json"
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text())
        if not isinstance(said, dict) or said.get("schema") != SCHEMA:
            schema = said.get("schema") if isinstance(said, dict) else None
            raise ConfigError(f"{path}: schema {schema}, this version reads {SCHEMA}; accept it again or check it out")
        found = TypeAdapter(Baseline).validate_python({name: said[name] for name in said if name != "schema"})
        unpacked(found.figures.first_events)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ConfigError(f"{path}: {where}: {fault['msg']}; accept it again or check it out") from None
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path}: cannot be read ({reason}); accept it again or check it out") from None
    if found.case != case:
        raise ConfigError(f"{path}: is the baseline of {found.case.name}; accept it again or check it out")
    return found


def save(folder: Path, baseline: Baseline) -> Path:
    """Writes a baseline in one step; gives the file.

    Raises:
        ConfigError: The folder cannot be written.
    """
    path = folder / f"{baseline.case.name}.json"
    scratch = folder / f".{path.name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps({"schema": SCHEMA} | asdict(baseline), indent=1) + "\n")
        scratch.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def revision() -> str:
    """Of the sources, as git calls it; "unknown" outside of a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        run = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return run.stdout.strip() or "unknown"

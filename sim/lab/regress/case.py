"""One row of a regression, and the rows that a `regress.yaml` asks for."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pyimc.errors import ConfigError
from sim.lab.rows import key_of
from sim.lab.sources import hashed
from sim.run.flow import LEVELS
from sim.toolchain.simulator import ARRAYS, SIMULATORS


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that decides the cycles and values of one run. Simulator and array are "" below level "rtl"."""

    model: str
    arch: str
    strategy: str
    level: str
    sim: str
    array: str
    images: int

    @property
    def name(self) -> str:
        """Of its baseline, for people and files."""
        parts = [self.model, self.arch, self.strategy, self.level, self.sim, self.array, str(self.images)]
        return "-".join(re.sub(r"\W+", "_", Path(part).stem) for part in parts if part)

    def key(self) -> str:
        """sha256 of all that decides the figures, the sources and the files that it names included."""
        files = [path for path in map(Path, (self.model, self.arch, self.strategy)) if path.is_file()]
        texts = {str(path): key_of({"bytes": path.read_bytes().hex()}) for path in files}
        return key_of(self.said() | {"sources": hashed("pyimc", "mapping", "rtl", "sim"), "files": texts})

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Names = Annotated[list[str], Field(min_length=1)]


class Group(_Strict):
    """All combinations of these lists. Levels "cycle" and "golden" have neither simulator nor array."""

    models: Names
    archs: Names = ["default"]
    strategies: Names = ["lblp"]
    levels: Annotated[list[Literal["rtl", "cycle", "golden"]], Field(min_length=1)] = ["rtl"]
    simulators: Names = ["icarus"]
    arrays: Names = ["verilog"]
    images: Annotated[int, Field(ge=1)] = 2
    quick: bool = False


class Manifest(_Strict):
    """What stands in `regress.yaml`."""

    rows: Annotated[list[Group], Field(min_length=1)]


def read_cases(path: Path, *, quick: bool) -> list[Case]:
    """The cases of a manifest, each once, in its order.

    Args:
        path: The YAML file; docs/verification.md describes it.
        quick: Only groups that are marked `quick`.

    Raises:
        ConfigError: It is missing or not understood; the message names every fault.
    """
    try:
        manifest = Manifest.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not a text'})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in error.errors()]
        raise ConfigError(f"{path}: {'; '.join(faults)}") from None
    chosen = [group for group in manifest.rows if group.quick or not quick]
    if not chosen:
        raise ConfigError(f"{path}: no group is marked quick")
    for group in chosen:
        for what, names, known in (("simulator", group.simulators, SIMULATORS), ("array", group.arrays, ARRAYS)):
            if unknown := sorted(set(names) - set(known)):
                raise ConfigError(f"{path}: unknown {what} '{unknown[0]}'; known: {', '.join(known)}")
    cases = list(dict.fromkeys(case for group in chosen for case in _cases(group)))
    if len({case.name for case in cases}) < len(cases):
        raise ConfigError(f"{path}: two rows have the same name; rename one of the files that they name")
    return cases


def _cases(group: Group) -> list[Case]:
    axes = itertools.product(group.models, group.archs, group.strategies, group.levels, group.simulators, group.arrays)
    found = []
    for model, arch, strategy, level, sim, array in axes:
        assert level in LEVELS
        rtl = level == "rtl"
        found.append(Case(model, arch, strategy, level, sim if rtl else "", array if rtl else "", group.images))
    return found

"""Where a run leaves its files: a folder of its own, locked while it is in use.

A run with the defaults has the name `<model>-<arch>-<strategy>-<level>` in `build/`. One with options or a seed, or one
whose name another model, architecture or strategy already has (their files are compared), gets a hash of these at its
end.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pyimc.errors import ConfigError

BUILD = Path("build")
LOCK = ".lock"
IDENTITY = "identity"
RESULT = "result.json"
PROGRAM = "program"
LONGEST_NAME = 150  # bytes; file systems take 255, and scratch files have longer names than what they become
_HASH_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a run this run and no other.

    Attributes:
        name: What people call it.
        sources: What its files hold: of model, architecture, strategy.
        options: What the user gave beyond the defaults, the seed among it.
    """

    name: str
    sources: tuple[str, ...]
    options: Mapping[str, int | str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of all but the name."""
        said = json.dumps([self.sources, dict(sorted(self.options.items()))])
        return hashlib.sha256(said.encode()).hexdigest()

    def folders(self) -> tuple[Path, ...]:
        """Where it may be, the first choice first."""
        short = self.digest[:_HASH_DIGITS]
        cut = self.name.encode()[:LONGEST_NAME].decode(errors="ignore")
        own = BUILD / f"{cut}-{short}"
        return (own,) if self.options or cut != self.name else (BUILD / cut, own)


def given(options: Mapping[str, int | str], seed: int) -> dict[str, int | str]:
    """What a user gave beyond the defaults, for an Identity."""
    return {**options, **({"seed": seed} if seed else {})}


@contextmanager
def claimed(identity: Identity, output: Path | None = None) -> Iterator[Path]:
    """Creates, locks and yields the folder of a run: `output`, or the first of the identity's that no other run has.

    An earlier result in it is removed, so that a run that is broken off leaves none.

    Raises:
        ConfigError: Another process uses the folder, or `output` holds something else than a run.
    """
    choices = (output,) if output else identity.folders()
    for choice in choices:
        if choice == output and choice.is_dir() and not _is_run(choice):
            raise ConfigError(f"{choice}: holds something else than a run; name a new folder with --output")
        choice.mkdir(parents=True, exist_ok=True)
        with _locked(choice / LOCK, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX) as locked:
            if not output and choice != choices[-1] and (not locked or _holder(choice) not in ("", identity.digest)):
                continue
            if not locked:
                raise _in_use(choice)
            (choice / RESULT).unlink(missing_ok=True)
            write_text(choice / IDENTITY, identity.digest + "\n")
            yield choice
            return


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keeps runs from writing into the folder of an earlier run; raises ConfigError if one does so already."""
    if not (folder / LOCK).is_file():
        yield
        return
    with _locked(folder / LOCK, os.O_RDONLY, fcntl.LOCK_SH) as locked:
        if not locked:
            raise _in_use(folder)
        yield


def write_text(path: Path, text: str) -> None:
    """Writes a file in one step."""
    scratch = path.with_name(f".{path.name}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


@contextmanager
def _locked(path: Path, flags: int, kind: int) -> Iterator[bool]:
    """Whether the lock was free; it is until the end. The kernel frees it when the process ends, however that ends."""
    descriptor = os.open(path, flags, 0o666)
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        yield free
    finally:
        os.close(descriptor)


def _holder(folder: Path) -> str:
    """The digest of the run that is in a folder; empty if none is."""
    return (folder / IDENTITY).read_text().strip() if (folder / IDENTITY).is_file() else ""


def _is_run(folder: Path) -> bool:
    return (folder / PROGRAM).is_dir() or (folder / LOCK).is_file() or not any(folder.iterdir())


def _in_use(folder: Path) -> ConfigError:
    return ConfigError(f"{folder}: another run uses it just now; wait for its end or name a folder with --output")

"""A Program on disk: a directory of plain files under a manifest with a hash of each of them.

    manifest.json     versions, origin, sha256 of its architecture and of every file, one hash over all of them
    arch.json         the architecture
    network.json/npz  the network (`pyimc.network_file`)
    schedule.json     actors and channels, for people and tools
    host/tables.bin   tables of the host port
    pu_03/            one directory per processing unit in use:
        stream.bin        instructions, `isa.INSTRUCTION_BITS` each
        tables.bin        entries of 16 bytes: space, entry number (4 bytes each), value (8 bytes)
        parameters.bin    PARAM_0, PARAM_1 per channel, 8 bytes each
        weights.bin       planes * rows * columns bytes
        cells.bin         only of real cells: planes * rows * columns of cells, 2 bytes each
        noise.bin         only of noisy ones: seed, number of the layer, amplitude of each context, 4 bytes each

All numbers are little-endian. The same Program gives the same bytes.
"""

import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimc import network_file
from pyimc.arch import Arch, arch_from_dict
from pyimc.errors import ConfigError, EncodingError
from pyimc.isa import INSTRUCTION_BITS
from pyimc.program import Actor, Channel, Origin, Program, PuImage, TableWrite

SCHEMA_VERSION = 3
TOOL = "pyimc 0.1.0"
MANIFEST = "manifest.json"
ARCH = "arch.json"
_INSTRUCTION_BYTES = INSTRUCTION_BITS // 8
_ENTRY = struct.Struct("<IIQ")
_REMEDY = "compile it again, or seal it if the edit was meant"


def save(program: Program, directory: Path) -> str:
    """Writes a Program; an older one of the same name is replaced in one step.

    Args:
        program: What to write.
        directory: Where; its parents are created.

    Returns:
        The Program's hash.

    Raises:
        ConfigError: Something that is not a Program is in the way.
    """
    if directory.exists() and not (directory / MANIFEST).is_file() and not _is_empty(directory):
        raise ConfigError(f"{directory}: exists and is not a Program; remove it or choose another directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        fresh = scratch / "new"
        fresh.mkdir()
        _write(program, fresh)
        digest = _write_manifest(fresh, asdict(program.origin), _digests(fresh)[ARCH])
        if directory.exists():
            directory.rename(scratch / "old")
        fresh.rename(directory)
    finally:
        shutil.rmtree(scratch)
    return digest


def load(directory: Path) -> Program:
    """Reads a Program and checks every hash.

    Raises:
        EncodingError: It is not a Program, of another schema version or architecture, or its bytes are not those of
            its manifest.
    """
    manifest = _manifest(directory)
    found = _digests(directory)
    recorded = manifest["files"]
    faults = [f"{name} is missing" for name in sorted(recorded.keys() - found.keys())]
    faults += [f"{name} is not in the manifest" for name in sorted(found.keys() - recorded.keys())]
    faults += [f"{name} differs" for name in sorted(found.keys() & recorded.keys()) if found[name] != recorded[name]]
    if not faults and _overall(found) != manifest["hash"]:
        faults.append("the Program's hash differs")
    if faults:
        raise EncodingError(f"{directory}: {'; '.join(faults)} (against {MANIFEST}); {_REMEDY}")
    if found.get(ARCH) != manifest["arch"]:
        raise EncodingError(f"{directory}: {ARCH} is not the architecture that it was compiled for; compile it again")
    try:
        return _read(directory, manifest)
    except (OSError, KeyError, TypeError, ValueError, struct.error) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise EncodingError(f"{directory}: not readable as a Program ({reason}); compile it again") from error


def program_hash(program: Program) -> str:
    """The hash that `save` writes into the manifest."""
    with tempfile.TemporaryDirectory() as scratch:
        _write(program, Path(scratch))
        return _overall(_digests(Path(scratch)))


def seal(directory: Path) -> str:
    """Makes the manifest agree with the files after a deliberate edit; returns the Program's hash.

    The architecture cannot be edited: codes and images are for the one that the Program was compiled for.

    Raises:
        EncodingError: There is no manifest of this version.
    """
    manifest = _manifest(directory)
    return _write_manifest(directory, manifest["origin"], manifest["arch"])


def flip_bit(directory: Path, file: str, bit: int) -> str:
    """Flips one bit of one file and seals the Program again: shows that a check can fail.

    Args:
        directory: A Program.
        file: Path inside it, such as "pu_03/weights.bin".
        bit: Position, bit 0 the lowest of byte 0.

    Returns:
        The new hash.

    Raises:
        ConfigError: No such file or bit.
        EncodingError: There is no manifest of this version.
    """
    known = sorted(_manifest(directory)["files"])
    if file not in known:
        raise ConfigError(f"{directory}: no file '{file}'; the files are {', '.join(known)}")
    data = bytearray((directory / file).read_bytes())
    if not 0 <= bit < 8 * len(data):
        raise ConfigError(f"{directory / file}: no bit {bit}, it has bits 0..{8 * len(data) - 1}")
    data[bit // 8] ^= 1 << bit % 8
    (directory / file).write_bytes(data)
    return seal(directory)


def read_stream(path: Path) -> tuple[int, ...]:
    """The instructions of a `stream.bin`; raises EncodingError if it is not one."""
    if not path.is_file():
        raise EncodingError(f"{path}: no such file; give the stream.bin of a PU, as in PROGRAM/pu_03/stream.bin")
    data = path.read_bytes()
    if len(data) % _INSTRUCTION_BYTES:
        raise EncodingError(
            f"{path}: {len(data)} bytes, must be a multiple of {_INSTRUCTION_BYTES}; is it a stream.bin?"
        )
    return tuple(
        int.from_bytes(data[at : at + _INSTRUCTION_BYTES], "little") for at in range(0, len(data), _INSTRUCTION_BYTES)
    )


def write_stream(path: Path, stream: Iterable[int]) -> None:
    """Writes a `stream.bin` in one step."""
    scratch = path.with_name(f".{path.name}")
    scratch.write_bytes(b"".join(word.to_bytes(_INSTRUCTION_BYTES, "little") for word in stream))
    scratch.replace(path)


def _write(program: Program, directory: Path) -> None:
    network_file.save(program.network, directory)
    _write_json(directory / ARCH, program.arch.model_dump(mode="json"))
    schedule = {
        "actors": [asdict(actor) for actor in program.actors],
        "channels": [_as_it_differs(asdict(channel)) for channel in program.channels],
    }
    _write_json(directory / "schedule.json", schedule)
    (directory / "host").mkdir()
    (directory / "host" / "tables.bin").write_bytes(_pack(program.host_tables))
    for node, image in program.pus.items():
        folder = directory / f"pu_{node:02}"
        folder.mkdir()
        write_stream(folder / "stream.bin", image.stream)
        (folder / "tables.bin").write_bytes(_pack(image.tables))
        (folder / "parameters.bin").write_bytes(image.parameters.astype("<u8").tobytes())
        (folder / "weights.bin").write_bytes(image.weights.tobytes())
        if image.cells is not None:
            (folder / "cells.bin").write_bytes(image.cells.astype("<u2").tobytes())
        if image.noise is not None:
            (folder / "noise.bin").write_bytes(image.noise.astype("<u4").tobytes())


def _as_it_differs(channel: dict[str, Any]) -> dict[str, Any]:
    """Without what is so of any ring but those of weights."""
    usual = {"heir": "", "room": None, "windows": 1, "batch": 1}
    return {key: value for key, value in channel.items() if key not in usual or value != usual[key]}


def _read(directory: Path, manifest: dict[str, Any]) -> Program:
    arch = arch_from_dict(json.loads((directory / ARCH).read_text()), str(directory / ARCH))
    schedule = json.loads((directory / "schedule.json").read_text())
    folders = {int(path.name.removeprefix("pu_")): path for path in directory.glob("pu_*") if path.is_dir()}
    return Program(
        network=network_file.load(directory),
        arch=arch,
        actors=tuple(Actor(**_tuples(record)) for record in schedule["actors"]),
        channels=tuple(Channel(**record) for record in schedule["channels"]),
        pus={node: _image(folder, arch) for node, folder in sorted(folders.items())},
        host_tables=_unpack((directory / "host" / "tables.bin").read_bytes()),
        origin=Origin(**{field.name: manifest["origin"][field.name] for field in fields(Origin)}),
    )


def _image(folder: Path, arch: Arch) -> PuImage:
    parameters = np.frombuffer((folder / "parameters.bin").read_bytes(), "<u8").astype(np.uint64)
    weights = np.frombuffer((folder / "weights.bin").read_bytes(), np.uint8)
    return PuImage(
        stream=read_stream(folder / "stream.bin"),
        tables=_unpack((folder / "tables.bin").read_bytes()),
        parameters=parameters.reshape(-1, 2),
        weights=weights.reshape(-1, arch.crossbar.rows, arch.crossbar.outputs),
        cells=_numbers(folder / "cells.bin", "<u2", arch.crossbar.rows, arch.crossbar.outputs * arch.crossbar.cells),
        noise=_numbers(folder / "noise.bin", "<u4", 3),
    )


def _numbers(path: Path, kind: str, *shape: int) -> NDArray[Any] | None:
    """An array of all that is in a file; None if there is none."""
    if not path.is_file():
        return None
    found = np.frombuffer(path.read_bytes(), kind)
    return found.astype(found.dtype.newbyteorder("=")).reshape(-1, *shape)


def _manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        version = manifest["schema_version"]
        complete = manifest.keys() >= {"arch", "files", "hash", "origin"}
    except OSError:
        raise EncodingError(f"{directory}: not a Program, it has no {MANIFEST}; name a compiled Program") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EncodingError(f"{path}: not a manifest; compile the Program again") from None
    if version != SCHEMA_VERSION or not complete:
        raise EncodingError(f"{path}: schema version {version}, this is {SCHEMA_VERSION}; compile the Program again")
    return dict(manifest)


def _write_manifest(directory: Path, origin: dict[str, Any], arch: str) -> str:
    files = _digests(directory)
    manifest = {"schema_version": SCHEMA_VERSION, "tool": TOOL, "origin": origin, "arch": arch,
                "files": files, "hash": _overall(files)}  # fmt: skip
    _write_json(directory / MANIFEST, manifest)
    return str(manifest["hash"])


def _digests(directory: Path) -> dict[str, str]:
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    names = {path.relative_to(directory).as_posix(): path for path in paths}
    return {name: hashlib.sha256(names[name].read_bytes()).hexdigest() for name in sorted(names) if name != MANIFEST}


def _overall(digests: dict[str, str]) -> str:
    lines = "".join(f"{digest} {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _write_json(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _pack(tables: Iterable[TableWrite]) -> bytes:
    return b"".join(_ENTRY.pack(*entry) for entry in tables)


def _unpack(data: bytes) -> tuple[TableWrite, ...]:
    return tuple((space, entry, value) for space, entry, value in _ENTRY.iter_unpack(data))


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}


def _is_empty(directory: Path) -> bool:
    return directory.is_dir() and not any(directory.iterdir())

"""Programs on disk: round trip, determinism, and every way in which they can be broken."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mapping.compile import compile_network
from pyimc.errors import ConfigError, EncodingError
from pyimc.program import Program, table_writes
from pyimc.program_file import MANIFEST, flip_bit, load, program_hash, save, seal
from tests.mapping.networks import residual, small_arch
from tests.mapping.test_codegen import check


def compiled() -> Program:
    """A Program with both kinds of units."""
    return compile_network(residual(), small_arch(), seed=3, options={"slack_rows": 1})


def contents(directory: Path) -> dict[str, bytes]:
    """All files of a directory."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_round_trip(tmp_path: Path) -> None:
    program = compiled()
    digest = save(program, tmp_path / "deep" / "p")
    again = load(tmp_path / "deep" / "p")
    assert digest == program_hash(program) == program_hash(again)
    for name in ("arch", "actors", "channels", "host_tables", "origin"):
        assert getattr(again, name) == getattr(program, name)
    assert list(again.pus) == list(program.pus)
    for node, image in program.pus.items():
        assert table_writes(again, node) == table_writes(program, node)
        assert np.array_equal(again.pus[node].weights, image.weights)
    check(again)


def test_files_of_a_program(tmp_path: Path) -> None:
    save(compiled(), tmp_path / "p")
    files = contents(tmp_path / "p")
    shared = {"arch.json", "host/tables.bin", "manifest.json", "network.json", "network.npz", "schedule.json"}
    images = {
        f"pu_0{node}/{name}.bin" for node in range(1, 6) for name in ("stream", "tables", "parameters", "weights")
    }
    assert files.keys() == shared | images
    manifest = json.loads(files[MANIFEST])
    given = {
        "model": "test",
        "options": {"grain": "row", "priority": "output", "slack_rows": 1, "split": ""},
        "seed": 3,
        "strategy": "lblp",
    }
    assert {name: manifest["origin"][name] for name in given} == given
    assert manifest["origin"].keys() - given.keys() == {"moved", "bounds", "limit"}
    assert manifest["files"].keys() == files.keys() - {MANIFEST}


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    save(compiled(), tmp_path / "one")
    save(compiled(), tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_save_replaces_a_program_and_nothing_else(tmp_path: Path) -> None:
    program = compiled()
    save(program, tmp_path / "p")
    (tmp_path / "p" / "stray").write_text("gone after the next save")
    assert save(program, tmp_path / "p") == program_hash(load(tmp_path / "p"))
    (tmp_path / "empty").mkdir()
    save(program, tmp_path / "empty")
    for name in ("file", "folder"):
        path = tmp_path / name
        if name == "folder":
            path.mkdir()
            path = path / "thesis.tex"
        path.write_text("precious")
        with pytest.raises(ConfigError, match=f"{name}: exists and is not a Program; remove it or choose another"):
            save(program, tmp_path / name)
        assert path.read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"p", "empty", "file", "folder"}  # no scratch left


def test_damage_is_reported_with_every_file(tmp_path: Path) -> None:
    path = tmp_path / "p"
    save(compiled(), path)
    (path / "pu_02" / "stream.bin").unlink()
    (path / "pu_03" / "weights.bin").write_bytes(b"")
    (path / "stray").write_text("")
    message = (
        "pu_02/stream.bin is missing; stray is not in the manifest; pu_03/weights.bin differs (against manifest.json)"
    )
    with pytest.raises(EncodingError, match=re.escape(message)):
        load(path)


def test_edited_manifests_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p"
    save(compiled(), path)
    manifest = json.loads((path / MANIFEST).read_text())
    cases: list[tuple[object, str]] = [
        (manifest | {"hash": "0"}, "the Program's hash differs"),
        (manifest | {"schema_version": 0}, "schema version 0, this is 3; compile the Program again"),
        ({"schema_version": 2}, "compile the Program again"),
        ({}, "not a manifest"),
        ([], "not a manifest"),
    ]
    for data, message in cases:
        (path / MANIFEST).write_text(json.dumps(data))
        with pytest.raises(EncodingError, match=message):
            load(path)
    (path / MANIFEST).unlink()
    with pytest.raises(EncodingError, match=r"p: not a Program, it has no manifest.json; name a compiled Program"):
        load(path)


@pytest.mark.parametrize(
    "name", ["schedule.json", "arch.json", "network.json", "pu_01/weights.bin", "pu_01/tables.bin"]
)
def test_sealed_nonsense_is_refused(tmp_path: Path, name: str) -> None:
    save(compiled(), tmp_path / "p")
    (tmp_path / "p" / name).write_text("nonsense")
    seal(tmp_path / "p")
    with pytest.raises(EncodingError, match=r"compile it again|compile the model again"):
        load(tmp_path / "p")


def test_flipped_bit_changes_the_hash_and_the_result(tmp_path: Path) -> None:
    program = compiled()
    before = save(program, tmp_path / "p")
    assert flip_bit(tmp_path / "p", "pu_02/weights.bin", 7) != before
    wrong = load(tmp_path / "p")
    changed = np.flatnonzero(wrong.pus[2].weights != program.pus[2].weights)
    assert changed.tolist() == [0]
    with pytest.raises(AssertionError):
        check(wrong)
    assert flip_bit(tmp_path / "p", "pu_02/weights.bin", 7) == before
    check(load(tmp_path / "p"))


def test_flip_bit_refuses_what_is_not_there(tmp_path: Path) -> None:
    save(compiled(), tmp_path / "p")
    with pytest.raises(ConfigError, match=r"no file 'x.bin'; the files are arch.json, host/tables.bin"):
        flip_bit(tmp_path / "p", "x.bin", 0)
    with pytest.raises(ConfigError, match=r"tables.bin: no bit 256, it has bits 0..255"):
        flip_bit(tmp_path / "p", "host/tables.bin", 256)


def test_parts_are_found_by_name() -> None:
    program = compiled()
    assert program.actor("stem").kind == "imc"
    assert program.channel("x->stem.0").consumer == "stem"
    assert [channel.name for channel in program.host_sources()] == ["x->stem.0"]
    assert [channel.name for channel in program.host_sinks()] == ["last.y->host.0"]
    with pytest.raises(ConfigError, match="no actor 'trunk'"):
        program.actor("trunk")
    with pytest.raises(ConfigError, match="no channel 'trunk'"):
        program.channel("trunk")


def test_hash_covers_the_content_and_not_its_origin() -> None:
    """The hash names what runs: the same images under another strategy's name have the same hash."""
    program = compiled()
    assert program_hash(replace(program, origin=replace(program.origin, seed=4))) == program_hash(program)
    pus = {**program.pus, 1: replace(program.pus[1], stream=program.pus[1].stream[:-1])}
    assert program_hash(replace(program, pus=pus)) != program_hash(program)

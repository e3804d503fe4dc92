# SPDX-License-Identifier: Apache-2.0
"""Every fault that is put into a Program is found and named: the exit code is 1, and nothing hangs."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pyimc import isa
from pyimc.program import Channel, Program
from pyimc.program_file import flip_bit
from tests.sim import small
from tests.sim.runs import AGAIN, Said, images_for, pyimc, read_result, store

PLACE = re.compile(
    r"pyimc: (\d+) values differ; the first: node (\w+), image (\d+), pixel \((\d+), (\d+)\), channel (\d+): "
    r"RTL (\d+), golden (\d+), left PU (\d+) in cycle (\d+); waves of PU \d+ in cycles \d+ to \d+: \S+waves\.fst\n"
)


@pytest.fixture
def intact(workspace: Path) -> Path:
    return small.prepared(Path("run"))


def named(said: Said, node: str) -> dict[str, int]:
    """The parts of the line that names the first wrong value, which must be of `node`."""
    found = PLACE.fullmatch(said.err)
    assert said.code == 1 and found, said
    assert found[2] == node
    keys = ("values", "image", "row", "column", "channel", "rtl", "golden", "pu", "cycle")
    parts = dict(zip(keys, (int(found[index]) for index in (1, 3, 4, 5, 6, 7, 8, 9, 10)), strict=True))
    assert parts["rtl"] != parts["golden"] and parts["pu"] == small.program().actor(node).node and parts["cycle"] > 0
    return parts


def test_an_intact_program_passes(intact: Path) -> None:
    said = pyimc("rerun", intact)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("PASS\n")


@pytest.mark.parametrize("array", ["verilog", "numpy"])
@pytest.mark.parametrize("node", ["one", "two", "last"])
def test_one_bit_of_a_weight(intact: Path, node: str, array: str) -> None:
    """The highest bit of the weight in row 4, column 5 of the node's first plane: channel 5 is wrong first."""
    program = small.program()
    actor, columns = program.actor(node), program.arch.crossbar.columns
    byte = (actor.plane * program.arch.crossbar.rows + 4) * columns + 5
    flip_bit(intact / "program", f"pu_{actor.node:02}/weights.bin", 8 * byte + 7)
    found = named(pyimc("rerun", intact, "--array", array), node)
    assert found["channel"] == 5
    report = read_result(AGAIN)
    assert report["nodes"][node]["mismatches"] > 0
    assert f"node {node}, image {found['image']}, pixel" in report["nodes"][node]["first_mismatch"]
    upstream = {"one": [], "two": ["one"], "last": ["one", "two", "sum", "pool"]}[node]
    assert all(report["nodes"][other]["mismatches"] == 0 for other in upstream)


def test_one_bit_of_a_requantisation_multiplier(intact: Path) -> None:
    """The second highest bit of channel 3's multiplier (PARAM_1 is the second of two 8-byte entries)."""
    actor = small.program().actor("two")
    flip_bit(intact / "program", f"pu_{actor.node:02}/parameters.bin", 8 * (16 * (actor.parameter + 3) + 8) + 29)
    assert named(pyimc("rerun", intact), "two")["channel"] == 3


def test_one_bit_of_the_operands_of_an_instruction(intact: Path) -> None:
    """The lowest bit of x0, the byte in which the first window starts."""
    actor = small.program().actor("one")
    x0 = next(low for field, low in isa.FIRE.positions() if field.name == "x0")
    flip_bit(intact / "program", f"pu_{actor.node:02}/stream.bin", isa.INSTRUCTION_BITS * actor.start + x0)
    assert named(pyimc("rerun", intact), "one")["row"] == 0


def test_an_instruction_that_needs_more_than_there_is(intact: Path) -> None:
    """The highest bit of `need`: the actor waits for words that never come; the line says which, from whom."""
    actor = small.program().actor("two")
    need = next(low for field, low in isa.FIRE.positions() if field.name == "need_0")
    flip_bit(intact / "program", f"pu_{actor.node:02}/stream.bin", isa.INSTRUCTION_BITS * actor.start + need + 15)
    said = pyimc("rerun", intact)
    assert said.code == 1
    assert re.search(rf"deadlock in cycle \d+: .*two \(PU {actor.node}\) has \d+ of 327\d\d words from one", said.err)
    assert read_result(AGAIN)["deadlock"] is True


def test_an_instruction_that_is_none_stops_its_actor(intact: Path) -> None:
    actor = small.program().actor("sum")
    flip_bit(intact / "program", f"pu_{actor.node:02}/stream.bin", isa.INSTRUCTION_BITS * actor.start + 3)
    said = pyimc("rerun", intact)
    assert said.code == 1 and "deadlock" in said.err, said


def test_an_engine_without_end_is_found(intact: Path) -> None:
    """No pixels wrap round to 65,536 of them: the engine sends and sends."""
    actor = small.program().actor("last")
    pixels = next(low for field, low in isa.FIRE.positions() if field.name == "pixels")
    flip_bit(intact / "program", f"pu_{actor.node:02}/stream.bin", isa.INSTRUCTION_BITS * actor.start + pixels)
    named(pyimc("rerun", intact), "last")
    assert read_result(AGAIN)["deadlock"] is True, "it was not waited for"


def test_words_that_nobody_wrote_are_no_values(intact: Path) -> None:
    """An actor that frees too much reads memory that is X: a mismatch, not a crash."""
    actor = small.program().actor("one")
    free = next(low for field, low in isa.FIRE.positions() if field.name == "free_0")
    flip_bit(intact / "program", f"pu_{actor.node:02}/stream.bin", isa.INSTRUCTION_BITS * actor.start + free + 9)
    named(pyimc("rerun", intact), "one")


def test_an_edit_that_is_not_sealed_is_refused_and_a_sealed_one_runs(intact: Path) -> None:
    weights = intact / "program" / "pu_02" / "weights.bin"
    data = bytearray(weights.read_bytes())
    data[0] ^= 0x80
    weights.write_bytes(data)
    before = sorted(intact.rglob("*"))
    said = pyimc("rerun", intact)
    assert said.code == 2 and "pu_02/weights.bin differs" in said.err and said.err.count("\n") == 1
    assert sorted(intact.rglob("*")) == before
    assert pyimc("seal", intact / "program").code == 0
    assert pyimc("rerun", intact).code == 1


def shrunk(program: Program, name: str, words: int) -> Program:
    """The Program with one channel's ring at `words` words; no validator sees it."""
    channel = replace(program.channel(name), size=words)
    producer, consumer = program.actor(channel.producer), program.actor(channel.consumer)
    slot = producer.context * program.arch.destinations + producer.destinations.index(name)
    number = isa.channel_entry(consumer.context, channel.port)
    ring = isa.CHANNEL.encode(base=channel.base, size=words, node=producer.node, slot=slot)
    target = isa.DESTINATION.encode(node=consumer.node, channel=number, room=words)
    changed = _set(program, consumer.node, "CHANNEL", number, ring)
    changed = _set(changed, producer.node, "DESTINATION", slot, target)
    channels: tuple[Channel, ...] = tuple(channel if each.name == name else each for each in program.channels)
    return replace(changed, channels=channels)


def _set(program: Program, node: int, space: str, entry: int, value: int) -> Program:
    tables = program.pus[node].tables
    key = (isa.SPACES[space], entry)
    assert sum(each[:2] == key for each in tables) == 1
    tables = tuple((*key, value) if each[:2] == key else each for each in tables)
    return replace(program, pus=program.pus | {node: replace(program.pus[node], tables=tables)})


def test_a_ring_that_is_one_row_too_small_is_a_deadlock_that_names_who_waits_for_whom(workspace: Path) -> None:
    """`one` feeds `sum` directly and through `two`, whose window needs two rows before its first."""
    program = small.program(slack_rows=0)
    (skip,) = (channel for channel in program.channels if channel.producer == "one" and channel.consumer == "sum")
    row = program.arch.words(6 * 8)
    assert pyimc("rerun", store(program, images_for(program, 2), Path("right"))).code == 0
    assert skip.size > row
    said = pyimc("rerun", store(shrunk(program, skip.name, skip.size - row), images_for(program, 2), Path("small")))
    assert said.code == 1
    one, two, total = (program.actor(name).node for name in ("one", "two", "sum"))
    line = said.err
    assert line.count("\n") == 1 and line.startswith("pyimc: deadlock in cycle ")
    assert re.search(rf"one \(PU {one}\) waits for room at [^;]*sum", line)
    assert re.search(rf"two \(PU {two}\) has \d+ of \d+ words from one", line)
    assert re.search(rf"sum \(PU {total}\) has 0 of {row} words from two", line)
    report = read_result(Path("build/small-rerun-rtl"))
    assert report["deadlock"] is True and len(report["waiting"]) == len(program.actors)
    assert report["latency_cycles"] is None


def test_corrupt_on_the_command_line(intact: Path) -> None:
    actor = small.program().actor("one")
    shutil.copytree(intact, "copy")
    said = pyimc("corrupt", Path("copy/program"), f"pu_{actor.node:02}/weights.bin", 7)
    assert said.code == 0 and re.fullmatch(r"[0-9a-f]{64}\n", said.out)
    assert pyimc("rerun", Path("copy")).code == 1
    assert pyimc("rerun", intact).code == 0

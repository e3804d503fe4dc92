# SPDX-License-Identifier: Apache-2.0
"""The verdict on captures: the first wrong value is found in its place, and what is missing or too much counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mapping.actors.firing import row_words
from pyimc import golden
from pyimc.measurement import Measurement
from pyimc.program import Program
from sim.run.verify import deadlock_reason, node_verdict, outputs, verdicts
from tests.sim import small
from tests.sim.runs import images_for

PROGRAM = small.program()
GOLDENS = [golden.run(PROGRAM.network, image) for image in images_for(PROGRAM, 2)]
GARBAGE = 0xEE


CHAIN = small.chain_program()
CHAIN_GOLDENS = [golden.run(CHAIN.network, image) for image in images_for(CHAIN, 2)]


def records(
    program: Program, name: str, first_cycle: int = 100, goldens: list[dict[str, golden.Map]] = GOLDENS
) -> NDArray[np.uint32]:
    """What a capture of this actor holds if all is right: one word a cycle, garbage behind the end of a row."""
    node = next(node for node in program.network.nodes if node.name == name)
    kind = program.network.tensors[node.output]
    size = row_words(kind, program.arch) * program.arch.lanes
    rows = np.stack([values[node.output] for values in goldens]).reshape(-1, kind.width * kind.channels).view(np.uint8)
    padded = np.full((len(rows), size), GARBAGE, np.uint8)
    padded[:, : rows.shape[1]] = rows
    words = padded.reshape(-1, program.arch.lanes).view(np.uint32)
    head = np.zeros((len(words), 2), np.uint32)
    head[:, 0] = first_cycle + np.arange(len(words))
    head[:, 1] = program.actor(name).context
    return np.ascontiguousarray(np.hstack([head, words]))


def test_right_values_pass_whatever_is_behind_the_end_of_a_row() -> None:
    for node in PROGRAM.network.nodes:
        verdict = node_verdict(PROGRAM, node.name, GOLDENS, records(PROGRAM, node.name))
        assert (verdict.mismatches, verdict.first) == (0, None)
        assert verdict.values_compared == 2 * np.prod(PROGRAM.network.tensors[node.output].shape)


@pytest.mark.parametrize(
    ("image", "row", "column", "channel"), [(0, 0, 0, 0), (0, 2, 3, 5), (1, 0, 0, 1), (1, 5, 5, 7)]
)
def test_the_place_of_one_wrong_value(image: int, row: int, column: int, channel: int) -> None:
    """`two` has 6x6 pixels of 8 channels: a word of 8 bytes is a pixel."""
    taken = records(PROGRAM, "two")
    word = (image * 6 + row) * 6 + column
    taken.view(np.uint8).reshape(len(taken), -1)[word, 8 + channel] ^= 0x10
    verdict = node_verdict(PROGRAM, "two", GOLDENS, taken)
    first = verdict.first
    assert verdict.mismatches == 1 and first is not None
    assert (first.image, first.row, first.column, first.channel) == (image, row, column, channel)
    assert first.got == first.expected ^ 0x10
    assert first.expected == GOLDENS[image]["two.y"][row, column, channel]
    assert (first.cycle, first.pu) == (100 + word, PROGRAM.actor("two").node)
    assert str(first) == (
        f"node two, image {image}, pixel ({row}, {column}), channel {channel}: RTL {first.got}, golden "
        f"{first.expected}, left PU {first.pu} in cycle {100 + word}"
    )


@pytest.mark.parametrize("byte", range(4))
def test_the_place_of_a_wrong_partial_sum(byte: int) -> None:
    """`c.0` gives 6x6 pixels of 8 accumulators: a word of 8 bytes is two of them."""
    taken = records(CHAIN, "c.0", goldens=CHAIN_GOLDENS)
    right = node_verdict(CHAIN, "c.0", CHAIN_GOLDENS, taken)
    assert (right.mismatches, right.values_compared) == (0, 2 * 6 * 6 * 8)
    word = ((1 * 6 + 2) * 6 + 5) * 4 + 3
    taken.view(np.uint8).reshape(len(taken), -1)[word, 8 + 4 + byte] ^= 0x10
    first = node_verdict(CHAIN, "c.0", CHAIN_GOLDENS, taken).first
    assert first is not None
    assert (first.image, first.row, first.column, first.channel, first.cycle) == (1, 2, 5, 7, 100 + word)
    assert first.expected == CHAIN_GOLDENS[1]["c.0.y"][2, 5, 7]
    assert (first.got ^ first.expected) & 0xFFFFFFFF == 0x10 << 8 * byte


def test_the_first_of_several_wrong_values_is_named_and_all_are_counted() -> None:
    taken = records(PROGRAM, "two")
    for word, byte in ((50, 0), (9, 7), (9, 2)):
        taken.view(np.uint8).reshape(len(taken), -1)[word, 8 + byte] ^= 1
    verdict = node_verdict(PROGRAM, "two", GOLDENS, taken)
    assert verdict.mismatches == 3 and verdict.first is not None
    assert (verdict.first.row, verdict.first.column, verdict.first.channel) == (1, 3, 2)


@pytest.mark.parametrize("lost", [1, 6, 7, 36, 72])
def test_missing_words_count_as_missing_rows(lost: int) -> None:
    """A row of `two` is 6 words of 8 values; one that is not complete is not compared."""
    verdict = node_verdict(PROGRAM, "two", GOLDENS, records(PROGRAM, "two")[: 72 - lost])
    rows = -(-lost // 6)
    assert verdict.mismatches == 48 * rows and verdict.first is None
    assert verdict.values_compared == 48 * (12 - rows)


@pytest.mark.parametrize("extra", [1, 6, 100])
def test_words_too_many_are_a_mismatch(extra: int) -> None:
    taken = records(PROGRAM, "two")
    verdict = node_verdict(PROGRAM, "two", GOLDENS, np.concatenate([taken, taken[:1].repeat(extra, 0)]))
    assert verdict.mismatches > 0


def test_actors_of_one_unit_are_told_apart(tmp_path: Path) -> None:
    """Captures of a unit hold the words of all its actors, mixed; each is judged by its own."""
    shared = [actor for actor in PROGRAM.actors if actor.node == PROGRAM.actor("sum").node]
    assert {actor.name for actor in shared} >= {"sum", "pool"}
    for node in PROGRAM.pus:
        parts = [records(PROGRAM, actor.name) for actor in PROGRAM.actors if actor.node == node]
        mixed = np.concatenate(parts)
        mixed[np.argsort(mixed[:, 0], kind="stable")].tofile(tmp_path / f"capture_{node:02d}.bin")
    found = verdicts(PROGRAM, GOLDENS, tmp_path)
    assert [*found] == [actor.name for actor in PROGRAM.actors]
    assert all(verdict.mismatches == 0 and verdict.values_compared for verdict in found.values())


@pytest.mark.parametrize(("size", "whole"), [(0, 0), (15, 0), (16, 1), (31, 1), (32, 2), (48, 2)])
def test_outputs_are_cut_to_complete_images(tmp_path: Path, size: int, whole: int) -> None:
    raw = np.arange(48, dtype=np.uint8)
    raw[:size].tofile(tmp_path / "output_0.bin")
    (found,) = outputs(PROGRAM.network, PROGRAM, tmp_path, 2)
    assert found.shape == (whole, 1, 1, 10)
    assert found.reshape(whole, 10).tolist() == [list(range(16 * image, 16 * image + 10)) for image in range(whole)]


def outcome(waiting: list[dict[str, Any]]) -> Measurement:
    """A deadlock in which actors wait like this."""
    return Measurement(
        deadlock=True, cycles_total=9, first_cycles=[], last_cycles=[], host_flits=0, counters={}, actors={},
        waiting=waiting,
    )  # fmt: skip


def status(actor: str, **fields: int) -> dict[str, Any]:
    """A STATUS of an actor that has its instruction and waits for inputs."""
    return {"actor": actor, "active": 1, "fetched": 1, "ready": 0, "room_wait": 0, "pc": 0, "fill_0": 0, "fill_1": 0,
            "need_0": 12, "need_1": 8} | fields  # fmt: skip


def test_who_waits_for_whom() -> None:
    waiting: list[dict[str, Any]] = [
        status("one", room_wait=1), status("two", fill_0=6), status("sum", fill_0=12, fill_1=0), {"actor": "pool"},
        status("last", active=0),
    ]  # fmt: skip
    place = {actor.name: f"{actor.name} (PU {actor.node})" for actor in PROGRAM.actors}
    destinations = ", ".join(PROGRAM.channel(name).consumer for name in PROGRAM.actor("one").destinations)
    assert sorted(destinations.split(", ")) == ["sum", "two"]
    assert deadlock_reason(PROGRAM, outcome(waiting)).split("; ") == [
        f"{place['one']} waits for room at {destinations}",
        f"{place['two']} has 6 of 12 words from one",
        f"{place['sum']} has 0 of 8 words from two",
        f"{place['pool']} does not answer",
    ]


def test_a_deadlock_without_a_reason_is_told_as_such() -> None:
    silent: list[dict[str, Any]] = [{"actor": actor.name} for actor in PROGRAM.actors]
    assert deadlock_reason(PROGRAM, outcome(silent)) == "no PU answers the host port any more"
    ready = [status(actor.name, ready=1) for actor in PROGRAM.actors]
    assert "busy without end" in deadlock_reason(PROGRAM, outcome(ready))

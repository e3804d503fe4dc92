"""rtl/packer.v against `pack`: values, order, latency, the flush, throughput."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import cocotb
import pytest

from tests.rtl.bench import STALLS, Beat, Corners, Sink, Source, cycles, reset, seeded, start, until
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate

SHAPES = [(64, 1), (128, 4), (256, 3)]
IN = ("data", "bytes", "ctx", "last")
OUT = ("data", "ctx", "last")
FIRINGS = 60


def pack(lanes: int, beats: Sequence[Beat]) -> list[Beat]:
    """Output beats (data, ctx, last) of input beats (data, bytes, ctx, last) that end with a last one."""
    words: list[Beat] = []
    held = b""
    for data, count, ctx, last in beats:
        held += data.to_bytes(lanes, "little")[:count]
        if last:
            held += bytes(-len(held) % lanes)
        while len(held) >= lanes:
            words.append((int.from_bytes(held[:lanes], "little"), ctx, int(bool(last) and len(held) == lanes)))
            held = held[lanes:]
    return words


def firing(rng: random.Random, lanes: int, ctx_bits: int, *, whole: bool = False) -> list[Beat]:
    """Beats of one firing; bytes above the valid ones are junk."""
    ctx = rng.getrandbits(ctx_bits)
    length = rng.randint(1, 8)
    counts = [lanes if whole else rng.choice((lanes, 1, rng.randint(1, lanes))) for _ in range(length)]
    if rng.random() < 0.3:
        counts[-1] = -sum(counts[:-1]) % lanes or lanes
    return [(rng.getrandbits(8 * lanes), count, ctx, int(n == length - 1)) for n, count in enumerate(counts)]


def shape(dut: Any) -> tuple[int, int]:
    return len(dut.s_data) // 8, len(dut.s_ctx)


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_model(dut: Any, source: str, sink: str) -> None:
    rng = seeded("equals_model", source, sink)
    lanes, ctx_bits = shape(dut)
    await start(dut)
    corners = Corners("flush", "whole word", "one byte", "ends full", "ends padded")
    s = Source(dut, "s", IN, stall=source, rng=rng)
    m = Sink(dut, "m", OUT, stall=sink, rng=rng)
    sent: list[Beat] = []
    for _ in range(FIRINGS):
        beats = firing(rng, lanes, ctx_bits)
        total = sum(beat[1] for beat in beats)
        before = (total - beats[-1][1]) % lanes
        corners.hit("flush", before + beats[-1][1] > lanes)
        corners.hit("ends full", total % lanes == 0)
        corners.hit("ends padded", total % lanes != 0)
        corners.hit("whole word", before == 0 and beats[-1][1] == lanes)
        corners.hit("one byte", beats[-1][1] == 1)
        sent += beats
    expected = pack(lanes, sent)
    s.send(sent)
    await until(dut, lambda: m.count() == len(expected), timeout_cycles=100 * len(sent), what="delivery")
    await cycles(dut, 3)
    assert m.beats() == expected
    assert not int(dut.busy.value)
    corners.check()


@cocotb.test
async def smallest(dut: Any) -> None:
    """One byte in, one padded word out, one cycle later; busy from then on until it is taken."""
    rng = seeded("smallest")
    await start(dut)
    s = Source(dut, "s", IN, rng=rng)
    m = Sink(dut, "m", OUT, rng=rng, hold=True)
    assert not int(dut.busy.value)
    s.send([(0xA5, 1, 1, 1)])
    await until(dut, lambda: s.pending() == 0, timeout_cycles=10)
    await cycles(dut, 5)
    assert int(dut.busy.value) and int(dut.m_valid.value)
    m.hold = False
    await until(dut, lambda: m.count() == 1, timeout_cycles=5)
    assert m.beats() == [(0xA5, 1, 1)]
    await cycles(dut, 1)
    assert not int(dut.busy.value)


@cocotb.test
async def full_rate_latency_and_flush(dut: Any) -> None:
    """A beat per cycle, a word one cycle after the beat that completes it, one more cycle for a flush."""
    rng = seeded("full_rate")
    lanes, ctx_bits = shape(dut)
    await start(dut)
    s = Source(dut, "s", IN, rng=rng)
    m = Sink(dut, "m", OUT, rng=rng)
    sent: list[Beat] = []
    for n in range(30):
        sent += firing(rng, lanes, ctx_bits, whole=n % 2 == 0)
    expected = pack(lanes, sent)
    s.send(sent)
    await until(dut, lambda: m.count() == len(expected), timeout_cycles=2000)
    assert m.beats() == expected
    at = s.sent_at[0][0]
    out = []
    held = 0
    for n, (_, count, _, last) in enumerate(sent):
        assert s.sent_at[0][n] == at, "a bubble"
        held += count
        if held >= lanes or last:
            out.append(at + 1)
            held = max(held - lanes, 0)
        if held and last:
            at += 1
            out.append(at + 1)
            held = 0
        at += 1
    assert m.received_at[0] == out


@cocotb.test
async def valid_does_not_wait_for_ready(dut: Any) -> None:
    rng = seeded("after_valid")
    lanes, ctx_bits = shape(dut)
    await start(dut)
    s = Source(dut, "s", IN, rng=rng)
    m = Sink(dut, "m", OUT, rng=rng, after_valid=True)
    sent = [beat for _ in range(5) for beat in firing(rng, lanes, ctx_bits)]
    s.send(sent)
    await until(dut, lambda: m.count() == len(pack(lanes, sent)), timeout_cycles=400)


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    rng = seeded("reset")
    lanes, ctx_bits = shape(dut)
    await start(dut)
    s = Source(dut, "s", IN, rng=rng)
    m = Sink(dut, "m", OUT, stall="30%", rng=rng)
    corners = Corners("bytes held at reset")
    for _ in range(6):
        s.send(beat for _ in range(20) for beat in firing(rng, lanes, ctx_bits)[:-1])
        await cycles(dut, 25)
        corners.hit("bytes held at reset", int(dut.fill_q.value) != 0)
        dut.rst.value = 1
        s.clear()
        await reset(dut)
        assert int(dut.m_valid.value) == 0 and int(dut.s_ready.value) == 1 and int(dut.busy.value) == 0
        m.clear()
        sent = firing(rng, lanes, ctx_bits)
        s.send(sent)
        await until(dut, lambda: m.count() == len(pack(lanes, sent)), timeout_cycles=200)  # noqa: B023
        assert m.beats() == pack(lanes, sent)
    corners.check()


@pytest.mark.parametrize(("word", "ctx_bits"), SHAPES)
def test_packer(word: int, ctx_bits: int) -> None:
    simulate("packer", __name__, {"WORD": word, "CTX_BITS": ctx_bits})


@pytest.mark.parametrize(("word", "ctx_bits"), SHAPES)
def test_lint(word: int, ctx_bits: int) -> None:
    assert_lint_clean("packer", {"WORD": word, "CTX_BITS": ctx_bits})


def test_illegal_parameters_are_refused() -> None:
    assert_refused("packer", {"WORD": 96}, "packer_WORD_must_be_a_power_of_two_from_16_up")
    assert_refused("packer", {"CTX_BITS": 0}, "packer_CTX_BITS_must_be_at_least_1")

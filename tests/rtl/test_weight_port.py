"""rtl/weight_port.v: loads of several actors, interleaved, each in its windows; a wrong load refuses its actor."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, field
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc import isa
from tests.rtl.bench import Corners, cycles, seeded, start
from tests.rtl.runner import assert_lint_clean, simulate

CONTEXTS, PLANE_WORDS = 4, 8
SHAPES = [64, 128]
FAULTS = ("none", "byte", "short", "long")


@dataclass
class Actor:
    """A layer whose loads come in: the words of one, its windows, and where the next load and the oldest one are."""

    plane: int
    words: list[int]
    first: int
    step: int
    span: int
    writes: int = field(init=False)
    reads: int = field(init=False)

    def __post_init__(self) -> None:
        self.writes = self.reads = self.first

    def further(self, window: int) -> int:
        """The window after it."""
        return (window + self.step) % self.span


def drawn(rng: random.Random, bits: int) -> Actor:
    """Up to three planes in up to four windows."""
    planes, windows = rng.randint(1, 3), rng.randint(1, 4)
    count = rng.randint((planes - 1) * PLANE_WORDS + 1, planes * PLANE_WORDS)
    words = [rng.getrandbits(bits) for _ in range(count)]
    return Actor(
        rng.randrange(60), words, rng.randrange(windows) * planes, rng.randrange(windows) * planes, windows * planes
    )


async def describe(dut: Any, context: int, actor: Actor) -> None:
    """Writes an actor's entries."""
    raw = b"".join(word.to_bytes(len(dut.s_data) // 8, "little") for word in actor.words)
    entries = {
        isa.TILES: {"plane": actor.plane},
        isa.COLUMNS: {"loaded": 1},
        isa.LOADS: {"words": len(actor.words), "first": actor.first, "step": actor.step, "span": actor.span},
        isa.CHECKSUM: {"crc": zlib.crc32(raw)},
    }
    dut.cfg_space.value = isa.SPACES["ENGINE"]
    for layout, values in entries.items():
        dut.cfg_valid.value = 1
        dut.cfg_addr.value = isa.engine_entry(context, layout)
        dut.cfg_data.value = layout.encode(**{each.name: values.get(each.name, 0) for each in layout.fields})
        await RisingEdge(dut.clk)
    dut.cfg_valid.value = 0


async def begin(dut: Any, rng: random.Random) -> list[Actor]:
    """Reset, and an actor in every context."""
    for name in ("cfg_valid", "s_valid", "given", "use_ctx", "s_ctx", "given_ctx", "s_end", "s_data"):
        getattr(dut, name).value = 0
    await start(dut)
    actors = [drawn(rng, len(dut.s_data)) for _ in range(CONTEXTS)]
    for context, actor in enumerate(actors):
        await describe(dut, context, actor)
    return actors


@cocotb.test
async def loads_go_to_their_windows(dut: Any) -> None:
    rng = seeded("windows")
    corners = Corners("the windows go round", "a word is given in the cycle of another", "a load of several planes")
    actors = await begin(dut, rng)
    at = [0] * CONTEXTS
    for _ in range(2000):
        context, gives, user = rng.randrange(CONTEXTS), rng.random() < 0.05, rng.randrange(CONTEXTS)
        actor, giver, sends = actors[context], rng.randrange(CONTEXTS), rng.random() < 0.9
        end = at[context] + 1 == len(actor.words)
        dut.s_valid.value, dut.s_ctx.value, dut.s_end.value = int(sends), context, int(end)
        dut.s_data.value = actor.words[at[context]]
        dut.given.value, dut.given_ctx.value, dut.use_ctx.value = int(gives), giver, user
        await RisingEdge(dut.clk)
        if sends:
            assert int(dut.plane.value) == actor.plane + actor.writes + at[context] // PLANE_WORDS
            assert int(dut.place.value) == at[context] % PLANE_WORDS
            corners.hit("a load of several planes", at[context] >= PLANE_WORDS)
            corners.hit("a word is given in the cycle of another", gives)
            at[context] = 0 if end else at[context] + 1
            if end:
                corners.hit("the windows go round", actor.further(actor.writes) < actor.writes)
                actor.writes = actor.further(actor.writes)
        assert int(dut.window.value) == actors[user].reads
        if gives:
            actors[giver].reads = actors[giver].further(actors[giver].reads)
    assert int(dut.refused.value) == 0
    corners.check()


@cocotb.test
@cocotb.parametrize(fault=FAULTS)
async def a_wrong_load_is_refused(dut: Any, fault: str) -> None:
    rng = seeded("refused", fault)
    actors = await begin(dut, rng)
    context = rng.randrange(CONTEXTS)
    words = list(actors[context].words)
    if fault == "byte":
        words[rng.randrange(len(words))] ^= 1 << rng.randrange(len(dut.s_data))
    elif fault == "short":
        words = words[:-1] or [*words, 0]
    elif fault == "long":
        words.append(rng.getrandbits(len(dut.s_data)))
    dut.s_ctx.value = context
    for number, word in enumerate(words):
        assert int(dut.refused.value) == 0
        dut.s_valid.value, dut.s_data.value, dut.s_end.value = 1, word, int(number + 1 == len(words))
        await RisingEdge(dut.clk)
        if fault == "long" and number + 2 == len(words):
            break  # the word that should have been the last was not
    dut.s_valid.value = 0
    await cycles(dut, 1)
    if fault != "short":  # one of a single word is followed by another, which is late already
        assert int(dut.refused.value) == 0, "it is compared in this cycle"
    await cycles(dut, 1)
    assert int(dut.refused.value) == (0 if fault == "none" else 1 << context)
    await cycles(dut, 3)
    assert int(dut.refused.value) == (0 if fault == "none" else 1 << context)


@pytest.mark.parametrize("word", SHAPES)
def test_weight_port(word: int) -> None:
    simulate("weight_port", __name__, {"WORD": word, "CONTEXTS": CONTEXTS, "CTX_BITS": 2, "PLANE_WORDS": PLANE_WORDS})


@pytest.mark.parametrize("word", SHAPES)
def test_lint(word: int) -> None:
    assert_lint_clean("weight_port", {"WORD": word, "CONTEXTS": CONTEXTS, "CTX_BITS": 2, "PLANE_WORDS": PLANE_WORDS})

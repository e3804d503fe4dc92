"""rtl/pu.v through its links only: one digital PU is loaded, runs an addition, and is read back.

The actor adds two inputs in three firings of two words each; both results go to two destinations, one of which has
room for one firing only, so the actor also waits for credits.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc.engines.dpu.timing import Timeline, Walk, timeline
from pyimc.isa import (
    CHANNEL,
    CONTEXT,
    CREDIT,
    DESTINATION,
    ENTRIES,
    ENTRY_BITS,
    INSTRUCTION_ADDRESS,
    INSTRUCTION_ENTRIES,
    OPERATIONS,
    OUTPUT,
    PARAM_1,
    PORT_STATUS,
    SPACES,
    STATUS,
    STATUS_ADDRESS,
    VECTOR,
    WINDOW,
    channel_entry,
    engine_entry,
    fire,
    instruction,
)
from pyimc.isa import head as isa_head
from tests.rtl.bench import STALLS, Beat, Sink, Source, cycles, reset, seeded, start, until
from tests.rtl.runner import assert_refused, simulate

SHAPES = [
    {"WORD": 64, "CONTEXTS": 3, "DESTINATIONS": 2, "INSTRUCTIONS": 20, "MEMORY": 40, "PARAMETERS": 8, "PACKET": 3},
    {"WORD": 128, "CONTEXTS": 16, "DESTINATIONS": 4, "INSTRUCTIONS": 256, "MEMORY": 512, "PARAMETERS": 64, "PACKET": 1},
]
NODE = 6
HOST = 1
WORDS, FIRINGS = 2, 3
RINGS = ((0, 5), (13, 6))
"""Base and size of the input rings; both wrap."""
ROUTES = ((9, 4, 100), (11, 7, WORDS))
"""Node, channel and room of the destinations."""
PRODUCERS = ((21, 3), (22, 130))
"""Node and slot to which the credits of the inputs go."""


class Pu:
    """The PU and the world around it."""

    def __init__(self, dut: Any, ctx: int, source: str = "none", sink: str = "none") -> None:
        self.dut, self.ctx = dut, ctx
        self.rng = seeded("pu", ctx, source, sink)
        self.bytes = len(dut.s_data) // 8
        self.link = Source(dut, "s", stall=source, rng=self.rng)
        self.out = Sink(dut, "m", stall=sink, rng=self.rng)
        self.credits = Sink(dut, "m_credit", ("data",), stall=sink, rng=self.rng)
        dut.node.value = NODE
        dut.run.value = 0
        dut.s_credit_valid.value = 0
        self.now = 0
        self.run_cycles = 0
        self.task = cocotb.start_soon(self._clock())

    async def _clock(self) -> None:
        while True:
            self.dut.now.value = self.now
            await RisingEdge(self.dut.clk)
            self.now += 1
            self.run_cycles += str(self.dut.run.value) == "1"

    def send(self, kind: str, payload: list[int], **fields: int) -> None:
        head = isa_head(kind, **{"node": NODE, "length": len(payload), "source": HOST, **fields})
        flits = [head, *payload]
        self.link.send((flit, int(n == len(flits) - 1)) for n, flit in enumerate(flits))

    def write(self, space: str, address: int, *entries: int) -> None:
        self.send("WRITE", list(entries), space=SPACES[space], address=address)

    def load(self) -> None:
        """All tables: y = clamp(((a - 10) * 2 + (b - 20) * 4) / 2 + 5) in 0..200."""
        ctx = self.ctx
        destinations = int(self.dut.DESTINATIONS.value)
        program = [
            fire([WORDS, WORDS], [WORDS, WORDS], produce=WORDS, pixels=WORDS, rows=1),
            instruction("LOOP", level=0, count=FIRINGS, target=2),
            instruction("HALT"),
        ]
        for address, word in enumerate(program, 2):
            parts = [word >> part * ENTRY_BITS & (1 << ENTRY_BITS) - 1 for part in range(INSTRUCTION_ENTRIES)]
            self.write("INSTRUCTION", INSTRUCTION_ADDRESS.encode(pc=address), *parts)
        vector = VECTOR.encode(operation=0, zero_point_0=10, zero_point_1=20, shift=1, kernel_columns=2)
        row = WORDS * self.bytes
        window = WINDOW.encode(run=self.bytes, step=self.bytes, row_bytes=row)
        self.write("ENGINE", engine_entry(ctx, WINDOW), window)
        self.write("ENGINE", engine_entry(ctx, VECTOR), vector)
        self.write("ENGINE", engine_entry(ctx, OUTPUT), OUTPUT.encode(parameters=3, zero_point=5, low=0, high=200))
        self.write("PARAMETER", 2 * 3, 0, PARAM_1.encode(multiplier=2), 0, PARAM_1.encode(multiplier=4))
        channels = [
            CHANNEL.encode(base=base, size=size, node=node, slot=slot)
            for (base, size), (node, slot) in zip(RINGS, PRODUCERS, strict=True)
        ]
        self.write("CHANNEL", channel_entry(ctx, 0), *channels)
        routes = [DESTINATION.encode(node=node, channel=channel, room=room) for node, channel, room in ROUTES]
        self.write("DESTINATION", ctx * destinations, *routes)
        self.write("CONTEXT", ctx, CONTEXT.encode(start=2, active=1, ports=2, destinations=len(ROUTES)))

    def expected(self, a: bytes, b: bytes) -> bytes:
        return bytes(max(0, min(200, (x - 10) + 2 * (y - 20) + 5)) for x, y in zip(a, b, strict=True))

    @property
    def timeline(self) -> Timeline:
        """Of a firing."""
        row = WORDS * self.bytes
        return timeline(Walk(OPERATIONS["ADD"], self.bytes, self.bytes, row, 2), self.bytes, pixels=WORDS)

    def words(self, data: bytes) -> list[int]:
        size = self.bytes
        return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]

    async def read(self, space: str, address: int, length: int) -> list[int]:
        """The entries that a READ brings back."""
        before = self.out.count()
        self.send("READ", [], space=SPACES[space], address=address, length=length)
        await until(self.dut, lambda: self.out.count() == before + length + 1, 2000, "reply")
        head, *entries = self.out.beats()[before:]
        expected = isa_head("REPLY", node=HOST, length=length, source=NODE, space=SPACES[space], address=address)
        assert head == (expected, 0)
        assert [last for _, last in entries] == [0] * (length - 1) + [1]
        return [entry for entry, _ in entries]

    async def credit(self, index: int) -> None:
        """The consumer behind one destination gives the words of a firing back."""
        slot = self.ctx * int(self.dut.DESTINATIONS.value) + index
        self.dut.s_credit_data.value = CREDIT.encode(node=NODE, slot=slot, words=WORDS)
        self.dut.s_credit_valid.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.s_credit_valid.value = 0

    def packets(self, results: list[int]) -> list[Beat]:
        """What leaves for all results: packets of at most PACKET words, each to both destinations."""
        most = min(WORDS, int(self.dut.PACKET.value))
        beats: list[Beat] = []
        for at in range(0, len(results), most):
            end = int((at + most) % WORDS == 0)
            for index, (node, channel, _) in enumerate(ROUTES):
                slot = self.ctx * int(self.dut.DESTINATIONS.value) + index
                fields = {"node": node, "channel": channel, "length": most, "source": NODE, "slot": slot, "end": end}
                beats.append((isa_head("DATA", **fields), 0))
                beats += [(word, int(n == most - 1)) for n, word in enumerate(results[at : at + most])]
        return beats


async def run_once(dut: Any, pu: Pu) -> None:
    """Load, run three firings, read everything back."""
    rng = pu.rng
    pu.load()
    await until(dut, lambda: not pu.link.pending(), 4000, "loading")
    await cycles(dut, 3)
    results: list[int] = []
    pu.run_cycles = 0
    dut.run.value = 1
    for n in range(FIRINGS):
        a, b = (rng.randbytes(WORDS * pu.bytes) for _ in range(2))
        results += pu.words(pu.expected(a, b))
        for port, data in enumerate((a, b)):
            for word in pu.words(data):  # a packet each
                pu.send("DATA", [word], channel=channel_entry(pu.ctx, port))
        # The rings hold two firings: the next data come when this firing's credits are back.
        if n >= 1:
            await until(dut, lambda: pu.credits.count() >= 2 * n, 4000, "credits")  # noqa: B023
            if n == 1:
                await until(dut, lambda: not pu.link.pending(), 2000, "inputs")
                await cycles(dut, 100)
                assert pu.credits.count() == 2, "the second destination has no room"
            await pu.credit(1)
    expected = pu.packets(results)
    await until(dut, lambda: pu.out.count() >= len(expected), 8000, "results")
    await cycles(dut, 40)
    dut.run.value = 0
    assert pu.out.beats() == expected
    owed = [CREDIT.encode(node=node, slot=slot, words=WORDS) for _ in range(FIRINGS) for node, slot in PRODUCERS]
    assert [beat[0] for beat in pu.credits.beats()] == owed
    assert not int(dut.busy.value)
    await check_counters(pu, len(expected))


async def check_counters(pu: Pu, flits_out: int) -> None:
    """The counters and states after the run."""
    low = (1 << 32) - 1
    states, waits, flits = await pu.read("COUNTER", 0, 3)
    busy, waited, room, idle = states & low, states >> 32, waits & low, waits >> 32
    assert busy + waited + room + idle == pu.run_cycles
    assert room >= 50 and idle >= 30 and waited > 0
    assert flits >> 32 == flits_out
    assert flits & low == FIRINGS * 2 * WORDS * 2
    count, span = await pu.read("ACTOR", 2 * pu.ctx, 2)
    assert (count & low, count >> 32) == (FIRINGS, busy)
    # A firing is the cycle in which it is issued and those of its reads.
    assert busy == FIRINGS * (1 + pu.timeline.slots)
    assert span & low < span >> 32
    (word,) = await pu.read("STATUS", STATUS_ADDRESS.encode(context=pu.ctx), 1)
    assert STATUS.decode(word) == {"active": 0, "fetched": 0, "ready": 0, "room_wait": 0, "pc": 5, "refused": 0}
    for port in range(2):
        entry = STATUS_ADDRESS.encode(context=pu.ctx, entry=ENTRIES["STATUS"]["PORT_STATUS"] + port)
        (word,) = await pu.read("STATUS", entry, 1)
        assert PORT_STATUS.decode(word) == {"fill": 0, "need": WORDS}


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def addition(dut: Any, source: str, sink: str) -> None:
    pu = Pu(dut, int(dut.CONTEXTS.value) - 1, source, sink)
    await start(dut)
    await run_once(dut, pu)


@cocotb.test
async def reset_in_mid_run(dut: Any) -> None:
    """Reset while the engine works and packets are under way; then everything again, in another context."""
    for ctx in range(2):
        pu = Pu(dut, ctx)
        if ctx == 0:
            await start(dut)
        pu.load()
        dut.run.value = 1
        for port in range(2):
            pu.send("DATA", [1] * WORDS * 2, channel=channel_entry(ctx, port))
        await until(dut, lambda: bool(int(dut.busy.value)), 500, "busy")
        await cycles(dut, 3 + 4 * ctx)
        dut.rst.value = 1
        dut.run.value = 0
        pu.link.clear()
        await reset(dut, 0)
        assert not int(dut.busy.value) and not int(dut.m_valid.value) and not int(dut.m_credit_valid.value)
        pu.out.clear()
        pu.credits.clear()
        await run_once(dut, pu)
        for part in (pu.link, pu.out, pu.credits):
            part.stop()
        pu.task.cancel()


@cocotb.test
async def latency(dut: Any) -> None:
    """From the last word of the inputs to the first head out: arrival 1, scan 1, select 1, issue 1, then the engine."""
    pu = Pu(dut, 0)
    await start(dut)
    pu.load()
    await until(dut, lambda: not pu.link.pending(), 4000, "loading")
    dut.run.value = 1
    await cycles(dut, 20)
    pu.send("DATA", [1] * WORDS, channel=0)
    pu.send("DATA", [2] * WORDS, channel=1)
    await until(dut, lambda: pu.out.count() > 0, 200, "the first head")
    arrived = pu.link.sent_at[0][-1]
    most = min(WORDS, int(dut.PACKET.value))
    issued = arrived + 4  # issue_valid and issue_ready
    complete = issued + pu.timeline.words[most - 1]
    assert pu.out.received_at[0][0] == complete + 2
    await until(dut, lambda: pu.out.count() >= len(ROUTES) * (WORDS // most) * (1 + most), 200, "all packets")
    assert all(b == a + 1 for a, b in pairwise(pu.out.received_at[0][: 2 * (1 + most)]))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}")
def test_pu(shape: dict[str, int]) -> None:
    simulate("pu", __name__, {"KIND": 1, **shape})


def test_illegal_parameters_are_refused() -> None:
    assert_refused("pu", {"KIND": 2}, "engine_KIND_must_be_one_of_8_1")
    assert_refused("pu", {"KIND": 1, "CONTEXTS": 65}, "sequencer_CONTEXTS_must_be_1_to_64_and_fit_CTX_BITS")
    assert_refused("pu", {"KIND": 1, "PACKET": 0}, "egress_PACKET_must_be_1_to_255_words")
    assert_refused("pu", {"KIND": 1, "MEMORY": 65537}, "ram_depth_must_be_2_to_2_power_ADDR_BITS")

"""rtl/ingress.v against a model of every cycle: memory writes, arrivals, table writes and replies, in order."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import cocotb
import pytest
from cocotb.triggers import First, RisingEdge

from pyimc.isa import CHANNEL, KINDS, PORT_BITS, SPACES, decode_head
from pyimc.isa import head as isa_head
from tests.rtl.bench import STALLS, Beat, Corners, Sink, Source, cycles, reset, seeded, start, until
from tests.rtl.runner import assert_refused, simulate

SHAPES = [
    {"WORD": 64, "CONTEXTS": 3, "CTX_BITS": 2},
    {"WORD": 128, "CONTEXTS": 16, "CTX_BITS": 4},
    {"WORD": 96, "CONTEXTS": 1, "CTX_BITS": 1},
]
PACKETS = 60
CORNERS = (
    "ring wraps",
    "ring ends at the last word",
    "packet of one word",
    "channel written in mid-run",
    "reply stalled",
    "reply of several words",
    "same channel again",
    "flit waits for a reply",
)
KINDS_BY_NUMBER = {number: name for name, number in KINDS.items()}


def answer(space: int, address: int) -> int:
    """What the tables of this test hold: a different 64-bit word everywhere."""
    return (space << 16 | address) * 0x9E3779B97F4A7C15 & (1 << 64) - 1


class IngressModel:
    """One flit at a time: what it does to the memory, the tables and the sequencer."""

    def __init__(self, node: int, channels: int) -> None:
        self.node = node
        self.rings = [(0, 1)] * channels  # base, size
        self.tails = [0] * channels
        self.memories = [0] * channels
        self.reset()

    def reset(self) -> None:
        self.head: dict[str, int] | None = None
        self.head_before: dict[str, int] = {}  # of the packet whose flit was taken last
        self.arrival: tuple[int, int] | None = None  # channel and words, reported in the next cycle
        self.replies: list[Beat] = []  # flits of the reply that holds the link

    def take(self, data: int, last: bool) -> tuple[str, int, int] | None:
        """("memory", address, which), ("table", space, address) or None for a head."""
        if self.head is None:
            self.head = decode_head(data)
            self.tail = self.tails[self.head["channel"]] if "channel" in self.head else 0
            if KINDS_BY_NUMBER[self.head["kind"]] == "READ":
                self.replies = self._reply(self.head)
                self.head = None
            return None
        head = self.head_before = self.head
        done: tuple[str, int, int]
        if KINDS_BY_NUMBER[head["kind"]] == "DATA":
            done = ("memory", self.tail, self.memories[head["channel"]])
            base, size = self.rings[head["channel"]]
            self.tail = base + (self.tail + 1 - base) % size
            if last:
                self.tails[head["channel"]] = self.tail
                self.arrival = (head["channel"], head["length"])
        else:
            done = ("table", head["space"], head["address"])
            if head["space"] == SPACES["CHANNEL"]:
                entry = CHANNEL.decode(data & (1 << 64) - 1)
                self.rings[head["address"]] = (entry["base"], entry["size"])
                self.tails[head["address"]] = entry["base"]
                self.memories[head["address"]] = entry["memory"]
            head["address"] = (head["address"] + 1) & 0xFFFF
        if last:
            self.head = None
        return done

    def _reply(self, head: dict[str, int]) -> list[Beat]:
        length = head["length"]
        reply = isa_head(
            "REPLY",
            node=head["source"],
            length=length,
            source=self.node,
            space=head["space"],
            address=head["address"],
        )
        words = [answer(head["space"], (head["address"] + n) & 0xFFFF) for n in range(length)]
        return [(reply, 0), *((word, int(n == length - 1)) for n, word in enumerate(words))]


class Traffic:
    """Random packets for a PU."""

    def __init__(self, dut: Any, rng: random.Random, corners: Corners) -> None:
        self.rng, self.corners = rng, corners
        self.word = len(dut.s_data)
        self.node = rng.choice((0, 255, rng.getrandbits(8)))
        dut.node.value = self.node
        self.channels = int(dut.CONTEXTS.value) << PORT_BITS
        self.sizes = [0] * self.channels
        self.channel = -1

    def _packet(self, payload: list[int], **fields: Any) -> list[Beat]:
        values = {"node": self.node, "source": self.rng.getrandbits(8), **fields}
        head = isa_head(**values) | self.rng.getrandbits(self.word) >> 64 << 64
        flits = [head, *payload]
        return [(flit, int(n == len(flits) - 1)) for n, flit in enumerate(flits)]

    def rings(self, first: int, count: int) -> list[Beat]:
        """A WRITE of CHANNEL entries; every third ring ends at the last word of the address space."""
        payload = []
        for channel in range(first, first + count):
            size = self.rng.randint(1, 9)
            base = self.rng.choice((0, self.rng.randint(0, 65536 - size), 65536 - size))
            self.corners.hit("ring ends at the last word", base + size == 65536)
            self.sizes[channel] = size
            junk = self.rng.getrandbits(self.word) >> 64 << 64
            payload.append(
                CHANNEL.encode(base=base, size=size, memory=self.rng.getrandbits(1), node=self.rng.getrandbits(8))
                | junk
            )
        fields = {"kind": "WRITE", "space": SPACES["CHANNEL"], "address": first, "length": count}
        return self._packet(payload, **fields)

    def packet(self) -> list[Beat]:
        """A random packet; DATA has the room that its ring has in all."""
        rng = self.rng
        choice = rng.random()
        if choice < 0.6:
            channel = rng.choice((self.channel if self.channel >= 0 else 0, rng.randrange(self.channels)))
            self.corners.hit("same channel again", channel == self.channel)
            self.channel = channel
            length = rng.randint(1, self.sizes[channel])
            self.corners.hit("packet of one word", length == 1)
            payload = [rng.getrandbits(self.word) for _ in range(length)]
            slot, end = rng.getrandbits(8), rng.getrandbits(1)
            return self._packet(payload, kind="DATA", channel=channel, slot=slot, length=length, end=end)
        if choice < 0.65:
            first = rng.randrange(self.channels)
            self.corners.hit("channel written in mid-run")
            return self.rings(first, rng.randint(1, min(2, self.channels - first)))
        length = rng.randint(1, 4)
        address = rng.choice((rng.getrandbits(16), 65535))
        if choice < 0.85:
            space = rng.choice([number for name, number in SPACES.items() if name != "CHANNEL"])
            payload = [rng.getrandbits(self.word) for _ in range(length)]
            return self._packet(payload, kind="WRITE", space=space, address=address, length=length)
        self.corners.hit("reply of several words", length > 1)
        space = rng.choice(sorted(SPACES.values()))
        return self._packet([], kind="READ", space=space, address=address, length=length)


class Bench:
    """Drives packets, answers reads, and compares every cycle with the model."""

    def __init__(
        self, dut: Any, rng: random.Random, source: str = "none", sink: str = "none", after_valid: bool = False
    ) -> None:
        self.dut = dut
        self.corners = Corners()
        self.traffic = Traffic(dut, rng, self.corners)
        self.model = IngressModel(self.traffic.node, self.traffic.channels)
        self.source = Source(dut, "s", stall=source, rng=rng)
        self.sink = Sink(dut, "m_reply", stall=sink, rng=rng, after_valid=after_valid)
        self.expected_replies: list[Beat] = []
        self.flits = 0  # taken
        self.tasks = [cocotb.start_soon(self._answer()), cocotb.start_soon(self._compare())]

    async def _answer(self) -> None:
        """read_data is a function of what is on read_space and read_addr."""
        dut = self.dut
        while True:
            if dut.read_space.value.is_resolvable and dut.read_addr.value.is_resolvable:
                dut.read_data.value = answer(int(dut.read_space.value), int(dut.read_addr.value))
            await First(dut.read_space.value_change, dut.read_addr.value_change)

    async def _compare(self) -> None:
        dut, model = self.dut, self.model
        while True:
            await RisingEdge(dut.clk)
            if int(dut.rst.value):
                self.corners.hit("reset in a packet", model.head is not None)
                self.corners.hit("reset in a reply", bool(model.replies))
                model.reset()
                continue
            assert int(dut.arrive_valid.value) == (model.arrival is not None)
            if model.arrival is not None:
                assert (int(dut.arrive_channel.value), int(dut.arrive_words.value)) == model.arrival
                model.arrival = None
            assert int(dut.s_ready.value) == (not model.replies), "a reply holds the link, nothing else does"
            assert int(dut.m_reply_valid.value) == bool(model.replies)
            done = None
            valid = int(dut.s_valid.value)
            self.corners.hit("flit waits for a reply", bool(model.replies and valid))
            if model.replies:
                if int(dut.m_reply_ready.value):
                    self.expected_replies.append(model.replies.pop(0))
                else:
                    self.corners.hit("reply stalled")
            elif valid:
                before = getattr(model, "tail", 0)
                self.flits += 1
                done = model.take(int(dut.s_data.value), bool(int(dut.s_last.value)))
                self.corners.hit("ring wraps", done is not None and done[0] == "memory" and model.tail < before)
            assert int(dut.mem_wen.value) == (done is not None and done[0] == "memory")
            assert int(dut.cfg_valid.value) == (done is not None and done[0] == "table")
            if done is not None and done[0] == "memory":
                assert int(dut.mem_waddr.value) == done[1]
                assert int(dut.mem_select.value) == done[2]
                assert int(dut.mem_ctx.value) == model.head_before["channel"] >> PORT_BITS
                assert int(dut.mem_end.value) == (model.head_before["end"] and int(dut.s_last.value))
            elif done is not None:
                assert (int(dut.cfg_space.value), int(dut.cfg_addr.value)) == done[1:]

    async def run(self, packets: Iterable[list[Beat]]) -> None:
        """Send packets and wait until everything has come of them."""
        beats = [beat for packet in packets for beat in packet]
        self.flits = 0
        self.source.send(beats)
        limit = 200 * len(beats) + 100
        await until(self.dut, lambda: self.flits == len(beats) and not self.model.replies, limit, "the packets")
        await cycles(self.dut, 2)
        assert self.sink.beats() == self.expected_replies


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def random_packets(dut: Any, source: str, sink: str) -> None:
    rng = seeded("random_packets", source, sink)
    await start(dut)
    bench = Bench(dut, rng, source, sink)
    await bench.run([bench.traffic.rings(0, bench.traffic.channels)])
    count = 5 * PACKETS if (source, sink) == ("30%", "30%") else PACKETS
    await bench.run([bench.traffic.packet() for _ in range(count)])
    if (source, sink) == ("30%", "30%"):
        bench.corners.required = CORNERS
    bench.corners.check()


@cocotb.test
async def flit_a_cycle(dut: Any) -> None:
    """Without reads every flit is taken at once; a READ of n words holds the link for n + 1 cycles more."""
    rng = seeded("flit_a_cycle")
    await start(dut)
    bench = Bench(dut, rng)
    await bench.run([bench.traffic.rings(0, bench.traffic.channels)])
    packets = [bench.traffic.packet() for _ in range(60)]
    bench.source.sent_at[0].clear()
    await bench.run(packets)
    at = bench.source.sent_at[0][0]
    expected: list[int] = []
    for packet in packets:
        head = decode_head(packet[0][0])
        expected += range(at, at + len(packet))
        at += len(packet) + (head["length"] + 1 if head["kind"] == KINDS["READ"] else 0)
    assert bench.source.sent_at[0] == expected


@cocotb.test
async def reply_valid_does_not_wait_for_ready(dut: Any) -> None:
    await start(dut)
    bench = Bench(dut, seeded("after_valid"), after_valid=True)
    await bench.run([bench.traffic.rings(0, bench.traffic.channels)])
    await bench.run([bench.traffic.packet() for _ in range(30)])
    assert bench.expected_replies


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    rng = seeded("reset")
    await start(dut)
    bench = Bench(dut, rng, sink="30%")
    for _ in range(25):
        await bench.run([bench.traffic.rings(0, bench.traffic.channels)])
        bench.source.send([beat for _ in range(40) for beat in bench.traffic.packet()])
        await cycles(dut, rng.randint(5, 40))
        dut.rst.value = 1
        bench.source.clear()
        await reset(dut, 0)
        bench.sink.clear()
        bench.expected_replies.clear()
        await bench.run([bench.traffic.rings(0, bench.traffic.channels)])
        await bench.run([bench.traffic.packet() for _ in range(3)])
    bench.corners.required = ("reset in a packet", "reset in a reply")
    bench.corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}")
def test_ingress(shape: dict[str, int]) -> None:
    simulate("ingress", __name__, shape)


def test_illegal_parameters_are_refused() -> None:
    for contexts in ({"CONTEXTS": 0}, {"CONTEXTS": 17}, {"CONTEXTS": 1, "CTX_BITS": 0}, {"CTX_BITS": 8}):
        assert_refused("ingress", contexts, "ingress_CONTEXTS_must_fit_CTX_BITS_of_1_to_6")
    assert_refused("ingress", {"WORD": 32}, "ingress_WORD_must_be_at_least_64")

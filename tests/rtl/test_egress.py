"""rtl/egress.v against `packets`: heads, payloads and order; every cycle against its formula if nothing stalls."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc.isa import CONTEXT, DESTINATION, HEAD, KINDS, SPACES, head
from tests.rtl.bench import STALLS, Beat, Corners, Sink, Source, cycles, reset, seeded, start, until
from tests.rtl.runner import assert_refused, simulate

SHAPES = [
    {"WORD": 64, "CONTEXTS": 3, "CTX_BITS": 2, "DESTINATIONS": 2, "PACKET": 3},
    {"WORD": 128, "CONTEXTS": 16, "CTX_BITS": 4, "DESTINATIONS": 4, "PACKET": 16},
    {"WORD": 96, "CONTEXTS": 1, "CTX_BITS": 1, "DESTINATIONS": 1, "PACKET": 1},
]
FIRING_WORDS = 100  # engine words of a random run, about
CORNERS = ("full packet", "firing of several packets", "engine waits", "all destinations", "reply", "reply waits")

Packet = list[int]
"""The words of a packet, the head first."""


class Tables:
    """What the destinations of every context are."""

    def __init__(self, dut: Any, rng: random.Random) -> None:
        self.dut, self.rng = dut, rng
        self.node = rng.choice((0, 255, rng.getrandbits(8)))
        dut.node.value = self.node
        self.most = int(dut.DESTINATIONS.value)
        self.contexts = int(dut.CONTEXTS.value)
        self.packet = int(dut.PACKET.value)
        self.word = len(dut.s_data)
        self.routes: list[list[tuple[int, int]]] = []  # by context: node and channel of each destination

    async def write(self) -> None:
        """Random tables for every context."""
        rng = self.rng
        self.routes = [
            [
                (rng.getrandbits(8), rng.getrandbits(8))
                for _ in range(rng.choice((1, self.most, rng.randint(1, self.most))))
            ]
            for _ in range(self.contexts)
        ]
        for ctx, routes in enumerate(self.routes):
            entry = CONTEXT.encode(start=rng.getrandbits(16), ports=1, destinations=len(routes))
            await self._entry(SPACES["CONTEXT"], ctx, entry)
            for index, (node, channel) in enumerate(routes):
                entry = DESTINATION.encode(node=node, channel=channel, room=rng.getrandbits(16))
                await self._entry(SPACES["DESTINATION"], ctx * self.most + index, entry)
            await self._entry(SPACES["CHANNEL"], ctx, rng.getrandbits(64))  # not for the egress
        self.dut.cfg_valid.value = 0
        self.dut.cfg_space.value = SPACES["DESTINATION"]

    async def _entry(self, space: int, address: int, data: int) -> None:
        dut = self.dut
        dut.cfg_valid.value, dut.cfg_space.value, dut.cfg_addr.value, dut.cfg_data.value = 1, space, address, data
        await RisingEdge(dut.clk)

    def firing(self, corners: Corners) -> list[Beat]:
        """The engine's beats (data, ctx, last) of one random firing."""
        rng = self.rng
        ctx = rng.randrange(self.contexts)
        length = rng.choice((1, self.packet, self.packet + 1, rng.randint(1, 3 * self.packet)))
        corners.hit("full packet", length % self.packet == 0)
        corners.hit("firing of several packets", length > self.packet)
        corners.hit("all destinations", len(self.routes[ctx]) == self.most)
        return [(rng.getrandbits(self.word), ctx, int(n == length - 1)) for n in range(length)]

    def some(self, corners: Corners) -> list[Beat]:
        """Several firings."""
        beats: list[Beat] = []
        while len(beats) < FIRING_WORDS or corners.counts["full packet"] < 2:
            beats += self.firing(corners)
        return beats

    def packets(self, beats: Sequence[Beat]) -> list[list[Packet]]:
        """What must leave: for every run of at most PACKET words, one packet to each destination in turn."""
        found: list[list[Packet]] = []
        words: list[int] = []
        for data, ctx, last in beats:
            words.append(data)
            if last or len(words) == self.packet:
                heads = [self._head(ctx, index, len(words), last) for index in range(len(self.routes[ctx]))]
                found.append([[each, *words] for each in heads])
                words = []
        return found

    def _head(self, ctx: int, index: int, length: int, last: int) -> int:
        node, channel = self.routes[ctx][index]
        return head(
            "DATA",
            node=node,
            channel=channel,
            length=length,
            source=self.node,
            slot=ctx * self.most + index,
            end=last,
        )

    def reply(self) -> list[Beat]:
        """A REPLY packet of the ingress; only its kind matters here."""
        rng = self.rng
        words = [rng.getrandbits(self.word) for _ in range(rng.randint(2, 5))]
        words[0] = head("REPLY", node=rng.getrandbits(8), length=len(words) - 1)
        return [(word, int(n == len(words) - 1)) for n, word in enumerate(words)]


def split(beats: Sequence[Beat]) -> list[Packet]:
    """Packets of a stream that ends with a whole one."""
    found: list[Packet] = [[]]
    for word, last in beats:
        found[-1].append(word)
        if last:
            found.append([])
    assert not found.pop(), "the last packet is not whole"
    return found


def flat(groups: Sequence[Sequence[Packet]]) -> list[Packet]:
    return [packet for group in groups for packet in group]


class Bench:
    """Both sources and the sink."""

    def __init__(self, dut: Any, rng: random.Random, source: str = "none", sink: str = "none", **options: Any) -> None:
        self.dut = dut
        dut.cfg_valid.value = 0
        self.tables = Tables(dut, rng)
        self.words = Source(dut, "s", ("data", "ctx", "last"), stall=source, rng=rng)
        self.replies = Source(dut, "s_reply", stall=source, rng=rng)
        self.sink = Sink(dut, "m", stall=sink, rng=rng, **options)

    def clear(self) -> None:
        self.sink.clear()
        self.words.sent_at[0].clear()

    async def drain(self, packets: int, limit: int = 100_000) -> None:
        """Wait for all packets; nothing may follow."""

        def whole() -> bool:
            return sum(last for _, last in self.sink.beats()) >= packets

        await until(self.dut, whole, limit, f"{packets} packets")
        await cycles(self.dut, 5)


async def watch(dut: Any, bench: Bench, corners: Corners) -> None:
    while True:
        await RisingEdge(dut.clk)
        corners.hit("engine waits", bool(int(dut.s_valid.value)) and not int(dut.s_ready.value))
        corners.hit("reply waits", bool(int(dut.s_reply_valid.value)) and not int(dut.s_reply_ready.value))


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_model(dut: Any, source: str, sink: str) -> None:
    """Packets of the engine and replies in any mixture, each kind in its order, no packet torn."""
    rng = seeded("equals_model", source, sink)
    required = CORNERS if (source, sink) == ("30%", "30%") else ()
    corners = Corners(*required)
    await start(dut)
    bench = Bench(dut, rng, source, sink)
    cocotb.start_soon(watch(dut, bench, corners))
    await bench.tables.write()
    beats = bench.tables.some(corners)
    replies = [bench.tables.reply() for _ in range(10)]
    expected = flat(bench.tables.packets(beats))
    bench.words.send(beats)
    for reply in replies:
        await cycles(dut, rng.randint(0, 30))
        bench.replies.send(reply)
    await bench.drain(len(expected) + len(replies))
    kinds = {kind: [p for p in split(bench.sink.beats()) if HEAD.decode(p[0])["kind"] == KINDS[kind]] for kind in KINDS}
    assert kinds["DATA"] == expected
    assert kinds["REPLY"] == [[word for word, _ in reply] for reply in replies]
    corners.hit("reply", bool(kinds["REPLY"]))
    corners.check()


@cocotb.test
@cocotb.parametrize(source=STALLS)
async def every_cycle(dut: Any, source: str) -> None:
    """Packet k, complete at c: its first head leaves at max(c + 2, end of packet k - 1 + 1), then no gap.

    Its words are taken as soon as packet k - 2 has left.
    """
    rng = seeded("every_cycle", source)
    await start(dut)
    bench = Bench(dut, rng, source)
    await bench.tables.write()
    beats = bench.tables.some(Corners())
    groups = bench.tables.packets(beats)
    bench.words.send(beats)
    await bench.drain(len(flat(groups)))
    assert split(bench.sink.beats()) == flat(groups)
    sent, received = bench.words.sent_at[0], bench.sink.received_at[0]
    ends: list[int] = []
    word = beat = 0
    for k, group in enumerate(groups):
        length = len(group[0]) - 1
        taken = sent[word : word + length]
        if k >= 2:
            assert taken[0] > ends[k - 2], "no buffer was free"
        if source == "none":
            free = ends[k - 2] + 1 if k >= 2 else 0
            assert taken[0] == max(free, sent[word - 1] + 1 if word else taken[0])
            assert all(b == a + 1 for a, b in pairwise(taken))
        first = max(taken[-1] + 2, ends[-1] + 1 if ends else 0)
        count = len(group) * (length + 1)
        assert received[beat : beat + count] == list(range(first, first + count)), f"packet {k}"
        ends.append(first + count - 1)
        word += length
        beat += count


@cocotb.test
async def smallest(dut: Any) -> None:
    """One word, one packet to each destination; a reply on an idle link passes in the same cycle."""
    rng = seeded("smallest")
    await start(dut)
    bench = Bench(dut, rng)
    await bench.tables.write()
    beat = (rng.getrandbits(bench.tables.word), 0, 1)
    bench.words.send([beat])
    packets = flat(bench.tables.packets([beat]))
    await bench.drain(len(packets))
    assert split(bench.sink.beats()) == packets
    bench.clear()
    reply = bench.tables.reply()
    bench.replies.send(reply)
    await bench.drain(1)
    assert bench.sink.beats() == reply
    assert bench.sink.received_at[0] == bench.replies.sent_at[0]


@cocotb.test
async def waits_whole(dut: Any) -> None:
    """With the link shut, two packets are taken from the engine and no more."""
    rng = seeded("waits_whole")
    await start(dut)
    bench = Bench(dut, rng, hold=True)
    await bench.tables.write()
    length = 5 * bench.tables.packet
    beats = [(rng.getrandbits(bench.tables.word), 0, int(n == length - 1)) for n in range(length)]
    bench.words.send(beats)
    await cycles(dut, 2 * length + 10)
    assert len(bench.words.sent_at[0]) == 2 * bench.tables.packet
    bench.sink.hold = False
    await bench.drain(len(flat(bench.tables.packets(beats))))
    assert split(bench.sink.beats()) == flat(bench.tables.packets(beats))


@cocotb.test
async def valid_does_not_wait_for_ready(dut: Any) -> None:
    rng = seeded("after_valid")
    await start(dut)
    bench = Bench(dut, rng, after_valid=True)
    await bench.tables.write()
    beats = [beat for _ in range(10) for beat in bench.tables.firing(Corners())]
    bench.words.send(beats)
    bench.replies.send(bench.tables.reply())
    await bench.drain(len(flat(bench.tables.packets(beats))) + 1)


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    """The tables stay, the buffers are empty."""
    rng = seeded("reset")
    corners = Corners("filling at reset", "sending at reset", "both full at reset", "reply at reset")
    if int(dut.PACKET.value) == 1:
        corners.required = corners.required[1:]
    await start(dut)
    bench = Bench(dut, rng, sink="bursts")
    for _ in range(40):
        await bench.tables.write()
        bench.words.send([beat for _ in range(20) for beat in bench.tables.firing(corners)])
        bench.replies.send(bench.tables.reply())
        await cycles(dut, rng.randint(2, 40))
        corners.hit("filling at reset", int(dut.fill_q.value) != 0)
        corners.hit("both full at reset", int(dut.full_q.value) == 3)
        corners.hit("sending at reset", int(dut.state_q.value) == 3)
        corners.hit("reply at reset", int(dut.state_q.value) == 1)
        dut.rst.value = 1
        bench.words.clear()
        bench.replies.clear()
        await reset(dut, 0)
        assert not int(dut.m_valid.value) and int(dut.s_ready.value)
        bench.clear()
        beats = bench.tables.firing(corners)
        expected = flat(bench.tables.packets(beats))
        bench.words.send(beats)
        await bench.drain(len(expected))
        assert split(bench.sink.beats()) == expected
        bench.clear()
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"packet{shape['PACKET']}")
def test_egress(shape: dict[str, int]) -> None:
    simulate("egress", __name__, shape)


def test_illegal_parameters_are_refused() -> None:
    slots = "egress_DESTINATIONS_must_be_a_power_of_two_and_CONTEXTS_times_it_at_most_256"
    contexts = "egress_CONTEXTS_must_be_at_least_1_and_fit_CTX_BITS"
    for packet in (0, 256):
        assert_refused("egress", {"PACKET": packet}, "egress_PACKET_must_be_1_to_255_words")
    for shape in ({"CONTEXTS": 0}, {"CONTEXTS": 17}, {"CONTEXTS": 1, "CTX_BITS": 0}):
        assert_refused("egress", shape, contexts)
    for destinations in (3, 32):
        assert_refused("egress", {"DESTINATIONS": destinations}, slots)
    assert_refused("egress", {"WORD": 32}, "egress_WORD_must_be_at_least_64")

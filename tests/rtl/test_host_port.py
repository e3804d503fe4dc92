"""rtl/host_port.v against a model of every cycle: the credit gate, the result buffer and its credits, the run."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc.isa import CREDIT, DESTINATION, KINDS, SPACES, decode_head
from pyimc.isa import head as isa_head
from tests.rtl.bench import STALLS, Beat, Corners, Sink, Source, cycles, reset, seeded, stalls, start, until
from tests.rtl.runner import assert_refused, simulate

SHAPES = [
    {"WORD": 64, "SLOTS": 3, "BUFFER": 3},
    {"WORD": 128, "SLOTS": 8, "BUFFER": 16},
]
PACKETS = 15
FOR_EVER = (1 << 32) - 1
CORNERS = (
    "waits for room",
    "waits for the run",
    "last room taken",
    "table of the port",
    "other table",
    "read of the port",
    "other kinds before the run",
    "results full",
    "credit stalled",
    "result",
    "reply",
)


class PortModel:
    """The port between two edges. Rooms and lengths in words."""

    def __init__(self, node: int) -> None:
        self.node = node
        self.granted: Counter[int] = Counter()
        self.sent: Counter[int] = Counter()
        self.reset()

    def reset(self) -> None:
        self.head: dict[str, int] | None = None  # of the host's packet under way
        self.offered = False  # a head is on the network's side
        self.run = False
        self.now = 0
        self.words = 0
        self.result: dict[str, int] | None = None  # head of the result packet under way
        self.credit: int | None = None

    def own(self, head: dict[str, int]) -> bool:
        """A packet for the port itself."""
        return head["node"] == self.node and head["kind"] != KINDS["DATA"]

    def room(self, head: dict[str, int]) -> int:
        return self.granted[head["slot"]] - self.sent[head["slot"]]

    def passes(self, head: dict[str, int]) -> bool:
        """Whether the host's flit, of the packet with this head, is offered to the network."""
        if self.head is None and head["kind"] == KINDS["DATA"]:
            return self.offered or (self.run and self.room(head) >= head["length"])
        return not self.own(head)

    def take(self, head: dict[str, int], flit: int, last: bool) -> None:
        """The host's flit has been taken."""
        if self.head is None:
            if head["kind"] == KINDS["DATA"]:
                self.sent[head["slot"]] += head["length"]
            self.head = None if last else head
            return
        if self.own(self.head) and self.head["space"] == SPACES["DESTINATION"]:
            self.granted[self.head["address"]] = DESTINATION.decode(flit & (1 << 64) - 1)["room"]
            self.sent[self.head["address"]] = 0
        if "address" in self.head:
            self.head["address"] += 1
        if last:
            self.head = None

    def give(self, flit: int, last: bool, stop_words: int) -> None:
        """The host has taken a result flit."""
        if self.result is None:
            self.result = None if last else decode_head(flit)
            return
        if self.result["kind"] == KINDS["DATA"]:
            self.words += 1
            self.run = self.run and self.words != stop_words
            if last:
                self.credit = CREDIT.encode(
                    node=self.result["source"], slot=self.result["slot"], words=self.result["length"]
                )
        if last:
            self.result = None


class Bench:
    """The port between a host, a network and consumers that give credits back for what came."""

    def __init__(self, dut: Any, rng: random.Random, source: str = "none", sink: str = "none") -> None:
        self.dut, self.rng = dut, rng
        self.node = seeded("node").choice((0, 5, 255))
        dut.node.value = self.node
        self.slots = int(dut.SLOTS.value)
        self.word = len(dut.s_data)
        self.corners = Corners()
        self.model = PortModel(self.node)
        self.rooms: dict[int, int] = {}
        self.stop_words = FOR_EVER
        self.host = Source(dut, "s_host", stall=source, rng=rng)
        self.network = Sink(dut, "m", stall=sink, rng=rng)
        self.results = Source(dut, "s", stall=source, rng=rng)
        self.taken = Sink(dut, "m_host", stall=sink, rng=rng)
        self.credits = Sink(dut, "m_credit", ("data",), stall=sink, rng=rng)
        self.outstanding: Counter[int] = Counter()  # words on their way to a consumer or in its ring
        self.arrived: Counter[int] = Counter()  # words in its ring
        self.give_back = True
        self._returns = stalls(source, rng)
        self._credit: tuple[int, int] | None = None  # slot and words on the credit network
        self._arriving: dict[str, int] | None = None
        dut.start.value = 0
        dut.stop_words.value = FOR_EVER
        dut.s_credit_valid.value = 0
        self.task = cocotb.start_soon(self._watch())

    # ---------------------------------------------------------------------------------------- every cycle

    async def _watch(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            if str(self.dut.rst.value) != "0":
                self.model.reset()
                self.forget()
                self.dut.s_credit_valid.value = 0
                continue
            assert int(self.dut.now.value) == self.model.now
            assert int(self.dut.run.value) == self.model.run
            self.model.now += 1
            self._host_side()
            self._result_side()
            if int(self.dut.start.value):
                self.model.run, self.model.words = True, 0
            self._return_credits()

    def forget(self) -> None:
        """No words anywhere."""
        self.outstanding.clear()
        self.arrived.clear()
        self._credit = self._arriving = None

    def _host_side(self) -> None:
        dut, model, corners = self.dut, self.model, self.corners
        if not int(dut.s_host_valid.value):
            assert not int(dut.m_valid.value)
            return
        flit, last = int(dut.s_host_data.value), bool(int(dut.s_host_last.value))
        head = model.head or decode_head(flit)
        passes = model.passes(head)
        assert int(dut.m_valid.value) == passes
        if passes:
            assert (int(dut.m_data.value), int(dut.m_last.value)) == (flit, last)
        ready = bool(int(dut.m_ready.value)) if passes else model.own(head)
        assert int(dut.s_host_ready.value) == ready
        opening, data = model.head is None, head["kind"] == KINDS["DATA"]
        if opening and data and not passes:
            corners.hit("waits for room", model.run)
            corners.hit("waits for the run", not model.run)
        elif opening:
            own = model.own(head)
            corners.hit("last room taken", data and ready and model.room(head) == head["length"])
            corners.hit("table of the port", own and head["space"] == SPACES["DESTINATION"])
            corners.hit("other table", own and not last and head["space"] != SPACES["DESTINATION"])
            corners.hit("read of the port", own and last)
            corners.hit("other kinds before the run", not own and not data and not model.run)
        model.offered = opening and passes and not ready
        if ready:
            if opening and data:
                slot = head["slot"]
                self.outstanding[slot] += head["length"]
                assert self.outstanding[slot] <= self.rooms[slot], "sent without room"
                self._arriving = head
            model.take(head, flit, last)
            if last and self._arriving is not None:
                self.arrived[self._arriving["slot"]] += self._arriving["length"]
                self._arriving = None

    def _result_side(self) -> None:
        dut, model, corners = self.dut, self.model, self.corners
        corners.hit("results full", bool(int(dut.s_valid.value)) and not int(dut.s_ready.value))
        assert int(dut.m_credit_valid.value) == (model.credit is not None)
        if model.credit is not None:
            assert int(dut.m_credit_data.value) == model.credit
            if int(dut.m_credit_ready.value):
                model.credit = None
            else:
                corners.hit("credit stalled")
                assert not int(dut.m_host_valid.value), "the head of the credit is still needed"
        if int(dut.m_host_valid.value) and int(dut.m_host_ready.value):
            model.give(int(dut.m_host_data.value), bool(int(dut.m_host_last.value)), self.stop_words)

    def _return_credits(self) -> None:
        """A credit given at this edge counts from now on; the next one is chosen."""
        rng, dut = self.rng, self.dut
        if self._credit is not None:
            slot, words = self._credit
            self.model.granted[slot] += words
            self.outstanding[slot] -= words
        waiting = [slot for slot, words in self.arrived.items() if words]
        stalled = next(self._returns)
        self._credit = None
        if waiting and self.give_back and not stalled:
            slot = rng.choice(waiting)
            words = rng.randint(1, self.arrived[slot])
            self.arrived[slot] -= words
            self._credit = (slot, words)
        dut.s_credit_valid.value = int(self._credit is not None)
        slot, words = self._credit or (rng.randrange(self.slots), rng.getrandbits(16))
        dut.s_credit_data.value = CREDIT.encode(node=rng.getrandbits(8), slot=slot, words=words)

    # -------------------------------------------------------------------------------------------- stimuli

    def packet(self, payload: int, **fields: Any) -> list[Beat]:
        """A packet with random payload."""
        rng = self.rng
        head = isa_head(**{"source": rng.getrandbits(8), **fields}) | rng.getrandbits(self.word) >> 64 << 64
        flits = [head, *(rng.getrandbits(self.word) for _ in range(payload))]
        return [(flit, int(n == payload)) for n, flit in enumerate(flits)]

    def table(self) -> list[Beat]:
        """The rooms of all slots, written to the port's own node."""
        self.rooms = {slot: self.rng.randint(1, 20) for slot in range(self.slots)}
        fields = {"kind": "WRITE", "space": SPACES["DESTINATION"], "length": self.slots}
        beats = self.packet(self.slots, node=self.node, **fields)
        for slot, room in self.rooms.items():
            junk = beats[slot + 1][0] & ~(0xFFFF << 16)
            beats[slot + 1] = (junk | room << 16, beats[slot + 1][1])
        return beats

    def other(self) -> list[Beat]:
        """Not DATA: for another node, or for the port but none of its business."""
        rng = self.rng
        node = rng.choice((self.node, (self.node + 1) % 256, rng.getrandbits(8)))
        spaces = [space for name, space in SPACES.items() if name != "DESTINATION" or node != self.node]
        fields = {"node": node, "space": rng.choice(spaces), "address": rng.getrandbits(3)}
        if rng.random() < 0.4:
            return self.packet(0, kind="READ", length=1, **fields)
        length = rng.randint(1, 4)
        return self.packet(length, kind="WRITE", length=length, **fields)

    def image(self) -> list[Beat]:
        """DATA for a random consumer, of a length that its ring can hold."""
        rng = self.rng
        slot = rng.randrange(self.slots)
        length = rng.randint(1, self.rooms[slot])
        fields = {"kind": "DATA", "channel": rng.getrandbits(8), "slot": slot, "length": length}
        return self.packet(length, node=(self.node + 1 + rng.getrandbits(4)) % 256, **fields)

    def result(self) -> list[Beat]:
        """DATA for the host, or a REPLY."""
        rng = self.rng
        kind = "DATA" if rng.random() < 0.7 else "REPLY"
        self.corners.hit("result" if kind == "DATA" else "reply")
        length = rng.randint(1, 2 * int(self.dut.BUFFER.value) + 1)
        return self.packet(
            length, node=self.node, kind=kind, length=length, **({"slot": rng.getrandbits(8)} if kind == "DATA" else {})
        )

    async def begin(self, stop_words: int = FOR_EVER) -> None:
        """Start a run."""
        self.stop_words = stop_words
        self.dut.stop_words.value = stop_words
        self.dut.start.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.start.value = 0
        await RisingEdge(self.dut.clk)

    async def drain(self) -> None:
        """Everything that was sent is taken and every credit is back: no deadlock."""

        def empty() -> bool:
            waiting = self.host.pending() + self.results.pending() + sum(self.outstanding.values())
            inside = len(self.results.sent_at[0]) - self.taken.count()
            return not waiting and not inside and self.model.credit is None

        await until(self.dut, empty, 60_000, "everything gone")
        await cycles(self.dut, 3)


def data_packets(beats: list[Beat]) -> list[tuple[dict[str, int], int]]:
    """Head and number of words of every DATA packet."""
    found = []
    head: dict[str, int] | None = None
    words = 0
    for flit, last in beats:
        if head is None:
            head, words = decode_head(flit), 0
        else:
            words += 1
        if last:
            if head["kind"] == KINDS["DATA"]:
                found.append((head, words))
            head = None
    return found


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def random_traffic(dut: Any, source: str, sink: str) -> None:
    """Both directions at once, twice with new tables; packets arrive whole and in order, nothing is left over."""
    rng = seeded("random_traffic", source, sink)
    bench = Bench(dut, rng, source, sink)
    await start(dut)
    if (source, sink) == ("30%", "30%"):
        bench.corners.required = CORNERS
    expected: list[Beat] = []
    results: list[Beat] = []
    count = 4 * PACKETS if bench.corners.required else PACKETS
    for turn in range(2 if (source, sink) == ("30%", "30%") else 1):
        before = [bench.other() for _ in range(12)]
        table = bench.table()
        bench.host.send(table)
        bench.host.send(beat for packet in before for beat in packet)
        packets = [bench.image() if rng.random() < 0.8 else bench.other() for _ in range(count)]
        bench.host.send(beat for packet in packets for beat in packet)
        received = [bench.result() for _ in range(count // 2)]
        results += [beat for packet in received for beat in packet]
        bench.results.send(beat for packet in received for beat in packet)
        if turn == 0:
            bench.taken.hold = True  # the host does not look at results for a while
            await cycles(dut, 300)
            bench.taken.hold = False
            await bench.begin()
        await bench.drain()
        passed = [packet for packet in [*before, *packets] if not bench.model.own(decode_head(packet[0][0]))]
        expected += [beat for packet in passed for beat in packet]
    assert bench.network.beats() == expected
    assert bench.taken.beats() == results
    owed = [(head["source"], head["slot"], words) for head, words in data_packets(results)]
    given = [CREDIT.decode(beat[0]) for beat in bench.credits.beats()]
    assert [(credit["node"], credit["slot"], credit["words"]) for credit in given] == owed
    bench.corners.check()


@cocotb.test
async def gate(dut: Any) -> None:
    """Room 4: a packet of 3 words passes at once, one of 2 words waits until a credit has come."""
    bench = Bench(dut, seeded("gate"))
    await start(dut)
    bench.give_back = False
    table = bench.table()
    for slot in range(bench.slots):
        bench.rooms[slot] = 4
        table[slot + 1] = (DESTINATION.encode(room=4), table[slot + 1][1])
    bench.host.send(table)
    node = (bench.node + 1) % 256
    data = {"node": node, "kind": "DATA", "slot": bench.slots - 1}
    bench.host.send(bench.packet(3, length=3, **data))
    bench.host.send(bench.packet(2, length=2, **data))
    await cycles(dut, 20)
    assert bench.network.count() == 0, "there is no run"
    await bench.begin()
    await cycles(dut, 20)
    assert bench.network.count() == 4
    bench.give_back = True
    await until(dut, lambda: bench._credit is not None, 20)
    given = bench.network.cycle
    await until(dut, lambda: bench.network.count() == 7, 20)
    first, second = bench.network.received_at[0][:4], bench.network.received_at[0][4:]
    assert first == list(range(first[0], first[0] + 4))
    assert given + 2 <= second[0], "the credit is on the credit network in cycle given + 1"
    assert second == list(range(second[0], second[0] + 3))


@cocotb.test
async def run_ends(dut: Any) -> None:
    """`run` falls right after the word that makes `stop_words`, in mid-packet or not; replies do not count."""
    rng = seeded("run_ends")
    bench = Bench(dut, rng)
    await start(dut)
    for stop in (1, 5, 6, 17):
        await bench.begin(stop)
        assert int(dut.run.value)
        first = bench.taken.count()
        while bench.model.run:
            bench.results.send(bench.result())
            await cycles(dut, 20)
        await bench.drain()
        words = [n for _, n in data_packets(bench.taken.beats()[first:])]
        assert sum(words) >= stop and not int(dut.run.value)


@cocotb.test
async def head_stays_when_the_run_ends(dut: Any) -> None:
    """A head that is offered to a blocked network is not withdrawn when the last result is taken."""
    rng = seeded("head_stays")
    bench = Bench(dut, rng)
    await start(dut)
    bench.host.send(bench.table())
    await bench.drain()
    bench.network.hold = True
    await bench.begin(1)
    image = bench.image()
    bench.host.send(image)
    await cycles(dut, 5)
    assert int(dut.m_valid.value)
    bench.results.send(bench.packet(1, node=bench.node, kind="DATA", length=1))
    await until(dut, lambda: not int(dut.run.value), 20, "end of the run")
    await cycles(dut, 5)
    assert int(dut.m_valid.value)
    bench.network.hold = False
    await bench.drain()
    assert bench.network.beats()[-len(image) :] == image


@cocotb.test
async def buffer_and_latency(dut: Any) -> None:
    """A result flit waits one cycle; packets follow each other without a gap; 2 * BUFFER flits wait for the host."""
    rng = seeded("buffer")
    bench = Bench(dut, rng)
    await start(dut)
    bench.results.send(beat for _ in range(10) for beat in bench.result())
    await bench.drain()
    sent = bench.results.sent_at[0]
    assert bench.taken.received_at[0] == [at + 1 for at in sent]
    assert sent == list(range(sent[0], sent[0] + len(sent)))
    bench.taken.hold = True
    await cycles(dut, 2)
    size = 2 * int(dut.BUFFER.value)
    before = len(sent)
    bench.results.send(beat for _ in range(size) for beat in bench.result())
    await cycles(dut, 2 * size + 10)
    assert len(sent) - before == size


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    rng = seeded("reset")
    bench = Bench(dut, rng, sink="30%")
    await start(dut)
    corners = Corners("in a packet", "in a table", "in a result", "credit at reset", "run at reset")
    for _ in range(40):
        bench.host.send(bench.table())
        bench.host.send(beat for _ in range(20) for beat in bench.image())
        bench.results.send(beat for _ in range(20) for beat in bench.result())
        await bench.begin()
        await cycles(dut, rng.choice((1, 2, rng.randint(3, 40), rng.randint(40, 160))))
        model = bench.model
        corners.hit("in a packet", model.head is not None and not model.own(model.head))
        corners.hit("in a table", model.head is not None and model.own(model.head))
        corners.hit("in a result", model.result is not None)
        corners.hit("credit at reset", model.credit is not None)
        corners.hit("run at reset", model.run)
        dut.rst.value = 1
        for source in (bench.host, bench.results):
            source.clear()
        await reset(dut, 0)
        assert not int(dut.run.value) and not int(dut.m_host_valid.value) and not int(dut.m_credit_valid.value)
        for sink in (bench.network, bench.taken, bench.credits):
            sink.clear()
        bench.results.sent_at[0].clear()
        bench.host.send(bench.table())
        image, result = bench.image(), bench.result()
        bench.host.send(image)
        bench.results.send(result)
        await bench.begin()
        await bench.drain()
        assert bench.network.beats() == image and bench.taken.beats() == result
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"word{shape['WORD']}")
def test_host_port(shape: dict[str, int]) -> None:
    simulate("host_port", __name__, shape)


def test_illegal_parameters_are_refused() -> None:
    for slots in (1, 257):
        assert_refused("host_port", {"SLOTS": slots}, "host_port_SLOTS_must_be_2_to_256")
    assert_refused("host_port", {"WORD": 32}, "host_port_WORD_must_be_at_least_64")
    assert_refused("host_port", {"BUFFER": 0}, "host_port_BUFFER_must_be_at_least_1_word")

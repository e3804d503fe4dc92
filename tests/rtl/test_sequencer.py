"""rtl/sequencer.v (with fetch.v and lowest_one.v) against SequencerModel in every cycle, and against its laws.

The issue order of every actor is checked against its program as it was made up, and the laws (a ready actor stays
ready; the lowest ready one fires; whoever can fire is never forgotten) without the model's decisions.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc.isa import (
    CHANNEL,
    CONTEXT,
    CREDIT,
    DESTINATION,
    ENTRIES,
    ENTRY_BITS,
    FIRE,
    INSTRUCTION_ADDRESS,
    INSTRUCTION_ENTRIES,
    PORT_BITS,
    PORTS,
    SPACES,
    STATUS_ADDRESS,
    channel_entry,
    instruction,
    port_uses,
)
from pyimc.isa import fire as encode
from tests.rtl.bench import STALLS, Corners, seeded, stalls, start
from tests.rtl.runner import assert_refused, simulate
from tests.rtl.sequencer_model import Inputs, SequencerModel

SHAPES = [
    {"CONTEXTS": 3, "CTX_BITS": 2, "DESTINATIONS": 2, "INSTRUCTIONS": 50},
    {"CONTEXTS": 16, "CTX_BITS": 4, "DESTINATIONS": 4, "INSTRUCTIONS": 256},
    {"CONTEXTS": 1, "CTX_BITS": 1, "DESTINATIONS": 1, "INSTRUCTIONS": 17},
    {"CONTEXTS": 4, "CTX_BITS": 2, "DESTINATIONS": 2, "INSTRUCTIONS": 64},
]
CYCLES = 800
CORNERS = (
    "fired",
    "several ports",
    "ring wraps",
    "halted",
    "nested loop",
    "no words freed",
    "arrival and scan at once",
    "paused",
    "ready waits",
)
LATE = ("late credit", "late credit waits", "other credit waits for a late one", "late credit at `done`")
STALLED = ("credit stalled", "issue stalled", "room waiting")
MUST_REACH = {("30%", "30%"): (*CORNERS, *STALLED), ("none", "none"): CORNERS}
"""By (source, sink); the other pairs need only to fire."""


# ------------------------------------------------------------------------------------------------------- programs


@dataclass
class Loop:
    """A body that is repeated; count 0 is for ever."""

    level: int
    count: int
    body: list[int | Loop]


def assemble(items: list[int | Loop], at: int) -> list[int]:
    """Instruction words of `items` from address `at` on."""
    words: list[int] = []
    for item in items:
        if isinstance(item, Loop):
            target = at + len(words)
            words += assemble(item.body, target)
            words.append(instruction("LOOP", level=item.level, count=item.count, target=target))
        else:
            words.append(item)
    return words


def firings(items: list[int | Loop]) -> Iterator[int]:
    """The FIREs of `items` in the order in which they happen."""
    for item in items:
        if isinstance(item, Loop):
            turn = 0
            while item.count == 0 or turn < item.count:
                yield from firings(item.body)
                turn += 1
        else:
            yield item


@dataclass
class Task:
    """A random actor: rings, rooms and a program."""

    ctx: int
    ports: int
    sizes: list[int]
    rooms: list[int]
    program: list[int | Loop]
    late: list[bool] = field(default_factory=lambda: [False] * PORTS)  # given back when the engine says so
    kept: list[int] = field(default_factory=lambda: [0] * PORTS)  # how often words that would be freed are kept
    order: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self.order = firings(self.program)


def random_task(rng: random.Random, ctx: int, destinations: int, large: bool) -> Task:
    most = 40000 if large else rng.choice((3, 8, 30))
    ports = rng.randint(1, PORTS)
    sizes = [rng.randint(most // 2, most) for _ in range(PORTS)]
    rooms = [rng.randint(most // 2, most) for _ in range(rng.randint(1, destinations))]

    def fires() -> list[int | Loop]:
        return [fire() for _ in range(rng.randint(1, 2))]

    def fire() -> int:
        least = most // 4 if large else 0
        needs = [rng.choice((rng.randint(least, size), rng.randint(least, size), least)) for size in sizes[:ports]]
        frees = [rng.choice((need, rng.randint(0, need), 0 if not large else need)) for need in needs]
        return encode(needs, frees, produce=rng.randint(least, min(rooms)), pixels=rng.getrandbits(12))

    level = rng.randint(0, 1)
    inner = Loop(level, rng.randint(1, 4), fires())
    outer: list[int | Loop] = [
        *(fires() if rng.random() < 0.5 else []),
        inner,
        *(fires() if rng.random() < 0.5 else []),
    ]
    program: list[int | Loop] = [*fires(), Loop(1 - level, rng.choice((0, 0, 1, 2, 9)), outer), *fires()]
    late = [rng.random() < 0.5 for _ in range(PORTS)]
    return Task(ctx, ports, sizes, rooms, program, late)


# ------------------------------------------------------------------------------------------------------- the bench


class World:
    """The DUT, its model, and an environment that keeps the protocol: words only into room, credits only for words."""

    def __init__(self, dut: Any, rng: random.Random, source: str, sink: str, corners: Corners) -> None:
        self.dut, self.rng, self.corners = dut, rng, corners
        self.contexts = int(dut.CONTEXTS.value)
        self.destinations = int(dut.DESTINATIONS.value)
        self.instructions = int(dut.INSTRUCTIONS.value)
        self.model = self._new_model()
        self.arrives, self.credits = stalls(source, rng), stalls(source, rng)
        self.credit_stalls, self.issue_stalls = stalls(sink, rng), stalls(sink, rng)
        self.tasks: dict[int, Task] = {}
        self.inputs = Inputs()
        self.cycle = 0
        self.fired: list[tuple[int, int]] = []  # cycle, ctx
        self.engine_cycles: tuple[int, ...] = (1, 2, 3, 8)  # from the acceptance of a firing to its `done`
        self.pauses = True
        self.traffic = True
        self._driven: dict[str, int] = {}
        self._ready = 0
        self.forget()
        dut.status_addr.value = 0
        dut.refused.value = 0
        self.status_ctx = self.status_port = 0
        self.drive(Inputs())

    def _new_model(self) -> SequencerModel:
        return SequencerModel(
            contexts=self.contexts, destinations=self.destinations, instructions=self.instructions,
        )  # fmt: skip

    def forget(self) -> None:
        """No words anywhere, the engine idle."""
        self.ring_room: Counter[int] = Counter()  # words that may still be sent into a channel
        self.owed: Counter[int] = Counter()  # words sent to a destination and not credited
        self.busy = 0  # cycles until `done`, which comes in the last one
        self.paused = 0
        self.unread: deque[tuple[int, int, int]] = (
            deque()
        )  # context, port and words of late channels, of firings that have been issued
        self.freed: tuple[int, int, int] | None = None  # is offered until it is taken

    def drive(self, inputs: Inputs) -> None:
        self.inputs = inputs
        wanted = {
            "run": int(inputs.run),
            "cfg_valid": int(inputs.write is not None),
            "arrive_valid": int(inputs.arrive is not None),
            "s_credit_valid": int(inputs.credit is not None),
            "m_credit_ready": int(inputs.credit_ready),
            "issue_ready": int(inputs.issue_ready),
            "done": int(inputs.done),
        }
        space, address, data = inputs.write or (
            self.rng.choice((SPACES["CHANNEL"], SPACES["CONTEXT"], SPACES["DESTINATION"])),
            0,
            self.rng.getrandbits(64),
        )
        wanted |= {"cfg_space": space, "cfg_addr": address, "cfg_data": data}
        channel, words = inputs.arrive or (self.rng.randrange(self.contexts << PORT_BITS), self.rng.getrandbits(8))
        wanted |= {"arrive_channel": channel, "arrive_words": words}
        slot, words = inputs.credit or (self.rng.randrange(self.contexts * self.destinations), self.rng.getrandbits(16))
        wanted["s_credit_data"] = CREDIT.encode(node=0, slot=slot, words=words) | self.rng.getrandbits(8)
        ctx, port, words = inputs.freed or (self.rng.randrange(self.contexts), 0, self.rng.getrandbits(16))
        wanted |= {"freed_valid": int(inputs.freed is not None), "freed_ctx": ctx, "freed_words": words}
        wanted["freed_port"] = port
        entry = ENTRIES["STATUS"]["PORT_STATUS"] + self.status_port if self.status_port >= 0 else 0
        wanted["status_addr"] = STATUS_ADDRESS.encode(context=self.status_ctx, entry=entry)
        for name, value in wanted.items():
            if self._driven.get(name) != value:
                getattr(self.dut, name).value = value
                self._driven[name] = value

    async def edge(self) -> None:
        """One edge: compare, step the model, account for what moved."""
        await RisingEdge(self.dut.clk)
        self.cycle += 1
        self.compare()
        self.check_laws()
        model, inputs = self.model, self.inputs
        if model.issue_valid and model.issue is not None and inputs.issue_ready:
            self._accept(model.issue.ctx, model.issue.instruction)
        elif self.busy:
            self.busy -= 1
        credit, late = model.credit(inputs.freed), inputs.freed is not None and model.late()
        self.corners.hit("credit stalled", credit is not None and not inputs.credit_ready)
        self.corners.hit("late credit", late)
        self.corners.hit("late credit waits", inputs.freed is not None and not late)
        self.corners.hit("other credit waits for a late one", late and model.waiting())
        self.corners.hit("late credit at `done`", late and inputs.done)
        if late and inputs.credit_ready:
            self.freed = None
        self.corners.hit("issue stalled", model.issue_valid and not inputs.issue_ready)
        self.corners.hit("ready waits", bool(model.ready) and self.busy > 0)
        self.corners.hit("room waiting", model.room_waiting())
        if credit is not None and inputs.credit_ready:
            self.ring_room[credit[1]] += credit[2]
        model.step(inputs)

    def _accept(self, ctx: int, word: int) -> None:
        fire, task = FIRE.decode(word), self.tasks[ctx]
        for index in range(len(task.rooms)):
            self.owed[ctx * self.destinations + index] += fire["produce"]
        self.busy = self.rng.choice(self.engine_cycles)
        for port, (_, freed) in enumerate(port_uses(fire)[: task.ports]):
            if task.late[port] and freed:
                self.unread.append((ctx, port, freed))
        self.corners.hit("no words freed", fire["free_0"] == 0)

    def compare(self) -> None:
        """Every output against the model."""
        dut, model = self.dut, self.model
        assert int(dut.issue_valid.value) == model.issue_valid
        assert int(dut.fired.value) == model.fired
        assert int(dut.active.value) == model.active()
        assert int(dut.room_waiting.value) == model.room_waiting()
        credit = model.credit(self.inputs.freed)
        assert int(dut.m_credit_valid.value) == (credit is not None)
        assert int(dut.freed_ready.value) == (model.late() and self.inputs.credit_ready)
        if credit is not None:
            node, slot, words = credit
            assert int(dut.m_credit_data.value) == CREDIT.encode(node=node, slot=slot, words=words)
        if model.fired and model.issue is not None:
            issue = model.issue
            assert int(dut.issue_ctx.value) == issue.ctx
            assert int(dut.issue_instr.value) == issue.instruction
            for port, ring in enumerate(issue.rings[: model.actors[issue.ctx].ports]):
                told = [str(getattr(dut, f"issue_{what}").value)[::-1] for what in ("heads", "bases", "sizes")]
                assert tuple(int(bits[16 * port : 16 * port + 16][::-1], 2) for bits in told) == ring
        elif self.busy and model.issue is not None:
            assert int(dut.issue_ctx.value) == model.issue.ctx, "credits and counters need it until `done`"
        if (
            self.status_ctx in self.tasks
            and self.status_port < self.tasks[self.status_ctx].ports
            and self.model.actors[self.status_ctx].instruction
        ):
            assert int(dut.status.value) == model.status(self.status_ctx, self.status_port), (
                f"status of {self.status_ctx}"
            )

    def check_laws(self) -> None:
        """What must hold whatever the order of decisions is."""
        ready = int(self.dut.ready_q.value)
        gone = self._ready & ~ready
        if self.model.fired and self.model.issue is not None:
            ctx = self.model.issue.ctx
            assert gone == 1 << ctx and self._ready & -self._ready == gone, "the lowest ready actor fires"
            self.fired.append((self.cycle, ctx))
            task = self.tasks[ctx]
            given, wanted = FIRE.decode(self.model.issue.instruction), FIRE.decode(next(task.order))
            for port in range(task.ports):
                if task.kept[port] and not given[f"free_{port}"]:
                    self.corners.hit("words kept", wanted[f"free_{port}"] > 0)
                    wanted[f"free_{port}"] = 0
            assert given == wanted, f"context {ctx}: not the next FIRE of its program"
            self.corners.hit("fired")
            self.corners.hit("several ports", task.ports > 1)
            ring = self.model.issue.rings[0]
            self.corners.hit("ring wraps", ring.head > self.model.actors[ctx].channels[0].head)
        else:
            assert gone == 0, "a ready actor stays ready"
        for ctx in self.tasks:
            actor = self.model.actors[ctx]
            can = actor.has_inputs() and actor.has_room()
            assert can or not ready >> ctx & 1, f"context {ctx} is ready but cannot fire"
            assert not (actor.armed and can and self.model.settled()), f"context {ctx} can fire but was forgotten"
            self.corners.hit("nested loop", all(actor.turns))
            self.corners.hit("halted", not actor.active and self._written)
        self._ready = ready

    # ---------------------------------------------------------------------------------------------------- stimuli

    async def configure(self, large: bool = False, tasks: list[Task] | None = None) -> None:
        """Write the tables of random actors, with `run` low."""
        rng = self.rng
        chosen = rng.sample(range(self.contexts), max(1, self.contexts - rng.randint(0, self.contexts // 3)))
        made = tasks or [random_task(rng, ctx, self.destinations, large) for ctx in sorted(chosen)]
        self.tasks = {task.ctx: task for task in made}
        self._written = False
        writes = []
        start = 0
        for task in self.tasks.values():
            words = [*assemble(task.program, start), instruction("HALT")]
            for address, word in enumerate(words, start):
                for part in range(INSTRUCTION_ENTRIES):
                    entry = word >> ENTRY_BITS * part & (1 << ENTRY_BITS) - 1
                    writes.append((SPACES["INSTRUCTION"], INSTRUCTION_ADDRESS.encode(pc=address, part=part), entry))
            for port, size in enumerate(task.sizes):
                index = channel_entry(task.ctx, port)
                base = rng.choice((0, rng.randint(0, 65536 - size), 65536 - size))
                entry = CHANNEL.encode(
                    base=min(base, 65535),
                    size=size,
                    node=rng.getrandbits(8),
                    slot=index,
                    late=task.late[port],
                    kept=task.kept[port],
                )
                writes.append((SPACES["CHANNEL"], index, entry))
                self.ring_room[index] = size
            for index, room in enumerate(task.rooms):
                entry = DESTINATION.encode(node=rng.getrandbits(8), channel=rng.getrandbits(8), room=room)
                writes.append((SPACES["DESTINATION"], task.ctx * self.destinations + index, entry))
            context = CONTEXT.encode(start=start, active=1, ports=task.ports, destinations=len(task.rooms))
            writes.append((SPACES["CONTEXT"], task.ctx, context))
            start += len(words)
        assert start <= self.instructions
        for write in writes:
            self.drive(Inputs(write=write))
            await self.edge()
        self._written = True

    def choose(self) -> Inputs:
        """Random legal inputs of the next cycle."""
        rng, model = self.rng, self.model
        self.status_ctx, self.status_port = rng.randrange(self.contexts), rng.randrange(-1, PORTS)
        arrive = credit = None
        if not next(self.arrives) and self.traffic:
            ready = [channel for channel, room in self.ring_room.items() if room and self._used(channel)]
            if ready:
                channel = rng.choice(ready)
                words = min(self.ring_room[channel], rng.choice((1, 2, 255, rng.randint(1, 255))))
                self.ring_room[channel] -= words
                arrive = (channel, words)
        if not next(self.credits) and self.traffic:
            owing = [slot for slot, words in self.owed.items() if words]
            if owing:
                slot = rng.choice(owing)
                words = rng.choice((self.owed[slot], rng.randint(1, self.owed[slot])))
                self.owed[slot] -= words
                credit = (slot, words)
        self.corners.hit("arrival and scan at once", arrive is not None and model.ready != 0)
        if self.pauses and not self.paused and rng.random() < 0.01:
            self.paused = rng.randint(1, 5)
            self.corners.hit("paused")
        run = not self.paused
        self.paused = max(0, self.paused - 1)
        done = self.busy == 1
        if self.freed is None and self.unread and rng.random() < 0.6:
            self.freed = self.unread.popleft()
        ready_for_issue = self.busy == 0 and not next(self.issue_stalls)
        return Inputs(run, None, arrive, credit, not next(self.credit_stalls), self.freed, ready_for_issue, done)

    def _used(self, channel: int) -> bool:
        return channel % (1 << PORT_BITS) < self.tasks[channel >> PORT_BITS].ports

    async def work(self, cycles: int) -> None:
        """Random traffic."""
        for _ in range(cycles):
            self.drive(self.choose())
            await self.edge()

    async def reset(self) -> None:
        """Reset for one edge, from whatever is going on."""
        self.dut.rst.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        self.cycle += 1
        self.model.reset()
        self.forget()
        self._ready = 0
        self.tasks = {}
        self.drive(Inputs())
        await self.edge()


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def random_programs(dut: Any, source: str, sink: str) -> None:
    rng = seeded("random_programs", source, sink)
    late = LATE if (source, sink) == ("30%", "30%") else ()
    corners = Corners(*MUST_REACH.get((source, sink), ("fired",)), *late)
    world = World(dut, rng, source, sink, corners)
    await start(dut)
    for _ in range(24 if late else 8 if (source, sink) in MUST_REACH else 1):
        await world.configure()
        await world.work(CYCLES)
        await world.reset()
    corners.check()


@cocotb.test
async def kept_words(dut: Any) -> None:
    """Words that a firing would free are kept for some times: neither engine nor producer hears of them until then."""
    rng = seeded("kept_words")
    corners = Corners("fired", "words kept")
    world = World(dut, rng, "30%", "30%", corners)
    await start(dut)
    for _ in range(4):
        tasks = [random_task(rng, ctx, world.destinations, False) for ctx in range(world.contexts)]
        for task in tasks:
            task.late, task.kept = [False] * PORTS, [rng.choice((1, 3)) for _ in range(PORTS)]
        await world.configure(tasks=tasks)
        await world.work(CYCLES)
        await world.reset()
    corners.check()


@cocotb.test
async def counters_wrap(dut: Any) -> None:
    """Rings of up to 40000 words: the counters of words pass 2^16."""
    rng = seeded("wrap")
    corners = Corners("arrived wraps", "sent wraps", "fired")
    world = World(dut, rng, "none", "none", corners)
    world.pauses = False
    await start(dut)
    while not all(corners.counts[name] for name in corners.required):
        await world.configure(large=True)
        task = world.tasks[min(world.tasks)]
        world.tasks = {task.ctx: task}  # all traffic for one actor
        world.owed.clear()
        for other in [channel for channel in world.ring_room if channel >> PORT_BITS != task.ctx]:
            del world.ring_room[other]
        actor = world.model.actors[task.ctx]
        arrived = sent = 0
        for _ in range(1500):
            world.drive(world.choose())
            await world.edge()
            corners.hit("arrived wraps", actor.channels[0].arrived < arrived)
            corners.hit("sent wraps", actor.slots[0].sent < sent)
            arrived, sent = actor.channels[0].arrived, actor.slots[0].sent
        await world.reset()
        assert world.cycle < 20_000
    corners.check()


def simple(ctx: int, fires: int, ports: int = 1) -> Task:
    """`fires` firings that each read, free and send one word."""
    return Task(ctx, ports, [4, 4], [64], [encode([1, 1], [1, 1], produce=1)] * fires)


@cocotb.test
async def cycles_of_a_firing(dut: Any) -> None:
    """Without contention: issued 3 cycles after its word arrived, 4 cycles after the firing before, 4 after `run`."""
    world = World(dut, seeded("cycles"), "none", "none", Corners())
    world.pauses = world.traffic = False
    world.engine_cycles = (1,)
    await start(dut)
    await world.configure(tasks=[simple(0, 4)])
    first = world.cycle
    for cycle in range(40):
        arrive = (0, 1) if cycle in (0, 12) else (0, 2) if cycle == 20 else None
        world.drive(world.choose()._replace(arrive=arrive))
        await world.edge()
    at = [cycle - first - 1 for cycle, _ in world.fired]
    # run rises in cycle 0: fetch in 0, decode in 1, scan in 2, select in 3, issue and `fired` in 4; the word that
    # arrives in cycle 12 is seen by the scan of cycle 13, selected in 14, issued in 15. Two words in cycle 20: the
    # second firing with its fetch in 23, decode in 24, scan in 25, select in 26, while the engine works.
    assert at == [4, 15, 23, 27], at


@cocotb.test
async def lowest_first(dut: Any) -> None:
    """All actors ready at once: they fire in the order of their index."""
    world = World(dut, seeded("lowest"), "none", "none", Corners())
    world.pauses = world.traffic = False
    await start(dut)
    await world.configure(tasks=[simple(ctx, 1) for ctx in range(world.contexts)])
    for ctx in reversed(range(world.contexts)):
        world.drive(Inputs(run=True, arrive=(channel_entry(ctx, 0), 1)))
        await world.edge()
    for _ in range(4 * world.contexts):  # the engine's front is taken
        world.drive(Inputs(run=True))
        await world.edge()
    assert not world.fired and int(dut.ready_q.value) == (1 << world.contexts) - 1
    await world.work(20 * world.contexts)
    assert [ctx for _, ctx in world.fired] == list(range(world.contexts))
    assert int(dut.active.value) == 0, "halted"


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    rng = seeded("reset")
    corners = Corners("issue at reset", "credit at reset", "select at reset", "ready at reset", "fired")
    world = World(dut, rng, "30%", "30%", corners)
    await start(dut)
    for _ in range(40):
        await world.configure()
        await world.work(rng.randint(40, 60))
        world.drive(world.choose())
        corners.hit("issue at reset", world.model.issue_valid)
        corners.hit("credit at reset", world.model.credit(world.inputs.freed) is not None)
        corners.hit("ready at reset", world.model.ready != 0)
        corners.hit("select at reset", bool(world.model.ready) and world.inputs.issue_ready and world.inputs.run)
        await world.reset()
    corners.check()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"contexts{shape['CONTEXTS']}")
def test_sequencer(shape: dict[str, int]) -> None:
    simulate("sequencer", __name__, shape)


def test_illegal_parameters_are_refused() -> None:
    contexts = "sequencer_CONTEXTS_must_be_1_to_64_and_fit_CTX_BITS"
    slots = "sequencer_DESTINATIONS_must_be_a_power_of_two_and_CONTEXTS_times_it_at_most_256"
    assert_refused("sequencer", {"CONTEXTS": 17}, contexts)
    assert_refused("sequencer", {"CONTEXTS": 65, "CTX_BITS": 7, "DESTINATIONS": 1}, contexts)
    assert_refused("sequencer", {"DESTINATIONS": 3}, slots)
    assert_refused("sequencer", {"DESTINATIONS": 32}, slots)
    for instructions in (1, 4097):
        assert_refused("sequencer", {"INSTRUCTIONS": instructions}, "INSTRUCTIONS_must_be_2_to_4096")

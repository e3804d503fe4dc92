"""Cycle-exact model of rtl/sequencer.v with rtl/fetch.v: which actor fires when, and what the world sees of it.

One `step` is one clock edge. Between two edges the attributes and methods give what the RTL's outputs show in that
cycle; all of them are functions of the state alone. Every decision of a step is taken on the state before the edge.

What happens in a cycle, with `run` high:

* fetch: the lowest actor that is due has its instruction read; it is decoded one cycle later, and only then does the
  next fetch start. A FIRE arms the actor, a LOOP leaves it due, anything else ends it.
* scan: the lowest actor for which something changed is looked at; armed, with its inputs and its room there, it
  becomes ready.
* credits: what a firing has freed is offered after `done`, lower channels first. Where a channel is read late, the
  engine says when; that is offered while no other credit waits, and then until it is taken.
* select: if the engine's front is free and the credits of the last firing have left, the lowest ready actor fires.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from pyimc.isa import (
    CHANNEL,
    CHANNEL_ADDRESS,
    CONTEXT,
    DESTINATION,
    ENTRY_BITS,
    FIRE,
    INSTRUCTION_ADDRESS,
    INSTRUCTIONS,
    LOOP,
    OPCODE_LAYOUT,
    PORT_BITS,
    PORT_STATUS,
    PORTS,
    SPACES,
    STATUS,
    port_uses,
)

WORDS_MASK = 0xFFFF  # word counters run modulo 2^16


class Inputs(NamedTuple):
    """What the sequencer is given in one cycle."""

    run: bool = False
    write: tuple[int, int, int] | None = None  # space, address, data
    arrive: tuple[int, int] | None = None  # channel, words
    credit: tuple[int, int] | None = None  # slot, words
    credit_ready: bool = False
    freed: tuple[int, int, int] | None = None  # context, port and words of a channel that has been read late
    issue_ready: bool = False
    done: bool = False


class Ring(NamedTuple):
    """An input channel as the engine is told of it, in words."""

    head: int
    base: int
    size: int


class Issue(NamedTuple):
    """A firing as it is given to the engine."""

    ctx: int
    instruction: int
    rings: tuple[Ring, ...]


@dataclass(slots=True)
class Channel:
    """One input channel; counters in words."""

    base: int = 0
    size: int = 0
    node: int = 0
    slot: int = 0
    late: bool = False
    kept: int = 0
    times: int = 0
    head: int = 0
    arrived: int = 0
    consumed: int = 0

    @property
    def fill(self) -> int:
        """Words in the ring."""
        return (self.arrived - self.consumed) & WORDS_MASK

    def ring(self) -> Ring:
        """What the engine is told."""
        return Ring(self.head, self.base, self.size)

    def release(self, words: int) -> None:
        """Gives `words` from the head back."""
        self.consumed = (self.consumed + words) & WORDS_MASK
        self.head += words
        if self.head >= self.base + self.size:
            self.head -= self.size


@dataclass(slots=True)
class Slot:
    """One destination; counters in words."""

    granted: int = 0
    sent: int = 0

    @property
    def room(self) -> int:
        """Words that the destination can still take."""
        return (self.granted - self.sent) & WORDS_MASK


@dataclass(slots=True)
class Actor:
    """One context."""

    channels: tuple[Channel, ...]
    slots: list[Slot]
    ports: int = 1
    destinations: int = 0
    pc: int = 0
    turns: list[int] = field(default_factory=lambda: [0, 0])
    instruction: int = 0  # the last FIRE that was fetched
    uses: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)] * PORTS)  # words needed and freed
    produce: int = 0
    active: bool = False
    armed: bool = False  # the FIRE has not been issued
    room_wait: bool = False

    def has_inputs(self) -> bool:
        """Every channel in use holds what it must."""
        used = zip(self.channels[: self.ports], self.uses, strict=False)
        return all(channel.fill >= need for channel, (need, _) in used)

    def has_room(self) -> bool:
        """Every destination can take `produce` words."""
        return all(slot.room >= self.produce for slot in self.slots[: self.destinations])


@dataclass(slots=True)
class Credits:
    """The credits of one firing on their way out: (port, words) of each."""

    ctx: int
    left: list[tuple[int, int]]


class SequencerModel:
    """The sequencer between two clock edges.

    Attributes:
        issue: The firing last given to the engine; it stays until the next one.
        issue_valid: The engine has not yet accepted `issue`.
        fired: A firing was issued at the last edge.
        ready: Mask of the actors that can fire.
    """

    def __init__(self, *, contexts: int, destinations: int, instructions: int) -> None:
        self.destinations = destinations
        self.actors = [
            Actor(tuple(Channel() for _ in range(PORTS)), [Slot() for _ in range(destinations)])
            for _ in range(contexts)
        ]
        self._memory = [0] * instructions
        self.issue: Issue | None = None
        self.reset()

    def reset(self) -> None:
        """A clock edge with reset: what was going on is forgotten; the tables are to be written before the next run."""
        for actor in self.actors:
            actor.active = actor.armed = actor.room_wait = False
            actor.instruction = 0
        self.issue_valid = False
        self.fired = False
        self.ready = 0
        self._dirty = 0  # actors to be looked at
        self._due = 0  # actors that want their next instruction
        self._decoding: tuple[int, int] | None = None  # actor, instruction
        self._credits: Credits | None = None
        self._late = False  # what has been read late is on offer and was not taken

    # ------------------------------------------------------------------------------------------------- outputs

    def active(self) -> int:
        """Mask of the actors that are not halted."""
        return sum(actor.active << ctx for ctx, actor in enumerate(self.actors))

    def room_waiting(self) -> bool:
        """Some actor has its inputs but not its room."""
        return any(actor.room_wait for actor in self.actors)

    def credit(self, freed: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        """Node, slot and words of the credit that is offered."""
        if self.late():
            if freed is None:
                return None
            ctx, port, words = freed
        elif self._credits is None:
            return None
        else:
            ctx, (port, words) = self._credits.ctx, self._credits.left[0]
        channel = self.actors[ctx].channels[port]
        return channel.node, channel.slot, words

    def waiting(self) -> bool:
        """Credits of a firing that is done have not left."""
        return self._credits is not None

    def late(self) -> bool:
        """It is the turn of what has been read late."""
        return self._late or self._credits is None

    def status(self, ctx: int, port: int) -> int:
        """The STATUS of an actor, or of one of its ports if `port` is not negative."""
        actor = self.actors[ctx]
        if port >= 0:
            return PORT_STATUS.encode(fill=actor.channels[port].fill, need=actor.uses[port][0])
        return STATUS.encode(
            active=actor.active,
            fetched=actor.armed,
            ready=self.ready >> ctx & 1,
            room_wait=actor.room_wait,
            pc=actor.pc,
        )

    def settled(self) -> bool:
        """Without an input, no step changes anything but the acceptance of `issue`."""
        return not (self.ready or self._dirty or self._due or self._decoding or self._credits or self.fired)

    # ---------------------------------------------------------------------------------------------------- step

    def step(self, inputs: Inputs) -> None:
        """One clock edge without reset."""
        selected = self._select(inputs)
        fetched = self._fetch(inputs.run)
        if inputs.run and self._dirty:
            self._scan(_lowest(self._dirty))
        if self._decoding is not None:
            self._decode(*self._decoding)
        self._decoding = fetched
        self._send_credits(inputs)
        if self.issue_valid and inputs.issue_ready:
            self.issue_valid = False
        self.fired = selected is not None
        if selected is not None:
            self._fire(selected)
        if inputs.arrive is not None:
            ctx, port = divmod(inputs.arrive[0], 1 << PORT_BITS)
            channel = self.actors[ctx].channels[port]
            channel.arrived = (channel.arrived + inputs.arrive[1]) & WORDS_MASK
            self._dirty |= 1 << ctx
        if inputs.credit is not None:
            ctx, index = divmod(inputs.credit[0], self.destinations)
            slot = self.actors[ctx].slots[index]
            slot.granted = (slot.granted + inputs.credit[1]) & WORDS_MASK
            self._dirty |= 1 << ctx
        if inputs.write is not None:
            self._write(*inputs.write)

    def _select(self, inputs: Inputs) -> int | None:
        """The actor that fires at this edge."""
        last = self._credits is None or (inputs.credit_ready and not self.late() and len(self._credits.left) == 1)
        if inputs.run and self.ready and inputs.issue_ready and not self.issue_valid and last:
            return _lowest(self.ready)
        return None

    def _fetch(self, run: bool) -> tuple[int, int] | None:
        if not run or self._decoding is not None or not self._due:
            return None
        ctx = _lowest(self._due)
        return ctx, self._memory[self.actors[ctx].pc]

    def _scan(self, ctx: int) -> None:
        actor = self.actors[ctx]
        self._dirty &= ~(1 << ctx)
        if actor.armed:
            inputs, room = actor.has_inputs(), actor.has_room()
            self.ready |= (inputs and room) << ctx
            actor.room_wait = inputs and not room

    def _decode(self, ctx: int, word: int) -> None:
        actor = self.actors[ctx]
        layout = INSTRUCTIONS.get(OPCODE_LAYOUT.decode(word)["opcode"])
        after = (actor.pc + 1) % (1 << (len(self._memory) - 1).bit_length())
        if layout is LOOP:
            loop = LOOP.decode(word)
            turns = (actor.turns[loop["level"]] + 1) & WORDS_MASK
            again = loop["count"] == 0 or turns < loop["count"]
            if loop["count"]:
                actor.turns[loop["level"]] = turns if again else 0
            actor.pc = loop["target"] if again else after
            return
        self._due &= ~(1 << ctx)
        actor.pc = after
        if layout is FIRE:
            fire = FIRE.decode(word)
            actor.instruction, actor.armed = word, True
            actor.uses, actor.produce = port_uses(fire), fire["produce"]
            self._dirty |= 1 << ctx
        else:
            actor.active = False

    def _send_credits(self, inputs: Inputs) -> None:
        late = self.late()
        self._late = late and inputs.freed is not None and not inputs.credit_ready
        if inputs.done and self.issue is not None:
            fire = FIRE.decode(self.issue.instruction)
            actor = self.actors[self.issue.ctx]
            left = [
                (port, words)
                for port, (_, words) in enumerate(port_uses(fire)[: actor.ports])
                if words and not actor.channels[port].late
            ]
            self._credits = Credits(self.issue.ctx, left) if left else None
        elif self._credits is not None and inputs.credit_ready and not late:
            self._credits.left.pop(0)
            if not self._credits.left:
                self._credits = None

    def _fire(self, ctx: int) -> None:
        actor = self.actors[ctx]
        rings = tuple(channel.ring() for channel in actor.channels)
        uses = list(actor.uses)
        for port, channel in enumerate(actor.channels[: actor.ports]):
            need, words = uses[port]
            if words and channel.times < channel.kept:
                channel.times += 1
                uses[port] = (need, 0)
            elif words:
                channel.times = 0
            channel.release(uses[port][1])
        fields = FIRE.decode(actor.instruction) | {f"free_{port}": words for port, (_, words) in enumerate(uses)}
        self.issue = Issue(ctx, FIRE.encode(**fields), rings)
        self.issue_valid = True
        for slot in actor.slots:
            slot.sent = (slot.sent + actor.produce) & WORDS_MASK
        actor.armed = False
        self.ready &= ~(1 << ctx)
        self._due |= 1 << ctx

    def _write(self, space: int, address: int, data: int) -> None:
        if space == SPACES["INSTRUCTION"]:
            at = INSTRUCTION_ADDRESS.decode(address)
            shift = ENTRY_BITS * at["part"]
            part = ((1 << ENTRY_BITS) - 1) << shift
            self._memory[at["pc"]] = self._memory[at["pc"]] & ~part | data << shift
        elif space == SPACES["CONTEXT"]:
            context = CONTEXT.decode(data)
            actor = self.actors[address]
            actor.pc, actor.turns = context["start"], [0, 0]
            actor.ports = context["ports"]
            actor.destinations = context["destinations"]
            actor.active = bool(context["active"])
            self._due = self._due & ~(1 << address) | context["active"] << address
        elif space == SPACES["CHANNEL"]:
            entry = CHANNEL.decode(data)
            at = CHANNEL_ADDRESS.decode(address)
            channel = self.actors[at["context"]].channels[at["port"]]
            channel.base, channel.size, channel.head = entry["base"], entry["size"], entry["base"]
            channel.node, channel.slot, channel.late = entry["node"], entry["slot"], bool(entry["late"])
            channel.kept = entry["kept"]
            channel.arrived = channel.consumed = channel.times = 0
        elif space == SPACES["DESTINATION"]:
            slot = self.actors[address // self.destinations].slots[address % self.destinations]
            slot.granted, slot.sent = DESTINATION.decode(data)["room"], 0


def _lowest(mask: int) -> int:
    """Index of the lowest set bit."""
    return (mask & -mask).bit_length() - 1

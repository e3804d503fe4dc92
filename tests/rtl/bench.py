"""What every module test needs: clock and reset, valid/ready streams with stalls, corners that must be reached.

The handshake law is checked wherever a `Sink` listens: once valid, a beat stays, unchanged, until it is taken.
All sampling is done right after `RisingEdge(clk)`, where cocotb still sees the values from before the edge;
everything written there takes effect after the edge, like a flip-flop.

A smallest test::

    @cocotb.test
    @cocotb.parametrize(source=STALLS, sink=STALLS)
    async def keeps_order(dut, source, sink):
        rng = seeded("keeps_order", source, sink)
        await start(dut)
        s = Source(dut, "s", stall=source, rng=rng)
        m = Sink(dut, "m", stall=sink, rng=rng)
        sent = [(rng.getrandbits(8), 1) for _ in range(100)]
        s.send(sent)
        await m.wait_for(len(sent), timeout_cycles=10_000)
        assert m.beats() == sent
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

STALLS = ("none", "30%", "bursts", "90%")
"""The stall patterns of a source (idle) and of a sink (not ready); tests cross them."""

Field = str | Sequence[str]
"""`data` is the signal `<prefix>_data`; a sequence names one signal per lane instead of one flat bus for all."""

Beat = tuple[int, ...]
"""One transfer: the values of the stream's fields, in the order of `fields`, without valid and ready."""


def seeded(*what: object) -> random.Random:
    """A generator that depends on the seed of the run and on `what` only; the seed is in cocotb's log."""
    return random.Random("/".join(map(str, (cocotb.RANDOM_SEED, *what))))


def stalls(kind: str, rng: random.Random) -> Iterator[bool]:
    """Endless stall decisions, one a cycle, True = stalled, of one of the patterns in `STALLS`."""
    if kind == "bursts":
        while True:
            yield from [True] * rng.randint(1, 16)
            yield from [False] * rng.randint(1, 16)
    share = {"none": 0.0, "30%": 0.3, "90%": 0.9}[kind]
    while True:
        yield rng.random() < share


async def start(dut: Any, reset_cycles: int = 2) -> None:
    """Start the clock (10 ns) and reset; call it first in a test, once."""
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns", impl="gpi").start()
    await reset(dut, reset_cycles)


async def reset(dut: Any, cycles: int = 2) -> None:
    """Hold reset over `cycles` edges; returns right after the edge at which it was released."""
    dut.rst.value = 1
    for _ in range(cycles + 1):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


async def cycles(dut: Any, count: int) -> None:
    """Wait for `count` rising edges."""
    for _ in range(count):
        await RisingEdge(dut.clk)


async def until(dut: Any, condition: Callable[[], bool], timeout_cycles: int, what: str = "condition") -> int:
    """Wait for the first rising edge after which `condition` holds; returns how many edges that took.

    Raises:
        AssertionError: not within `timeout_cycles`.
    """
    for waited in range(1, timeout_cycles + 1):
        await RisingEdge(dut.clk)
        if condition():
            return waited
    raise AssertionError(f"{what} did not hold within {timeout_cycles} cycles")


class Corners:
    """Counts the corners that a random test reached; a required one that was never reached is a failure."""

    def __init__(self, *required: str) -> None:
        self.required = required
        self.counts: Counter[str] = Counter()

    def hit(self, name: str, reached: bool = True) -> None:
        """Count `name` when `reached`."""
        self.counts[name] += bool(reached)

    def check(self, *further: str) -> None:
        """Print the counts; fail if a required one, or one of `further`, is zero."""
        cocotb.log.info("corners: %s", dict(self.counts))
        missed = [name for name in (*self.required, *further) if self.counts[name] == 0]
        assert not missed, f"corners never reached: {missed}"


class _Port:
    """`lanes` equal streams side by side on the flat buses `<prefix>_<field>`; lane 0 in the low bits."""

    def __init__(self, dut: Any, prefix: str, fields: Sequence[Field], lanes: int) -> None:
        self.dut = dut
        self.prefix = prefix
        self.lanes = lanes
        self.valid = getattr(dut, f"{prefix}_valid")
        self.ready = getattr(dut, f"{prefix}_ready")
        names = [(field,) if isinstance(field, str) else tuple(field) for field in fields]
        assert all(len(split) in (1, lanes) for split in names), f"{fields}: not one signal per lane"
        self.signals = [[getattr(dut, f"{prefix}_{name}") for name in split] for split in names]
        self.widths = [sum(map(len, split)) // lanes for split in self.signals]
        self.cycle = 0  # edges seen since construction

    def resetting(self) -> bool:
        return str(self.dut.rst.value) != "0"


class Source(_Port):
    """Drives streams into the DUT; what is on the fields of an idle lane is random.

    Args:
        dut: design under test.
        prefix: of the signals, `s` for `s_valid`, `s_data`, ...
        fields: payload signals, in the order of a beat.
        lanes: number of streams on the flat buses.
        stall: pattern of idle cycles, one of `STALLS`, or one per lane.
        rng: decides stalls and junk.
        hold: start with all lanes held back; set `hold = False` to let go.
    """

    def __init__(
        self,
        dut: Any,
        prefix: str,
        fields: Sequence[Field] = ("data", "last"),
        *,
        lanes: int = 1,
        stall: str | Sequence[str] = "none",
        rng: random.Random,
        hold: bool = False,
    ) -> None:
        super().__init__(dut, prefix, fields, lanes)
        self.hold = hold
        self.sent_at: list[list[int]] = [[] for _ in range(lanes)]  # value of `cycle` when each beat was taken
        self._rng = rng
        kinds = [stall] * lanes if isinstance(stall, str) else list(stall)
        self._stalls = [stalls(kind, rng) for kind in kinds]
        self._queues: list[deque[Beat]] = [deque() for _ in range(lanes)]
        self._active = [False] * lanes
        self._drive()
        self._task = cocotb.start_soon(self._run())

    def send(self, beats: Iterable[Beat], lane: int = 0) -> None:
        """Queue beats; a beat has one value per field."""
        self._queues[lane].extend(tuple(beat) for beat in beats)

    def pending(self) -> int:
        """Beats that were not yet taken, over all lanes."""
        return sum(map(len, self._queues))

    def clear(self) -> None:
        """Forget what was not taken; only together with a reset, because a valid beat must not vanish otherwise."""
        self._active = [False] * self.lanes
        for queue in self._queues:
            queue.clear()

    def stop(self) -> None:
        """End the driver; the signals stay as they are."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            self.cycle += 1
            if self.resetting():
                self._active = [False] * self.lanes
            elif any(self._active):
                ready = int(self.ready.value)
                for lane in range(self.lanes):
                    if self._active[lane] and ready >> lane & 1:
                        self._queues[lane].popleft()
                        self.sent_at[lane].append(self.cycle)
                        self._active[lane] = False
            self._drive()

    def _drive(self) -> None:
        resetting = self.resetting()
        valid = 0
        values = [self._rng.getrandbits(width * self.lanes) for width in self.widths]
        for lane in range(self.lanes):
            stalled = next(self._stalls[lane])
            if not self._active[lane]:
                self._active[lane] = bool(self._queues[lane]) and not (stalled or self.hold or resetting)
            if self._active[lane]:
                valid |= 1 << lane
                for index, (width, value) in enumerate(zip(self.widths, self._queues[lane][0], strict=True)):
                    mask = (1 << width) - 1
                    assert 0 <= value <= mask, f"{self.prefix}: {value:#x} does not fit {width} bits"
                    values[index] = values[index] & ~(mask << width * lane) | value << width * lane
        self.valid.value = valid
        for split, value in zip(self.signals, values, strict=True):
            for signal in split:
                signal.value = value & (1 << len(signal)) - 1
                value >>= len(signal)


class Sink(_Port):
    """Takes streams from the DUT, keeps every beat, and checks the handshake law.

    Args:
        dut: design under test.
        prefix: of the signals, `m` for `m_valid`, `m_data`, ...
        fields: payload signals, in the order of a beat.
        lanes: number of streams on the flat buses.
        stall: pattern of not-ready cycles, one of `STALLS`, or one per lane.
        rng: decides the stalls.
        hold: start with all lanes not ready; set `hold = False` to let go.
        after_valid: be ready only where valid was seen, which hangs a DUT whose valid waits for ready.
    """

    def __init__(
        self,
        dut: Any,
        prefix: str,
        fields: Sequence[Field] = ("data", "last"),
        *,
        lanes: int = 1,
        stall: str | Sequence[str] = "none",
        rng: random.Random,
        hold: bool = False,
        after_valid: bool = False,
    ) -> None:
        super().__init__(dut, prefix, fields, lanes)
        self.hold = hold
        self.after_valid = after_valid
        self.received: list[list[Beat]] = [[] for _ in range(lanes)]
        self.received_at: list[list[int]] = [[] for _ in range(lanes)]  # value of `cycle` when each beat was taken
        kinds = [stall] * lanes if isinstance(stall, str) else list(stall)
        self._stalls = [stalls(kind, rng) for kind in kinds]
        self._waiting: list[Beat | None] = [None] * lanes  # valid and not taken at the last edge
        self._ready = 0
        self.ready.value = 0
        self._task = cocotb.start_soon(self._run())

    def beats(self, lane: int = 0) -> list[Beat]:
        """What one lane delivered so far."""
        return self.received[lane]

    def count(self) -> int:
        """Beats taken so far, over all lanes."""
        return sum(map(len, self.received))

    async def wait_for(self, count: int, timeout_cycles: int) -> int:
        """Wait until `count` beats were taken, over all lanes; returns how many edges that took.

        Raises:
            AssertionError: not within `timeout_cycles`.
        """
        what = f"{self.prefix}: delivery of {count} beats"
        return await until(self.dut, lambda: self.count() >= count, timeout_cycles, what)

    def clear(self) -> None:
        """Forget what was received."""
        for lane in range(self.lanes):
            self.received[lane].clear()
            self.received_at[lane].clear()

    def stop(self) -> None:
        """End the monitor; ready stays as it is."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            self.cycle += 1
            valid = 0
            if self.resetting():
                self._waiting = [None] * self.lanes
            else:
                assert self.valid.value.is_resolvable, f"{self.prefix}_valid is {self.valid.value} after reset"
                valid = int(self.valid.value)
                if valid or any(beat is not None for beat in self._waiting):
                    self._sample(valid)
            self._ready = 0
            for lane in range(self.lanes):
                stalled = next(self._stalls[lane])
                seen = not self.after_valid or (valid >> lane & 1 and not self._took(lane))
                self._ready |= (seen and not (stalled or self.hold)) << lane
            self.ready.value = self._ready

    def _took(self, lane: int) -> bool:
        return bool(self._ready >> lane & 1)

    def _sample(self, valid: int) -> None:
        lanes = [lane for lane in range(self.lanes) if valid >> lane & 1]
        vectors = ["".join(str(signal.value) for signal in reversed(split)) for split in self.signals]
        for lane in range(self.lanes):
            if lane not in lanes:
                assert self._waiting[lane] is None, f"{self.prefix} lane {lane}: valid fell before the beat was taken"
                continue
            beat = self._beat(vectors, lane)
            waiting = self._waiting[lane]
            assert waiting in (None, beat), f"{self.prefix} lane {lane}: changed while it waited: {waiting} -> {beat}"
            self._waiting[lane] = beat
            if self._took(lane):
                self._waiting[lane] = None
                self.received[lane].append(beat)
                self.received_at[lane].append(self.cycle)

    def _beat(self, vectors: Sequence[str], lane: int) -> Beat:
        values = []
        for vector, width in zip(vectors, self.widths, strict=True):
            bits = vector[len(vector) - (lane + 1) * width : len(vector) - lane * width]
            assert set(bits) <= {"0", "1"}, f"{self.prefix} lane {lane}: valid with undefined bits {bits}"
            values.append(int(bits, 2))
        return tuple(values)

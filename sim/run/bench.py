"""The cocotb bench of a whole chip: loads a Program, streams images through the host port, collects results.

It runs inside the simulator's process. What to do is in `job.json` of the run directory (environment variable
PYIMC_RUN, set by `simulator.py`), what happened goes to `outcome.json` and `outputs.npy` there; the words that
left each PU's engine are in the capture files. All sampling of the chip's pins is in `Host`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Event, FallingEdge, First, ReadOnly, RisingEdge, Timer
from cocotb.types import LogicArray

from pyimc import isa
from pyimc.layout import Layout
from pyimc.measurement import ACTOR_COUNTERS, PU_COUNTERS, Measurement
from pyimc.program import Program
from pyimc.program_file import load
from sim.run.cosim_array import attach
from sim.run.folder import PROGRAM
from sim.run.job import Job, Outcome
from sim.run.packets import Packet, image_packets, output_words, read_packet, table_packets, weight_packets

PERIOD_NS = 10
POLL_CYCLES = 2000  # between two looks at progress; a deadlock is two quiet looks


class Host:
    """Drives and samples the host port: the only code that touches the chip's pins.

    Pins are driven at the falling edge of the clock and sampled once they have settled there, in the middle of the
    cycle that the next rising edge ends. So every simulator gives the same cycles, whatever its order at an edge.
    """

    def __init__(self, dut: Any, program: Program) -> None:
        self.dut = dut
        self.mask = (1 << program.arch.word_bits) - 1
        self.received: list[tuple[int, list[int]]] = []  # cycle of the last flit, flits of a packet
        self.arrival = Event()
        self.flits_sent = 0

    async def reset(self) -> None:
        """Two cycles of reset."""
        dut = self.dut
        dut.rst.value = 1
        dut.start.value = 0
        dut.stop_words.value = 0
        dut.s_host_valid.value = 0
        dut.s_host_data.value = 0
        dut.s_host_last.value = 0
        dut.m_host_ready.value = 1
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        await FallingEdge(dut.clk)

    async def start(self, stop_words: int) -> int:
        """Starts a run that ends after `stop_words` result words; returns the cycle before its first."""
        dut = self.dut
        await FallingEdge(dut.clk)
        dut.stop_words.value = stop_words
        dut.start.value = 1
        begin = int(dut.now.value)
        await FallingEdge(dut.clk)
        dut.start.value = 0
        return begin

    async def send(self, packets: Iterable[Packet]) -> int:
        """Sends packets back to back, from a falling edge on; returns the cycle in which the first flit was taken."""
        dut, first = self.dut, -1
        data, last, valid, ready, clk = dut.s_host_data, dut.s_host_last, dut.s_host_valid, dut.s_host_ready, dut.clk
        middle, settled, opening = FallingEdge(clk), ReadOnly(), RisingEdge(ready)
        for packet in packets:
            final = len(packet.payload)
            for index, flit in enumerate(packet.flits()):
                valid.value = 1
                data.value = flit
                last.value = int(index == final)
                await settled
                while not ready.value:
                    await opening
                    await middle
                    await settled
                self.flits_sent += 1
                if first < 0:
                    first = int(dut.now.value)
                await middle
        valid.value = 0
        return first

    async def receive(self) -> None:
        """Collects packets for ever."""
        dut, flits = self.dut, []
        while True:
            await FallingEdge(dut.clk)
            if not dut.m_host_valid.value:
                await RisingEdge(dut.m_host_valid)
                continue
            flits.append(known(dut.m_host_data.value))
            if dut.m_host_last.value:
                self.received.append((int(dut.now.value), flits))
                flits = []
                self.arrival.set()

    async def read(self, node: int, host: int, space: str, address: int, length: int) -> list[int] | None:
        """READs table entries of a PU; None if it does not answer within 10,000 cycles."""
        already = len(self.received)
        sending = cocotb.start_soon(self.send([read_packet(node, host, space, address, length)]))
        deadline = int(self.dut.now.value) + 10_000
        while int(self.dut.now.value) < deadline:
            for _, flits in self.received[already:]:
                head = isa.decode_head(flits[0] & self.mask)
                if head["kind"] == isa.KINDS["REPLY"] and head["source"] == node:
                    return flits[1:]
            already = len(self.received)
            self.arrival.clear()
            await First(self.arrival.wait(), Timer(1000 * PERIOD_NS, "ns"))
        sending.cancel()
        return None


def known(value: LogicArray) -> int:
    """The value; bits that are X, which only a faulty Program or chip sends, as 1: a capture has them as 0."""
    return int(value) if value.is_resolvable else int(value.resolve("ones"))


class Results:
    """Sorts result packets into images: bytes, and the cycle of each image's last word."""

    def __init__(self, program: Program) -> None:
        self.program = program
        network = program.network
        self.words: list[list[int]] = [[] for _ in network.outputs]
        self.cycles: list[list[int]] = [[] for _ in network.outputs]  # of the packet that brought the word
        self.taken = 0
        self.per_image = [output_words(program, name) for name in network.outputs]

    def take(self, received: list[tuple[int, list[int]]]) -> None:
        """Looks at what has come since the last call."""
        for cycle, flits in received[self.taken :]:
            head = isa.decode_head(flits[0] & (1 << isa.HEAD.bits) - 1)
            if head["kind"] == isa.KINDS["DATA"]:
                self.words[head["channel"]] += flits[1:]
                self.cycles[head["channel"]] += [cycle] * (len(flits) - 1)
        self.taken = len(received)

    def finished(self) -> list[int]:
        """Cycle of the last word of every image that is complete in all outputs."""
        whole = min(len(words) // size for words, size in zip(self.words, self.per_image, strict=True))
        pairs = list(zip(self.cycles, self.per_image, strict=True))
        return [max(cycles[(image + 1) * size - 1] for cycles, size in pairs) for image in range(whole)]


class NoAnswer(Exception):
    """A PU does not answer a READ."""


@cocotb.test()
async def run(dut: Any) -> None:
    """One run of a Program, as `job.json` describes it."""
    folder = Path(os.environ["PYIMC_RUN"])
    job = Job.read(folder)
    program = load(folder / PROGRAM)
    images = np.load(folder / "images.npy")
    host = Host(dut, program)
    Clock(dut.clk, PERIOD_NS, unit="ns", impl="gpi").start(start_high=False)
    await host.reset()
    if job.array == "numpy":
        attach(dut, program, with_weights=not job.front_door)
    cocotb.start_soon(host.receive())

    wall = time.monotonic()
    await host.send(table_packets(program))
    if job.front_door:
        await host.send(weight_packets(program))
    await settle(dut, program.patience_cycles(len(images)))
    load_cycles, load_seconds = int(dut.now.value), time.monotonic() - wall

    wall = time.monotonic()
    results = Results(program)
    first_cycles: list[int] = []
    loaded_flits = host.flits_sent
    begin = await host.start(len(images) * sum(results.per_image))

    async def stream() -> None:
        for image in images:
            first_cycles.append(await host.send(image_packets(program, image)))

    streaming = cocotb.start_soon(stream())
    if job.window:
        await record(dut, begin, *job.window)
        nothing = Measurement(False, 0, [], [], 0, {}, {}, [])
        Outcome(nothing, begin, load_cycles, load_seconds, time.monotonic() - wall).write(folder)
        return
    stuck = not await finish(dut, host, results, folder, len(images), begin)
    run_seconds = time.monotonic() - wall
    await FallingEdge(dut.clk)
    end = int(dut.now.value)
    streaming.cancel()
    dut.s_host_valid.value = 0
    host_flits = host.flits_sent - loaded_flits
    stuck = stuck or not await settle(dut, program.patience_cycles(len(images)))
    measured: tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]] = ({}, {})
    try:
        if not stuck:
            measured = await counters(host, program), await actors(host, program, begin)
    except NoAnswer:
        stuck = True
    waiting = await blocked(host, program) if stuck else []
    figures = Measurement(
        deadlock=stuck, cycles_total=end - begin - 1, first_cycles=[cycle - begin for cycle in first_cycles],
        last_cycles=[cycle - begin for cycle in results.finished()], host_flits=host_flits,
        counters=measured[0], actors=measured[1], waiting=waiting, batch=program.batch,
    )  # fmt: skip
    outcome = Outcome(figures, begin, load_cycles, load_seconds, run_seconds)
    for name, words in zip(program.network.outputs, results.words, strict=True):
        raw = b"".join(word.to_bytes(program.arch.lanes, "little") for word in words)
        (folder / f"output_{program.network.outputs.index(name)}.bin").write_bytes(raw)
    outcome.write(folder)


async def record(dut: Any, begin: int, first: int, last: int) -> None:
    """Has these cycles of the run recorded."""
    for level, cycle in ((1, first), (0, last + 1)):
        if (cycles := begin + cycle - int(dut.now.value)) > 0:
            await Timer(cycles * PERIOD_NS, "ns")
        dut.recording.value = level
    await FallingEdge(dut.clk)


async def finish(dut: Any, host: Host, results: Results, folder: Path, images: int, begin: int) -> bool:
    """Waits for the end of the run and keeps `progress.json` current; False if the chip has stopped before it."""
    dut.stirred.value = 1
    looked = time.monotonic()
    stopped = RisingEdge(dut.stopped)
    heard, since, patience = -1, 0, results.program.patience_cycles(images)
    while True:
        if await First(stopped, Timer(POLL_CYCLES * PERIOD_NS, "ns")) is stopped:
            results.take(host.received)
            return True
        cycle = int(dut.now.value)
        if len(host.received) != heard:
            heard, since = len(host.received), cycle
        if (not dut.stirred.value and dut.quiet.value) or cycle - since > patience:
            results.take(host.received)
            return False
        dut.stirred.value = 0
        if time.monotonic() - looked > 0.5:
            looked = time.monotonic()
            results.take(host.received)
            done = results.finished()
            progress = {
                "cycle": cycle - begin, "images": images, "finished": len(done),
                "expected_cycles": expected_cycles(results.program, images, [cycle - begin for cycle in done]),
            }  # fmt: skip
            scratch = folder / ".progress.json"
            scratch.write_text(json.dumps(progress))
            scratch.replace(folder / "progress.json")


def expected_cycles(program: Program, images: int, done: list[int]) -> int:
    """A forecast for the progress line: the busiest PU paces the images; what has been seen corrects it."""
    loads = dict.fromkeys(program.pus, 0)
    for actor in program.actors:
        loads[actor.node] += actor.cycles
    if not done:
        return max(loads.values()) * (images + 1)
    return done[-1] + (images - len(done)) * (done[-1] - done[-2] if len(done) > 1 else max(loads.values()))


async def settle(dut: Any, patience: int) -> bool:
    """Waits until nothing has moved for a while: table writes have arrived, counters are complete.

    False if it has not come to rest after `patience` cycles.
    """
    dut.stirred.value = 1
    start = int(dut.now.value)
    while dut.stirred.value or not dut.quiet.value:
        if int(dut.now.value) - start > patience:
            return False
        dut.stirred.value = 0
        await Timer(64 * PERIOD_NS, "ns")
    await FallingEdge(dut.clk)
    return True


async def counters(host: Host, program: Program) -> dict[str, dict[str, int]]:
    """Cycle and flit counters of every PU, by node id."""
    found = {}
    for node in program.arch.kinds:
        counts: dict[str, int] = {}
        for layout in isa.COUNTERS:
            counts |= await answer(host, program, node, "COUNTER", isa.ENTRIES["COUNTER"][layout.name], layout)
        found[str(node)] = {name: counts[name] for name in PU_COUNTERS}
    return found


async def actors(host: Host, program: Program, begin: int) -> dict[str, dict[str, int]]:
    """What every actor counts, by name, its cycles from `begin` on; when its last word left stands in the captures."""
    found = {}
    for actor in program.actors:
        counts: dict[str, int] = {}
        for layout in (isa.ACTOR_0, isa.ACTOR_1):
            entry = isa.ACTOR_ADDRESS.encode(context=actor.context, entry=isa.ENTRIES["ACTOR"][layout.name])
            counts |= await answer(host, program, actor.node, "ACTOR", entry, layout)
        moments = [counts[moment] - begin if counts["firings"] else 0 for moment in ("first", "last")]
        found[actor.name] = dict(zip(ACTOR_COUNTERS, (counts["firings"], counts["busy"], *moments, 0), strict=True))
    return found


async def answer(host: Host, program: Program, node: int, space: str, address: int, layout: Layout) -> dict[str, int]:
    """READs an entry of a PU that must answer; raises NoAnswer."""
    entries = await host.read(node, program.arch.host, space, address, 1)
    if entries is None:
        raise NoAnswer(f"node {node}, {space}")
    return layout.decode(entries[0] & (1 << layout.bits) - 1)


async def blocked(host: Host, program: Program) -> list[dict[str, int | str]]:
    """What every actor is waiting for, read from the PUs' STATUS; of one that does not answer, its name."""
    found: list[dict[str, int | str]] = []
    for actor in program.actors:
        status: dict[str, int | str] = {"actor": actor.name}
        try:
            status |= await answer(host, program, actor.node, "STATUS", _status_entry(actor.context, 0), isa.STATUS)
            for port in range(len(actor.inputs)):
                entry = _status_entry(actor.context, isa.ENTRIES["STATUS"]["PORT_STATUS"] + port)
                ring = await answer(host, program, actor.node, "STATUS", entry, isa.PORT_STATUS)
                status |= {f"{name}_{port}": value for name, value in ring.items()}
        except NoAnswer:
            status = {"actor": actor.name}
        found.append(status)
    return found


def _status_entry(context: int, entry: int) -> int:
    return isa.STATUS_ADDRESS.encode(context=context, entry=entry)

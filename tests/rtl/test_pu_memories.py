"""The two memories of rtl/pu.v: each holds what came to its port and nothing else, whatever the link does meanwhile."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from pyimc.isa import CHANNEL, SPACES, channel_entry
from pyimc.isa import head as isa_head
from tests.rtl.bench import Source, cycles, seeded, start, until
from tests.rtl.runner import simulate

SHAPE = {
    "KIND": 8, "WORD": 64, "CONTEXTS": 2, "DESTINATIONS": 2, "INSTRUCTIONS": 4, "MEMORY": 16, "PARTIALS": 16,
    "PARAMETERS": 8, "PACKET": 4, "ROWS": 8, "COLS": 8, "PLANES": 1, "ADCS": 8, "ACCUMULATORS": 8,
}  # fmt: skip
SIZE = 3
RINGS = (2, 5)
"""Bases of the rings of port 0 and of port 1, of SIZE words each."""


@cocotb.test
async def full_rings_stay_as_they_are(dut: Any) -> None:
    """A full ring's tail is its oldest word: what stands on an idle link must not be written there."""
    rng = seeded("memories")
    dut.node.value, dut.run.value, dut.now.value = 3, 0, 0
    dut.s_credit_valid.value, dut.m_ready.value, dut.m_credit_ready.value = 0, 1, 1
    await start(dut)
    memories = (dut.u_memory, dut.gen_partials.u_partials)
    sent: list[list[int]] = []

    async def send(kind: str, payload: list[int], **fields: int) -> None:
        flits = [isa_head(kind, node=3, length=len(payload), source=1, **fields), *payload]
        link = Source(dut, "s", rng=rng)
        link.send((flit, int(n == len(flits) - 1)) for n, flit in enumerate(flits))
        await until(dut, lambda: not link.pending(), 200, "the packet")
        link.stop()

    entries = [CHANNEL.encode(base=base, size=SIZE, node=1, slot=port, memory=port) for port, base in enumerate(RINGS)]
    await send("WRITE", entries, space=SPACES["CHANNEL"], address=channel_entry(0, 0))
    for port in (1, 0, 1, 0):  # both rings twice, so that one memory is idle while the other is written
        payload = [rng.getrandbits(64) for _ in range(SIZE)]
        await send("DATA", payload, channel=channel_entry(0, port))
        sent.append(payload)
        for _ in range(8):
            dut.s_valid.value, dut.s_last.value = 0, rng.getrandbits(1)
            dut.s_data.value = rng.getrandbits(64)
            await RisingEdge(dut.clk)
        latest = dict(zip((1, 0, 1, 0), sent, strict=False))
        for at, (memory, base) in enumerate(zip(memories, RINGS, strict=True)):
            held = [memory.words[base + n].value for n in range(SIZE)]
            if at in latest:
                assert [int(word) for word in held] == latest[at], f"port {at}"
            else:
                assert not any(word.is_resolvable for word in held), f"port {at}: written by a packet for the other"
    await cycles(dut, 2)


def test_memories() -> None:
    simulate("pu", __name__, SHAPE)

"""rtl/router.v against RouterModel in every cycle, and against properties that need no model."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc.routing import EAST, LOCAL, NORTH, SOUTH, WEST
from tests.rtl.bench import STALLS, Corners, Sink, Source, cycles, reset, seeded, start
from tests.rtl.router_model import PORTS, RouterModel
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate
from tests.rtl.traffic import Packet, check_delivery, packet

MIDDLE = {"WIDTH": 40, "FIFO_DEPTH": 2, "MESH_X": 3, "MESH_Y": 3}
ODD = {"WIDTH": 13, "FIFO_DEPTH": 3, "MESH_X": 4, "MESH_Y": 5}
CORNER = {"WIDTH": 17, "FIFO_DEPTH": 5, "MESH_X": 5, "MESH_Y": 4}

FIELDS = (("local_data", "north_data", "east_data", "south_data", "west_data"), "last")
MUST_REACH = {
    ("30%", "30%"): ("contention", "input full", "output blocked", "packet of one flit", "back to back"),
    ("90%", "none"): ("contention", "gap inside a packet"),
}
"""By (source, sink) stall pattern; all pairs of ports besides, in the run without stalls."""


def parameters() -> dict[str, int]:
    """Parameters of the RTL under test, and its place X, Y in the mesh."""
    shape = {name: int(getattr(cocotb.top, name).value) for name in MIDDLE}
    return shape | {name: int(os.environ[name]) for name in ("X", "Y")}


def new_model() -> RouterModel:
    p = parameters()
    return RouterModel(p["FIFO_DEPTH"], p["MESH_X"], p["MESH_Y"], p["Y"] * p["MESH_X"] + p["X"])


def port_of(destination: int) -> int:
    """Output port by the text of the specification, on purpose not by pyimc.routing."""
    p = parameters()
    x, y = destination % p["MESH_X"], destination // p["MESH_X"]
    if destination >= p["MESH_X"] * p["MESH_Y"]:
        return LOCAL
    if x == p["X"]:
        return LOCAL if y == p["Y"] else SOUTH if y > p["Y"] else NORTH
    return EAST if x > p["X"] else WEST


def destinations() -> dict[int, list[int]]:
    """Destinations by output port."""
    p = parameters()
    found: dict[int, list[int]] = {}
    for node in range(p["MESH_X"] * p["MESH_Y"]):
        found.setdefault(port_of(node), []).append(node)
    return found


def connect(dut: Any, rng: Any, **options: Any) -> tuple[Source, Sink]:
    dut.x.value, dut.y.value = parameters()["X"], parameters()["Y"]
    source_options = {"stall": options.get("source", "none"), "hold": options.get("hold", False)}
    source = Source(dut, "s", FIELDS, lanes=PORTS, rng=rng, **source_options)
    return source, Sink(dut, "m", FIELDS, lanes=PORTS, rng=rng, stall=options.get("sink", "none"))


async def compare(dut: Any, corners: Corners) -> None:
    """Compare every output with the model at every edge, and count what happened."""
    model = new_model()
    width = parameters()["WIDTH"]
    names = FIELDS[0]
    previous_last: list[bool] = [False] * PORTS
    while True:
        await RisingEdge(dut.clk)
        if int(dut.rst.value):
            corners.hit("reset while busy", model.busy())
            model = new_model()
            continue
        outputs, ready = model.outputs(), model.ready()
        m_valid, m_last, m_ready = int(dut.m_valid.value), int(dut.m_last.value), int(dut.m_ready.value)
        s_valid, s_last = int(dut.s_valid.value), int(dut.s_last.value)
        assert int(dut.s_ready.value) == sum(bit << i for i, bit in enumerate(ready))
        assert m_valid == sum((flit is not None) << o for o, flit in enumerate(outputs))
        assert int(dut.busy.value) == model.busy()
        for o, flit in enumerate(outputs):
            taken = bool(m_ready >> o & 1)
            if flit is not None:
                data = int(getattr(dut, f"m_{names[o]}").value)
                assert flit == (data, m_last >> o & 1), f"output {o}: {data:#x} of {width} bits"
                opening = not model.locked[o]
                corners.hit("contention", opening and len(model.requests(o)) > 1)
                corners.hit("output blocked", not taken)
                corners.hit("packet of one flit", opening and taken and bool(flit[1]))
                corners.hit("back to back", opening and taken and previous_last[o])
                corners.hit(f"{model.selected(o)} -> {o}", taken)
            corners.hit("gap inside a packet", flit is None and model.locked[o])
            previous_last[o] = flit is not None and taken and bool(flit[1])
        corners.hit("input full", not all(ready))
        inputs = [
            (int(getattr(dut, f"s_{names[i]}").value), s_last >> i & 1) if s_valid >> i & 1 else None
            for i in range(PORTS)
        ]
        model.step(inputs, [bool(m_ready >> o & 1) for o in range(PORTS)])


def by_output(sent: dict[int, list[Packet]], sink: Sink) -> None:
    """check_delivery, with the output port in the place of the destination's node."""
    received: dict[int, list[Any]] = {}
    for lane in range(PORTS):
        destination = None
        for beat in sink.beats(lane):
            destination = beat[0] & 0xFF if destination is None else destination
            assert port_of(destination) == lane, f"a packet for {destination} left through port {lane}"
            received.setdefault(destination, []).append(beat)
            destination = None if beat[1] else destination
    check_delivery(sent, received)


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def random_packets(dut: Any, source: str, sink: str) -> None:
    rng = seeded("random_packets", source, sink)
    reach = destinations()
    pairs = [f"{i} -> {o}" for i in range(PORTS) for o in reach] if (source, sink) == ("none", "none") else []
    corners = Corners(*pairs, *MUST_REACH.get((source, sink), ()))
    await start(dut)
    cocotb.start_soon(compare(dut, corners))
    s, m = connect(dut, rng, source=source, sink=sink)
    per_port = 60 if pairs else 15
    sent: dict[int, list[Packet]] = {i: [] for i in range(PORTS)}
    for i in range(PORTS):
        for _ in range(per_port):
            destination = rng.choice(reach[rng.choice(sorted(reach))])
            sent[i].append(packet(rng, parameters()["WIDTH"], i, destination, rng.choice((1, 1, 2, 5))))
            s.send(sent[i][-1], lane=i)
    total = s.pending()
    await m.wait_for(total, timeout_cycles=100 * total)
    by_output(sent, m)
    corners.check()


@cocotb.test
async def latency_is_one(dut: Any) -> None:
    rng = seeded("latency")
    await start(dut)
    cocotb.start_soon(compare(dut, Corners()))
    s, m = connect(dut, rng)
    for output, nodes in sorted(destinations().items()):
        for i in range(PORTS):
            s.send(packet(rng, parameters()["WIDTH"], i, nodes[0], 1), lane=i)
            before = m.count()
            await m.wait_for(before + 1, timeout_cycles=10)
            assert m.received_at[output][-1] == s.sent_at[i][-1] + 1
            await cycles(dut, 2)
            assert int(dut.busy.value) == 0


@cocotb.test
async def full_rate_without_bubbles(dut: Any) -> None:
    """Five packet streams at once, each input to one output (as far as there are outputs), none ever waits."""
    rng = seeded("full_rate")
    await start(dut)
    cocotb.start_soon(compare(dut, Corners()))
    s, m = connect(dut, rng)
    reach = destinations()
    total = 0
    for i, output in enumerate(sorted(reach)):
        for length in (1, 1, 2, 3, 7, 1, 4):
            s.send(packet(rng, parameters()["WIDTH"], i, rng.choice(reach[output]), length), lane=i)
    total = s.pending()
    await m.wait_for(total, timeout_cycles=100)
    for i, output in enumerate(sorted(reach)):
        assert all(b - a == 1 for a, b in pairwise(s.sent_at[i])), "a source had to wait"
        assert m.received_at[output] == [at + 1 for at in s.sent_at[i]]


@cocotb.test
@cocotb.parametrize(length=[1, 3])
async def round_robin(dut: Any, length: int) -> None:
    """All inputs want one output: after reset they get it in the order 0, 1, 2, 3, 4, 0, ..., a packet each."""
    rng = seeded("round_robin", length)
    await start(dut)
    cocotb.start_soon(compare(dut, Corners()))
    for output, nodes in sorted(destinations().items()):
        dut.rst.value = 1
        await reset(dut)
        s, m = connect(dut, rng, hold=True)
        for i in range(PORTS):
            for _ in range(6):
                s.send(packet(rng, parameters()["WIDTH"], i, nodes[0], length), lane=i)
        total = s.pending()
        s.hold = False
        took = await m.wait_for(total, timeout_cycles=2 * total)
        assert took <= total + 4, "the contended output idled"
        heads = m.beats(output)[::length]
        assert [head[0] >> 8 & 0x1F for head in heads] == list(range(PORTS)) * 6
        s.stop()
        m.stop()


@cocotb.test
async def a_node_outside_the_mesh_leaves_at_the_local_port(dut: Any) -> None:
    rng = seeded("outside")
    p = parameters()
    await start(dut)
    cocotb.start_soon(compare(dut, Corners()))
    s, m = connect(dut, rng)
    sent: dict[int, list[Packet]] = {}
    for i in range(PORTS):
        sent[i] = [packet(rng, p["WIDTH"], i, node, 2) for node in (p["MESH_X"] * p["MESH_Y"], 255)]
        s.send([beat for one in sent[i] for beat in one], lane=i)
    await m.wait_for(20, timeout_cycles=60)
    assert len(m.beats(LOCAL)) == 20
    by_output(sent, m)


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    rng = seeded("reset")
    corners = Corners("reset while busy")
    await start(dut)
    cocotb.start_soon(compare(dut, corners))
    s, m = connect(dut, rng, sink="30%")
    reach = sorted(node for nodes in destinations().values() for node in nodes)
    for _ in range(6):
        for i in range(PORTS):
            for _ in range(10):
                s.send(packet(rng, parameters()["WIDTH"], i, rng.choice(reach), 5), lane=i)
        await cycles(dut, rng.randint(10, 20))
        dut.rst.value = 1
        s.clear()
        await reset(dut)
        m.clear()
        sent: dict[int, list[Packet]] = {i: [] for i in range(PORTS)}
        for i in range(PORTS):
            for _ in range(5):
                sent[i].append(packet(rng, parameters()["WIDTH"], i, rng.choice(reach), rng.randint(1, 4)))
                s.send(sent[i][-1], lane=i)
        total = s.pending()
        await m.wait_for(total, timeout_cycles=20 * total)
        by_output(sent, m)
    corners.check()


@pytest.mark.parametrize(
    ("shape", "x", "y"), [(MIDDLE, 1, 1), (ODD, 2, 3), (CORNER, 0, 0)], ids=["middle", "odd", "corner"]
)
def test_router(shape: dict[str, int], x: int, y: int) -> None:
    simulate("router", __name__, shape, env={"X": str(x), "Y": str(y)})


@pytest.mark.parametrize("shape", [MIDDLE, ODD, CORNER, {}], ids=["middle", "odd", "corner", "default"])
def test_lint(shape: dict[str, int]) -> None:
    assert_lint_clean("router", shape)


@pytest.mark.parametrize(
    ("parameter", "value", "error"),
    [
        ("WIDTH", 7, "router_WIDTH_must_be_at_least_8"),
        ("FIFO_DEPTH", 1, "router_FIFO_DEPTH_must_be_at_least_2"),
        ("MESH_Y", 52, "router_MESH_X_times_MESH_Y_must_be_1_to_256"),
    ],
)
def test_illegal_parameters_are_refused(parameter: str, value: int, error: str) -> None:
    assert_refused("router", {parameter: value}, error)

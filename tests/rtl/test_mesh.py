"""rtl/mesh.v against MeshModel in every cycle, delivery of random traffic, zero-load latency, routes."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from pyimc.routing import hops, latency_cycles, route
from tests.rtl.bench import STALLS, Corners, Sink, Source, cycles, reset, seeded, start
from tests.rtl.router_model import MeshModel
from tests.rtl.runner import assert_lint_clean, assert_refused, simulate
from tests.rtl.traffic import Packet, check_delivery, packet

SHAPES = {
    "3x2": {"WIDTH": 13, "FIFO_DEPTH": 2, "MESH_X": 3, "MESH_Y": 2},
    "1x1": {"WIDTH": 13, "FIFO_DEPTH": 3, "MESH_X": 1, "MESH_Y": 1},
    "1x4": {"WIDTH": 15, "FIFO_DEPTH": 3, "MESH_X": 1, "MESH_Y": 4},
    "4x1": {"WIDTH": 128, "FIFO_DEPTH": 4, "MESH_X": 4, "MESH_Y": 1},
    "5x4": {"WIDTH": 41, "FIFO_DEPTH": 4, "MESH_X": 5, "MESH_Y": 4},
}


def parameters() -> dict[str, int]:
    """Parameters of the RTL under test."""
    return {name: int(getattr(cocotb.top, name).value) for name in SHAPES["3x2"]}


def new_model() -> MeshModel:
    p = parameters()
    return MeshModel(p["FIFO_DEPTH"], p["MESH_X"], p["MESH_Y"])


def node_count() -> int:
    return parameters()["MESH_X"] * parameters()["MESH_Y"]


async def compare(dut: Any, corners: Corners) -> None:
    """Compare every output with the model at every edge."""
    model, nodes, width = new_model(), node_count(), parameters()["WIDTH"]
    mask = (1 << width) - 1
    while True:
        await RisingEdge(dut.clk)
        if int(dut.rst.value):
            corners.hit("reset while busy", model.busy())
            model = new_model()
            continue
        outputs, ready = model.outputs(), model.ready()
        m_ready, m_last = int(dut.m_ready.value), int(dut.m_last.value)
        s_valid, s_last = int(dut.s_valid.value), int(dut.s_last.value)
        assert int(dut.s_ready.value) == sum(bit << n for n, bit in enumerate(ready))
        assert int(dut.m_valid.value) == sum((flit is not None) << n for n, flit in enumerate(outputs))
        assert int(dut.busy.value) == model.busy()
        m_data = str(dut.m_data.value) if any(outputs) else ""
        for n, flit in enumerate(outputs):
            if flit is not None:
                bits = m_data[len(m_data) - (n + 1) * width : len(m_data) - n * width]
                assert flit == (int(bits, 2), m_last >> n & 1), f"node {n}"
        corners.hit("source refused", any(s_valid >> n & 1 and not bit for n, bit in enumerate(ready)))
        corners.hit("blocked at the node", any(flit and not m_ready >> n & 1 for n, flit in enumerate(outputs)))
        s_data = int(dut.s_data.value)
        inputs = [(s_data >> n * width & mask, s_last >> n & 1) if s_valid >> n & 1 else None for n in range(nodes)]
        model.step(inputs, [bool(m_ready >> n & 1) for n in range(nodes)])


def random_traffic(rng: Any, s: Source, per_node: int, lengths: tuple[int, ...]) -> dict[int, list[Packet]]:
    nodes = node_count()
    sent: dict[int, list[Packet]] = {n: [] for n in range(nodes)}
    for n in range(nodes):
        for _ in range(per_node):
            sent[n].append(packet(rng, parameters()["WIDTH"], n, rng.randrange(nodes), rng.choice(lengths)))
            s.send(sent[n][-1], lane=n)
    return sent


async def deliver(dut: Any, s: Source, m: Sink, sent: dict[int, list[Packet]]) -> None:
    total = s.pending()
    await m.wait_for(total, timeout_cycles=100 * total)
    check_delivery(sent, {n: m.beats(n) for n in range(node_count())})
    await cycles(dut, 1)
    assert int(dut.busy.value) == 0


@cocotb.test
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def random_packets(dut: Any, source: str, sink: str) -> None:
    rng = seeded("random_packets", source, sink)
    nodes = node_count()
    corners = Corners(*(["source refused", "blocked at the node"] if source == "none" and sink != "none" else []))
    await start(dut)
    cocotb.start_soon(compare(dut, corners))
    s = Source(dut, "s", lanes=nodes, stall=source, rng=rng)
    m = Sink(dut, "m", lanes=nodes, stall=sink, rng=rng)
    await deliver(dut, s, m, random_traffic(rng, s, 4 if nodes > 6 else 8, (1, 1, 2, 5)))
    corners.check()


@cocotb.test
async def mixed_stalls_per_node(dut: Any) -> None:
    rng = seeded("mixed")
    nodes = node_count()
    await start(dut)
    cocotb.start_soon(compare(dut, Corners()))
    s = Source(dut, "s", lanes=nodes, stall=[rng.choice(STALLS) for _ in range(nodes)], rng=rng)
    m = Sink(dut, "m", lanes=nodes, stall=[rng.choice(STALLS) for _ in range(nodes)], rng=rng)
    await deliver(dut, s, m, random_traffic(rng, s, 12, (1, 2, 9)))


@cocotb.test
async def zero_load_latency_is_hops_plus_one(dut: Any) -> None:
    rng = seeded("latency")
    nodes, mesh_x = node_count(), parameters()["MESH_X"]
    await start(dut)
    s = Source(dut, "s", lanes=nodes, rng=rng)
    m = Sink(dut, "m", lanes=nodes, rng=rng)
    for a in range(nodes):
        for b in range(nodes):
            s.send(packet(rng, parameters()["WIDTH"], a, b, 2), lane=a)
            before = m.count()
            await m.wait_for(before + 2, timeout_cycles=30)
            distance = abs(a % mesh_x - b % mesh_x) + abs(a // mesh_x - b // mesh_x)
            assert m.received_at[b][-2:] == [at + distance + 1 for at in s.sent_at[a][-2:]], f"{a} -> {b}"
            assert latency_cycles(mesh_x, a, b) == distance + 1


@cocotb.test
async def reset_in_mid_stream(dut: Any) -> None:
    rng = seeded("reset")
    nodes = node_count()
    corners = Corners("reset while busy")
    await start(dut)
    cocotb.start_soon(compare(dut, corners))
    s = Source(dut, "s", lanes=nodes, rng=rng)
    m = Sink(dut, "m", lanes=nodes, stall="30%", rng=rng)
    for _ in range(3):
        random_traffic(rng, s, 12, (3, 5))
        await cycles(dut, 20)
        dut.rst.value = 1
        s.clear()
        await reset(dut)
        m.clear()
        await deliver(dut, s, m, random_traffic(rng, s, 4, (1, 4)))
    corners.check()


@pytest.mark.parametrize("shape", SHAPES)
def test_mesh(shape: str) -> None:
    simulate("mesh", __name__, SHAPES[shape])


@pytest.mark.parametrize("shape", SHAPES)
def test_lint(shape: str) -> None:
    assert_lint_clean("mesh", SHAPES[shape])


def test_illegal_parameters_are_refused() -> None:
    assert_refused("mesh", {"WIDTH": 7}, "router_WIDTH_must_be_at_least_8")
    assert_refused("mesh", {"MESH_X": 20, "MESH_Y": 13}, "router_MESH_X_times_MESH_Y_must_be_1_to_256")
    assert_refused("mesh", {"MESH_X": 0}, "mesh_MESH_X_and_MESH_Y_must_be_at_least_1")


def test_routes_go_x_first() -> None:
    assert route(5, 0, 18) == [0, 1, 2, 3, 8, 13, 18]
    assert route(5, 18, 0) == [18, 17, 16, 15, 10, 5, 0]
    assert route(5, 7, 7) == [7]
    for a in range(20):
        for b in range(20):
            assert len(route(5, a, b)) == hops(5, a, b) + 1

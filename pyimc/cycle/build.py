# SPDX-License-Identifier: Apache-2.0
"""From a Program to the kernel's state as it stands when `start` is given: tables loaded, nothing moving."""

# ruff: noqa: F403, F405
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pyimc import isa
from pyimc.cycle.state import *
from pyimc.engines import ENGINES
from pyimc.layout import Layout
from pyimc.network import PARTIAL_BYTES
from pyimc.program import Program
from pyimc.routing import LOCAL, OPPOSITE, neighbour, output_port, route


@dataclass(slots=True)
class Arena:
    """Lays rows out one after the other; row 0 is not used, so that offset 0 says "none"."""

    size: int = G_COLUMNS
    parts: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def add(self, name: str, rows: int, columns: int) -> None:
        """Reserves rows."""
        self.parts[name] = (self.size, rows, columns)
        self.size += rows * columns


class Chip:
    """The state, and a two-dimensional view of every part of it.

    Attributes:
        state: All of it.
        units: Row of every processing unit, by node id.
    """

    def __init__(self, arena: Arena, nodes: list[int]) -> None:
        self.state: Table = np.zeros(arena.size, np.int64)
        self._parts = arena.parts
        self.units = {node: self.offset("unit", row) for row, node in enumerate(nodes)}

    def view(self, name: str) -> Table:
        """A part, as [rows, columns]."""
        at, rows, columns = self._parts[name]
        return self.state[at : at + rows * columns].reshape(rows, columns)

    def offset(self, name: str, row: int = 0) -> int:
        """Where a row begins."""
        at, _, columns = self._parts[name]
        return at + row * columns

    def write(self, row: int, **columns: int) -> None:
        """Sets columns of a row by their names in `pyimc.cycle.state`."""
        for name, value in columns.items():
            self.state[row + globals()[name]] = value


def build(program: Program, images: int, events: int = 0) -> Chip:
    """The chip before its first cycle.

    Args:
        program: What is loaded.
        images: How many the host streams.
        events: Length of the event log.
    """
    arch, outputs = program.arch, program.network.outputs
    nodes = [node for node in range(arch.nodes) if node != arch.host]
    routers = 2 * arch.nodes
    arena = Arena()
    for name, rows, columns in (
        ("unit", len(nodes), UNIT_COLUMNS), ("actor", len(nodes) * arch.contexts, ACTOR_COLUMNS),
        ("channel", len(nodes) * arch.contexts * INPUTS_STEP, CHANNEL_COLUMNS),
        ("slot", len(nodes) * arch.contexts * arch.destinations, SLOT_COLUMNS),
        ("instruction", len(nodes) * arch.instructions, INSTRUCTION_COLUMNS),
        ("fifo", routers * PORTS, FIFO_COLUMNS), ("link", routers * PORTS, LINK_COLUMNS),
        ("flit", routers * PORTS, arch.mesh.fifo_depth), ("route", arch.nodes, arch.nodes),
        ("source", len(program.host_sources()), SOURCE_COLUMNS), ("output", len(outputs), OUTPUT_COLUMNS),
        ("first", 1, images), ("finished", len(outputs), images),
        ("result", 1, 1 << (2 * arch.host_words).bit_length()), ("event", events, EVENT_COLUMNS),
        ("links", 2, routers * PORTS), ("outs", 2, len(nodes)), ("seqs", 2, len(nodes)), ("arrival", len(nodes), 2),
        ("wheel", 1, WHEEL),
    ):  # fmt: skip
        arena.add(name, rows, columns)
    chip = Chip(arena, nodes)
    _globals(program, chip, images)
    _routers(program, chip)
    _host(program, chip)
    for row, node in enumerate(nodes):
        _unit(program, chip, row, node)
    return chip


def output_words(program: Program, name: str) -> int:
    """Words of one image of a network output."""
    kind = program.network.tensors[name]
    return program.arch.words(kind.row_bytes) * kind.height


def _globals(program: Program, chip: Chip, images: int) -> None:
    arch = program.arch
    chip.write(
        0, G_DESTINATIONS=arch.destinations, G_DEPTH=arch.mesh.fifo_depth, G_LANES=arch.lanes,
        G_TILE_ROWS=arch.crossbar.rows, G_PACKET=arch.packet_words, G_IMAGES=images,
        G_PATIENCE=program.patience_cycles(images),
        G_UNITS=chip.offset("unit"), G_UNITS_END=chip.offset("unit", len(chip.units)),
        G_SOURCES=chip.offset("source"), G_SOURCES_END=chip.offset("source", len(program.host_sources())),
        G_OUTPUTS=chip.offset("output"), G_FIRST=chip.offset("first"),
        G_RESULTS=chip.offset("result"), G_RESULTS_MASK=chip.view("result").size - 1,
        G_EVENT=chip.offset("event"), G_EVENTS_END=chip.offset("event", len(chip.view("event"))),
        G_LINKS_NOW=chip.offset("links"), G_LINKS_NEXT=chip.offset("links", 1), G_OUTS_NOW=chip.offset("outs"),
        G_OUTS_NEXT=chip.offset("outs", 1), G_SEQS_NOW=chip.offset("seqs"), G_SEQS_NEXT=chip.offset("seqs", 1),
        G_ARRIVAL_LIST=chip.offset("arrival"), G_WHEEL=chip.offset("wheel"), G_IN_SOURCE=chip.offset("source"),
        G_HOST_FIFO=chip.offset("fifo", arch.host * PORTS),
        G_HOST_CREDIT_FIFO=chip.offset("fifo", (arch.nodes + arch.host) * PORTS), G_NODE=arch.host,
    )  # fmt: skip


def _routers(program: Program, chip: Chip) -> None:
    """Links and routes; the arbiters of the data mesh remember the packets that brought tables to the PUs."""
    mesh, nodes, host = program.arch.mesh, program.arch.nodes, program.arch.host
    for router in range(2 * nodes):
        node = router % nodes
        y, x = divmod(node, mesh.columns)
        inside = (True, y > 0, x < mesh.columns - 1, y < mesh.rows - 1, x > 0)
        chip.view("route")[node] = [output_port(mesh.columns, node, to) for to in range(nodes)]
        first = chip.offset("fifo", router * PORTS)
        for port in (port for port in range(PORTS) if inside[port]):
            index = router * PORTS + port
            chip.write(
                chip.offset("fifo", index), F_PUSHED=-1, F_POPPED=-1, F_PORT=-1, F_FLITS=chip.offset("flit", index),
                F_ROUTES=chip.offset("route", node), F_LINKS=chip.offset("link", router * PORTS),
            )  # fmt: skip
            behind, sink = 0, 0
            if port == LOCAL:
                sinks = (SINK_UNIT_CREDIT, SINK_HOST_CREDIT) if router >= nodes else (SINK_UNIT, SINK_HOST)
                sink = sinks[node == host]
            else:
                other = router - node + neighbour(mesh.columns, node, port)
                behind = chip.offset("fifo", other * PORTS + OPPOSITE[port])
            chip.write(
                chip.offset("link", index), L_OWNER=first + (PORTS - 1) * FIFO_COLUMNS, L_NEXT=behind, L_FIRST=first,
                L_PORT=port, L_SINK=sink, L_UNIT=chip.units.get(node, 0),
            )  # fmt: skip
        chip.view("fifo")[router * PORTS : router * PORTS + PORTS, F_PORT] = -1
    for node in program.pus:
        entered = LOCAL
        for here in route(mesh.columns, host, node):
            port = output_port(mesh.columns, here, node)
            owner = chip.offset("fifo", here * PORTS + entered)
            chip.write(chip.offset("link", here * PORTS + port), L_OWNER=owner)
            entered = OPPOSITE[port]


def _host(program: Program, chip: Chip) -> None:
    kind = program.network.tensors[program.network.input]
    for slot in range(len(program.host_sources())):
        words = program.arch.words(kind.row_bytes)
        chip.write(chip.offset("source", slot), H_ROW_WORDS=words, H_ROWS=kind.height, H_SLOT=slot)
    for space, entry, value in program.host_tables:
        if space == isa.SPACES["DESTINATION"]:
            to = isa.DESTINATION.decode(value)
            row = chip.offset("source", entry)
            chip.write(row, H_GRANTED=to["room"], H_NODE=to["node"], H_CHANNEL=_channel(to["channel"]))
    for number, name in enumerate(program.network.outputs):
        row, finished = chip.offset("output", number), chip.offset("finished", number)
        chip.write(row, O_SIZE=output_words(program, name), O_FINISHED=finished)


def _unit(program: Program, chip: Chip, row: int, node: int) -> None:
    """A processing unit, loaded if it hosts actors."""
    arch = program.arch
    u = chip.units[node]
    chip.write(
        u, P_NODE=node, P_KIND=ENGINES[arch.kinds[node]].number, P_ACTORS=chip.offset("actor", row * arch.contexts),
        P_CHANNELS=chip.offset("channel", row * arch.contexts * INPUTS_STEP),
        P_SLOTS=chip.offset("slot", row * arch.contexts * arch.destinations),
        P_STREAM=chip.offset("instruction", row * arch.instructions), P_FIFO=chip.offset("fifo", node * PORTS),
        P_CREDIT_FIFO=chip.offset("fifo", (arch.nodes + node) * PORTS),
        P_SINCE=1, P_FULL_FROM_0=NEVER, P_FULL_FROM_1=NEVER,
    )  # fmt: skip
    if node not in program.pus:
        return
    for address, word in enumerate(program.pus[node].stream):
        _instruction(chip, chip.offset("instruction", row * arch.instructions + address), word)
    for space, entry, value in program.pus[node].tables:
        _entry(program, chip, u, space, entry, value)
    state = chip.state
    state[state[G_SEQS_NEXT] + state[G_SEQS]] = u
    state[G_SEQS] += 1
    chip.write(u, P_SEQ_LISTED=1)


def _instruction(chip: Chip, row: int, word: int) -> None:
    layout = isa.INSTRUCTIONS.get(isa.OPCODE_LAYOUT.decode(word)["opcode"])
    if layout is isa.FIRE:
        fire = isa.FIRE.decode(word)
        chip.write(row, I_OPCODE=FIRE)
        for port, (need, free) in enumerate(isa.port_uses(fire)):
            chip.state[row + I_NEED + port], chip.state[row + I_FREE + port] = need, free
        chip.write(
            row,
            I_PRODUCE=fire["produce"],
            I_PIXELS=fire["pixels"],
            I_X0=fire["x0"],
            I_TOP=fire["top"],
            I_ROWS=fire["rows"],
        )
    elif layout is isa.LOOP:
        loop = isa.LOOP.decode(word)
        chip.write(row, I_OPCODE=LOOP, I_LEVEL=loop["level"], I_COUNT=loop["count"], I_TARGET=loop["target"])


def _channel(number: int) -> int:
    """The number of a PU's channel in the state."""
    at = isa.CHANNEL_ADDRESS.decode(number)
    return at["context"] * INPUTS_STEP + at["port"]


def _entry(program: Program, chip: Chip, u: int, space: int, entry: int, value: int) -> None:
    """One table write of a unit."""
    state = chip.state
    if space == isa.SPACES["CONTEXT"]:
        context = isa.CONTEXT.decode(value)
        row = state[u + P_ACTORS] + entry * ACTOR_COLUMNS
        chip.write(row, A_PC=context["start"], A_PORTS=context["ports"])
        chip.write(row, A_DESTINATIONS=context["destinations"])
        for column in (P_ACTIVE, P_DUE):
            state[u + column] |= np.uint64(context["active"] << entry).astype(np.int64)
    elif space == isa.SPACES["CHANNEL"]:
        ring, at = isa.CHANNEL.decode(value), isa.CHANNEL_ADDRESS.decode(entry)
        row = state[u + P_CHANNELS] + _channel(entry) * CHANNEL_COLUMNS
        chip.write(row, C_NODE=ring["node"], C_SLOT=ring["slot"], C_LATE=ring["late"], C_KEPT=ring["kept"])
        if ring["memory"] == isa.MEMORIES["partial"]:
            chip.write(state[u + P_ACTORS] + at["context"] * ACTOR_COLUMNS, A_PARTIAL_PORT=at["port"])
    elif space == isa.SPACES["DESTINATION"]:
        to = isa.DESTINATION.decode(value)
        row = state[u + P_SLOTS] + entry * SLOT_COLUMNS
        number = to["channel"] if to["node"] == program.arch.host else _channel(to["channel"])
        chip.write(row, S_GRANTED=to["room"], S_NODE=to["node"], S_CHANNEL=number)
    elif space == isa.SPACES["ENGINE"]:
        at = isa.ENGINE_ADDRESS.decode(entry)
        for layout in ENGINES[program.arch.kinds[state[u + P_NODE]]].layouts:
            if isa.ENTRIES["ENGINE"][layout.name] == at["entry"]:
                row = state[u + P_ACTORS] + at["context"] * ACTOR_COLUMNS
                _engine(program, chip, row, layout, layout.decode(value))


def _engine(program: Program, chip: Chip, row: int, layout: Layout, fields: dict[str, int]) -> None:
    crossbar = program.arch.crossbar
    if layout is isa.WINDOW:
        chip.write(row, A_RUN=fields["run"], A_STEP=fields["step"], A_ROW_BYTES=fields["row_bytes"])
    elif layout is isa.TILES:
        chip.write(row, A_ROW_TILES=fields["row_tiles"], A_LAST_ROWS=fields["last_rows"])
        chip.write(row, A_READS=crossbar.reads(crossbar.rows), A_LAST_READS=crossbar.reads(fields["last_rows"]))
    elif layout is isa.COLUMNS:
        groups = (fields["col_tiles"] - 1) * (crossbar.outputs // crossbar.adcs) + fields["last_groups"]
        partial = fields["partial_in"] or fields["partial_out"]
        chip.write(
            row, A_CONVERT_CYCLES=program.arch.dac_steps * crossbar.slices * groups, A_PARTIAL_IN=fields["partial_in"],
            A_DRAIN_COLUMNS=program.arch.lanes // (PARTIAL_BYTES if partial else 1),
            A_COLUMN_BYTES=PARTIAL_BYTES if fields["partial_out"] else 1, A_LOADED=fields["loaded"],
        )  # fmt: skip
    elif layout is isa.VECTOR:
        pair = fields["operation"] in (isa.OPERATIONS[name] for name in isa.PAIRS)
        chip.write(row, A_PAIR=pair, A_BROADCAST=fields["broadcast"], A_REPEAT=fields["repeat"])
        chip.write(row, A_CONCAT=fields["operation"] == isa.OPERATIONS["CONCAT"])
        chip.write(row, A_KERNEL_COLUMNS=fields["kernel_columns"])
    elif layout is isa.MATRIX:
        chip.write(row, A_INNER=fields["inner"], A_PITCH=fields["pitch"])
    elif layout is isa.ROW:
        chip.write(row, A_PAUSE=fields["pause"])
    elif layout is isa.STREAM:
        chip.write(row, A_STREAM_WORDS=fields["words"])
    elif layout is isa.PACE:
        chip.write(row, A_STREAM_LATENCY=fields["latency"], A_STREAM_INTERVAL=fields["interval"])
        chip.write(row, A_STREAM_ROW=fields["row_words"], A_STREAM_WAIT=fields["row_wait"])
    elif layout is isa.OUTPUT:
        chip.write(row, A_COLUMNS=fields["columns"])

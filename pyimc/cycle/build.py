# SPDX-License-Identifier: Apache-2.0
"""From a Program to the kernel's arrays, as they stand when `start` is given: tables loaded, nothing moving."""

from __future__ import annotations

import numpy as np

from pyimc import isa
from pyimc.cycle.state import *  # noqa: F403
from pyimc.program import HOST, Program
from pyimc.routing import EAST, LOCAL, NORTH, OPPOSITE, SOUTH, WEST, neighbour, output_port, route

PORTS = 5


def build(program: Program, images: int, events: int) -> Chip:
    """The chip before its first cycle.

    Args:
        program: What is loaded.
        images: How many the host streams.
        events: Length of the event log.
    """
    arch = program.arch
    nodes, contexts = arch.nodes, arch.contexts
    sources, outputs = program.host_sources(), program.network.outputs
    ring = 1 << (arch.mesh.fifo_depth - 1).bit_length()

    def table(*shape: int) -> Table:
        return np.zeros(shape, np.int64)

    sizes = np.array([_words(program, name) for name in outputs], np.int64)
    chip = Chip(
        fifo=table(2 * nodes * PORTS, FIFO_COLUMNS), flits=table(2 * nodes * PORTS * ring),
        link=table(2 * nodes * PORTS, LINK_COLUMNS), route=table(nodes, nodes),
        pu=table(nodes, PU_COLUMNS), actor=table(nodes * contexts, ACTOR_COLUMNS),
        channel=table(nodes * contexts * 2, CHANNEL_COLUMNS),
        slot=table(nodes * contexts * arch.destinations, SLOT_COLUMNS),
        instruction=table(nodes * arch.instructions, INSTRUCTION_COLUMNS),
        source=table(max(1, len(sources)), HOST_COLUMNS), output=table(len(outputs), 2), output_size=sizes,
        results=table(1 << (2 * arch.host_words + 1).bit_length()),
        first=table(images), finished=table(images + 1, len(outputs)),
        links=table(2, 2 * nodes * PORTS), outs=table(2, nodes), seqs=table(2, nodes), arrivals=table(nodes, 2),
        due=table(4 * nodes), after=table(4 * nodes), wheel=np.full(WHEEL, -1, np.int64),
        g=table(GLOBALS), events=table(events, EVENT_COLUMNS),
    )  # fmt: skip
    for column, value in {
        G_NODES: nodes, G_HOST: arch.host, G_CONTEXTS: contexts, G_DESTINATIONS: arch.destinations,
        G_INSTRUCTIONS: arch.instructions, G_DEPTH: arch.mesh.fifo_depth, G_RING: ring, G_LANES: arch.lanes,
        G_TILE_ROWS: arch.crossbar.rows, G_PACKET: arch.packet_words, G_IMAGES: images, G_SOURCES: len(sources),
        G_STOP_WORDS: images * int(sizes.sum()),
        G_PATIENCE: 20_000 + 4 * sum(actor.cycles for actor in program.actors),
    }.items():  # fmt: skip
        chip.g[column] = value
    _network(program, chip)
    _host(program, chip)
    chip.pu[:, P_KIND] = IMC
    chip.pu[list(arch.dpus), P_KIND] = DPU
    chip.pu[arch.host, P_KIND] = NO_PU
    chip.pu[:, P_SINCE] = 1
    chip.pu[:, [P_FULL_FROM_0, P_FULL_FROM_1]] = NEVER
    for node, image in program.pus.items():
        for address, word in enumerate(image.stream):
            _instruction(chip, node * arch.instructions + address, word)
        for space, entry, value in image.tables:
            _entry(program, chip, node, space, entry, value)
        chip.seqs[0, chip.g[G_SEQS]] = node
        chip.pu[node, P_SEQ_LISTED] = 1
        chip.g[G_SEQS] += 1
    return chip


def _words(program: Program, name: str) -> int:
    kind = program.network.tensors[name]
    return program.arch.words(kind.width * kind.channels) * kind.height


def _network(program: Program, chip: Chip) -> None:
    """Links and routes; the arbiters of the data mesh remember the packets that brought tables to the PUs."""
    mesh, nodes, host = program.arch.mesh, program.arch.nodes, program.arch.host
    chip.fifo[:, F_PORT] = -1
    chip.fifo[:, [F_PUSHED, F_POPPED]] = -1
    chip.link[:, L_OWNER] = PORTS - 1
    chip.link[:, L_NEXT] = -1
    for node in range(nodes):
        y, x = divmod(node, mesh.columns)
        inside = {NORTH: y > 0, EAST: x < mesh.columns - 1, SOUTH: y < mesh.rows - 1, WEST: x > 0}
        chip.route[node] = [output_port(mesh.columns, node, to) for to in range(nodes)]
        for port in (port for port, there in inside.items() if there):
            behind = neighbour(mesh.columns, node, port) * PORTS + OPPOSITE[port]
            chip.link[node * PORTS + port, L_NEXT] = behind
            chip.link[(nodes + node) * PORTS + port, L_NEXT] = nodes * PORTS + behind
    for node in program.pus:
        entered = LOCAL
        for here in route(mesh.columns, host, node):
            port = output_port(mesh.columns, here, node)
            chip.link[here * PORTS + port, L_OWNER] = entered
            entered = OPPOSITE[port]


def _host(program: Program, chip: Chip) -> None:
    kind = program.network.tensors[program.network.input]
    for slot in range(len(program.host_sources())):
        chip.source[slot, H_ROW_WORDS] = program.arch.words(kind.width * kind.channels)
        chip.source[slot, H_ROWS] = kind.height
    for space, entry, value in program.host_tables:
        if space == isa.SPACES["DESTINATION"]:
            fields = isa.DESTINATION.decode(value)
            chip.source[entry, [H_GRANTED, H_NODE, H_CHANNEL]] = fields["room"], fields["node"], fields["channel"]


def _instruction(chip: Chip, row: int, word: int) -> None:
    layout = isa.INSTRUCTIONS.get(isa.OPCODE_LAYOUT.decode(word)["opcode"])
    if layout is isa.FIRE:
        fields = isa.FIRE.decode(word)
        columns = (I_NEED, I_FREE, I_PRODUCE, I_PIXELS, I_X0, I_TOP, I_ROWS)
        names = ("need", "free", "produce", "pixels", "x0", "top", "rows")
        chip.instruction[row, columns] = [fields[name] for name in names]
        chip.instruction[row, I_OPCODE] = FIRE
    elif layout is isa.LOOP:
        fields = isa.LOOP.decode(word)
        chip.instruction[row, [I_LEVEL, I_COUNT, I_TARGET]] = fields["level"], fields["count"], fields["target"]
        chip.instruction[row, I_OPCODE] = LOOP


def _entry(program: Program, chip: Chip, node: int, space: int, entry: int, value: int) -> None:
    """One table write of a PU."""
    arch, first = program.arch, node * program.arch.contexts
    if space == isa.SPACES["CONTEXT"]:
        fields = isa.CONTEXT.decode(value)
        columns = [A_PC, A_TWO_PORTS, A_DESTINATIONS]
        chip.actor[first + entry, columns] = fields["start"], fields["ports"] == 2, fields["destinations"]
        chip.pu[node, [P_ACTIVE, P_DUE]] |= fields["active"] << entry
    elif space == isa.SPACES["CHANNEL"]:
        fields = isa.CHANNEL.decode(value)
        chip.channel[2 * first + entry, [C_NODE, C_SLOT]] = fields["node"], fields["slot"]
    elif space == isa.SPACES["DESTINATION"]:
        fields = isa.DESTINATION.decode(value)
        row = first * arch.destinations + entry
        chip.slot[row, [S_GRANTED, S_NODE, S_CHANNEL]] = fields["room"], fields["node"], fields["channel"]
    elif space == isa.SPACES["ENGINE"]:
        context, which = divmod(entry, isa.ENGINE_ENTRIES)
        layout = (isa.ENGINE_DPU if node in arch.dpus else isa.ENGINE_IMC)[which]
        if layout is not None:
            _engine(program, chip, first + context, layout, layout.decode(value))


def _engine(program: Program, chip: Chip, row: int, layout: isa.Layout, fields: dict[str, int]) -> None:
    crossbar = program.arch.crossbar
    if layout is isa.WINDOW:
        chip.actor[row, [A_RUN, A_STEP, A_ROW_BYTES]] = fields["run"], fields["step"], fields["row_bytes"]
    elif layout is isa.TILES:
        chip.actor[row, [A_ROW_TILES, A_LAST_ROWS]] = fields["row_tiles"], fields["last_rows"]
    elif layout is isa.COLUMNS:
        groups = (fields["col_tiles"] - 1) * (crossbar.columns // crossbar.adcs) + fields["last_groups"]
        chip.actor[row, A_CONVERT_CYCLES] = program.arch.dac_steps * groups
    elif layout is isa.POOL:
        chip.actor[row, [A_ADD, A_KERNEL_COLUMNS]] = fields["operation"] == 0, fields["kernel_columns"]
    elif layout is isa.OUTPUT:
        chip.actor[row, A_COLUMNS] = fields["columns"]

"""Executes a Program without time: what the chip computes from its images alone.

Only streams, tables, parameters and weights are read, never the compiler's own records. Actors fire in random order
as soon as the firing rule allows; rings are bytes in a memory, each in the memory that its entry names; bytes
behind the end of a row are garbage.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimc import isa
from pyimc.errors import DeadlockError
from pyimc.layout import Layout
from pyimc.program import Program, PuImage, table_writes

GARBAGE = 0xA5
NOT_WRITTEN = int.from_bytes(bytes([GARBAGE] * 8), "little")  # weights beside a pixel outside of the map
MISSING = -2  # a byte that the channel does not hold
Bytes = NDArray[np.uint8]
Fields = dict[str, int]


@dataclass
class Unit:
    """The state of one node: tables as fields, rings, counters of the sequencer."""

    tables: dict[int, dict[int, int]]
    weights: Bytes
    memories: dict[int, Bytes]  # by their number in CHANNEL
    head: dict[int, int] = field(default_factory=dict)
    fill: dict[int, int] = field(default_factory=dict)
    room: dict[int, int] = field(default_factory=dict)
    pc: dict[int, int] = field(default_factory=dict)
    turns: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    def entry(self, layout: Layout, space: str, number: int) -> Fields:
        """A decoded table entry."""
        return layout.decode(self.tables[isa.SPACES[space]][number])

    def engine(self, layout: Layout, context: int) -> Fields:
        """A decoded entry of an actor's description."""
        return self.entry(layout, "ENGINE", isa.engine_entry(context, layout))


class Interpreter:
    """Runs a Program on images; `arrived` holds all bytes that each channel received, by (node, channel)."""

    def __init__(self, program: Program, seed: int = 0) -> None:
        self.program = program
        self.arch = program.arch
        self.random = np.random.default_rng(seed)
        self.arrived: dict[tuple[int, int], list[Bytes]] = defaultdict(list)
        self.units = {node: self._unit(node, image) for node, image in program.pus.items()}
        empty = np.empty(0, np.uint8)
        host = PuImage((), program.host_tables, empty.astype(np.uint64), empty)
        self.host = self.units[self.arch.host] = self._unit(self.arch.host, host)
        self.actors = [
            (node, context)
            for node, unit in self.units.items()
            for context, value in unit.tables[isa.SPACES["CONTEXT"]].items()
            if isa.CONTEXT.decode(value)["active"]
        ]

    def _unit(self, node: int, image: PuImage) -> Unit:
        tables: dict[int, dict[int, int]] = defaultdict(dict)
        for space, number, value in table_writes(self.program, node):
            tables[space][number] = value
        memories = {
            number: np.full((getattr(self.arch, f"{name}_words"), self.arch.lanes), GARBAGE, np.uint8)
            for name, number in isa.MEMORIES.items()
        }
        unit = Unit(tables, image.weights, memories)
        for number in tables[isa.SPACES["CHANNEL"]]:
            unit.head[number] = unit.fill[number] = 0
        for slot in tables[isa.SPACES["DESTINATION"]]:
            unit.room[slot] = unit.entry(isa.DESTINATION, "DESTINATION", slot)["room"]
        for context in tables[isa.SPACES["CONTEXT"]]:
            unit.pc[context] = unit.entry(isa.CONTEXT, "CONTEXT", context)["start"]
        return unit

    def run(self, images: list[Bytes]) -> None:
        """Sends all images and runs until nothing can fire.

        Raises:
            DeadlockError: Words are left in the chip.
        """
        words = np.concatenate([self._pad(row.reshape(-1)) for image in images for row in image])
        words = words.reshape(-1, self.arch.lanes)
        sent = dict.fromkeys(self.host.room, 0)
        moved = True
        while moved:
            moved = False
            for slot in sent:
                count = min(self.host.room[slot], len(words) - sent[slot], self.arch.packet_words)
                if count:
                    self._send(self.arch.host, slot, words[sent[slot] : sent[slot] + count])
                    sent[slot] += count
                    moved = True
            for index in self.random.permutation(len(self.actors)):
                moved |= self._step(*self.actors[index])
        left = {(node, ring): fill for node, unit in self.units.items() for ring, fill in unit.fill.items() if fill}
        if left or any(count < len(words) for count in sent.values()):
            raise DeadlockError(f"words left in the chip: {left}, sent {sent} of {len(words)}")

    def _pad(self, row: Bytes) -> Bytes:
        return np.concatenate([row, np.full(-len(row) % self.arch.lanes, GARBAGE, np.uint8)])

    def _send(self, node: int, slot: int, words: Bytes) -> None:
        source = self.units[node]
        assert source.room[slot] >= len(words), "sent without room"
        source.room[slot] -= len(words)
        target = source.entry(isa.DESTINATION, "DESTINATION", slot)
        number = target["channel"]
        unit = self.units[target["node"]]
        ring = unit.entry(isa.CHANNEL, "CHANNEL", number)
        assert unit.fill[number] + len(words) <= ring["size"], "ring overrun"
        at = ring["base"] + (unit.head[number] + unit.fill[number] + np.arange(len(words))) % ring["size"]
        unit.memories[ring["memory"]][at] = words
        unit.fill[number] += len(words)
        self.arrived[target["node"], number].append(words)
        if target["node"] == self.arch.host:
            self._free(unit, number, len(words))

    def _free(self, unit: Unit, number: int, words: int) -> None:
        ring = unit.entry(isa.CHANNEL, "CHANNEL", number)
        unit.head[number] = (unit.head[number] + words) % ring["size"]
        unit.fill[number] -= words
        self.units[ring["node"]].room[ring["slot"]] += words

    def _step(self, node: int, context: int) -> bool:
        """Executes one instruction of an actor, if it can."""
        unit = self.units[node]
        stream = unit.tables[isa.SPACES["INSTRUCTION"]]
        parts = [isa.INSTRUCTION_ADDRESS.encode(pc=unit.pc[context], part=n) for n in range(isa.INSTRUCTION_ENTRIES)]
        word = sum(stream[part] << n * isa.ENTRY_BITS for n, part in enumerate(parts))
        opcode = isa.OPCODE_LAYOUT.decode(word)["opcode"]
        values = isa.INSTRUCTIONS[opcode].decode(word)
        if opcode == isa.OPCODES["LOOP"]:
            key = (context, values["level"])
            unit.turns[key] += values["count"] != 0
            again = values["count"] == 0 or unit.turns[key] < values["count"]
            unit.pc[context] = values["target"] if again else unit.pc[context] + 1
            unit.turns[key] = unit.turns[key] if again else 0  # a loop without end left it alone
            return True
        assert opcode == isa.OPCODES["FIRE"]
        entry = unit.entry(isa.CONTEXT, "CONTEXT", context)
        ports = [isa.channel_entry(context, port) for port in range(entry["ports"])]
        slots = range(context * self.arch.destinations, context * self.arch.destinations + entry["destinations"])
        uses = isa.port_uses(values)[: len(ports)]
        if any(unit.fill[port] < need for port, (need, _) in zip(ports, uses, strict=True)):
            return False
        if any(unit.room[slot] < values["produce"] for slot in slots):
            return False
        words = self._compute(unit, context, values).reshape(-1, self.arch.lanes)
        assert len(words) == values["produce"]
        for port, (_, freed) in zip(ports, uses, strict=True):
            self._free(unit, port, freed)  # nothing is kept where weights stay
        for slot in slots:
            self._send(node, slot, words)
        unit.pc[context] += 1
        return True

    def _read(self, unit: Unit, number: int, offset: int, words: int) -> Bytes:
        """Bytes of a channel, `offset` words behind its head."""
        ring = unit.entry(isa.CHANNEL, "CHANNEL", number)
        assert offset + words <= unit.fill[number], "read past what has arrived"
        at = ring["base"] + (unit.head[number] + offset + np.arange(words)) % ring["size"]
        return unit.memories[ring["memory"]][at].reshape(-1)

    def _compute(self, unit: Unit, context: int, fire: Fields) -> Bytes:
        output = unit.engine(isa.OUTPUT, context)
        if len(unit.weights):
            columns = unit.engine(isa.COLUMNS, context)
            sums = self._crossbar(unit, context, fire, output, columns)
            if columns["partial_out"]:
                return self._pad(sums.astype("<i4").view(np.uint8).reshape(-1))
            _, shift, multiplier = self._parameters(unit, output["parameters"], output["columns"])
            values = _round_shift(sums * multiplier, shift)
        else:
            values = self._vector(unit, context, fire, output, unit.engine(isa.VECTOR, context))
        result = np.clip(values + output["zero_point"], output["low"], output["high"]).astype(np.uint8)
        return self._pad(result.reshape(-1))

    def _windows(
        self, unit: Unit, context: int, fire: Fields, kernel_rows: int, length: int, uses: int = 1
    ) -> NDArray[np.int64]:
        """Bytes of every window of the firing, int64 [pixels, kernel rows, length]; -1 outside the image."""
        window = unit.engine(isa.WINDOW, context)
        rows = np.full((kernel_rows, window["row_words"] * self.arch.lanes), -1, np.int64)
        for index in range(fire["rows"]):
            first = index * window["row_words"] - fire["offset"]  # of the row, from the head
            start, end = max(0, first), min(fire["need_0"], first + window["row_words"])
            row = rows[fire["top"] + index]
            row[:] = MISSING
            if start < end:
                read = self._read(unit, isa.channel_entry(context, 0), start, end - start)
                row[(start - first) * self.arch.lanes : (end - first) * self.arch.lanes] = read
        at = fire["x0"] + np.arange(fire["pixels"])[:, None] // uses * window["step"] + np.arange(length)
        inside = (at >= 0) & (at < window["row_bytes"])
        picked = np.where(inside, rows[:, np.where(inside, at, 0)], -1)
        assert (picked != MISSING).all(), "a window reads what has not arrived or was released"
        return picked.transpose(1, 0, 2)

    def _parameters(self, unit: Unit, first: int, count: int) -> tuple[Any, Any, Any]:
        """Bias, shift and multiplier of some channels."""
        table = unit.tables[isa.SPACES["PARAMETER"]]

        def entry(channel: int, layout: Layout) -> Fields:
            which = isa.ENTRIES["PARAMETER"][layout.name]
            return layout.decode(table[isa.PARAMETER_ADDRESS.encode(channel=channel, entry=which)])

        low = [entry(n, isa.PARAM_0) for n in range(first, first + count)]
        high = [entry(n, isa.PARAM_1)["multiplier"] for n in range(first, first + count)]
        return np.array([p["bias"] for p in low]), np.array([p["shift"] for p in low]), np.array(high, np.int64)

    def _crossbar(self, unit: Unit, context: int, fire: Fields, output: Fields, columns: Fields) -> NDArray[np.int64]:
        """Accumulators, int64 [pixels, columns]."""
        run = unit.engine(isa.WINDOW, context)["run"]
        tiles = unit.engine(isa.TILES, context)
        size = self.arch.crossbar
        vectors = self._windows(unit, context, fire, tiles["kernel_rows"], run).reshape(fire["pixels"], -1)
        vectors = np.where(vectors < 0, tiles["zero_point"], vectors)
        assert vectors.shape[1] == (tiles["row_tiles"] - 1) * size.rows + tiles["last_rows"]
        total = np.zeros((fire["pixels"], columns["col_tiles"] * size.outputs), np.int64)
        for row in range(tiles["row_tiles"]):
            piece = vectors[:, row * size.rows : (row + 1) * size.rows]
            for column in range(columns["col_tiles"]):
                plane = unit.weights[tiles["plane"] + row * columns["col_tiles"] + column]
                last = column == columns["col_tiles"] - 1
                used = columns["last_groups"] * size.adcs if last else size.outputs
                top = columns["row_origin"] if row == tiles["row_tiles"] - 1 else 0
                left = columns["group_origin"] * size.adcs if last else 0
                cells = plane[top : top + piece.shape[1], left : left + used]
                signed = cells.view(np.int8).astype(np.int64) if size.differential else cells.astype(np.int64) - 128
                total[:, column * size.outputs : column * size.outputs + used] += piece @ signed
        bias, _, _ = self._parameters(unit, output["parameters"], output["columns"])
        total = total[:, : output["columns"]] + bias
        if columns["partial_in"]:
            total += self._read(unit, isa.channel_entry(context, 1), 0, fire["need_1"]).view("<i4").reshape(total.shape)
        return total

    def _vector(self, unit: Unit, context: int, fire: Fields, output: Fields, vector: Fields) -> NDArray[np.int64]:
        if vector["operation"] == isa.OPERATIONS["DEPTHWISE"]:
            return self._depthwise(unit, context, fire, output, vector)
        taps = (fire["top"] + fire["rows"]) * vector["kernel_columns"]  # those below the image add nothing
        _, _, multiplier = self._parameters(unit, output["parameters"], max(2, taps + 1))
        zeros, shift = (vector["zero_point_0"], vector["zero_point_1"]), vector["shift"]
        window = unit.engine(isa.WINDOW, context)
        run = window["run"]

        def row(port: int, length: int) -> NDArray[np.int64]:
            words = self.arch.words(length)
            assert words <= fire[f"need_{port}"]
            return self._read(unit, isa.channel_entry(context, port), 0, words)[:length].astype(np.int64)

        if vector["broadcast"]:
            return self._broadcast(vector, multiplier, row(0, fire["pixels"] * run).reshape(-1, run), row(1, run))
        match vector["operation"]:
            case 10:
                return self._matmul(unit, context, fire, vector) * multiplier[1] + (1 << shift - 1) >> shift
            case 11 | 12:
                rows = row(0, fire["pixels"] // (vector["repeat"] + 1) * run).reshape(-1, run)
                return _in_rows(vector["operation"], unit.engine(isa.ROW, context), rows, int(multiplier[1]), shift)
            case 6 | 7 | 8 | 9:
                assert (run, window["step"], vector["kernel_columns"]) == (self.arch.lanes, self.arch.lanes, 2)
                return _combined(vector, multiplier, row(0, fire["pixels"] * run), row(1, fire["pixels"] * run))
            case 0:
                assert (run, window["step"], vector["kernel_columns"]) == (self.arch.lanes, self.arch.lanes, 2)
                length = fire["pixels"] * run
                operands = [(row(port, length) - zeros[port]) * multiplier[port] for port in range(2)]
                return _round_shift(operands[0] + operands[1], shift)
            case 3:
                runs = (run, window["step"])
                assert fire["x0"] == 0
                assert fire["pixels"] * max(runs) <= window["row_bytes"]
                parts = [row(port, fire["pixels"] * runs[port]).reshape(-1, runs[port]) for port in range(2)]
                scaled = [(parts[port] - zeros[port]) * multiplier[port] for port in range(2)]
                return _round_shift(np.concatenate(scaled, axis=1), shift)
            case 4:
                entries = [
                    unit.tables[isa.SPACES["LUT"]][isa.LUT_ADDRESS.encode(context=context, eight=n)] for n in range(32)
                ]
                assert (run, window["step"], multiplier[1], zeros[0]) == (self.arch.lanes, self.arch.lanes, 1, 0)
                return np.array(entries, np.uint64).view(np.uint8)[row(0, fire["pixels"] * run)].astype(np.int64)
        length = run * vector["kernel_columns"]  # a tap is one pixel; those of a row are neighbours
        windows = self._windows(unit, context, fire, fire["top"] + fire["rows"], length, vector["repeat"] + 1)
        windows = windows.reshape(fire["pixels"], taps, run)
        valid = windows >= 0
        if vector["operation"] == 1:
            return _round_shift((windows.max(axis=1) - zeros[0]) * multiplier[1], shift)
        count = valid.sum(axis=1)
        sums = np.where(valid, windows, 0).sum(axis=1) - count * zeros[0]
        return _round_shift(sums * multiplier[count], shift)

    def _broadcast(
        self, vector: Fields, multiplier: Any, pixels: NDArray[np.int64], pixel: NDArray[np.int64]
    ) -> NDArray[np.int64]:  # fmt: skip
        assert vector["kernel_columns"] == 2 and vector["repeat"] == 0
        return _combined(vector, multiplier, pixels, pixel)

    def _matmul(self, unit: Unit, context: int, fire: Fields, vector: Fields) -> NDArray[np.int64]:
        """Sums of products, [groups of pixels, bytes], each from the bytes at the places that MATRIX names."""
        window, matrix = unit.engine(isa.WINDOW, context), unit.engine(isa.MATRIX, context)
        left, right = (
            self._read(unit, isa.channel_entry(context, port), 0, fire[f"need_{port}"]).astype(np.int64)
            - vector[f"zero_point_{port}"]
            for port in range(2)
        )
        sums = np.zeros((fire["pixels"], window["run"]), np.int64)
        for pixel in range(fire["pixels"]):
            place = pixel % (vector["repeat"] + 1) * window["step"]
            for factor in left[pixel * matrix["inner"] : (pixel + 1) * matrix["inner"]]:
                sums[pixel] += factor * right[place : place + window["run"]]
                place += matrix["pitch"]
        return sums

    def _depthwise(
        self, unit: Unit, context: int, fire: Fields, output: Fields, vector: Fields
    ) -> NDArray[np.int64]:  # fmt: skip
        """Products less the zero point over pixels inside the image, each with the word of weights at its place."""
        run, kernel = unit.engine(isa.WINDOW, context)["run"], unit.engine(isa.KERNEL, context)
        rows, columns = fire["top"] + fire["rows"], vector["kernel_columns"]
        windows = self._windows(unit, context, fire, rows, run * columns)
        windows = windows.reshape(fire["pixels"], rows, columns, run)
        bias, shift, multiplier = self._parameters(unit, output["parameters"], run)
        table, lanes = unit.tables[isa.SPACES["WEIGHT"]], self.arch.lanes
        assert output["parameters"] % lanes == 0 and kernel["row"] == columns * kernel["pixel"]
        total = np.tile(bias.astype(np.int64), (fire["pixels"], 1))
        for row in range(rows):
            for column in range(columns):
                first = kernel["weights"] + row * kernel["row"] + column * kernel["pixel"]
                entries = range(first * lanes // 8, (first + kernel["pixel"]) * lanes // 8)
                stored = np.array([table.get(n, NOT_WRITTEN) for n in entries], np.uint64)
                weights = stored.view(np.int8)[:run].astype(np.int64)
                pixels = windows[:, row, column]
                total += np.where(pixels >= 0, pixels - vector["zero_point_0"], 0) * weights
        return _round_shift(total * multiplier, shift)


def _in_rows(
    operation: int, entry: Fields, rows: NDArray[np.int64], multiplier: int, shift: int
) -> NDArray[np.int64]:  # fmt: skip
    """Shares or normalised values of every row, with Python's integers, from the entry ROW."""
    found = []
    for row in rows.tolist():
        if operation == 11:
            values = [_power((max(row) - value) * entry["exponent"]) for value in row]
            factor = (multiplier << 20) // sum(values)
        else:
            count, total = len(row), sum(row)
            mean = (2 * 256 * total + count) // (2 * count)
            values = [256 * value - mean for value in row]
            variance = count * sum(value * value for value in row) - total**2 + entry["epsilon"]
            factor = (multiplier << 20) // math.isqrt(max(1, variance) << 40)
        found.append([value * factor + (1 << shift - 1) >> shift for value in values])
    return np.array(found, np.int64)


def _power(octaves: int) -> int:
    """2**20 * 2**-(octaves / 2**16), as the engine has it."""
    ends = [round(2**20 * 2 ** -((octaves >> 12 & 15) / 16 + n / 16)) for n in range(2)]
    return ends[0] - ((ends[0] - ends[1]) * (octaves & 4095) >> 12) >> (octaves >> 16)


def _combined(
    vector: Fields, multiplier: Any, left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.int64]:  # fmt: skip
    """Two maps, by the number of the operation."""
    zeros, shift = (vector["zero_point_0"], vector["zero_point_1"]), vector["shift"]
    one, other = left - zeros[0], right - zeros[1]
    match vector["operation"]:
        case 0:
            return _round_shift(one * multiplier[0] + other * multiplier[1], shift)
        case 6:
            return _round_shift(one * other * multiplier[1], shift)
        case 7:
            return _round_shift(one * multiplier[0] - other * multiplier[1], shift)
        case 8:
            return _round_shift(np.maximum(one, other) * multiplier[1], shift)
    assert vector["operation"] == 9
    return _round_shift(np.minimum(one, other) * multiplier[1], shift)


def _round_shift(product: NDArray[np.int64], shift: Any) -> NDArray[np.int64]:
    half = np.left_shift(np.int64(1), np.asarray(shift, np.int64) - 1)
    return np.right_shift(product + half, np.asarray(shift, np.int64))

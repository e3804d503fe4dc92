"""What the chip does for one image, counted from a Program: the firings of its streams times what a firing does.

A stream does the same for every image, so the events of a run are those of one image times the images. Events have no
units of energy yet; `pyimc.energy.account` multiplies them by a table of costs.

    row_drives      a row of a crossbar is driven for one bit step
    cell_reads      a cell adds to its column for one bit step
    conversions     a column is converted: all ADCs of a group convert, whether the layer uses their columns or not
    selected        a cell that begins to face its column, because another plane is selected
    gathered        bytes into the input register of the crossbar
    drained         accumulators read
    multiplications of the requantisation
    additions       operands that the digital engine adds or compares
    products        of two bytes, which the digital engine multiplies: a pixel by its weight, or two maps
    reads, writes   words of activation, partial and weight memories
    loads           words of weights that travel, read beside the chip
    programmed      words of weights that travel, written into cells of a crossbar
    fetches         instructions
    hops            flits x routers of the data mesh
    credit_hops     flits x routers of the credit mesh
    host_words      words of images and results through the host port
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pyimc import isa
from pyimc.arch import Arch
from pyimc.engines import ENGINES
from pyimc.errors import EncodingError
from pyimc.network import PARTIAL_BYTES
from pyimc.program import HOST, Actor, Channel, Program
from pyimc.routing import hops

ACCUMULATOR_BITS = 32
EVENTS = (
    "row_drives", "cell_reads", "conversions", "selected", "gathered", "drained", "multiplications", "additions",
    "products", "reads", "writes", "loads", "programmed", "fetches", "hops", "credit_hops", "host_words",
)  # fmt: skip
TABLES = ("WINDOW", "OUTPUT", "TILES", "COLUMNS", "VECTOR", "MATRIX", "STREAM")
Events = Counter[str]


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one image.

    Attributes:
        operators: Events by actor. A word on its way belongs to its producer, its write to its consumer.
        host: What the host port sends.
        firings: By actor.
        flits_in: By processing unit, from the data mesh.
        flits_out: By processing unit, into the data mesh.
        host_flits: From the host.
    """

    operators: dict[str, Events]
    host: Events
    firings: dict[str, int]
    flits_in: dict[int, int]
    flits_out: dict[int, int]
    host_flits: int

    @property
    def chip(self) -> Events:
        """Of all operators and the host."""
        return sum(self.operators.values(), start=Counter(self.host))


Fields = dict[str, int]


@dataclass(frozen=True, slots=True)
class _Tables:
    """The ENGINE entries of an actor, decoded."""

    window: Fields
    output: Fields
    tiles: Fields
    columns: Fields
    vector: Fields
    matrix: Fields
    stream: Fields


def count(program: Program) -> Counts:
    """Counts the events of one image.

    Raises:
        EncodingError: A stream that is not what the compiler writes.
    """
    arch = program.arch
    operators: dict[str, Events] = {actor.name: Events() for actor in program.actors}
    firings: dict[str, int] = {}
    flits_in, flits_out = Counter[int](), Counter[int]()
    for actor in program.actors:
        events, tables = operators[actor.name], _tables(program, actor)
        fired, fetches = _stream(program, actor)
        firings[actor.name] = sum(fired.values())
        events["fetches"] += fetches
        images = program.batch if actor.kind == "memory" else 1  # that a round of the stream serves
        for word, times in fired.items():
            firing = isa.FIRE.decode(word)
            for name, number in _ENGINES.get(actor.kind, _unknown)(arch, tables, firing).items():
                events[name] += -(-times * number // images)
            for channel in (program.channel(name) for name in actor.destinations):
                words = -(-tables.stream.get("words", firing["produce"]) // images)
                _send(arch, channel, actor.node, words, times, operators, events)
                flits = times * _flits(words, arch)
                flits_out[actor.node] += flits
                if channel.consumer != HOST:
                    flits_in[channel.node] += flits
        for channel in (program.channel(name) for name in actor.inputs):
            source = arch.host if channel.producer == HOST else program.actor(channel.producer).node
            credits = 1 if channel.memory == "plane" else firings[actor.name]  # weights are given back once
            events["credit_hops"] += credits * _routers(arch, actor.node, source)
    host, host_flits = Events(), 0
    kind = program.network.tensors[program.network.input]
    words = arch.words(kind.row_bytes)
    for channel in program.host_sources():
        _send(arch, channel, arch.host, words, kind.height, operators, host)
        host["host_words"] += words * kind.height
        host_flits += kind.height * _flits(words, arch)
        flits_in[channel.node] += kind.height * _flits(words, arch)
    return Counts(operators, host, firings, dict(flits_in), dict(flits_out), host_flits)


def _send(
    arch: Arch, channel: Channel, node: int, words: int, times: int, operators: dict[str, Events], events: Events
) -> None:
    """Words of a firing to one destination."""
    events["hops"] += times * _flits(words, arch) * _routers(arch, node, channel.node)
    if channel.consumer == HOST:
        events["host_words"] += times * words
        packets = -(-words // arch.packet_words)
        events["credit_hops"] += times * packets * _routers(arch, channel.node, node)
    else:
        operators[channel.consumer]["programmed" if channel.memory == "plane" else "writes"] += times * words


def _flits(words: int, arch: Arch) -> int:
    return words + -(-words // arch.packet_words)


def _routers(arch: Arch, source: int, destination: int) -> int:
    return hops(arch.mesh.columns, source, destination) + 1


def _tables(program: Program, actor: Actor) -> _Tables:
    layouts = ENGINES[actor.kind].layouts
    found: dict[str, Fields] = {}
    for space, entry, value in program.pus[actor.node].tables:
        for layout in layouts if space == isa.SPACES["ENGINE"] else ():
            if entry == isa.engine_entry(actor.context, layout):
                found[layout.name] = layout.decode(value)
    return _Tables(*(found.get(name, {}) for name in TABLES))


def _stream(program: Program, actor: Actor) -> tuple[Counter[int], int]:
    """How often each FIRE word is executed for one image, and the instructions fetched meanwhile."""
    stream, address, fetches = program.pus[actor.node].stream, actor.start, 0
    fired: Counter[int] = Counter()
    left: dict[int, int] = {}  # by the address of a LOOP: rounds that are still to come
    while actor.start <= address < actor.start + actor.length:
        word = stream[address]
        layout = isa.INSTRUCTIONS.get(isa.OPCODE_LAYOUT.decode(word)["opcode"])
        fetches += 1
        if layout is isa.FIRE:
            fired[word] += 1
        elif layout is isa.LOOP:
            loop = isa.LOOP.decode(word)
            if loop["count"] == 0:
                return fired, fetches
            left[address] = left.get(address, loop["count"]) - 1
            if left[address]:
                address = loop["target"]
                continue
            del left[address]
        else:
            break
        address += 1
    raise EncodingError(f"stream of {actor.name}: it leaves its part of the memory or halts; compile it again")


def _mvm(arch: Arch, tables: _Tables, firing: Fields) -> Events:
    """A firing of the crossbar engine."""
    crossbar, steps, pixels = arch.crossbar, arch.dac_steps, firing["pixels"]
    tiles, columns, window, channels = tables.tiles, tables.columns, tables.window, tables.output["columns"]
    rows = (tiles["row_tiles"] - 1) * crossbar.rows + tiles["last_rows"]
    groups = (columns["col_tiles"] - 1) * (crossbar.outputs // crossbar.adcs) + columns["last_groups"]
    planes = tiles["row_tiles"] * columns["col_tiles"]
    partial_words = -(-channels * PARTIAL_BYTES // arch.lanes) if columns["partial_in"] else 0
    reads = (tiles["row_tiles"] - 1) * crossbar.reads(crossbar.rows) + crossbar.reads(tiles["last_rows"])
    return Events(
        row_drives=pixels * steps * rows * columns["col_tiles"],
        cell_reads=pixels * steps * rows * channels * crossbar.cells,
        conversions=pixels * steps * reads * groups * crossbar.adcs * crossbar.slices,
        selected=(pixels if planes > 1 else 1) * rows * channels * crossbar.cells,
        gathered=pixels * rows,
        drained=pixels * channels,
        multiplications=0 if columns["partial_out"] else pixels * channels,
        additions=pixels * channels if columns["partial_in"] else 0,
        reads=sum(_window_reads(arch, window, firing, pixel) + partial_words for pixel in range(pixels)),
    )


def _window_reads(arch: Arch, window: Fields, firing: Fields, pixel: int) -> int:
    """Memory words that the gather reads for a window; a row tile that ends inside a word reads it twice."""
    first = firing["x0"] + pixel * window["step"]
    last = first + window["run"]
    if firing["rows"] == 0:
        return 0
    total, inside = 0, (max(first, 0), min(last, window["row_bytes"]))
    for row in range(firing["top"], firing["top"] + firing["rows"]):
        at = row * window["run"] - first  # from a byte of the row to its row of the matrix
        for start, end in _cuts(inside[0] + at, inside[1] + at, arch.crossbar.rows):
            total += _touched(start - at, end - at, arch.lanes)
    return total


def _cuts(start: int, end: int, step: int) -> Iterator[tuple[int, int]]:
    """The pieces of a range between multiples of `step`."""
    while start < end:
        upper = min(end, (start // step + 1) * step)
        yield start, upper
        start = upper


def _touched(start: int, end: int, lanes: int) -> int:
    """Memory words that the bytes of a range lie in."""
    return (end - 1) // lanes - start // lanes + 1 if start < end else 0


def _vector(arch: Arch, tables: _Tables, firing: Fields) -> Events:
    """A firing of the digital engine, chunk by chunk as it reads."""
    vector, window, pixels = tables.vector, tables.window, firing["pixels"]
    if vector["operation"] == isa.OPERATIONS["MATMUL"]:
        return _matmul(arch, tables, pixels)
    reads = operands = outputs = 0
    weighs = vector["operation"] == isa.OPERATIONS["DEPTHWISE"]
    for pixel in range(pixels):
        for run, taps in _taps(vector, window, firing, pixel):
            outputs += run
            for tap in taps:
                if 0 <= tap < window["row_bytes"]:
                    operands += firing["rows"] * run
                    chunks = range(0, run, arch.lanes)
                    touched = (_touched(tap + at, tap + min(at + arch.lanes, run), arch.lanes) for at in chunks)
                    reads += firing["rows"] * (sum(touched) + weighs * len(chunks))
    if vector["operation"] in (isa.OPERATIONS["SOFTMAX"], isa.OPERATIONS["NORMALISE"]):
        return _rows(reads, vector, window, pixels)
    looked_up = vector["operation"] == isa.OPERATIONS["LUT"]
    two = vector["operation"] in (isa.OPERATIONS["ADD"], isa.OPERATIONS["SUB"])
    factors = 2 if two else 0 if looked_up else 1
    multiplied = vector["operation"] == isa.OPERATIONS["MUL"]
    products = operands if weighs else outputs if multiplied else 0
    operands -= operands if multiplied else 0
    return Events(reads=reads, additions=operands, multiplications=factors * outputs, products=products)


def _matmul(arch: Arch, tables: _Tables, groups: int) -> Events:
    """A firing of matmul: for every word of output, the factors of the group and a word of each of their pixels."""
    inner, pitch, run = tables.matrix["inner"], tables.matrix["pitch"], tables.window["run"]
    reads = 0
    for group in range(groups):
        first = group % (tables.vector["repeat"] + 1) * tables.window["step"]
        for at in range(0, run, arch.lanes):
            places = range(first + at, first + at + inner * pitch, pitch)
            reads += _touched(group * inner, (group + 1) * inner, arch.lanes)
            reads += sum(_touched(place, place + min(arch.lanes, run - at), arch.lanes) for place in places)
    return Events(reads=reads, multiplications=groups * run, products=groups * inner * run)


def _rows(reads: int, vector: Fields, window: Fields, readings: int) -> Events:
    """A firing of softmax (two products for a power, which is computed twice) or normalise (squares)."""
    outputs = readings // (vector["repeat"] + 1) * window["run"]
    products = 4 * outputs if vector["operation"] == isa.OPERATIONS["SOFTMAX"] else outputs
    return Events(reads=reads, additions=3 * outputs, multiplications=outputs, products=products)


def _taps(vector: Fields, window: Fields, firing: Fields, pixel: int) -> Iterator[tuple[int, list[int]]]:
    """Bytes of an output pixel, and where the operands of the first of them lie in their rows."""
    if vector["operation"] == isa.OPERATIONS["CONCAT"]:
        for run in (window["run"], window["step"]):
            yield run, [pixel * run]
        return
    x = firing["x0"] + pixel // (vector["repeat"] + 1) * window["step"]
    if vector["operation"] in (isa.OPERATIONS[name] for name in isa.PAIRS):
        yield window["run"], [x, 0 if vector["broadcast"] else x]
        return
    yield window["run"], [x + column * window["run"] for column in range(vector["kernel_columns"])]


def _load(arch: Arch, tables: _Tables, firing: Fields) -> Events:
    """A firing of the memory: all words of a layer's planes, read once; a part of them if they serve a batch."""
    del arch, firing
    return Events(loads=tables.stream["words"])


def _unknown(arch: Arch, tables: _Tables, firing: Fields) -> Events:
    """A firing of an engine whose events nobody has named: nothing but what the shell does."""
    del arch, tables, firing
    return Events()


_ENGINES = {"imc": _mvm, "dpu": _vector, "memory": _load}

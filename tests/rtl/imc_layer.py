"""Random convolutions for the tests of the crossbar engine: tables, firings, and what must come out."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from mapping.actors.firing import row_words
from mapping.operators import image_firings, task
from pyimc import isa
from pyimc.arch import Arch, arch_from_dict, load_arch
from pyimc.engines.imc.tiling import Corner, spans
from pyimc.engines.imc.timing import Engine, Layer, Run, engine_of, window_chunks
from pyimc.golden import run_node
from pyimc.network import PARTIAL_BYTES, Mvm, Network, TensorType, window_shape
from pyimc.network_rules import verify
from pyimc.numerics import quantise_multiplier
from tests.rtl.bench import Corners, Sink, stalls, until

Map = NDArray[np.uint8]
TableWrite = tuple[int, int, int]

MEMORY = 1 << 16
PATIENCE_CYCLES = 10_000
KERNELS = ((1, 1), (2, 2), (3, 3), (3, 3), (5, 5), (7, 7), (7, 7), (1, 4), (4, 1), (3, 2), (6, 1), (1, 7))
GEOMETRY_CORNERS = (
    "left padding",
    "right padding",
    "both in one run",
    "top padding",
    "bottom padding",
    "ring wraps",
    "row wraps",
    "unaligned",
    "run crosses a tile",
    "several row tiles",
    "tile partly used",
    "starts inside a plane",
    "starts inside a row",
    "last word of memory",
)


def architecture(parameters: dict[str, int]) -> Arch:
    """The architecture of which these are the parameters of the engine (names as in rtl/imc_engine.v)."""
    data = load_arch("tiny").model_dump() | {
        "word_bits": parameters["WORD"],
        "contexts": parameters["CONTEXTS"],
        "destinations": 1,
        "parameters": parameters["PARAMETERS"],
        "output_columns": parameters["ACCUMULATORS"],
        "crossbar": {
            "rows": parameters["ROWS"],
            "columns": parameters["COLS"] * 8 // parameters["CELL"] * (1 + parameters["DIFFERENTIAL"]),
            "planes": parameters["PLANES"],
            "adcs": parameters["ADCS"],
            "dac_bits": parameters["DAC"],
            "cell_bits": parameters["CELL"],
            "weights": ("offset", "differential")[parameters["DIFFERENTIAL"]],
            "rows_per_read": parameters["DRIVEN"],
        },
    }
    return arch_from_dict(data, "test")


@dataclass
class Firing:
    """One FIRE with everything around it.

    Attributes:
        ring: Head, base, size.
        memory: The words that it may read.
        tiles: Bytes of every row tile from row 0 on, in order, uint8 [tiles, rows], pixel by pixel.
        words: What it sends.
        layer: For the timing.
        run: For the timing.
        partials: Addresses and words of the partial sums that it adds to, in order.
    """

    ctx: int
    instr: int
    ring: tuple[int, int, int]
    memory: dict[int, int]
    tiles: list[list[Map]]
    words: list[int]
    layer: Layer
    run: Run
    partials: list[tuple[int, int]] = field(default_factory=list)


class Actor:
    """A random Mvm in one context; makes random firings of it.

    Args:
        ctx: Context.
        arch: Sizes.
        rng: Decides everything.
        corners: Counts what was met.
        channels: Most output channels.
        plane: First plane.
        parameter: First parameter.
        size: Most bytes of a window.
        partial_base: Where its ring of partial sums would be; without one, it is no part of a chain.
    """

    def __init__(
        self,
        ctx: int,
        arch: Arch,
        rng: random.Random,
        corners: Corners,
        *,
        channels: int = 1,
        plane: int = 0,
        parameter: int = 0,
        size: int = 1 << 16,
        partial_base: int | None = None,
    ) -> None:
        self.ctx, self.arch, self.rng, self.corners = ctx, arch, rng, corners
        self.plane, self.parameter = plane, parameter
        lanes = arch.lanes
        kernel = rng.choice([kernel for kernel in KERNELS if kernel[0] * kernel[1] <= size])
        depths = (1, 3, lanes // 2, lanes - 3, lanes, lanes + 1, 2 * lanes, 2 * lanes + 3, arch.crossbar.rows + 1)
        depth = rng.choice([depth for depth in depths if depth * kernel[0] * kernel[1] <= size] or [1])
        down, across = kernel[0] - 1, kernel[1] - 1
        pads = (rng.randint(0, down), rng.randint(0, across), rng.randint(0, down), rng.randint(0, across))
        height = max(1, kernel[0] - pads[0] - pads[2] + rng.randint(0, 3))
        width = max(1, kernel[1] - pads[1] - pads[3] + rng.choice((0, 1, rng.randint(0, 5), rng.randint(3, 9))))
        self.image = np.array(
            [rng.choice((0, 255, rng.randrange(256))) for _ in range(height * width * depth)], np.uint8
        )
        self.image = self.image.reshape(height, width, depth)
        outputs = rng.choice((channels, rng.randint(1, channels)))
        quarter = lanes // PARTIAL_BYTES
        partial_in = partial_out = False
        if partial_base is not None and channels >= quarter:
            partial_in, partial_out = rng.choice(((False, False), (False, True), (True, False), (True, True)))
        if partial_in or partial_out:
            outputs = max(quarter, outputs // quarter * quarter)
        spread = rng.choice((127, 127, 20))
        weights = np.array(
            [rng.randint(-spread, spread) for _ in range(outputs * kernel[0] * kernel[1] * depth)], np.int8
        )
        weights = weights.reshape(outputs, kernel[0], -1)
        weights[rng.randrange(outputs)] = rng.choice((-128, 127))
        bias = np.array([rng.randint(-3000, 3000) for _ in range(outputs)], np.int32)
        zero_point = 0 if partial_out else rng.randint(0, 255)
        low, high = sorted((rng.randint(0, 255), rng.randint(0, 255))) if rng.random() < 0.5 else (0, 255)
        if partial_out:
            low, high = 0, 255
        stride = (rng.randint(1, 3), rng.randint(1, 3))
        nothing = np.zeros(outputs, np.int32)
        node = Mvm(
            "node", ("x", "p") if partial_in else ("x",), "y", kernel, stride, pads, weights, bias, nothing,
            (nothing + 1).astype(np.uint8), rng.choice((0, 255, rng.randint(1, 254))), zero_point, (low, high),
        )  # fmt: skip
        # the part before it, and the one behind it, which only make the network whole
        bias = np.array(
            [rng.choice((rng.randint(-9, 9), rng.randint(-(2**29), 2**29))) for _ in range(outputs)], np.int32
        )
        before = replace(
            node, name="before", inputs=("x",), output="p", bias=bias, multiplier=nothing.copy(),
            output_zero_point=0, clamp=(0, 255), shift=node.shift.copy(),
        )  # fmt: skip
        behind = replace(before, name="behind", inputs=("x", "y"), output="z")
        out = window_shape((height, width), kernel, stride, pads)
        self.source = TensorType(height, width, depth, 1.0, node.input_zero_point)
        partial, plain = TensorType(*out, outputs, 1.0, 0, partial=True), TensorType(*out, outputs, 1.0, 0)
        tensors = {"x": self.source} | ({"p": partial} if partial_in else {})
        tensors |= {"y": partial, "z": plain} if partial_out else {"y": replace(plain, zero_point=zero_point)}
        nodes = (before,) * partial_in + (node,) + (behind,) * partial_out
        self.network = Network("test", "x", (list(tensors)[-1],), tensors, nodes)
        inputs = (self.image,)
        self.partials = run_node(replace(self.network, tensors={"p": partial}), before, inputs)
        sums = np.abs(node.accumulate(self.image) + (self.partials if partial_in else 0)).max(axis=(0, 1))
        for channel in range(0 if partial_out else outputs):
            node.multiplier[channel], node.shift[channel] = quantise_multiplier(
                rng.uniform(50, 300) / int(sums[channel] + 1)
            )
        verify(self.network)
        self.node = node
        self.task = task(node, self.network, arch)
        self.firings = image_firings(self.network, node, arch)
        self.output = run_node(self.network, node, (*inputs, self.partials)[: len(node.inputs)])
        crossbar = arch.crossbar
        rows = spans(weights[0].size, crossbar.rows)[-1][1]
        columns = spans(outputs, crossbar.outputs)[-1][1]
        groups = -(-columns // crossbar.adcs)
        row = rng.choice((0, crossbar.rows - rows, rng.randint(0, crossbar.rows - rows)))
        self.corner = Corner(row, rng.randint(0, crossbar.outputs // crossbar.adcs - groups) * crossbar.adcs)
        corners.hit("group inside a plane", self.corner.column > 0)
        self.layer = Layer(
            kernel[1] * depth, stride[1] * depth, width * depth, kernel[0], outputs, partial_in, partial_out
        )
        self.partial_base = partial_base or 0
        self.partial_size = max(1, out[1] * outputs // quarter) + rng.randint(0, 5)
        self.partial_head = 0
        corners.hit("partial in" + " and out" * partial_out, partial_in)
        corners.hit("partial out", partial_out and not partial_in)
        self.engine: Engine = engine_of(arch)
        if not partial_out:
            corners.hit("clamped low", low > 0 and bool((self.output == low).any()))
            corners.hit("clamped high", high < 255 and bool((self.output == high).any()))
            corners.hit("not clamped", bool(((self.output > low) & (self.output < high)).any()))
            corners.hit("negative product", bool((self.output < min(zero_point, high)).any()))
        corners.hit("odd channels", outputs % lanes != 0)
        corners.hit("several column tiles", outputs > arch.crossbar.outputs)

    @property
    def planes(self) -> int:
        """Planes that it takes."""
        return len(self.task.planes(self.arch))

    def tables(self) -> list[TableWrite]:
        """Space, address and data of its ENGINE and PARAMETER entries, and of its ring of partial sums."""
        self.partial_head = 0
        node, crossbar, engine = self.node, self.arch.crossbar, isa.SPACES["ENGINE"]
        outputs, size = node.bias.size, node.weights[0].size
        rows, columns = spans(size, crossbar.rows), spans(outputs, crossbar.outputs)
        entries = (
            isa.WINDOW.encode(
                run=self.layer.run_bytes,
                step=self.layer.step_bytes,
                row_bytes=self.layer.row_bytes,
                row_words=row_words(self.source, self.arch),
            ),
            isa.TILES.encode(
                kernel_rows=node.kernel[0],
                row_tiles=len(rows),
                last_rows=rows[-1][1],
                plane=self.plane,
                zero_point=node.input_zero_point,
            ),
            isa.COLUMNS.encode(
                col_tiles=len(columns),
                last_groups=-(-columns[-1][1] // crossbar.adcs),
                partial_in=self.layer.partial_in,
                partial_out=self.layer.partial_out,
                row_origin=self.corner.row,
                group_origin=self.corner.column // crossbar.adcs,
            ),
            isa.OUTPUT.encode(
                columns=outputs,
                parameters=self.parameter,
                zero_point=node.output_zero_point,
                low=node.clamp[0],
                high=node.clamp[1],
            ),
        )
        described = zip((isa.WINDOW, isa.TILES, isa.COLUMNS, isa.OUTPUT), entries, strict=True)
        writes = [(engine, isa.engine_entry(self.ctx, layout), entry) for layout, entry in described]
        ring = isa.CHANNEL.encode(
            base=self.partial_base, size=self.partial_size, memory=isa.MEMORIES["partial"], late=1
        )
        writes.append((isa.SPACES["CHANNEL"], isa.channel_entry(self.ctx, 1), ring))
        for n in range(outputs):
            at = 2 * (self.parameter + n)
            first = isa.PARAM_0.encode(bias=int(node.bias[n]), shift=int(node.shift[n]))
            writes.append((isa.SPACES["PARAMETER"], at, first))
            writes.append((isa.SPACES["PARAMETER"], at + 1, isa.PARAM_1.encode(multiplier=int(node.multiplier[n]))))
        return writes

    def weight_writes(self) -> Iterator[TableWrite]:
        """Its weights through the front door."""
        for plane, image in enumerate(self.task.planes(self.arch, *self.corner)):
            yield isa.SPACES["CONTROL"], isa.ENTRIES["CONTROL"]["PLANE"], self.plane + plane
            for address, word in enumerate(words_of(image, self.arch.lanes)):
                yield isa.SPACES["WEIGHT"], address, word

    def fire(self) -> Firing:
        """A run of pixels of a random output row; its ring and its place in memory are random."""
        rng, node, lanes, corners = self.rng, self.node, self.arch.lanes, self.corners
        y = rng.randrange(len(self.firings))
        whole = self.firings[y]
        first = rng.choice((0, 0, rng.randrange(whole.pixels)))
        run = Run(
            rng.choice((whole.pixels - first, rng.randint(1, whole.pixels - first))),
            whole.x0 + first * self.layer.step_bytes,
            whole.top,
            whole.rows,
        )
        corners.hit("starts inside a row", first > 0)
        words = row_words(self.source, self.arch)
        size = run.rows * words + rng.randint(0, 5)
        base = MEMORY - size if rng.random() < 0.2 else rng.randrange(MEMORY - size)
        head = base + rng.randrange(size)
        corners.hit("last word of memory", base + size == MEMORY)
        corners.hit("ring wraps", head + run.rows * words > base + size)
        memory: dict[int, int] = {}
        upper = max(0, y * node.stride[0] - node.pads[0])
        for row in range(run.rows):
            at = head - base + row * words
            corners.hit("row wraps", at % size + words > size)
            for n, word in enumerate(words_of(self.image[upper + row], lanes)):
                memory[base + (at + n) % size] = word
        self._count_geometry(run)
        offset = rng.randint(0, max(0, run.x0) // lanes)  # words released before: no window reads them
        corners.hit("part of a row released", offset > 0)
        head = base + (head - base + offset) % size
        padded = np.pad(
            self.image,
            ((node.pads[0], node.pads[2]), (node.pads[1], node.pads[3]), (0, 0)),
            constant_values=node.input_zero_point,
        )
        tiles = []
        for x in range(first, first + run.pixels):
            at_y, at_x = y * node.stride[0], x * node.stride[1]
            window = padded[at_y : at_y + node.kernel[0], at_x : at_x + node.kernel[1]].reshape(-1)
            rows = [window[at : at + n] for at, n in spans(window.size, self.arch.crossbar.rows)]
            rows[-1] = np.concatenate([np.zeros(self.corner.row, np.uint8), rows[-1]])
            tiles.append(rows)
        values = self.output[y, first : first + run.pixels]
        partials = []
        for word in words_of(self.partials[y, first : first + run.pixels], lanes) if self.layer.partial_in else ():
            partials.append((self.partial_base + self.partial_head, word))
            self.partial_head = (self.partial_head + 1) % self.partial_size
        beside = [len(partials)] if self.layer.partial_in else []
        instr = isa.fire(
            [whole.need[0] - offset, *beside],
            [whole.free[0], *beside],
            offset=offset,
            produce=self.arch.words(values.nbytes),
            pixels=run.pixels,
            x0=run.x0,
            top=run.top,
            rows=run.rows,
        )
        ring = (head, base, size)
        return Firing(self.ctx, instr, ring, memory, tiles, words_of(values, lanes), self.layer, run, partials)

    def _count_geometry(self, run: Run) -> None:
        layer, hit, tile = self.layer, self.corners.hit, self.arch.crossbar.rows
        starts = [run.x0 + pixel * layer.step_bytes for pixel in range(run.pixels)]
        size = layer.run_bytes * layer.kernel_rows
        hit("left padding", min(starts) < 0)
        hit("right padding", max(starts) + layer.run_bytes > layer.row_bytes)
        hit("both in one run", any(x < 0 and x + layer.run_bytes > layer.row_bytes for x in starts))
        hit("top padding", run.top > 0)
        hit("bottom padding", run.top + run.rows < layer.kernel_rows)
        hit("unaligned", any(x % self.arch.lanes for x in starts))
        hit("run crosses a tile", any(at % layer.run_bytes for at in range(tile, size, tile)))
        hit("several row tiles", size > tile)
        hit("tile partly used", size % tile != 0)
        hit("starts inside a plane", self.corner.row > 0)

    def chunks(self, run: Run) -> list[tuple[int, ...]]:
        """Chunks of every row tile of every pixel."""
        return [
            window_chunks(self.engine, self.layer, x=run.x0 + n * self.layer.step_bytes, top=run.top, rows=run.rows)
            for n in range(run.pixels)
        ]


def words_of(values: Map, lanes: int) -> list[int]:
    """The words of a dense byte stream, the last one padded with zeros."""
    flat = values.reshape(-1).tobytes()
    flat += bytes(-len(flat) % lanes)
    return [int.from_bytes(flat[at : at + lanes], "little") for at in range(0, len(flat), lanes)]


class FiringBench:
    """Issues firings, is the activation memory, and records when firings were offered, accepted and done.

    Args:
        dut: rtl/gather.v or rtl/imc_engine.v.
        sink: Where the output goes: the clock of all records is its `cycle`.
        rng: Junk and idle times.
        port: Suffix of the ring's ports.
    """

    def __init__(self, dut: Any, sink: Sink, rng: random.Random, port: str = "") -> None:
        self.dut, self.sink, self.rng, self.port = dut, sink, rng, port
        self.memory: dict[int, int] = {}
        self.requested_at: list[int] = []
        self.accepted_at: list[int] = []
        self.done_at: list[int] = []
        self.reads = 0
        self.every_cycle: Callable[[], None] = lambda: None
        self._offered: deque[Firing] = deque()
        self._requested = 0
        dut.issue_valid.value = 0
        dut.cfg_valid.value = 0
        if hasattr(dut, "plane_wen"):  # nothing comes through a channel here
            dut.plane_wen.value = 0
        dut.mem_data.value = 0
        cocotb.start_soon(self._serve())

    async def _serve(self) -> None:
        """The memory's read port: the data of a read in the next cycle, held; what was read is gone after `done`."""
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if int(dut.rst.value):
                self._requested = 0
                continue
            self.every_cycle()
            if int(dut.mem_en.value):
                self.reads += 1
                dut.mem_data.value = self.memory[int(dut.mem_addr.value)]  # a KeyError: a word that it must not read
            if int(dut.done.value):
                self.done_at.append(self.sink.cycle)
                self.memory = {address: self.rng.getrandbits(len(dut.mem_data)) for address in self.memory}
            if int(dut.issue_valid.value):
                self._requested = self._requested or self.sink.cycle
                if int(dut.issue_ready.value):
                    self.requested_at.append(self._requested)
                    self.accepted_at.append(self.sink.cycle)
                    self.memory = dict(self._offered.popleft().memory)
                    self._requested = 0

    async def configure(self, writes: list[TableWrite]) -> None:
        """Write table entries, one a cycle."""
        dut = self.dut
        for space, address, data in writes:
            dut.cfg_valid.value = 1
            dut.cfg_space.value, dut.cfg_addr.value, dut.cfg_data.value = space, address, data
            await RisingEdge(dut.clk)
        dut.cfg_valid.value = 0
        await RisingEdge(dut.clk)

    async def fire(self, firings: list[Firing], idle: str = "none") -> None:
        """Offer firings in order, idle between them as `idle` says (a stall costs 7 cycles); ends when all are done."""
        dut, idles = self.dut, stalls(idle, self.rng)
        already = len(self.done_at)
        for firing in firings:
            while next(idles):
                for _ in range(7):
                    await RisingEdge(dut.clk)
            self._offered.append(firing)
            dut.issue_valid.value = 1
            dut.issue_ctx.value = firing.ctx
            dut.issue_instr.value = firing.instr
            for name, value in zip(("head", "base", "size"), firing.ring, strict=True):
                getattr(dut, f"issue_{name}{self.port}").value = value
            await until(dut, lambda: bool(int(dut.issue_ready.value)), PATIENCE_CYCLES, "the issue of a firing")
            dut.issue_valid.value = 0
            dut.issue_ctx.value = self.rng.getrandbits(len(dut.issue_ctx))
            dut.issue_instr.value = self.rng.getrandbits(128)
        await until(dut, lambda: len(self.done_at) >= already + len(firings), PATIENCE_CYCLES, "the end of a firing")

    def clear(self) -> None:
        """Forget what happened."""
        self.sink.clear()
        self._offered.clear()
        self.requested_at.clear()
        self.accepted_at.clear()
        self.done_at.clear()
        self.reads = 0

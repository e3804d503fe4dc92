"""What the crossbar engine is told of a layer: the fields of its ENGINE entries, parameters, planes."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimc import isa
from pyimc.arch import Arch
from pyimc.crossbar import converter_of
from pyimc.devices.layer import held
from pyimc.engines.imc.tiling import Corner, cell_images, plane_images, spans, tiles
from pyimc.engines.imc.timing import Engine, Layer, Pipeline, Run, convert_cycles, engine_of, tile_rows
from pyimc.engines.task import FiringTime, Room, Step, Task
from pyimc.layout import Layout
from pyimc.tensors import PARTIAL_BYTES, Pair

SETTLED = 4
"""Firings that fill the pipeline; then equal ones follow each other at a constant distance."""


@dataclass(frozen=True, slots=True)
class WeightRing:
    """The planes of weights that travel: windows, which the loads of some layers go through in turn.

    Attributes:
        turn: Whose weights they are, in their order.
        place: Which of them is this layer.
        planes: Of a window.
        windows: How many there are.
        rows: Of the planes that this layer's weights are written to, one plane after the other.
    """

    turn: tuple[str, ...]
    place: int
    planes: int
    windows: int
    rows: int

    @property
    def first(self) -> int:
        """The window of the layer's first load."""
        return self.place % self.windows

    @property
    def step(self) -> int:
        """Windows from a load of the layer to its next one."""
        return len(self.turn) % self.windows


@dataclass(frozen=True, slots=True, eq=False)
class CrossbarTask(Task):
    """A layer, or a part of one; units as in `pyimc.isa`.

    Attributes:
        layer: Its sizes.
        row_words: Words of an input row.
        matrix: int8 [rows, columns]: kernel bytes in the order (ky, kx, c), output channels.
        bias: int32 [columns].
        multiplier: int32 [columns].
        shift: uint8 [columns].
        input_zero_point: What padding holds.
        output_zero_point: Of its output.
        clamp: Lowest and highest output.
        ring: Where its weights go, if they travel.
        adc_shift: That of its `Mvm`.
    """

    engine: ClassVar[str] = "imc"

    layer: Layer
    row_words: int
    matrix: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.uint8]
    input_zero_point: int
    output_zero_point: int
    clamp: Pair
    ring: WeightRing | None = None
    adc_shift: int | None = None

    @property
    def size(self) -> Pair:
        """Rows and columns of its matrix."""
        return self.matrix.shape[0], self.matrix.shape[1]

    def faults(self, arch: Arch) -> list[str]:
        """Accumulators; those that leave fill whole words."""
        faults = []
        channels = self.layer.channels
        if channels > arch.output_columns:
            whole = 1 << (channels - 1).bit_length()
            faults.append(
                f"needs {channels} output columns, a PU has {arch.output_columns}; output_columns of {whole} would do"
            )
        if self.layer.partial_out and channels * PARTIAL_BYTES % arch.lanes:
            whole = arch.lanes // PARTIAL_BYTES
            faults.append(f"gives a partial map of {channels} channels, must be a multiple of {whole}")
        return faults

    def entries(self, arch: Arch, room: Room) -> Iterator[tuple[Layout, int]]:
        """WINDOW, TILES, COLUMNS and OUTPUT."""
        layer, crossbar = self.layer, arch.crossbar
        yield (
            isa.WINDOW,
            isa.WINDOW.encode(
                run=layer.run_bytes, step=layer.step_bytes, row_bytes=layer.row_bytes, row_words=self.row_words
            ),
        )
        rows, columns = spans(self.size[0], crossbar.rows), spans(self.size[1], crossbar.outputs)
        yield (
            isa.TILES,
            isa.TILES.encode(
                kernel_rows=layer.kernel_rows,
                row_tiles=len(rows),
                last_rows=rows[-1][1],
                plane=room.plane,
                zero_point=self.input_zero_point,
            ),
        )
        converter = converter_of(crossbar, self.size[0], self.adc_shift)
        yield (
            isa.COLUMNS,
            isa.COLUMNS.encode(
                col_tiles=len(columns),
                last_groups=-(-columns[-1][1] // crossbar.adcs),
                partial_in=layer.partial_in,
                partial_out=layer.partial_out,
                row_origin=room.row,
                group_origin=room.column // crossbar.adcs,
                loaded=1 + layer.partial_in if self.ring else 0,
                adc_shift=converter.shift if converter else 0,
            ),
        )
        low, high = self.clamp
        output = isa.OUTPUT.encode(
            columns=layer.channels, parameters=room.parameter, zero_point=self.output_zero_point, low=low, high=high
        )
        yield isa.OUTPUT, output
        if self.ring:
            yield from self._ring_entries(self.ring, arch)

    def _ring_entries(self, ring: WeightRing, arch: Arch) -> Iterator[tuple[Layout, int]]:
        """LOADS and CHECKSUM."""
        load = plane_images(self.matrix, arch.crossbar).reshape(-1, arch.crossbar.outputs)[: ring.rows]
        yield (
            isa.LOADS,
            isa.LOADS.encode(
                words=arch.words(load.size),
                first=ring.first * ring.planes,
                step=ring.step * ring.planes,
                span=ring.windows * ring.planes,
            ),
        )
        yield isa.CHECKSUM, isa.CHECKSUM.encode(crc=zlib.crc32(load.tobytes()))

    def parameters(self) -> NDArray[np.uint64]:
        """Bias, shift and multiplier of every output channel."""
        table = np.zeros((self.parameter_count, 2), np.uint64)
        values = zip(self.bias.tolist(), self.shift.tolist(), self.multiplier.tolist(), strict=True)
        for channel, (bias, shift, multiplier) in enumerate(values):
            table[channel, 0] = isa.PARAM_0.encode(bias=bias, shift=shift)
            table[channel, 1] = isa.PARAM_1.encode(multiplier=multiplier)
        return table

    @property
    def parameter_count(self) -> int:
        """Output channels."""
        return self.bias.size

    def plane_count(self, arch: Arch) -> int:
        """A tile each."""
        return self.ring.windows * self.ring.planes if self.ring else len(tiles(self.size, arch.crossbar))

    def planes(self, arch: Arch, row: int = 0, column: int = 0) -> NDArray[np.uint8]:
        """As the chip stores weights; bytes that no weight covers hold 0."""
        if self.ring:
            return np.zeros((self.plane_count(arch), arch.crossbar.rows, arch.crossbar.outputs), np.uint8)
        return plane_images(self.matrix, arch.crossbar, Corner(row, column))

    def real_cells(self, arch: Arch, row: int = 0, column: int = 0) -> tuple[NDArray[np.uint16], int]:
        """As `pyimc.devices.layer` says."""
        real = held(self.matrix, arch.crossbar)
        return cell_images(real.cells, arch.crossbar, Corner(row, column)), real.amplitude

    def digest(self) -> str:
        """Of the weights; of their names if they do not stay."""
        if self.ring:
            return f"window {self.ring.turn}"
        weights = np.ascontiguousarray(self.matrix.T)
        return hashlib.sha256(repr(self.size).encode() + weights.tobytes()).hexdigest()

    @property
    def reissue_cycles(self) -> int:
        """A cycle for the one input that is read by then."""
        return 2

    def firing_time(self, arch: Arch, step: Step) -> FiringTime:
        """Gather and conversion."""
        engine = engine_of(arch)
        fired = Pipeline(engine).fire(self.layer, _run(step))
        rows = tile_rows(engine, self.layer)
        work = step.pixels * sum(convert_cycles(engine, self.layer.channels, each) for each in rows)
        return FiringTime(fired.done, fired.words[-1], work)

    def image_cycles(self, arch: Arch, steps: Sequence[tuple[Step, int]]) -> int:
        """From the first firing of an image to that of the next, once the pipeline is full."""
        fired = tuple((_run(step), count) for step, count in steps)
        return _image_cycles(self.layer, engine_of(arch), self.reissue_cycles, fired)


def _run(step: Step) -> Run:
    return Run(step.pixels, step.x0, step.top, step.rows)


@lru_cache(maxsize=4096)  # equal layers are common, and a search asks for the same ones again and again
def _image_cycles(layer: Layer, engine: Engine, reissue: int, steps: tuple[tuple[Run, int], ...]) -> int:
    pipeline = Pipeline(engine)
    request = 0

    def fire(run: Run) -> int:
        nonlocal request
        timeline = pipeline.fire(layer, run, request)
        request = timeline.done + reissue
        return timeline.issue

    def image() -> tuple[int, int]:
        """The issue of its first firing, and the cycles of those left out for being equal to those before."""
        issues: list[int] = []
        skipped = 0
        for run, count in steps:
            issues += [fire(run) for _ in range(min(count, SETTLED))]
            skipped += (issues[-1] - issues[-2]) * (count - SETTLED) if count > SETTLED else 0
        return issues[0], skipped

    for _ in range(1 + SETTLED // sum(count for _, count in steps)):
        image()
    start, skipped = image()
    return fire(steps[0][0]) - start + skipped

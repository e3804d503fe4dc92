"""Exact cycles of the crossbar engine (`rtl/imc_engine.v`) when its output is never held up.

    gather -> [input register] -> array and ADCs -> [two accumulator banks] -> drain -> packer -> words

What is written in cycle t is seen in cycle t + 1. The rules, each of which a line of `Pipeline` states:

    gather    the first chunk of a firing is written 3 cycles after the issue, then one chunk per cycle; the first chunk
              of the next tile is written in the cycle in which the tile before it is taken, never earlier
    done      in the cycle of a firing's last chunk; the next firing is accepted one cycle later
    convert   a tile taken in cycle t is converted in t + 1 .. t + n; the next one is taken in t + n at the earliest,
              the first tile of a pixel only when the bank of the pixel two before it is free
    drain     one word of columns per cycle from the second cycle after the pixel's last conversion on; offered 6 cycles
              later; of a layer that takes or gives partial maps, a quarter of a word of columns
    bank      free two cycles after its last columns are read: they leave the memory in the cycle between
    freed     partial sums are offered for release the cycle after the last ones of a firing were read; until that is
              over, the last ones of the next firing wait
    packer    a word is on the output one cycle after the bytes that complete it; what a firing's last word of columns
              leaves over takes one more cycle, in which the drain stands still if its next word is waiting
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pyimc.arch import Arch
from pyimc.network import PARTIAL_BYTES

GATHER_LATENCY_CYCLES = 3
"""From the issue to the cycle in which the first chunk is written."""
DRAIN_LATENCY_CYCLES = 6
"""From reading a word of columns to the cycle in which its bytes are offered to the packer."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What the timing depends on in the hardware.

    Attributes:
        lanes: Bytes of a word.
        rows: Rows of the crossbar.
        columns: Of weights, in a plane.
        adcs: Columns converted per cycle.
        steps: Conversions of a column of weights for a read: bit-serial steps, 8 / DAC bits, times slices of a weight.
        driven: Rows of a read.
    """

    lanes: int
    rows: int
    columns: int
    adcs: int
    steps: int
    driven: int


@dataclass(frozen=True, slots=True)
class Layer:
    """What the timing depends on in a layer.

    Attributes:
        run_bytes: One kernel row of one window, Kw * C.
        step_bytes: From one window to the next, stride * C.
        row_bytes: One input row, W * C.
        kernel_rows: Kh.
        channels: Output channels.
        partial_in: It adds to a partial map.
        partial_out: It gives a partial map.
    """

    run_bytes: int
    step_bytes: int
    row_bytes: int
    kernel_rows: int
    channels: int
    partial_in: bool = False
    partial_out: bool = False

    @property
    def partial(self) -> bool:
        """Partial sums come or go."""
        return self.partial_in or self.partial_out


@dataclass(frozen=True, slots=True)
class Run:
    """The output pixels of one firing, as in `pyimc.isa.FIRE`.

    Attributes:
        pixels: Output pixels.
        x0: Byte at which the first window starts in its row; negative is left padding.
        top: Kernel rows above the image.
        rows: Kernel rows inside the image.
    """

    pixels: int
    x0: int
    top: int
    rows: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a firing does what, in cycles of the pipeline's clock.

    Attributes:
        issue: It is accepted.
        done: Its last chunk is written: its input may be released; the next firing is accepted one cycle later.
        takes: Each row tile is taken into the array, in order.
        words: Each output word is offered, in order; the engine is idle one cycle after the last, if nothing follows.
    """

    issue: int
    done: int
    takes: tuple[int, ...]
    words: tuple[int, ...]


def engine_of(arch: Arch) -> Engine:
    """The crossbar engine of an architecture."""
    crossbar = arch.crossbar
    return Engine(
        arch.lanes, crossbar.rows, crossbar.outputs, crossbar.adcs, arch.dac_steps * crossbar.slices, crossbar.driven
    )


def window_chunks(engine: Engine, layer: Layer, *, x: int, top: int, rows: int) -> tuple[int, ...]:
    """Cycles to gather one window, for each of its row tiles: chunks, one per cycle.

    A kernel row is cut where a tile ends and at the image's left and right edge. A piece inside the image takes a
    chunk for each memory word that it touches; a piece of padding takes one for every word's worth of bytes.

    Args:
        engine: The hardware.
        layer: The layer.
        x: Byte at which the window starts in its row; negative is left padding.
        top: Kernel rows above the image.
        rows: Kernel rows inside the image.
    """
    run, size = layer.run_bytes, layer.run_bytes * layer.kernel_rows
    chunks = [0] * _up(size, engine.rows)
    for tile in range(len(chunks)):
        start, end = tile * engine.rows, min((tile + 1) * engine.rows, size)
        for row in range(start // run, (end - 1) // run + 1):
            first, last = x + max(start - row * run, 0), x + min(end - row * run, run)
            if top <= row < top + rows:
                left = max(min(last, 0) - first, 0)
                right = max(last - max(first, layer.row_bytes), 0)
                first, last = max(first, 0), min(last, layer.row_bytes)
                words = (last - 1) // engine.lanes - first // engine.lanes + 1 if first < last else 0
                chunks[tile] += _up(left, engine.lanes) + words + _up(right, engine.lanes)
            else:
                chunks[tile] += _up(last - first, engine.lanes)
    return tuple(chunks)


def convert_cycles(engine: Engine, channels: int, rows: int) -> int:
    """Cycles to convert one row tile of so many rows: reads, times steps, times ADC groups of its columns."""
    whole, rest = divmod(channels, engine.columns)
    groups = whole * (engine.columns // engine.adcs) + _up(rest, engine.adcs)
    return _up(rows, engine.driven) * engine.steps * groups


def tile_rows(engine: Engine, layer: Layer) -> tuple[int, ...]:
    """Rows of each row tile of a layer."""
    size = layer.run_bytes * layer.kernel_rows
    return tuple(min(engine.rows, size - first) for first in range(0, size, engine.rows))


def drain_columns(engine: Engine, layer: Layer) -> int:
    """Columns that the drain reads in a cycle."""
    return engine.lanes // PARTIAL_BYTES if layer.partial else engine.lanes


def drain_cycles(engine: Engine, layer: Layer) -> int:
    """Cycles to read one pixel's accumulators."""
    return _up(layer.channels, drain_columns(engine, layer))


class Pipeline:
    """The engine's state between firings: the cycle of the last event at every stage.

    Attributes:
        flush_stalls: Cycles in which the drain stood still for the packer's flush, so far.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.flush_stalls = 0
        self._accept = 0  # the gather accepts a firing from this cycle on
        self._taken = 0  # the last tile was taken
        self._convert = 0  # the array can take a tile
        self._bank = deque((0, 0), maxlen=2)  # the bank of the next pixel but one, and of the next, is free
        self._read = 0  # the drain can read
        self._freed = 0  # the drain can offer words for release
        self._flush = -1  # the packer flushes
        self._held: deque[int] = deque(maxlen=DRAIN_LATENCY_CYCLES + 1)  # the drain stood still

    def fire(self, layer: Layer, run: Run, request: int = 0) -> Timeline:
        """The next firing, offered from cycle `request` on."""
        issue = max(request, self._accept)
        written = issue + GATHER_LATENCY_CYCLES - 1
        converts = [convert_cycles(self.engine, layer.channels, rows) for rows in tile_rows(self.engine, layer)]
        takes: list[int] = []
        words: list[int] = []
        bytes_held = 0
        for pixel in range(run.pixels):
            x = run.x0 + pixel * layer.step_bytes
            for tile, chunks in enumerate(window_chunks(self.engine, layer, x=x, top=run.top, rows=run.rows)):
                written = max(written + 1, self._taken) + chunks - 1
                self._taken = max(written + 1, self._convert, self._bank[0] if tile == 0 else 0)
                self._convert = self._taken + converts[tile]
                takes.append(self._taken)
            bytes_held = self._drain(layer, pixel == run.pixels - 1, bytes_held, words)
        self._accept = written + 1
        return Timeline(issue, written, tuple(takes), tuple(words))

    def _drain(self, layer: Layer, end: bool, bytes_held: int, words: list[int]) -> int:
        """Reads a pixel after its conversion; appends the words it completes, returns the bytes left over."""
        lanes, columns = self.engine.lanes, drain_columns(self.engine, layer)
        self._read = max(self._read, self._convert + 2)
        for first in range(0, layer.channels, columns):
            last = first + columns >= layer.channels
            if layer.partial_in and last and end:
                self._read = max(self._read, self._freed)
            read = self._moving(self._read)
            if layer.partial_in and last and end:
                self._freed = read + 2
            self._read = read + 1
            offered = left = self._moving(read + 1) + 1
            for _ in range(DRAIN_LATENCY_CYCLES - 2):
                offered = self._moving(offered) + 1
            if offered == self._flush:
                self._held.append(offered)
                self.flush_stalls += 1
                offered += 1
            bytes_held += min(columns, layer.channels - first) * (PARTIAL_BYTES if layer.partial_out else 1)
            if bytes_held >= lanes:
                words.append(offered + 1)
                bytes_held -= lanes
                self._flush = offered + 1 if bytes_held and end and last else -1
            if end and bytes_held and last:
                words.append(offered + 2 if self._flush == offered + 1 else offered + 1)
                bytes_held = 0
        self._bank.append(left)
        return bytes_held

    def _moving(self, cycle: int) -> int:
        """The first cycle from `cycle` on in which the drain moves."""
        while cycle in self._held:
            cycle += 1
        return cycle


def _up(size: int, step: int) -> int:
    return -(-size // step)

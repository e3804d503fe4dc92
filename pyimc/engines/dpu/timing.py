"""Cycles of one firing of the dpu engine (`rtl/dpu_engine.v`) when its output is never held up.

Cycle 0 is the one in which the firing is accepted. Slots, one a cycle, follow at once: a slot is one memory read
or one kernel column outside the image. Everything behind the reads is a pipeline of fixed length.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from pyimc.isa import OPERATIONS, PAIRS

LATENCY_CYCLES = 9
"""From the last slot of a chunk to the cycle in which a word that it completes is on the output."""
SOFTMAX_PAUSE_CYCLES, NORMALISE_PAUSE_CYCLES = 34, 77
"""Between two readings of a row: until `rtl/row_factor.v` has its factor, five stages behind the last slot."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How an actor walks over its rows: fields of `pyimc.isa` WINDOW and VECTOR, which has what they mean.

    Attributes:
        operation: One of `pyimc.isa.OPERATIONS`.
        run: Bytes of a pixel.
        step: Bytes from one window to the next; concat: bytes of a pixel of input 1.
        row_bytes: Bytes of an input row, without padding.
        kernel_columns: Width of the window in pixels.
        repeat: Further output pixels that a window gives.
        broadcast: Of two maps: input 1 is one pixel, which every pixel of input 0 meets.
        inner: Matmul: bytes of input 0 for a group of an output pixel, `run`; `repeat` is further groups.
        pitch: Matmul: bytes of input 1 from a pixel to the next; `step` is from a group's first to the next group's.
        pause: Softmax, normalise: cycles between two readings of a pixel; `repeat` is further readings, and only the
            last one gives an output.
    """

    operation: int
    run: int
    step: int
    row_bytes: int
    kernel_columns: int = 1
    repeat: int = 0
    broadcast: bool = False
    inner: int = 0
    pitch: int = 0
    pause: int = 0

    @property
    def pair(self) -> bool:
        """It reads two maps at once: its kernel columns are its inputs."""
        return self.operation in (OPERATIONS[name] for name in PAIRS)


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a firing does what.

    Attributes:
        slots: Cycle of the last read, in which the engine says `done`; it accepts the next firing one cycle later.
        words: Cycle in which each output word is offered, in order.
    """

    slots: int
    words: tuple[int, ...]


def timeline(walk: Walk, lanes: int, *, pixels: int = 1, x0: int = 0, rows: int = 1) -> Timeline:
    """A run of pixels of one output row.

    Args:
        walk: How the actor does it.
        lanes: Bytes of a word.
        pixels: Output pixels of the run; matmul: groups of them; softmax, normalise: readings of them.
        x0: Byte at which the first window starts in its row; negative is left padding.
        rows: Kernel rows inside the image.
    """
    cycle = 0
    held = 0
    words: list[int] = []
    for slots, count in chain.from_iterable(_chunks(walk, lanes, pixel, x0, rows) for pixel in range(pixels)):
        cycle += slots
        held += count
        if held >= lanes:
            words.append(cycle + LATENCY_CYCLES)
            held -= lanes
    if held:  # the flush takes a cycle of its own if the last chunk completed a word as well
        last = cycle + LATENCY_CYCLES
        words.append(last + (words[-1:] == [last]))
    return Timeline(cycle, tuple(words))


def _chunks(walk: Walk, lanes: int, pixel: int, x0: int, rows: int) -> Iterator[tuple[int, int]]:
    """Slots and bytes of every chunk of a pixel."""
    if walk.operation == OPERATIONS["MATMUL"]:
        first = pixel % (walk.repeat + 1) * walk.step
        factors = _reads(pixel * walk.inner, walk.inner, lanes)
        for chunk in range(0, walk.run, lanes):
            count = min(lanes, walk.run - chunk)
            places = range(first + chunk, first + chunk + walk.inner * walk.pitch, walk.pitch)
            yield factors + sum(_reads(place, count, lanes) for place in places), count
        return
    if walk.operation == OPERATIONS["CONCAT"]:
        parts = [(run, [pixel * run]) for run in (walk.run, walk.step)]
    else:
        x = x0 + pixel // (walk.repeat + 1) * walk.step
        taps = [x, 0 if walk.broadcast else x] if walk.pair else range(x, x + walk.kernel_columns * walk.run, walk.run)
        parts = [(walk.run, [*taps])]
    reading = pixel % (walk.repeat + 1)
    adds_up = walk.pause > 0 and reading < walk.repeat
    for run, taps in parts:
        for chunk in range(0, run, lanes):
            count = min(lanes, run - chunk)
            slots = sum(_reads(tap + chunk, count, lanes) if 0 <= tap < walk.row_bytes else 1 for tap in taps)
            pause = walk.pause if reading and not chunk else 0
            yield pause + rows * slots, 0 if adds_up else count


def _reads(start: int, count: int, lanes: int) -> int:
    """Memory words that `count` bytes from `start` on touch."""
    return (start + count - 1) // lanes - start // lanes + 1

"""Cycles of one firing of the dpu engine (`rtl/dpu_engine.v`) when its output is never held up.

Cycle 0 is the one in which the firing is accepted. Slots, one a cycle, follow at once: a slot is one memory read
or one kernel column outside the image. Everything behind the reads is a pipeline of fixed length.
"""

from dataclasses import dataclass

LATENCY_CYCLES = 5
"""From the last slot of a chunk to the cycle in which a word that it completes is on the output."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a firing does what.

    Attributes:
        slots: Cycle of the last read, in which the engine says `done`; it accepts the next firing one cycle later.
        words: Cycle in which each output word is offered, in order.
    """

    slots: int
    words: tuple[int, ...]


def add_timeline(words: int) -> Timeline:
    """An element-wise addition of `words` words: two reads for each."""
    return Timeline(2 * words, tuple(2 * (n + 1) + LATENCY_CYCLES for n in range(words)))


def pool_timeline(
    *, lanes: int, channels: int, row_bytes: int, kernel_columns: int, x0: int, step: int, pixels: int, rows: int
) -> Timeline:
    """A run of pixels of one pooled row.

    Args:
        lanes: Bytes of a word.
        channels: Bytes of a pixel.
        row_bytes: Bytes of an input row, without padding.
        kernel_columns: Width of the window in pixels.
        x0: Byte at which the first window starts in its row; negative is left padding.
        step: Bytes from one window to the next.
        pixels: Output pixels of the run.
        rows: Kernel rows inside the image.
    """
    cycle = 0
    held = 0
    words: list[int] = []
    for pixel in range(pixels):
        taps = [x0 + pixel * step + column * channels for column in range(kernel_columns)]
        for chunk in range(0, channels, lanes):
            count = min(lanes, channels - chunk)
            cycle += rows * sum(_reads(tap + chunk, count, lanes) if 0 <= tap < row_bytes else 1 for tap in taps)
            held += count
            if held >= lanes:
                words.append(cycle + LATENCY_CYCLES)
                held -= lanes
    if held:  # the flush takes a cycle of its own if the last chunk completed a word as well
        last = cycle + LATENCY_CYCLES
        words.append(last + (words[-1:] == [last]))
    return Timeline(cycle, tuple(words))


def _reads(start: int, count: int, lanes: int) -> int:
    """Memory words that `count` bytes from `start` on touch."""
    return (start + count - 1) // lanes - start // lanes + 1

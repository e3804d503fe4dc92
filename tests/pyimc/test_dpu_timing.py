"""pyimc.engines.dpu.timing by hand; that the RTL takes these cycles is tests/rtl/test_dpu_engine.py."""

from __future__ import annotations

from pyimc.engines.dpu.timing import LATENCY_CYCLES, Timeline, Walk, timeline
from pyimc.isa import OPERATIONS


def _max(run: int, step: int, row_bytes: int, kernel_columns: int = 1, repeat: int = 0) -> Walk:
    return Walk(OPERATIONS["MAX"], run, step, row_bytes, kernel_columns, repeat)


def after(*slots: int) -> tuple[int, ...]:
    """When the words are offered that are complete with these slots."""
    return tuple(slot + LATENCY_CYCLES for slot in slots)


def test_add_takes_two_cycles_a_word() -> None:
    assert timeline(Walk(OPERATIONS["ADD"], 8, 8, 24, 2), 8, pixels=3) == Timeline(6, after(2, 4, 6))


def test_lut_takes_a_cycle_a_word() -> None:
    assert timeline(Walk(OPERATIONS["LUT"], 8, 8, 24), 8, pixels=3) == Timeline(3, after(1, 2, 3))


def test_concat_of_whole_words_takes_a_cycle_a_word() -> None:
    """Two pixels of 2 + 1 words, then rows of 2 + 1 words."""
    assert timeline(Walk(OPERATIONS["CONCAT"], 16, 8, 32), 8, pixels=2) == Timeline(6, after(1, 2, 3, 4, 5, 6))
    assert timeline(Walk(OPERATIONS["CONCAT"], 16, 8, 16), 8) == Timeline(3, after(1, 2, 3))


def test_concat_of_odd_channels() -> None:
    """Pixels of 5 + 3 bytes: the second 5 straddle; a word is complete with every pixel."""
    assert timeline(Walk(OPERATIONS["CONCAT"], 5, 3, 10), 8, pixels=2) == Timeline(5, after(2, 5))


def test_matmul_reads_a_word_of_factors_and_a_pixel_for_each() -> None:
    """Two groups of 5 factors by 12 bytes, pixels 16 apart: 8 + 4 bytes; the second five straddle two words."""
    walk = Walk(OPERATIONS["MATMUL"], 12, 80, 160, repeat=1, inner=5, pitch=16)
    assert timeline(walk, 8, pixels=2) == Timeline(26, after(6, 19, 26))
    narrow = Walk(OPERATIONS["MATMUL"], 3, 3, 60, repeat=1, inner=4, pitch=6)
    assert timeline(narrow, 8, pixels=2).slots == (1 + 4) + (1 + 4 + 2)


def test_resize_reads_a_pixel_for_every_output() -> None:
    """Pixels of 8 bytes, each three times; of 5 bytes, each twice, the second of which straddles."""
    assert timeline(_max(8, 8, 16, repeat=2), 8, pixels=6) == Timeline(6, after(1, 2, 3, 4, 5, 6))
    assert timeline(_max(5, 5, 10, repeat=1), 8, pixels=4).slots == 1 + 1 + 2 + 2


def test_pool_of_whole_words_takes_one_cycle_a_tap() -> None:
    walk = _max(run=16, step=32, row_bytes=160, kernel_columns=3)
    assert timeline(walk, 16, x0=-16, pixels=2, rows=2) == Timeline(12, after(6, 12))


def test_pool_of_straddling_bytes_takes_two_cycles_a_tap() -> None:
    """Pixels of 5 bytes at 0, 5, 10 in words of 8: only the second straddles."""
    times = timeline(_max(run=5, step=5, row_bytes=15), 8, pixels=3)
    assert times.slots == 1 + 2 + 1
    assert times.words == after(3, 4)


def test_flush_takes_a_cycle_of_its_own() -> None:
    times = timeline(_max(run=5, step=5, row_bytes=15), 8, pixels=2)
    assert times.words == after(3, 4)


def test_max_pool_of_resnet18() -> None:
    """56 x 56 x 64 outputs, 3 x 3, stride 2, padding 1, words of 16: 4 * 9 reads a pixel but for the top row."""
    walk = _max(run=64, step=128, row_bytes=112 * 64, kernel_columns=3)
    slots = sum(timeline(walk, 16, x0=-64, pixels=56, rows=rows).slots for rows in [2] + [3] * 55)
    assert slots == 56 * 4 * 3 * (2 + 3 * 55)

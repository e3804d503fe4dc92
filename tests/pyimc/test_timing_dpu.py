"""pyimc.timing_dpu by hand; that the RTL takes these cycles is tests/rtl/test_dpu_engine.py."""

from __future__ import annotations

from pyimc.timing_dpu import LATENCY_CYCLES, Timeline, add_timeline, pool_timeline


def test_add_takes_two_cycles_a_word() -> None:
    assert add_timeline(3) == Timeline(6, (7, 9, 11))


def test_pool_of_whole_words_takes_one_cycle_a_tap() -> None:
    timeline = pool_timeline(lanes=16, channels=16, row_bytes=160, kernel_columns=3, x0=-16, step=32, pixels=2, rows=2)
    assert timeline == Timeline(12, (6 + LATENCY_CYCLES, 12 + LATENCY_CYCLES))


def test_pool_of_straddling_bytes_takes_two_cycles_a_tap() -> None:
    """Pixels of 5 bytes at 0, 5, 10 in words of 8: only the second straddles."""
    timeline = pool_timeline(lanes=8, channels=5, row_bytes=15, kernel_columns=1, x0=0, step=5, pixels=3, rows=1)
    assert timeline.slots == 1 + 2 + 1
    assert timeline.words == (3 + LATENCY_CYCLES, 4 + LATENCY_CYCLES)


def test_flush_takes_a_cycle_of_its_own() -> None:
    timeline = pool_timeline(lanes=8, channels=5, row_bytes=15, kernel_columns=1, x0=0, step=5, pixels=2, rows=1)
    assert timeline.words == (3 + LATENCY_CYCLES, 4 + LATENCY_CYCLES)


def test_max_pool_of_resnet18() -> None:
    """56 x 56 x 64 outputs, 3 x 3, stride 2, padding 1, words of 16: 4 * 9 reads a pixel but for the top row."""
    slots = sum(
        pool_timeline(
            lanes=16, channels=64, row_bytes=112 * 64, kernel_columns=3, x0=-64, step=128, pixels=56, rows=rows
        ).slots
        for rows in [2] + [3] * 55
    )
    assert slots == 56 * 4 * 3 * (2 + 3 * 55)

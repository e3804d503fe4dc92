"""The steady interval: neither a chip that fills nor one that empties has a part in it."""

from collections.abc import Sequence

import pytest

from mapping.compile import compile_network
from pyimc.arch import load_arch
from pyimc.cycle import simulate
from pyimc.steady import steady_state
from tests.pyimc.networks import residual_network


def steady_interval(first_cycles: Sequence[int], last_cycles: Sequence[int]) -> int | None:
    steady = steady_state(first_cycles, last_cycles)
    return steady and steady.interval


def test_images_that_leave_an_emptying_chip_do_not_count() -> None:
    first = [0, 1, 2, 3, *(100 * n for n in range(1, 13))]
    last = [*(100 * n for n in range(4, 16)), 1501, 1502, 1503, 1504]
    assert steady_interval(first, last) == 100


def test_images_that_fill_the_chip_do_not_count() -> None:
    first = [100 * n for n in range(12)]
    last = [30, 60, 90, *(100 * n + 50 for n in range(3, 12))]
    assert steady_interval(first, last) == 100


def test_few_images() -> None:
    assert [steady_interval(range(n), [7, 20, 50, 60][:n]) for n in range(5)] == [None, None, 13, 22, 30]


@pytest.mark.parametrize("images", [24, 48])
def test_no_interval_beats_the_bound(images: int) -> None:
    options: dict[str, int | str] = {"slack_rows": 8, "priority": "short"}
    arch = load_arch("tiny").model_copy(update={"activation_words": 4096})
    program = compile_network(residual_network(), arch, "round_robin", options)
    run = simulate(program, images)
    interval = steady_interval(run.first_cycles, run.last_cycles)
    assert interval is not None and interval >= program.origin.bounds["interval"]
    assert (run.last_cycles[-1] - run.last_cycles[1]) // (images - 2) < interval


def test_a_chip_that_fills_or_empties_slowly_is_as_fast_as_the_slower_end() -> None:
    fast, slow = ([pace * n for n in range(40)] for pace in (100, 150))
    assert steady_interval(slow, [1500 + cycle for cycle in fast]) == 150
    assert steady_interval(fast, [500 + cycle for cycle in slow]) == 150


def test_the_latency_is_that_of_a_full_chip() -> None:
    first, waits = [100 * n for n in range(20)], [200, 250, *[300] * 16, 250, 200]
    steady = steady_state(first, [cycle + wait - 1 for cycle, wait in zip(first, waits, strict=True)])
    assert steady is not None and steady.latency == 300 and steady.settled


def test_few_images_do_not_settle() -> None:
    steady = steady_state([0, 1, 2, 3], [10, 19, 27, 33])
    assert steady == (8, 22, False)


def test_batches_leave_together() -> None:
    """Three batches of two, 100 cycles apart; within a batch 10."""
    first, last = [0, 5, 100, 105, 200, 205], [300, 310, 400, 410, 500, 510]
    steady = steady_state(first, last, 2)
    assert steady is not None and steady.interval == 50
    assert steady_state(first[:2], last[:2], 2) is None

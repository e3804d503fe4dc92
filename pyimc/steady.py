"""The interval between images once a chip is full."""

from collections.abc import Sequence


def steady_interval(first_cycles: Sequence[int], last_cycles: Sequence[int]) -> int | None:
    """Cycles between images in the steady state, rounded.

    The window: while new images still enter, without the first third of those that leave by then, which fill the
    chip. What leaves later leaves a chip that only empties, faster than others could follow. In the window images may
    leave faster than they enter, or the other way round, while the number in the chip changes; neither lasts, so the
    longer of the two mean intervals counts.

    Images that share PUs overtake each other's rows, so that single intervals scatter; the mean of few is a sample. If
    fewer than three images leave in the window, it is the mean of all intervals but the first and the last; of fewer
    than four images, that of all intervals.

    Args:
        first_cycles: Per image, when its first input flit was taken.
        last_cycles: Per image, when its last output flit was taken.

    Returns:
        None for fewer than two images.
    """
    leaving = [cycle for cycle in last_cycles if cycle <= first_cycles[-1]] if first_cycles else []
    steady = leaving[len(leaving) // 3 :]
    if len(steady) > 2:
        entering = [cycle for cycle in first_cycles if steady[0] <= cycle <= steady[-1]]
        return round(max(_mean_interval(steady), _mean_interval(entering)))
    inner = last_cycles[1:-1] if len(last_cycles) > 3 else last_cycles
    return round(_mean_interval(inner)) if len(inner) > 1 else None


def _mean_interval(cycles: Sequence[int]) -> float:
    return (cycles[-1] - cycles[0]) / (len(cycles) - 1) if len(cycles) > 1 else 0.0

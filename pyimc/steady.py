"""The interval between images once a chip is full."""

from collections.abc import Sequence


def steady_interval(first_cycles: Sequence[int], last_cycles: Sequence[int]) -> int | None:
    """Cycles between images in the steady state, rounded: the mean between the images that leave the chip while new
    ones still enter, without the first third of them, which fill it.

    Those that leave later do so from a chip that only empties, faster than others could follow: deep buffers would
    seem to beat the work that an image is. Images that share PUs overtake each other's rows, so that single intervals
    scatter; the mean of few is a sample. If fewer than three are left, the mean of all intervals but the first and the
    last is taken; of fewer than four images, that of all intervals.

    Args:
        first_cycles: Per image, when its first input flit was taken.
        last_cycles: Per image, when its last output flit was taken.

    Returns:
        None for fewer than two images.
    """
    leaving = [cycle for cycle in last_cycles if cycle <= first_cycles[-1]] if first_cycles else []
    steady = leaving[len(leaving) // 3 :]
    if len(steady) < 3:
        steady = list(last_cycles[1:-1] if len(last_cycles) > 3 else last_cycles)
    return round((steady[-1] - steady[0]) / (len(steady) - 1)) if len(steady) > 1 else None

"""The steady state of a stream of images: how far apart they are, and how late, once the chip is full."""

from collections.abc import Sequence
from typing import NamedTuple

MANY_IMAGES = 192
"""Images of a run whose interval lasts. A chip with deep rings takes images in faster than it can work for a while, and
images that share PUs leave at distances that scatter."""


class Steady(NamedTuple):
    """Means over some images, in cycles.

    Attributes:
        interval: Between images.
        latency: From the first flit of an image that enters the chip to its last one that leaves it, both included.
        settled: There were enough images; otherwise some of them left a chip that was emptying, and the interval may be
            shorter than any that lasts.
    """

    interval: int
    latency: int
    settled: bool


def steady_state(first_cycles: Sequence[int], last_cycles: Sequence[int], batch: int = 1) -> Steady | None:
    """The steady state of a run.

    It is that of the images that leave while new ones still enter, without the first third of them, which fill the
    chip. What leaves later leaves a chip that only empties, faster than others could follow. Meanwhile images may leave
    faster than they enter, or the other way round, while the number in the chip changes; neither lasts, so the longer
    of the two mean intervals counts.

    Images that share PUs overtake each other's rows, so that single intervals scatter; the mean of few is a sample. If
    it would be of fewer than three images, it is of all but the first and the last; of fewer than four, of all.

    Args:
        first_cycles: Per image, when its first input flit was taken.
        last_cycles: Per image, when its last output flit was taken.
        batch: Images that leave close together, and then none for a while: then it is that of the last ones of batches.

    Returns:
        None for fewer than two images, or batches.
    """
    if batch > 1:
        found = steady_state(first_cycles[batch - 1 :: batch], last_cycles[batch - 1 :: batch])
        return found and found._replace(interval=round(found.interval / batch))
    if len(last_cycles) < 2:
        return None
    left = sum(cycle <= first_cycles[-1] for cycle in last_cycles)
    images = range(left // 3, left)
    entering: list[int] = []
    settled = len(images) > 2
    if settled:
        start, stop = last_cycles[images[0]], last_cycles[images[-1]]
        entering = [cycle for cycle in first_cycles if start <= cycle <= stop]
    else:
        images = range(1, len(last_cycles) - 1) if len(last_cycles) > 3 else range(len(last_cycles))
    interval = max(_mean_interval(entering), _mean_interval([last_cycles[image] for image in images]))
    latencies = [last_cycles[image] - first_cycles[image] + 1 for image in images]
    return Steady(round(interval), round(sum(latencies) / len(latencies)), settled)


def _mean_interval(cycles: Sequence[int]) -> float:
    return (cycles[-1] - cycles[0]) / (len(cycles) - 1) if len(cycles) > 1 else 0.0

"""Softmax: y = clamp(zo + round_shift(e[c] * floor(m[1] * 2**20 / sum(e)), shift)).

e[c] = 2**20 * 2**-((max - x[c]) * exponent / 2**16), see `exponentials`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimc.operators.operator import Operator, Requantisation
from pyimc.tensors import Map, Pair, Shape, TensorType

ROW_MAX = 4096
"""Channels whose sums the engine holds."""
ONE_BITS = 20
"""Of a power of two by a distance of 0."""
EXPONENT_BITS = 20
FRACTION_BITS = 16
"""Of an exponent: a step of the input is worth `exponent` / 2**16 octaves."""
_SEGMENT_BITS = 4
_POWERS = np.array([round(2 ** (ONE_BITS - n / 16)) for n in range(17)], np.int64)
_SHIFT_MAX = 31


def exponentials(distances: NDArray[np.int64], exponent: int) -> NDArray[np.int64]:
    """Powers of two, 2**20 at a distance of 0; a straight line between the ends of one of 16 segments, rounded down.

    Args:
        distances: int64, 0 to 255 each, of any shape.
        exponent: What a distance of 1 is worth, in 2**-16 octaves.
    """
    octaves = distances * exponent
    rest_bits = FRACTION_BITS - _SEGMENT_BITS
    segment, rest = octaves >> rest_bits & (1 << _SEGMENT_BITS) - 1, octaves & (1 << rest_bits) - 1
    falls = _POWERS[segment] - _POWERS[segment + 1]
    return (_POWERS[segment] - (falls * rest >> rest_bits)) >> np.minimum(octaves >> FRACTION_BITS, _SHIFT_MAX)


@dataclass(frozen=True, slots=True)
class Softmax(Operator):
    """The channels of every pixel as shares of 1, those of each group (a head of attention) on their own.

    Attributes:
        groups: Rows beside each other in the channels of a pixel.
        exponent: What a step of the input is worth, in 2**-16 octaves.
        multipliers: The first is 0 and without a meaning.
    """

    groups: int
    exponent: int
    multipliers: Pair
    shift: int
    output_zero_point: int
    clamp: Pair

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """That of the input."""
        return sources[0].shape

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """Whole groups, which the engine's sums hold."""
        del target
        channels = sources[0].channels
        if self.groups < 1 or channels % self.groups:
            return [f"its input has {channels} channels, which are no {self.groups} groups"]
        faults = []
        if channels // self.groups > ROW_MAX:
            faults.append(f"a row of {channels // self.groups} channels is longer than {ROW_MAX}")
        if not 0 <= self.exponent < 1 << EXPONENT_BITS:
            faults.append(f"exponent {self.exponent} is outside 0..2**{EXPONENT_BITS}-1")
        return faults

    def requantisation(self) -> Requantisation:
        """Of the powers."""
        return Requantisation(self.multipliers, self.shift, (), self.output_zero_point, self.clamp)

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Row by row: distances to the largest, powers, their sum, one factor for all."""
        rows = inputs[0].reshape(-1, target.channels // self.groups).astype(np.int64)
        powers = exponentials(rows.max(axis=1, keepdims=True) - rows, self.exponent)
        factors = (self.multipliers[1] << ONE_BITS) // powers.sum(axis=1, keepdims=True)
        return self.requantisation().apply(powers * factors).reshape(target.shape)

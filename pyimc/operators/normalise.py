"""Normalise: y = clamp(zo + round_shift((256 * x - mean) * floor(m[1] * 2**20 / deviation), shift)), pixel by pixel.

Of a pixel with n channels, S their sum and Q the sum of their squares, mean = 256 * S / n rounded half up, and
deviation = floor(sqrt((n * Q - S**2 + epsilon) * 2**40)), that is 2**20 * n times that of its bytes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyimc.operators.operator import Operator, Requantisation
from pyimc.operators.softmax import ONE_BITS, ROW_MAX
from pyimc.tensors import Map, Pair, Shape, TensorType

FINE_BITS = 8
"""Of a mean, behind the point."""
EPSILON_BITS = 32


@dataclass(frozen=True, slots=True)
class Normalise(Operator):
    """The channels of every pixel less their mean, over their deviation: a layer normalisation without gain and bias.

    Attributes:
        epsilon: What the variance has besides, times n**2, in squares of an input step.
        multipliers: The first is 0 and without a meaning.
    """

    epsilon: int
    multipliers: Pair
    shift: int
    output_zero_point: int
    clamp: Pair

    def shape(self, sources: Sequence[TensorType]) -> Shape:
        """That of the input."""
        return sources[0].shape

    def faults(self, sources: Sequence[TensorType], target: TensorType) -> list[str]:
        """What the engine's sums hold."""
        del target
        faults = []
        if sources[0].channels > ROW_MAX:
            faults.append(f"a row of {sources[0].channels} channels is longer than {ROW_MAX}")
        if not 0 <= self.epsilon < 1 << EPSILON_BITS:
            faults.append(f"epsilon {self.epsilon} is outside 0..2**{EPSILON_BITS}-1")
        return faults

    def requantisation(self) -> Requantisation:
        """Of bytes less their mean."""
        return Requantisation(self.multipliers, self.shift, (), self.output_zero_point, self.clamp)

    def run(self, inputs: Sequence[Map], target: TensorType) -> Map:
        """Pixel by pixel; a row without any variance has that of one step in one channel."""
        count = target.channels
        rows = inputs[0].reshape(-1, count).astype(np.int64)
        sums = rows.sum(axis=1)
        means = ((sums << FINE_BITS + 1) + count) // (2 * count)
        variances = count * (rows**2).sum(axis=1) - sums**2 + self.epsilon
        numerator = self.multipliers[1] << ONE_BITS
        roots = (math.isqrt(max(variance, 1) << 2 * ONE_BITS) for variance in variances.tolist())
        factors = np.array([numerator // root for root in roots], np.int64)
        products = ((rows << FINE_BITS) - means[:, None]) * factors[:, None]
        return self.requantisation().apply(products).reshape(target.shape)

"""Weights beyond int8, as a uint8 with its zero point is (-255..255), on a crossbar of int8 cells.

They are the sum of two int8 weights, in rare cases of three. A layer then is a chain of layers that add up, as the
vertical parts of a cut one do; partial maps fill whole words, so a layer whose channels might not reads its input
twice, side by side, instead. Both are exact.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mapping.importer.values import Target
from pyimc.network import Concat, Mvm, Node, TensorType
from pyimc.numerics import SHIFT_MIN, UINT8_MAX

Kernels = NDArray[np.int16]

WHOLE_WORDS = 8
"""Channels of which a partial map fills whole words, however wide these are."""
_AS_IT_IS = (1 << 30, 30)  # multiplier and shift


def int8_terms(kernels: Kernels) -> list[Kernels]:
    """Kernels within -128..127 whose sum is the given ones."""
    terms: list[Kernels] = []
    rest = kernels
    while rest.any() or not terms:
        terms.append(np.clip(rest, -128, 127))
        rest = rest - terms[-1]
    return terms


def in_terms(layer: Mvm, source: TensorType, terms: Sequence[Kernels], target: Target) -> tuple[Node, ...]:
    """The nodes of a layer whose weights are the sum of several; adds the tensors between them to the target's.

    Args:
        layer: With bias, requantisation and all else; its weights do not count.
        source: Type of its input.
        terms: At least two, int16 [Cout, Kh, Kw, Cin] of int8 values.
        target: What the layer becomes.
    """
    layer = replace(layer, groups=1)
    if layer.bias.size % WHOLE_WORDS == 0:
        return _chain(layer, terms, target)
    return _side_by_side(layer, source, terms, target)


def _stored(layer: Mvm, kernels: Kernels) -> NDArray[np.int8]:
    return np.ascontiguousarray(kernels.reshape(layer.bias.size, layer.kernel[0], -1), np.int8)


def _chain(layer: Mvm, terms: Sequence[Kernels], target: Target) -> tuple[Node, ...]:
    kind = TensorType(target.kind.height, target.kind.width, layer.bias.size, 1.0, 0, partial=True)
    nodes: list[Node] = []
    sums: tuple[str, ...] = ()
    for index, kernels in enumerate(terms[:-1]):
        output = f"{target.output}/w{index}"
        target.tensors[output] = kind
        nodes.append(
            replace(
                layer,
                name=f"{layer.name}/w{index}",
                inputs=(*layer.inputs, *sums),
                output=output,
                weights=_stored(layer, kernels),
                bias=np.zeros_like(layer.bias),
                multiplier=np.zeros_like(layer.multiplier),
                shift=np.full_like(layer.shift, SHIFT_MIN),
                output_zero_point=0,
                clamp=(0, UINT8_MAX),
            )
        )
        sums = (output,)
    last = replace(layer, inputs=(*layer.inputs, *sums), weights=_stored(layer, terms[-1]))
    return (*nodes, last)


def _side_by_side(layer: Mvm, source: TensorType, terms: Sequence[Kernels], target: Target) -> tuple[Node, ...]:
    (wide,), zero = layer.inputs, layer.input_zero_point
    nodes: list[Node] = []
    for count in range(2, len(terms) + 1):
        output = f"{target.output}/x{count}"
        target.tensors[output] = replace(source, channels=count * source.channels)
        nodes.append(
            Concat(
                name=f"{layer.name}/x{count}",
                inputs=(wide, *layer.inputs),
                output=output,
                axis="channels",
                multipliers=(_AS_IT_IS[0], _AS_IT_IS[0]),
                shift=_AS_IT_IS[1],
                input_zero_points=(zero, zero),
                output_zero_point=zero,
                clamp=(0, UINT8_MAX),
            )
        )
        wide = output
    weights = _stored(layer, np.concatenate(list(terms), axis=3))
    return (*nodes, replace(layer, inputs=(wide,), weights=weights))

"""Concat: a chain of nodes with two inputs, in which every value is requantised once.

Maps above each other are added up: each lies, by a layer of ones with padding, where the others are zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Literal

import numpy as np

from mapping.importer.lowering import fixed_point, rescale
from mapping.importer.parts import part_name
from mapping.importer.selection import selection
from mapping.importer.values import Activation, Call, Layout, Operator, Pending, Target, Unsupported, same_rank
from pyimc.network import Add, Concat, Mvm, Node
from pyimc.numerics import UINT8_MAX

Side = Literal["channels", "columns"]
_PLACES = {1: 2, 2: 0, 3: 1}
"""Of axes of a map, in height, width, channels."""


def lower(call: Call) -> Pending:
    """Activations that differ along the axis only, each with its own scale."""
    sources = [call.activation(index) for index in range(len(call.arguments))]
    first = sources[0]
    rank = len(first.shape)
    axis = call.attributes["axis"]
    axis = axis + rank if axis < 0 else axis
    if rank == 2 and any(source.hwc[:2] != (1, 1) for source in sources):
        raise Unsupported("its inputs are flattened maps (only vectors; join the maps, then flatten)")
    if not 1 <= axis < rank:
        raise Unsupported(f"axis={axis} (only channels, rows and columns)")
    if len(sources) == 1:
        return rescale(call, first)
    place = 1 if rank == 3 and axis == 2 else _PLACES[axis]
    *ends, total = accumulate(source.hwc[place] for source in sources)
    hwc = [*first.hwc]
    hwc[place] = total
    found = (hwc[0], hwc[1], hwc[2])
    emit: Callable[[Target], tuple[Node, ...]]
    if place == 0:
        emit = _above_each_other(sources)
    else:
        emit = _side_by_side(sources, ends, "channels" if place == 2 else "columns")
    return Pending(emit, same_rank(first.shape, found), found, name=call.name)


def _side_by_side(sources: Sequence[Activation], ends: list[int], side: Side) -> Callable[[Target], tuple[Node, ...]]:
    """What is joined so far has the output's scale and zero point, so the next node copies it."""

    def emit(target: Target) -> tuple[Concat, ...]:
        first = sources[0]
        joined, scale, zero_point = first.tensor, first.quantisation.scale, first.quantisation.zero_point
        nodes = []
        for number, source in enumerate(sources[1:], 2):
            name, output = target.name, target.output
            if number < len(sources) and side == "channels":
                name, output = (part_name(each, 0, ends[number - 1]) for each in (target.name, target.output))
            elif number < len(sources):
                name, output = f"{name}/{number}", f"{output}/{number}"
                target.tensors[output] = replace(target.kind, width=ends[number - 1])
            (one, other), shift = fixed_point(
                [scale / target.kind.scale, source.quantisation.scale / target.kind.scale]
            )
            nodes.append(
                Concat(
                    name=name,
                    inputs=(joined, source.tensor),
                    output=output,
                    axis=side,
                    multipliers=(one, other),
                    shift=shift,
                    input_zero_points=(zero_point, source.quantisation.zero_point),
                    output_zero_point=target.kind.zero_point,
                    clamp=target.clamp,
                )
            )
            joined, scale, zero_point = output, target.kind.scale, target.kind.zero_point
        return tuple(nodes)

    return emit


def _above_each_other(sources: Sequence[Activation]) -> Callable[[Target], tuple[Node, ...]]:
    """Only the last sum is clamped: before, a limit could change the zeros of rows that are still to come."""

    def emit(target: Target) -> tuple[Node, ...]:
        layers: list[Mvm] = []
        above = 0
        for number, source in enumerate(sources, 1):
            height, _, channels = source.hwc
            meaning = source.quantisation
            output = f"{target.output}/rows{number}"
            target.tensors[output] = replace(target.kind, scale=meaning.scale, zero_point=meaning.zero_point)
            ones = np.eye(channels, dtype=np.int8)[:, np.newaxis, np.newaxis]
            layer = selection(f"{target.name}/rows{number}", source.tensor, output, meaning.zero_point, ones)
            pads = (above, 0, target.kind.height - above - height, 0)
            layers.append(replace(layer, pads=pads, groups=channels))
            above += height
        sums: list[Add] = []
        joined, scale, zero_point = layers[0].output, sources[0].quantisation.scale, layers[0].output_zero_point
        for number, (layer, source) in enumerate(zip(layers[1:], sources[1:], strict=True), 2):
            last = number == len(layers)
            output = target.output if last else f"{target.output}/{number}"
            target.tensors[output] = target.kind
            (one, other), shift = fixed_point(
                [scale / target.kind.scale, source.quantisation.scale / target.kind.scale]
            )
            sums.append(
                Add(
                    name=target.name if last else f"{target.name}/{number}",
                    inputs=(joined, layer.output),
                    output=output,
                    multipliers=(one, other),
                    shift=shift,
                    input_zero_points=(zero_point, source.quantisation.zero_point),
                    output_zero_point=target.kind.zero_point,
                    clamp=target.clamp if last else (0, UINT8_MAX),
                )
            )
            joined, scale, zero_point = output, target.kind.scale, target.kind.zero_point
        return (*layers, *sums)

    return emit


LIMITS = "any number of inputs; along the rows of maps it takes a layer of ones and an addition for each"
OPERATORS = (Operator("Concat", lower, {"QLinearConcat": Layout((2,), output=0, repeated=True)}, limits=LIMITS),)

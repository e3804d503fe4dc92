"""Concat along channels: a chain of nodes with two inputs, in which every value is requantised once."""

from itertools import accumulate

from mapping.importer.lowering import fixed_point, rescale
from mapping.importer.parts import part_name
from mapping.importer.values import Call, Layout, Operator, Pending, Target, Unsupported
from pyimc.network import Concat


def lower(call: Call) -> Pending:
    """Activations of one height and width, each with its own scale."""
    sources = [call.activation(index) for index in range(len(call.arguments))]
    first = sources[0]
    rank = len(first.shape)
    if call.attributes["axis"] not in (1, 1 - rank):
        raise Unsupported(f"axis={call.attributes['axis']} (only 1, the channels)")
    if rank == 2 and any(source.hwc[:2] != (1, 1) for source in sources):
        raise Unsupported("its inputs are flattened maps (only vectors; join the maps, then flatten)")
    if len(sources) == 1:
        return rescale(call, first)
    *ends, channels = accumulate(source.hwc[2] for source in sources)

    def emit(target: Target) -> tuple[Concat, ...]:
        """What is joined so far has the output's scale and zero point, so the next node copies it."""
        names = [(part_name(target.name, 0, end), part_name(target.output, 0, end)) for end in ends[1:]]
        joined, scale, zero_point = first.tensor, first.quantisation.scale, first.quantisation.zero_point
        nodes = []
        for source, (name, output) in zip(sources[1:], [*names, (target.name, target.output)], strict=True):
            (one, other), shift = fixed_point(
                [scale / target.kind.scale, source.quantisation.scale / target.kind.scale]
            )
            nodes.append(
                Concat(
                    name=name,
                    inputs=(joined, source.tensor),
                    output=output,
                    axis="channels",
                    multipliers=(one, other),
                    shift=shift,
                    input_zero_points=(zero_point, source.quantisation.zero_point),
                    output_zero_point=target.kind.zero_point,
                    clamp=target.clamp,
                )
            )
            joined, scale, zero_point = output, target.kind.scale, target.kind.zero_point
        return tuple(nodes)

    shape = (1, channels, *first.shape[2:])
    return Pending(emit, shape, (*first.hwc[:2], channels), name=call.name)


LIMITS = "any number of inputs, along the channels (axis=1)"
OPERATORS = (Operator("Concat", lower, {"QLinearConcat": Layout((2,), output=0, repeated=True)}, limits=LIMITS),)

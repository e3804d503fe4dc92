"""Softmax and LayerNormalization: what the channels of a pixel, a token, have in common.

Softmax goes along the channels of a map, or of several matrices beside each other, whose columns are the pixels. A
layer normalisation has channels last, so it reads a matrix that is transposed; its result is to be transposed back.
"""

import math

from mapping.importer.lowering import fixed_point
from mapping.importer.values import Activation, Call, Operator, Pending, Target, Unsupported
from pyimc.network import Normalise, Softmax
from pyimc.numerics import SHIFT_MAX
from pyimc.operators.normalise import EPSILON_BITS, FINE_BITS
from pyimc.operators.softmax import EXPONENT_BITS, FRACTION_BITS, ONE_BITS, ROW_MAX


def lower_softmax(call: Call) -> Pending:
    """Shares of 1; one step of the input is worth so many octaves.

    Raises:
        Unsupported: It goes along anything but channels.
    """
    source = _source(call)
    rank, rows = len(source.shape), call.attributes.get("axis", -1) % len(source.shape)
    along = 1 if source.is_map else rank - 1 if source.turned else rank - 2
    size = source.shape[rows]
    if rows != along or source.hwc[2] % size:
        raise Unsupported(f"axis={rows} of shape {source.shape} (only the channels of a map, or of each of its heads)")
    groups = source.hwc[2] // size

    def emit(target: Target) -> tuple[Softmax]:
        octaves = source.quantisation.scale * math.log2(math.e)
        exponent = min(round(octaves * (1 << FRACTION_BITS)), (1 << EXPONENT_BITS) - 1)
        (_, multiplier), shift = fixed_point([0.0, 1 / target.kind.scale])
        if shift + ONE_BITS > SHIFT_MAX:
            raise Unsupported(f"the scale of its output is {target.kind.scale} (only below {1 << 12})")
        scales = ((0, multiplier), shift + ONE_BITS, target.kind.zero_point, target.clamp)
        return (Softmax(target.name, (source.tensor,), target.output, groups, exponent, *scales),)

    return Pending(emit, source.shape, source.hwc, name=call.name, turned=source.turned, last=True)


def lower_normalisation(call: Call) -> Pending:
    """Over the channels of each token; gain and bias are in the layers behind it by now.

    Raises:
        Unsupported: It goes over anything else, or they are not.
    """
    source = _source(call)
    rank, axis = len(source.shape), call.attributes.get("axis", -1)
    if not source.turned or rank != 3 or axis % rank != 2:
        raise Unsupported(f"axis={axis} of shape {source.shape} (only the channels of tokens, in float models)")
    for index, neutral in ((1, 1.0), (2, 0.0)):
        if call.argument(index) is not None and (call.constant(index).values != neutral).any():
            raise Unsupported("it has a gain or a bias (in float models these go into the layers behind it)")
    channels = source.hwc[2]

    def emit(target: Target) -> tuple[Normalise]:
        scale = source.quantisation.scale
        epsilon = round(call.attributes.get("epsilon", 1e-5) * channels**2 / scale**2)
        if epsilon >= 1 << EPSILON_BITS:
            raise Unsupported(f"its epsilon is {epsilon} squares of an input step (only below 2**{EPSILON_BITS})")
        (_, multiplier), shift = fixed_point([0.0, channels / (target.kind.scale * (1 << FINE_BITS))])
        scales = ((0, multiplier), shift, target.kind.zero_point, target.clamp)
        return (Normalise(target.name, (source.tensor,), target.output, epsilon, *scales),)

    return Pending(emit, source.shape, source.hwc, name=call.name, turned=True, last=True)


def _source(call: Call) -> Activation:
    source = call.matrix(0)
    if not source.real:
        raise Unsupported("it works on integers (only on a dequantised activation)")
    if source.hwc[2] > ROW_MAX:
        raise Unsupported(f"it goes along {source.hwc[2]} channels (only {ROW_MAX})")
    if len(source.shape) == 2 and source.hwc[:2] != (1, 1):
        raise Unsupported("its input is a flattened map (only a map, a vector or matrices)")
    return source


OPERATORS = (
    Operator(
        "Softmax",
        lower_softmax,
        limits="along the channels of a map, or of the heads that it is (in float models of tokens with channels last, "
        "too); behind the last layer the host computes it",
    ),
    Operator(
        "LayerNormalization",
        lower_normalisation,
        limits="over the channels of tokens, (1, T, C), in float models; also written out as means, a root and a "
        "quotient; stash_type does not matter; behind the last layer the host computes it",
    ),
)

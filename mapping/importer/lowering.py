"""What several operators share: sliding windows, Mvm nodes, rescaling 1x1 pools, real values."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mapping.importer.values import (
    Activation,
    Call,
    Constant,
    Curve,
    Pending,
    Quantisation,
    Target,
    Unsupported,
    same_rank,
)
from mapping.importer.wide import in_terms, int8_terms
from pyimc.network import ACCUMULATOR_MAX, Mvm, Node, Pads, Pair, Pool, TensorType, valid_counts, window_shape
from pyimc.numerics import UINT8_MAX, quantise_multipliers


def sliding_window(call: Call, source: Activation, kernel: Pair) -> tuple[Pair, Pads]:
    """Stride and resolved pads of a Conv or a pool.

    Args:
        call: The operator, of whose attributes strides, pads and auto_pad are read.
        source: Its input, a map of four dimensions.
        kernel: Height and width of the window, dilation included.

    Returns:
        Stride, and pads as top, left, bottom, right.

    Raises:
        Unsupported: The input is not a map, or an attribute is outside what the chip can do.
    """
    require_map(source)
    stride = pair(call.attributes.get("strides", [1, 1]))
    size = source.hwc[:2]
    mode = call.attributes.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same_pads(size, kernel, stride, upper=mode == "SAME_UPPER")
    elif mode in ("VALID", "NOTSET"):
        given = call.attributes.get("pads", [0, 0, 0, 0]) if mode == "NOTSET" else [0, 0, 0, 0]
        starts, ends = (pair(given[side : side + len(given) // 2], 0) for side in (0, len(given) // 2))
        pads = (*starts, *ends)
    else:
        raise Unsupported(f"auto_pad={mode}")
    if min(pads) < 0:
        raise Unsupported(f"pads={list(pads)} (only 0 and more)")
    if min(window_shape(size, kernel, stride, pads)) < 1:
        raise Unsupported(f"kernel {kernel} does not fit the padded map {size}")
    return stride, pads


def require_map(source: Activation) -> None:
    """Refuse what has no rows or columns.

    Raises:
        Unsupported: The input is a vector.
    """
    if len(source.shape) not in (3, 4):
        raise Unsupported(f"input of shape {source.shape} (only a map of three or four dimensions)")


def pair(along: Sequence[int], of_rows: int = 1) -> Pair:
    """An attribute of rows and columns; one of columns only, as a row (1, C, W) has it, gets a value for the rows."""
    rows, columns = along if len(along) == 2 else (of_rows, *along)
    return rows, columns


def _same_pads(size: Pair, kernel: Pair, stride: Pair, *, upper: bool) -> Pads:
    ends: list[tuple[int, int]] = []
    for extent, window, step in zip(size, kernel, stride, strict=True):
        total = max((math.ceil(extent / step) - 1) * step + window - extent, 0)
        small, large = total // 2, total - total // 2
        ends.append((small, large) if upper else (large, small))
    (top, bottom), (left, right) = ends
    return top, left, bottom, right


def mvm(
    call: Call,
    source: Activation,
    kernels: NDArray[np.int16],
    scale: NDArray[np.float64],
    bias: Constant | None,
    stride: Pair,
    pads: Pads,
    groups: int = 1,
) -> Pending:
    """The pending result of a Conv or a fully connected layer.

    Args:
        call: The ONNX operator.
        source: Its input.
        kernels: Integers of its weights, [Cout, Kh, Kw, Cin].
        scale: Of its weights, one value or one per output channel.
        bias: One value per output channel, or None.
        stride: Vertical and horizontal step.
        pads: Top, left, bottom, right.
        groups: Blocks on the diagonal outside which the kernels are 0.
    """
    channels = kernels.shape[0]
    kernel = (kernels.shape[1], kernels.shape[2])
    height, width = window_shape(source.hwc[:2], kernel, stride, pads)

    def emit(target: Target) -> tuple[Node, ...]:
        terms = int8_terms(kernels)
        accumulator_scale = source.quantisation.scale * np.broadcast_to(scale, channels)
        folded = _bias_integers(bias, accumulator_scale)
        folded = folded - source.quantisation.zero_point * kernels.sum(axis=(1, 2, 3), dtype=np.int64)
        if np.abs(folded).max() > ACCUMULATOR_MAX:
            raise Unsupported("its bias needs more than 32 bits at the scale of its weights and input")
        scales = [fixed_point([float(each) / target.kind.scale]) for each in accumulator_scale]
        node = Mvm(
            name=target.name,
            inputs=(source.tensor,),
            output=target.output,
            kernel=kernel,
            stride=stride,
            pads=pads,
            weights=np.ascontiguousarray(terms[0].reshape(channels, kernel[0], -1), np.int8),
            bias=folded.astype(np.int32),
            multiplier=np.array([m0 for (m0,), _ in scales], np.int32),
            shift=np.array([shift for _, shift in scales], np.uint8),
            input_zero_point=source.quantisation.zero_point,
            output_zero_point=target.kind.zero_point,
            clamp=target.clamp,
            groups=groups,
        )
        if len(terms) == 1:
            return (node,)
        return in_terms(node, TensorType(*source.hwc, source.quantisation.scale, node.input_zero_point), terms, target)

    found = (height, width, channels)
    return Pending(emit, same_rank(source.shape, found), found, name=call.name)


def quantised_weights(call: Call, index: int, channel_axis: int) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """The integers of the weights at an argument's position, and their scale.

    Raises:
        Unsupported: They are not constant, not quantised, or scaled along another axis than the output channels.
    """
    weights = call.constant(index)
    if weights.scale is None:
        raise Unsupported("its weights are not quantised")
    if not weights.values.size:
        raise Unsupported(f"its weights have the shape {weights.values.shape}: there are none")
    if weights.scale.size > 1 and weights.axis != channel_axis:
        raise Unsupported(f"its weights are scaled along axis {weights.axis} (only {channel_axis}, per output channel)")
    return weights.values, weights.scale


def conv_weights(call: Call, source: Activation, channel_axis: int) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """The constant weights of a convolution, input 1, for the map that it reads.

    Returns:
        int16 [.., .., Kh, Kw], of rows with Kh = 1, and the scales of their channels.
    """
    integers, scale = quantised_weights(call, 1, channel_axis)
    require_map(source)
    if integers.ndim != len(source.shape):
        raise Unsupported(f"weights of shape {integers.shape} on an input of shape {source.shape}")
    return (integers[:, :, np.newaxis] if integers.ndim == 3 else integers), scale


def bias_vector(call: Call, index: int, channels: int) -> Constant | None:
    """The optional bias at an argument's position, checked to be one value or one per output channel."""
    if call.argument(index) is None:
        return None
    bias = call.constant(index)
    if bias.values.size not in (1, channels):
        raise Unsupported(f"its bias has {bias.values.size} values for {channels} output channels")
    return bias


def _bias_integers(bias: Constant | None, scale: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bias in units of the accumulator's scale, int64 [Cout]."""
    if bias is None:
        return np.zeros(scale.size, np.int64)
    values = np.broadcast_to(bias.values.reshape(-1), scale.size)
    if bias.scale is not None:
        if np.allclose(bias.scale, scale, rtol=1e-6, atol=0):
            return values.astype(np.int64)
        values = values * bias.scale
    return np.rint(np.clip(values / scale, -(2.0**62), 2.0**62)).astype(np.int64)


def copied(source: Activation, emit: Callable[[Target], tuple[Node, ...]]) -> Callable[[Target], tuple[Node, ...]]:
    """What makes nodes that move values and change none: refused where the output's scale or range is another.

    Args:
        source: What is moved.
        emit: Makes the nodes.
    """

    def checked(target: Target) -> tuple[Node, ...]:
        meaning = (source.quantisation.scale, source.quantisation.zero_point)
        if (target.kind.scale, target.kind.zero_point) != meaning or target.clamp != (0, UINT8_MAX):
            raise Unsupported("its output has another scale or range than its input (only the same)")
        return emit(target)

    return checked


def fixed_point(reals: list[float]) -> tuple[tuple[int, ...], int]:
    """Multipliers and their common shift for real factors.

    Raises:
        Unsupported: A factor is outside what multiplier and shift can hold.
    """
    try:
        return quantise_multipliers(reals)
    except ValueError as error:
        raise Unsupported(str(error)) from error


def pool(
    call: Call, source: Activation, mode: Literal["max", "average"], kernel: Pair, stride: Pair, pads: Pads, *,
    include_pads: bool = False, gain: float = 1.0,
) -> Pending:  # fmt: skip
    """The pending result of a pool.

    Args:
        call: The ONNX operator.
        source: Its input.
        mode: Max or average.
        kernel: Height and width of the window.
        stride: Vertical and horizontal step.
        pads: Top, left, bottom, right.
        include_pads: An average counts padded pixels (as zeros) in its divisor.
        gain: Extra real factor of the result.
    """
    size = source.hwc[:2]
    height, width = window_shape(size, kernel, stride, pads)
    window = kernel[0] * kernel[1]
    counts = np.unique(valid_counts(size, kernel, stride, pads)) if mode == "average" else np.array([1])
    if not counts.all():
        raise Unsupported(f"pads={list(pads)} put a whole window of {kernel} into the padding")

    def emit(target: Target) -> tuple[Pool]:
        reals = [0.0] * (window + 1)
        for count in counts.tolist():
            divisor = 1 if mode == "max" else window if include_pads else count
            reals[count] = gain * source.quantisation.scale / (target.kind.scale * divisor)
        multipliers, shift = fixed_point(reals)
        node = Pool(
            name=target.name,
            inputs=(source.tensor,),
            output=target.output,
            mode=mode,
            kernel=kernel,
            stride=stride,
            pads=pads,
            multipliers=np.array(multipliers, np.int32),
            shift=shift,
            input_zero_point=source.quantisation.zero_point,
            output_zero_point=target.kind.zero_point,
            clamp=target.clamp,
        )
        return (node,)

    found = (height, width, source.hwc[2])
    shape = source.shape if len(source.shape) == 2 else same_rank(source.shape, found)
    return Pending(emit, shape, found, name=call.name)


def rescale(call: Call, source: Activation, gain: float = 1.0) -> Pending:
    """The pending result of an elementwise clamp or change of scale: a pool of 1x1 windows."""
    result = pool(call, source, "average", (1, 1), (1, 1), (0, 0, 0, 0), gain=gain)
    curve = Curve(source, gain * real_values(source.quantisation))
    return replace(result, limited=source if gain == 1 else None, curve=curve)


def real_values(quantisation: Quantisation) -> NDArray[np.float64]:
    """The real value of every stored value, float64 [256]."""
    return quantisation.scale * (np.arange(UINT8_MAX + 1, dtype=np.float64) - quantisation.zero_point)

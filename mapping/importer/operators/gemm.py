"""Gemm and MatMul: a fully connected layer, which is a convolution whose kernel is the whole map."""

from collections.abc import Mapping
from typing import Any

from mapping.importer.lowering import bias_vector, mvm, quantised_weights
from mapping.importer.product import PRODUCTS, lower_product
from mapping.importer.values import Call, Constant, Layout, Operator, Pending, Unsupported


def lower_gemm(call: Call) -> Pending:
    """A vector times constant weights, plus an optional bias."""
    call.require(alpha=1.0, beta=1.0, transA=0)
    return _lower(call, transposed=_channel_axis(call.attributes) == 0)


def lower_matmul(call: Call) -> Pending:
    """A vector times constant weights, or a product of two activations."""
    if not isinstance(call.argument(0), Constant) and not isinstance(call.argument(1), Constant):
        return lower_product(call)
    return _lower(call, transposed=False)


def _channel_axis(attributes: Mapping[str, Any]) -> int:
    """Axis of the output channels in the weights."""
    return 0 if attributes.get("transB", 0) else 1


def _lower(call: Call, *, transposed: bool) -> Pending:
    source = call.activation(0)
    integers, scale = quantised_weights(call, 1, channel_axis=0 if transposed else 1)
    if len(source.shape) != 2 or integers.ndim != 2:
        raise Unsupported(f"shapes {source.shape} and {integers.shape} (only two dimensions; flatten a map first)")
    if not transposed:
        integers = integers.T
    height, width, channels = source.hwc
    if integers.shape[1] != height * width * channels:
        raise Unsupported(f"weights for {integers.shape[1]} inputs on {height * width * channels}")
    kernels = integers.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    bias = bias_vector(call, 2, integers.shape[0])
    return mvm(call, source, kernels, scale, bias, (1, 1), (0, 0, 0, 0))


OPERATORS = (
    Operator(
        "Gemm",
        lower_gemm,
        {"QGemm": Layout((0, 3), output=7, bias=6, channel_axis=_channel_axis)},
        limits="a vector times constant weights; bias of one value or one per output; transA=0; other alpha and beta "
        "than 1 in float models only",
    ),
    Operator(
        "MatMul",
        lower_matmul,
        {"QLinearMatMul": Layout((0, 3), output=6, channel_axis=_channel_axis)},
        limits=f"a vector times constant weights of two dimensions; {PRODUCTS}",
    ),
)

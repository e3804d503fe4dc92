"""Conv: any kernel, stride and padding, in one group."""

from mapping.importer.lowering import bias_vector, mvm, quantised_weights, sliding_window
from mapping.importer.values import Call, Layout, Operator, Pending, Unsupported


def lower(call: Call) -> Pending:
    """A convolution with constant weights [Cout, Cin, Kh, Kw] and an optional bias [Cout]."""
    call.require(group=1)
    source = call.activation(0)
    integers, scale = quantised_weights(call, 1, channel_axis=0)
    if integers.ndim != 4:
        raise Unsupported(f"weights of shape {integers.shape} (only two-dimensional)")
    stride, pads = sliding_window(call, source, (integers.shape[2], integers.shape[3]))
    if integers.shape[1] != source.hwc[2]:
        raise Unsupported(f"weights for {integers.shape[1]} input channels on a map of {source.hwc[2]}")
    bias = bias_vector(call, 2, integers.shape[0])
    return mvm(call, source, integers.transpose(0, 2, 3, 1), scale, bias, stride, pads)


OPERATORS = (Operator("Conv", lower, {"QLinearConv": Layout(operands=(0, 3), output=6, bias=8)}),)

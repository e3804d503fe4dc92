"""Conv: any kernel, stride, padding and dilation, in any number of groups; of rows as maps of height 1."""

from mapping.importer.kernels import dilated, ungrouped
from mapping.importer.lowering import bias_vector, conv_weights, mvm, pair, sliding_window
from mapping.importer.values import Call, Layout, Operator, Pending, Unsupported


def lower(call: Call) -> Pending:
    """A convolution with constant weights [Cout, Cin / groups, Kh, Kw] and an optional bias [Cout]."""
    source = call.activation(0)
    integers, scale = conv_weights(call, source, channel_axis=0)
    groups = call.attributes.get("group", 1)
    outputs, inputs = integers.shape[:2]
    if inputs * groups != source.hwc[2]:
        raise Unsupported(f"weights for {inputs * groups} input channels on a map of {source.hwc[2]}")
    if outputs % groups:
        raise Unsupported(f"{outputs} output channels in {groups} groups")
    integers = ungrouped(dilated(integers, pair(call.attributes.get("dilations", [1, 1]))), groups)
    stride, pads = sliding_window(call, source, (integers.shape[2], integers.shape[3]))
    bias = bias_vector(call, 2, outputs)
    return mvm(call, source, integers.transpose(0, 2, 3, 1), scale, bias, stride, pads, groups)


LIMITS = "maps and rows; weights and bias are constants; pads of 0 and more"
OPERATORS = (Operator("Conv", lower, {"QLinearConv": Layout((0, 3), output=6, bias=8)}, limits=LIMITS),)

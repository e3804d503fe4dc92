"""Softmax at the end of the network: the chip sends what it reads, the host computes it."""

from mapping.importer.values import Call, HostTail, Layout, Operator


def lower(call: Call) -> HostTail:
    """A step left to the host."""
    return HostTail(call.activation(0), (call.op_type,))


OPERATORS = (
    Operator("Softmax", lower, {"QLinearSoftmax": Layout((0,), output=3)}, calibrated=False),
    Operator("LogSoftmax", lower, calibrated=False),
)

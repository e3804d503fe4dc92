"""What flows between ONNX nodes while a quantised model is imported, and what an operator is.

Both ways to write an int8 model, QDQ (DequantizeLinear, float operator, QuantizeLinear) and QOperator
(QLinearConv and friends), become the same `Call`: a float operator on dequantised values. Its result is
`Pending` until the output's scale is known, and only then becomes a node of the network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pyimc.network import Node, TensorType

Shape = tuple[int, ...]


class Unsupported(Exception):
    """Why one ONNX node cannot be imported; the importer collects them into one `UnsupportedOperator`."""


class Unresolved(Unsupported):
    """The node reads what a refused node should have computed: not its own fault, so not reported."""


def hwc(shape: Shape) -> tuple[int, int, int]:
    """Height, width and channels of a map (1, C, H, W), a row (1, C, W), whose height is 1, or a vector (1, N)."""
    height, width = (1, 1, *shape[2:])[-2:]
    return height, width, shape[1]


def same_rank(shape: Shape, hwc: tuple[int, int, int]) -> Shape:
    """The ONNX shape of so many rows, columns and channels with as many dimensions as a map or row has."""
    return (1, hwc[2], *hwc[:2][4 - len(shape) :])


@dataclass(frozen=True, slots=True)
class Quantisation:
    """What the integers of an activation mean.

    Attributes:
        scale: Real value of one step.
        zero_point: Of the network's uint8, to which int8 is shifted by 128.
        signed: The ONNX tensor is int8.
    """

    scale: float
    zero_point: int
    signed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """An initialiser.

    Attributes:
        values: As stored; if it is quantised, signed integers less their zero point.
        scale: float64, one value or one per index of `axis`; None if it is not quantised.
        axis: Axis of a scale with several values.
    """

    values: NDArray[Any]
    scale: NDArray[np.float64] | None = None
    axis: int = 0


@dataclass(frozen=True, slots=True)
class Activation:
    """A uint8 tensor of the network as the ONNX graph sees it.

    Attributes:
        tensor: Its name in the network.
        quantisation: What its integers mean.
        shape: The ONNX shape; differs from `hwc` after Flatten, in order of channel, row, column.
        hwc: Height, width, channels in the network.
        real: Dequantised; otherwise a consumer sees the integers.
        curve: What it is of another activation, if a Lut computes it.
        turned: The last two dimensions of `shape` have changed places; only a product of matrices reads that.
    """

    tensor: str
    quantisation: Quantisation
    shape: Shape
    hwc: tuple[int, int, int]
    real: bool = True
    curve: "Curve | None" = None
    turned: bool = False

    @property
    def is_map(self) -> bool:
        """`shape` is that of a map, a row or a vector, not one that only matrices have."""
        return not self.turned and (len(self.shape) == 2 or hwc(self.shape) == self.hwc)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A function of one activation, value by value.

    Attributes:
        source: The activation.
        values: float64 [256], the real result for every stored value of the source.
        operators: The ONNX operators that it consists of.
    """

    source: Activation
    values: NDArray[np.float64]
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawInput:
    """An int8 or uint8 graph input whose scale its first consumer will tell."""

    name: str
    shape: Shape
    signed: bool


@dataclass(frozen=True, slots=True)
class Target:
    """The node and tensor that a pending result becomes.

    Attributes:
        tensors: Of the network so far, to which those between several nodes are added.
    """

    name: str
    output: str
    kind: TensorType
    clamp: tuple[int, int]
    tensors: dict[str, TensorType]


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A real-valued result that waits for the scale of its output.

    Attributes:
        emit: Makes the nodes once the target is known; all but the last compute parts of the output (`parts.py`).
        shape: The ONNX shape.
        hwc: Height, width, channels in the network.
        low: Lower limit of a fused Relu or Clip.
        high: Upper limit of a fused Clip.
        name: Name of the ONNX node that computes it.
        limited: The activation of which it is only a clamped copy, if it is one.
        curve: What it is, before its limits, of an activation whose values it treats one by one.
        last: Behind the last layer it is the host's: a constant map is one of its operands, or it is a row's function.
        turned: As of an activation.
    """

    emit: Callable[[Target], tuple[Node, ...]]
    shape: Shape
    hwc: tuple[int, int, int]
    low: float = -np.inf
    high: float = np.inf
    name: str = ""
    limited: Activation | None = None
    curve: Curve | None = None
    last: bool = False
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The result of a node that was refused, or depends on one: what follows is still checked, but not built.

    Attributes:
        shape: The ONNX shape, if it is known.
    """

    shape: Shape | None = None


Value = Constant | Activation | RawInput | Pending | Unknown


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A float operator on its arguments; None stands for an optional argument left out.

    Attributes:
        outputs: Names of the ONNX tensors that it computes.
    """

    name: str
    op_type: str
    attributes: Mapping[str, Any]
    arguments: tuple[Value | None, ...]
    outputs: tuple[str, ...]

    def argument(self, index: int) -> Value | None:
        """The argument at a position, None when it is left out."""
        return self.arguments[index] if index < len(self.arguments) else None

    def activation(self, index: int) -> Activation:
        """The argument at a position, which must be a quantised activation: a map, a row or a vector."""
        value = self.matrix(index)
        if not value.is_map:
            raise Unsupported(f"its input {index} is a matrix of shape {value.shape} (only a map, a row or a vector)")
        return value

    def matrix(self, index: int) -> Activation:
        """The argument at a position, which must be a quantised activation, as a matrix or not."""
        value = self.argument(index)
        if isinstance(value, Activation):
            return value
        if isinstance(value, Unknown):
            if value.shape is None or len(value.shape) not in (2, 3, 4):
                raise Unresolved
            return Activation("", Quantisation(1.0, 0), value.shape, hwc(value.shape))
        if isinstance(value, RawInput):
            raise Unsupported("it reads the graph input before that is quantised")
        if isinstance(value, Pending):
            raise Unsupported(f"its input {index} is not quantised (no QuantizeLinear behind {value.name})")
        raise Unsupported(f"its input {index} must be an activation, not a constant")

    def constant(self, index: int) -> Constant:
        """The argument at a position, which must be a constant."""
        value = self.argument(index)
        if isinstance(value, Unknown):
            raise Unresolved
        if not isinstance(value, Constant):
            raise Unsupported(f"its input {index} must be a constant")
        return value

    def axes(self) -> list[int]:
        """Axes as they are named, by input 1, which must be a constant, or by an attribute; none if they are not."""
        if self.argument(1) is not None:
            return [int(axis) for axis in self.constant(1).values.reshape(-1)]
        return list(self.attributes.get("axes", []))

    def require(self, **allowed: Any) -> None:
        """Refuse attributes that are given with another value than the allowed one."""
        for name, value in allowed.items():
            given = self.attributes.get(name, value)
            if given != value:
                raise Unsupported(f"{name}={given} (only {value})")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a QOperator keeps its operands.

    Attributes:
        operands: Position of each operand, its scale and zero point following it.
        output: Position of the output's scale, its zero point following it.
        bias: Position of an int32 bias whose scale is the product of the operands' scales.
        channel_axis: Axis of the weights along which they may have several scales, from the attributes.
        repeated: More operands, as many as the node has, follow the one of `operands`.
    """

    operands: tuple[int, ...]
    output: int
    bias: int | None = None
    channel_axis: Callable[[Mapping[str, Any]], int] = lambda attributes: 0
    repeated: bool = False


Role = Literal["layer", "copy", "shape", "limit", "function"]
"""How our quantiser treats an operator.

layer: reads integers; its result has a scale of its own. copy: its result keeps the scale of what it reads. shape: the
same values under another shape. limit: Relu and Clip, part of what is before them. function: of one value, in float up
to what needs a scale.
"""


@dataclass(frozen=True, slots=True)
class Operator:
    """One ONNX operator.

    Attributes:
        op_type: Its name.
        lower: Turns a call into a value, or one for each of several outputs, or raises `Unsupported`.
        quantised: Layout of each QOperator form, by op type.
        role: What it is to our quantiser, see `Role`.
        limits: What of it is not supported, and what of its attributes does not matter; for docs/operators.md.
    """

    op_type: str
    lower: Callable[[Call], Value | tuple[Value, ...]]
    quantised: Mapping[str, Layout] = field(default_factory=dict)
    role: Role = "layer"
    limits: str = ""

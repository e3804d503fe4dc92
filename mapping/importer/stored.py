"""Constants as maps: a pixel that a vector engine sends for every image, a map as the weights of a layer.

Such a layer reads one pixel of one channel, which is 1. Its kernel is the map, so that every window but for its padding
holds that pixel and one of the weights. Of a map with more pixels than a crossbar has rows the kernel is one column
wide and has the pixels of a row as its channels, which are then laid out as pixels.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mapping.importer.values import Activation, Call, Constant, Quantisation, Shape, Target, Unsupported, hwc
from pyimc.network import DepthToSpace, Mvm, Node, Stored, TensorType
from pyimc.numerics import UINT8_MAX
from pyimc.tensors import Map

ONE = "stored:one"
"""Tensor of the pixel that all such layers read."""
_MOST_ROWS = 256
_ZERO = 128  # the weight 0
_AS_IT_IS = (1 << 30, 30)  # multiplier and shift


@dataclass(frozen=True, slots=True, eq=False)
class StoredMap:
    """A constant on its way into the network.

    Attributes:
        real: float64 [height, width, channels].
        quantisation: What its bytes will mean.
        shape: The ONNX shape.
    """

    real: NDArray[np.float64]
    quantisation: Quantisation
    shape: Shape

    @property
    def hwc(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        height, width, channels = self.real.shape
        return height, width, channels

    def compared(self, quantisation: Quantisation) -> "StoredMap":
        """With bytes that mean what those of another map mean.

        Raises:
            Unsupported: They cannot hold a value.
        """
        steps = np.rint(self.real / quantisation.scale) + quantisation.zero_point
        if steps.min() < 0 or steps.max() > UINT8_MAX:
            raise Unsupported("its constant has values beyond the range of the map that it is compared with")
        return replace(self, quantisation=quantisation)

    def nodes(self, target: Target, side: str) -> tuple[Node, ...]:
        """What computes the tensor `target.output.side` of the network.

        Args:
            target: Of the node that reads it.
            side: Distinguishes it from others that this node reads.
        """
        name, tensor = f"{target.name}.{side}", f"{target.output}.{side}"
        height, width, channels = self.hwc
        kind = TensorType(height, width, channels, self.quantisation.scale, self.quantisation.zero_point)
        target.tensors[tensor] = kind
        stored = np.clip(np.rint(self.real / kind.scale) + kind.zero_point, 0, UINT8_MAX).astype(np.uint8)
        if (height, width) == (1, 1):
            return (Stored(name, (), tensor, stored.reshape(-1)),)
        source: tuple[Node, ...] = ()
        if ONE not in target.tensors:
            target.tensors[ONE] = TensorType(1, 1, 1, 1.0, 0)
            source = (Stored(ONE, (), ONE, np.ones(1, np.uint8)),)
        if height == 1 or height * width <= _MOST_ROWS:
            return (*source, _layer(name, tensor, stored, kind.zero_point))
        rows = f"{tensor}/rows"
        target.tensors[rows] = replace(kind, width=1, channels=width * channels)
        layer = _layer(f"{name}/rows", rows, stored.reshape(height, 1, -1), kind.zero_point)
        return (*source, layer, DepthToSpace(name, (rows,), tensor, (1, width)))


def _layer(name: str, output: str, values: Map, zero_point: int) -> Mvm:
    """A layer on the pixel that is 1, whose kernel is a map, upside down."""
    height, width, channels = values.shape
    weights = (values[::-1, ::-1].astype(np.int16) - _ZERO).astype(np.int8)
    multiplier, shift = _AS_IT_IS
    return Mvm(
        name=name,
        inputs=(ONE,),
        output=output,
        kernel=(height, width),
        stride=(1, 1),
        pads=(height - 1, width - 1, height - 1, width - 1),
        weights=np.ascontiguousarray(weights.transpose(2, 0, 1)),
        bias=np.full(channels, _ZERO - zero_point, np.int32),
        multiplier=np.full(channels, multiplier, np.int32),
        shift=np.full(channels, shift, np.uint8),
        input_zero_point=0,
        output_zero_point=zero_point,
        clamp=(0, UINT8_MAX),
    )


def stored_map(call: Call, index: int, like: Activation) -> StoredMap:
    """The constant at an argument's position as a map that goes together with an activation.

    Raises:
        Unsupported: Its shape or its values do not allow it.
    """
    constant = call.constant(index)
    scale = np.ones(1) if constant.scale is None else constant.scale
    along = [1] * constant.values.ndim
    if scale.size > 1:
        along[constant.axis] = scale.size
    real = constant.values * (scale.reshape(along) if constant.values.ndim else scale[0])
    if not np.isfinite(real).all():
        raise Unsupported("its constant holds values that are not finite")
    shape, (height, width, channels) = _met(constant.values.shape, like)
    places = np.broadcast_to(real, shape).reshape(channels, height, width).transpose(1, 2, 0)
    return StoredMap(np.ascontiguousarray(places, np.float64), _meaning(constant, real), shape)


def _met(shape: Shape, like: Activation) -> tuple[Shape, tuple[int, int, int]]:
    """The shape of a constant that a map, a row or a vector meets, in ONNX and in the network: a pixel, or whole."""
    rank = len(like.shape)
    full = (*[1] * (rank - len(shape)), *shape)
    if like.is_map and like.shape[0] == 1 and len(full) == rank and full[0] == 1 and full[1] in (1, like.shape[1]):
        whole = (1, like.shape[1], *full[2:])
        if all(size == 1 for size in full[2:]) and rank > 2:
            return whole, (1, 1, like.shape[1])
        if all(size in (1, along) for size, along in zip(full[2:], like.shape[2:], strict=True)):
            return like.shape, like.hwc
        if rank == 4 and like.hwc[:2] == (1, 1):
            return whole, hwc(whole)
    raise Unsupported(f"its constant has the shape {shape}, which does not go together with {like.shape}")


def _meaning(constant: Constant, real: NDArray[np.float64]) -> Quantisation:
    """That of its integers if they are bytes of one scale, else that of the range of its values."""
    if constant.scale is not None and constant.scale.size == 1 and constant.values.dtype.kind == "i":
        zero_point = max(0, -int(constant.values.min(initial=0)))
        if constant.values.max(initial=0) + zero_point <= UINT8_MAX:
            return Quantisation(float(constant.scale[0]), zero_point)
    low, high = float(real.min(initial=0.0)), float(real.max(initial=0.0))
    step = (high - low) / UINT8_MAX or 1.0
    return Quantisation(step, round(-low / step))

"""ReduceMean, ReduceSum and ReduceMax: pools with windows as high or as wide as the map; channels as columns first."""

from dataclasses import replace
from typing import Literal

from mapping.importer.lowering import pool, require_map
from mapping.importer.values import Activation, Call, Operator, Pending, Target, Unsupported, hwc, same_rank
from pyimc.network import DepthToSpace, Node, Pair, TensorType
from pyimc.numerics import UINT8_MAX

_COLUMNS = 255
"""Of a window, at most."""


def lower_mean(call: Call) -> Pending:
    """The mean along some axes."""
    return _lower(call, "average")


def lower_sum(call: Call) -> Pending:
    """The sum along some axes: as many times the mean as pixels were added."""
    return _lower(call, "average", summed=True)


def lower_max(call: Call) -> Pending:
    """The largest value along some axes."""
    return _lower(call, "max")


def _lower(call: Call, mode: Literal["max", "average"], *, summed: bool = False) -> Pending:
    source = call.activation(0)
    require_map(source)
    rank = len(source.shape)
    given = call.axes()
    axes = sorted(axis % rank for axis in given)
    if not axes or axes[0] < 1:
        raise Unsupported(f"axes={given} of shape {source.shape} (only channels, rows and columns of a map)")
    height, width = (source.hwc[index] if index + rank - 2 in axes else 1 for index in (0, 1))
    channels = source.hwc[2] if axes[0] == 1 else 1
    gain = float(height * width * channels if summed else 1)
    if channels > 1:
        found = _of_channels(call, source, mode, (height, width), gain)
    else:
        found = pool(call, source, mode, (height, width), (1, 1), (0, 0, 0, 0), gain=gain)
    if call.attributes.get("keepdims", 1):
        return found
    shape = tuple(size for axis, size in enumerate(found.shape) if axis not in axes)
    if len(shape) < 2 or hwc(shape) != found.hwc:
        raise Unsupported(f"keepdims=0 along axes {given} of {source.shape}, which moves the values that are left")
    return replace(found, shape=shape)


def _of_channels(
    call: Call, source: Activation, mode: Literal["max", "average"], window: Pair, gain: float
) -> Pending:  # fmt: skip
    """Channels as columns of a map of one channel, which are pooled; the largest of many in several steps."""
    height, width, channels = source.hwc
    spread = replace(source, shape=(1, 1, height, width * channels), hwc=(height, width * channels, 1))
    steps: list[tuple[Pair, Pair]] = [((window[0], window[1] * channels), (1, channels))]
    if window[1] * channels > _COLUMNS:
        if mode == "average":
            raise Unsupported(f"a mean of {window[1] * channels} columns and channels (only {_COLUMNS} at most)")
        steps = [((1, size), (1, size)) for size in _factors(channels)] + [(window, (1, 1))] * (window != (1, 1))
    pooled: list[Pending] = []
    for kernel, stride in steps:
        before = spread if not pooled else replace(spread, shape=pooled[-1].shape, hwc=pooled[-1].hwc)
        pooled.append(pool(call, before, mode, kernel, stride, (0, 0, 0, 0), gain=gain if mode == "average" else 1.0))

    def emit(target: Target) -> tuple[Node, ...]:
        meaning = source.quantisation
        tensor = f"{target.output}/columns"
        nodes: list[Node] = [DepthToSpace(f"{target.name}/columns", (source.tensor,), tensor, (1, channels))]
        target.tensors[tensor] = TensorType(*spread.hwc, meaning.scale, meaning.zero_point)
        for number, each in enumerate(pooled[:-1], 1):
            kind = TensorType(*each.hwc, meaning.scale, meaning.zero_point)
            output = f"{target.output}/columns{number}"
            target.tensors[output] = kind
            whole = replace(target, name=f"{target.name}/{number}", output=output, kind=kind, clamp=(0, UINT8_MAX))
            nodes += (replace(node, inputs=(tensor,)) for node in each.emit(whole))
            tensor = output
        return (*nodes, *(replace(node, inputs=(tensor,)) for node in pooled[-1].emit(target)))

    return replace(pooled[-1], emit=emit, shape=same_rank(source.shape, pooled[-1].hwc))


def _factors(number: int) -> list[int]:
    """Factors of a number that a window can have as columns, few of them."""
    found = []
    while number > 1:
        factor = max((each for each in range(2, _COLUMNS + 1) if number % each == 0), default=0)
        if not factor:
            raise Unsupported(f"{number} channels (only a product of numbers up to {_COLUMNS})")
        found.append(factor)
        number //= factor
    return found


_AXES = "channels, rows and columns of a map, named as constants (noop_with_empty_axes does not matter)"
_KEPT = "keepdims=0 only where the axes that are left keep their places, as those before the last"
OPERATORS = (
    Operator("ReduceMean", lower_mean, limits=f"{_AXES}; {_KEPT}"),
    Operator("ReduceSum", lower_sum, limits=f"{_AXES}; {_KEPT}"),
    Operator("ReduceMax", lower_max, limits=f"{_AXES}; {_KEPT}"),
)

"""What the vector engine is told of a node: the fields of WINDOW, VECTOR and OUTPUT, and its parameters."""

from dataclasses import dataclass

from pyimc.arch import Arch
from pyimc.isa import OPERATIONS
from pyimc.network import Add, Concat, Lut, Mvm, Network, Node, Pair, Pool, Resize
from pyimc.numerics import UINT8_MAX
from pyimc.timing_dpu import Walk

VectorNode = Add | Pool | Concat | Lut | Resize
ALL: Pair = (0, UINT8_MAX)


@dataclass(frozen=True, slots=True)
class Task:
    """One actor's; units as in `pyimc.isa`.

    Attributes:
        walk: How it walks over its rows.
        kernel_rows: Height of its window.
        multipliers: What its parameters hold, in order.
        shift: Of all multipliers.
        zero_points: Of its inputs.
        output_zero_point: Of its output.
        clamp: Lowest and highest output.
        table: What lut looks up; empty for all others.
    """

    walk: Walk
    kernel_rows: int
    multipliers: tuple[int, ...]
    shift: int
    zero_points: Pair
    output_zero_point: int
    clamp: Pair
    table: bytes = b""


def task(network: Network, node: VectorNode, arch: Arch) -> Task:
    """What a node comes to; the pixels of element-wise operators are words."""
    word = arch.lanes
    sources = [network.tensors[name] for name in node.inputs]
    pixels = [source.pixel_bytes for source in sources]
    rows = [source.row_bytes for source in sources]
    match node:
        case Add():
            walk = Walk(OPERATIONS["ADD"], run=word, step=word, row_bytes=rows[0], kernel_columns=2)
        case Concat():
            runs = pixels if node.axis == "channels" else rows
            walk = Walk(OPERATIONS["CONCAT"], run=runs[0], step=runs[1], row_bytes=max(rows))
        case Lut():
            walk = Walk(OPERATIONS["LUT"], run=word, step=word, row_bytes=rows[0])
            return Task(walk, 1, (0, 1), 1, (0, 0), 0, ALL, node.table.tobytes())
        case Resize():
            walk = Walk(OPERATIONS["MAX"], run=pixels[0], step=pixels[0], row_bytes=rows[0], repeat=node.factor - 1)
            return Task(walk, 1, (0, 2), 1, (0, 0), 0, ALL)  # 2 * x / 2
        case Pool():
            walk = Walk(
                OPERATIONS[node.mode.upper()],
                run=pixels[0],
                step=node.stride[1] * pixels[0],
                row_bytes=rows[0],
                kernel_columns=node.kernel[1],
            )
            zeros = (node.input_zero_point, 0)
            multipliers = tuple(node.multipliers.tolist())
            return Task(walk, node.kernel[0], multipliers, node.shift, zeros, node.output_zero_point, node.clamp)
    return Task(walk, 1, node.multipliers, node.shift, node.input_zero_points, node.output_zero_point, node.clamp)


def parameter_count(node: Node) -> int:
    """Parameters that a node takes, in channels."""
    match node:
        case Mvm():
            return node.bias.size
        case Pool():
            return len(node.multipliers)
    return 2
